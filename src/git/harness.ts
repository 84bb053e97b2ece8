/** For tests only: a truth on SQLite, a smart HTTP server over it, and the real git client. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { deflateSync } from 'node:zlib';
import { type Clock, systemClock } from '../kernel/clock.ts';
import { systemIds } from '../kernel/ids.ts';
import { FolderBlobStore } from '../kernel/store/blobs.ts';
import { collected } from './change.ts';
import type { Collection } from './collect.ts';
import { GitStore } from './git-store.ts';
import type { PushRules } from './receive-pack.ts';
import { parentNames } from './ref-name.ts';
import { type GitDoor, gitEndpointOf, serveGit } from './smart-http.ts';
import {
  type PackRecord,
  type RepositoryChange,
  type RepositoryState,
  type RepositoryTruth,
  type Roots,
  STALE,
  sortRefs,
} from './truth.ts';

/** Tips that were left so long ago are led to by nothing. */
export const COLLECT_AFTER_MS = 14 * 24 * 3_600_000;

/** The rows of repositories, as a service would keep them. */
export class SqliteTruths {
  readonly #db: DatabaseSync;
  /** The time of a drop. */
  now = (): number => systemClock.now().getTime();

  /** Happens between the work of a collection and its transaction, and after that. */
  beforeCollect = async (): Promise<void> => undefined;
  afterCollect = async (): Promise<void> => undefined;

  constructor(path = ':memory:') {
    this.#db = new DatabaseSync(path);
    this.#db.exec(`
      PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS repositories (id TEXT PRIMARY KEY, generation INTEGER, head TEXT,
        collections INTEGER DEFAULT 0, mentions INTEGER DEFAULT 0);
      CREATE TABLE IF NOT EXISTS tips (repository TEXT, id TEXT, at INTEGER, PRIMARY KEY (repository, id));
      CREATE TABLE IF NOT EXISTS mentions (repository TEXT, id TEXT, PRIMARY KEY (repository, id));
      CREATE TABLE IF NOT EXISTS refs (repository TEXT, name TEXT, id TEXT, peeled TEXT, PRIMARY KEY (repository, name));
      CREATE TABLE IF NOT EXISTS packs
        (repository TEXT, id TEXT, objects INTEGER, bytes INTEGER, sealed INTEGER, PRIMARY KEY (id));
      CREATE TABLE IF NOT EXISTS dropped (repository TEXT, id TEXT, at INTEGER, PRIMARY KEY (id));
    `);
  }

  truth(id: string): RepositoryTruth {
    this.#db.prepare('INSERT OR IGNORE INTO repositories (id, generation) VALUES (?, 0)').run(id);
    return {
      id,
      load: async (known) => this.#load(id, known),
      dataKey: async () => this.dataKey(id),
      swapPacks: async (remove, add) => this.#transact(() => this.#swap(id, remove, add)),
      looseTips: async () => this.#tips(id, 'at <= ?'),
      forgetTips: async (tips) => {
        for (const tip of tips) this.#db.prepare('DELETE FROM tips WHERE id = ? AND at <= ?').run(tip, this.#cutOff());
      },
      roots: async () => {
        const { generation, mentions } = this.#row(id);
        const mentioned = this.#db.prepare('SELECT id FROM mentions WHERE repository = ?').all(id);
        const ids = [...this.#tips(id, 'at > ?'), ...mentioned.map((row) => String(row['id']))];
        return { generation, mentions, ids, graceEnd: this.#cutOff() };
      },
      collect: async (roots, packs) => {
        await this.beforeCollect();
        const isCollected = this.#transact(() => this.#collect(id, roots, packs));
        await this.afterCollect();
        return isCollected;
      },
      droppedPacks: async () =>
        this.#db.prepare('SELECT id, at AS droppedAt FROM dropped WHERE repository = ?').all(id) as never,
      forgetDropped: async (packIds) => {
        for (const packId of packIds) this.#db.prepare('DELETE FROM dropped WHERE id = ?').run(packId);
      },
    };
  }

  /** The transaction of a push; the first branch becomes the head. */
  commit(id: string, change: RepositoryChange): ReadonlyMap<string, string> {
    return this.#transact(() => {
      if (change.collections !== null && change.collections !== this.#row(id).collections) throw collected();
      const refused = new Map<string, string>();
      const applied: string[] = [];
      const deletionsFirst = change.updates.toSorted((a, b) => Number(a.to !== null) - Number(b.to !== null));
      this.#db.exec('SAVEPOINT updates');
      for (const { name, from, to, peeled, forced } of deletionsFirst) {
        const problem = this.#problem(id, name, from, to);
        if (problem !== null) {
          refused.set(name, problem);
          continue;
        }
        applied.push(name);
        this.#db.prepare('DELETE FROM refs WHERE repository = ? AND name = ?').run(id, name);
        const left = this.#db.prepare('INSERT OR REPLACE INTO tips VALUES (?, ?, ?)');
        if (from !== null && (forced || to === null)) left.run(id, from, this.now());
        if (to !== null) this.#db.prepare('INSERT INTO refs VALUES (?, ?, ?, ?)').run(id, name, to, peeled);
        const isBranch = to !== null && name.startsWith('refs/heads/');
        if (isBranch) this.#db.prepare('UPDATE repositories SET head = coalesce(head, ?) WHERE id = ?').run(name, id);
      }
      if (change.atomic && refused.size > 0) {
        this.#db.exec('ROLLBACK TO updates');
        return new Map(change.updates.map(({ name }) => [name, refused.get(name) ?? 'atomic push failure']));
      }
      if (applied.length > 0 && change.pack !== null) this.#addPack(id, change.pack);
      if (applied.length > 0) this.#touch(id);
      return refused;
    });
  }

  /** Writes a row that names an object, as a comment would. @throws {GitFailure} `collected` */
  mention(id: string, objectId: string, collections: number): void {
    this.#transact(() => {
      if (collections !== this.#row(id).collections) throw collected();
      this.#db.prepare('INSERT OR IGNORE INTO mentions VALUES (?, ?)').run(id, objectId);
      this.#db.prepare('UPDATE repositories SET mentions = mentions + 1 WHERE id = ?').run(id);
    });
  }

  /** The key of a repository; may be replaced to refuse it. Another process makes the same one. */
  dataKey = (id: string): Buffer => createHash('sha256').update(`data key of ${id}`).digest();

  /** Makes the packs look as former versions have left them. */
  unseal(id: string): void {
    this.#db.prepare('UPDATE packs SET sealed = 0 WHERE repository = ?').run(id);
    this.#touch(id);
  }

  setHead(id: string, head: string): void {
    this.#db.prepare('UPDATE repositories SET head = ?, generation = generation + 1 WHERE id = ?').run(head, id);
  }

  close(): void {
    this.#db.close();
  }

  #row(id: string) {
    const row = this.#db.prepare('SELECT * FROM repositories WHERE id = ?').get(id);
    if (row === undefined) throw new Error(`no repository ${id}`);
    return row as { generation: number; head: string | null; collections: number; mentions: number };
  }

  #cutOff(): number {
    return this.now() - COLLECT_AFTER_MS;
  }

  #tips(id: string, where: 'at <= ?' | 'at > ?'): string[] {
    const tips = this.#db.prepare(`SELECT id FROM tips WHERE repository = ? AND ${where}`);
    return tips.all(id, this.#cutOff()).map((row) => String(row['id']));
  }

  #load(id: string, known?: RepositoryState): RepositoryState {
    const row = this.#row(id);
    if (known !== undefined && known.generation === row.generation) return known;
    const refs = this.#db.prepare('SELECT name, id, peeled FROM refs WHERE repository = ?').all(id);
    const packs = this.#db.prepare('SELECT id, objects, bytes, sealed FROM packs WHERE repository = ?').all(id);
    return {
      generation: row.generation,
      head: row.head,
      collections: row.collections,
      refs: sortRefs(refs as never),
      packs: (packs as unknown as PackRecord[]).map((pack) => ({ ...pack, sealed: Boolean(pack.sealed) })),
    };
  }

  #problem(id: string, name: string, from: string | null, to: string | null): string | null {
    const find = this.#db.prepare('SELECT id FROM refs WHERE repository = ? AND name = ?');
    if ((find.get(id, name)?.['id'] ?? null) !== from) return STALE;
    if (from !== null || to === null) return null;
    if (parentNames(name).some((parent) => find.get(id, parent) !== undefined))
      return 'a folder of that name is needed';
    const below = this.#db.prepare('SELECT 1 FROM refs WHERE repository = ? AND name > ? AND name < ?');
    return below.get(id, `${name}/`, `${name}0`) === undefined ? null : 'it is a folder';
  }

  #collect(id: string, roots: Roots, packs: { remove: readonly string[]; add: readonly PackRecord[] }): boolean {
    const { generation, mentions } = this.#row(id);
    if (generation !== roots.generation || mentions !== roots.mentions) return false;
    this.#drop(id, packs.remove);
    for (const pack of packs.add) this.#addPack(id, pack);
    this.#db.prepare('DELETE FROM tips WHERE repository = ? AND at <= ?').run(id, roots.graceEnd);
    this.#db.prepare('UPDATE repositories SET collections = collections + 1 WHERE id = ?').run(id);
    this.#touch(id);
    return true;
  }

  #swap(id: string, remove: readonly string[], add: PackRecord): boolean {
    const find = this.#db.prepare('SELECT 1 FROM packs WHERE repository = ? AND id = ?');
    if (remove.some((packId) => find.get(id, packId) === undefined)) return false;
    this.#drop(id, remove);
    this.#addPack(id, add);
    this.#touch(id);
    return true;
  }

  #drop(id: string, packIds: readonly string[]): void {
    const drop = this.#db.prepare('DELETE FROM packs WHERE repository = ? AND id = ?');
    const note = this.#db.prepare('INSERT INTO dropped VALUES (?, ?, ?)');
    for (const packId of packIds) {
      drop.run(id, packId);
      note.run(id, packId, this.now());
    }
  }

  #addPack(id: string, pack: PackRecord): void {
    this.#db
      .prepare('INSERT INTO packs VALUES (?, ?, ?, ?, ?)')
      .run(id, pack.id, pack.objects, pack.bytes, Number(pack.sealed));
  }

  #touch(id: string): void {
    this.#db.prepare('UPDATE repositories SET generation = generation + 1 WHERE id = ?').run(id);
  }

  #transact<T>(work: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      this.#db.exec('ROLLBACK');
      throw error;
    }
  }
}

export interface TestServer {
  url: string;
  folder: string;
  store: GitStore;
  truths: SqliteTruths;
  blobs: FolderBlobStore;
  /** Failures that the server reported as its own. */
  reported: unknown[];
  collections: Collection[];
  /** Address of a repository for the git client. */
  remote(id: string): string;
  /** Replaces parts of what the server decides. */
  rules: Partial<PushRules>;
  requests: { path: string; protocol: string | undefined }[];
}

/** Starts a server over the folder (a new one by default); everything goes when the test ends. */
export async function startGitServer(
  t: TestContext,
  options: { folder?: string; cache?: string; clock?: Clock } = {},
): Promise<TestServer> {
  const folder = options.folder ?? (await temporaryFolder(t));
  const blobs = new FolderBlobStore(join(folder, 'blobs'));
  await blobs.open();
  const truths = new SqliteTruths(join(folder, 'truth.sqlite'));
  const reported: unknown[] = [];
  const collections: Collection[] = [];
  const clock = options.clock ?? systemClock;
  truths.now = () => clock.now().getTime();
  const store = new GitStore({
    folder: join(folder, options.cache ?? 'cache'),
    blobs,
    clock,
    ids: systemIds,
    report: (error) => reported.push(error),
    collected: (collection) => collections.push(collection),
  });
  await store.open();
  const server = createServer((request, response) => {
    answer(testServer, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const testServer: TestServer = {
    url,
    folder,
    store,
    truths,
    blobs,
    reported,
    collections,
    remote: (id) => `${url}/${id}`,
    rules: {},
    requests: [],
  };
  t.after(async () => {
    await store.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    truths.close();
  });
  return testServer;
}

function answer(server: TestServer, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const [, id = '', ...rest] = url.pathname.split('/');
  const endpoint = gitEndpointOf(request.method ?? '', `/${rest.join('/')}`, url.searchParams);
  server.requests.push({ path: request.url ?? '', protocol: request.headers['git-protocol'] as string | undefined });
  if (endpoint === null) {
    response.writeHead(404).end();
    return;
  }
  const push: PushRules = {
    authorize: async () => new Map(),
    commit: async (change) => server.truths.commit(id, change),
    ...server.rules,
  };
  const door: GitDoor = { push, report: (error) => server.reported.push(error) };
  serveGit(server.store.repository(server.truths.truth(id)), endpoint, { request, response }, door);
}

/** An own folder that goes when the test ends. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-git-'));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

export interface GitResult {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** The real client with a clean configuration. */
export class GitClient {
  readonly folder: string;
  readonly config: string[] = [];

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Runs git in the folder and answers whatever comes out. */
  attempt(args: readonly string[], input: string | Uint8Array = ''): Promise<GitResult> {
    const child = spawn('git', [...this.config.flatMap((entry) => ['-c', entry]), ...args], {
      cwd: this.folder,
      env: { ...process.env, ...clientEnvironment },
    });
    child.stdin.on('error', () => child.stdin.destroy());
    child.stdin.end(input);
    return new Promise((resolve, reject) => {
      const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
      child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
      child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
      child.on('error', reject);
      child.on('close', (status) => {
        resolve({ status, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
      });
    });
  }

  /** Runs git and answers its output; fails the test when git fails. */
  async run(...args: string[]): Promise<string> {
    return this.feed('', ...args);
  }

  /** Writes a file and commits it. */
  async commitFile(path: string, text: string): Promise<void> {
    await writeFile(join(this.folder, path), text);
    await this.run('add', '--', path);
    await this.run('commit', '-q', '-m', `change ${path}`);
  }

  async feed(input: string | Uint8Array, ...args: string[]): Promise<string> {
    const result = await this.attempt(args, input);
    if (result.status !== 0) throw new Error(`git ${args.join(' ')}: ${result.status}\n${result.stderr}`);
    return result.stdout.trim();
  }
}

const clientEnvironment = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.com',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.com',
  LC_ALL: 'C',
};

/** A new repository of the client's with its first branch `main`, connected to the server's. */
export async function workingCopy(t: TestContext, server: TestServer, id: string): Promise<GitClient> {
  const client = new GitClient(await temporaryFolder(t));
  await client.run('init', '-q', '-b', 'main');
  await client.run('remote', 'add', 'origin', server.remote(id));
  return client;
}

/** One entry of a pack: type, declared size, deflated data. */
export function entry(type: number, size: number, data: Uint8Array): Buffer {
  const bytes = [(type << 4) | (size & 15)];
  for (let rest = Math.floor(size / 16); rest > 0; rest = Math.floor(rest / 128)) {
    bytes[bytes.length - 1]! |= 0x80;
    bytes.push(rest & 0x7f);
  }
  return Buffer.concat([Buffer.from(bytes), deflateSync(data)]);
}

/** A pack of such entries. */
export function packOf(...entries: Buffer[]): Buffer {
  const header = Buffer.from('PACK\0\0\0\u0002\0\0\0\0');
  header.writeUInt32BE(entries.length, 8);
  const body = Buffer.concat([header, ...entries]);
  return Buffer.concat([body, createHash('sha1').update(body).digest()]);
}
