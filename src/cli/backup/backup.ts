import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, link, mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { backup as copyDatabase, DatabaseSync } from 'node:sqlite';
import type { Config } from '../../kernel/config.ts';
import { takeDataFolder } from '../../kernel/store/data-folder.ts';
import { Database } from '../../kernel/store/database.ts';
import { syncFolder } from '../../kernel/store/durable-file.ts';
import { UsageError } from '../usage-error.ts';
import { fillDatabase, openEmpty } from './fill.ts';
import { postgresSnapshot, type Rows, readRows, sqliteRows, writeRows } from './rows.ts';

const DATABASE = 'slipway.db';
/** The rows of an installation on PostgreSQL, in a form that both dialects take: see `rows.ts`. */
const ROWS = 'rows.jsonl.gz';
const BLOBS = 'blobs';
const MANIFEST = 'manifest.json';
/** 1: `slipway.db`. 2: `rows.jsonl.gz`. */
const FORMATS = [1, 2];
/** What opens the rest; whoever has these and the backup has everything. */
const KEYS = ['root.key', 'root.key.wrapped', 'root-credentials.json', 'ssh_host_ed25519_key'];
/** Opens nothing: it tells the right root key from any other, and a server without the right one does not start. */
const CHECK = 'root.key.check';

interface Manifest {
  format: number;
  createdAt: string;
  /** SHA-256 by path from the backup's folder. */
  files: Record<string, string>;
}

/** A look at the rows of one moment, and every blob that they name under a second name. */
interface View {
  readonly format: number;
  /** Name of the file with the rows. */
  readonly file: string;
  /** Writes them. @returns the file's SHA-256 */
  write(path: string): Promise<string>;
  close(): void | Promise<void>;
}

/**
 * Copies an installation into a new folder, also while a server works on it. On SQLite its writers wait only until every
 * blob has a second name and the database a snapshot; on PostgreSQL nobody waits, and bytes that are no longer named stay for
 * longer than it takes to name them a second time.
 * @param options.keys false leaves out what opens the data; keep it elsewhere, or nothing can be restored.
 * @throws UsageError when the folder is not empty or the data is not there
 */
export async function backup(config: Config, target: string, options: { keys: boolean }): Promise<void> {
  await requireEmpty(target);
  const staging = join(config.data, `backup-${process.pid}`);
  const view = config.databaseUrl === '' ? await viewSqlite(config.data, staging) : await viewPostgres(config, staging);
  const files: Record<string, string> = {};
  try {
    files[view.file] = await view.write(join(target, view.file));
    for (const blob of await filesIn(staging)) {
      files[`${BLOBS}/${blob}`] = await copy(join(staging, blob), join(target, BLOBS, blob));
    }
    for (const name of await present(config.data, options.keys ? [...KEYS, CHECK] : [CHECK])) {
      files[name] = await copy(join(config.data, name), join(target, name));
    }
  } finally {
    await view.close();
    await rm(staging, { recursive: true, force: true });
  }
  const manifest: Manifest = { format: view.format, createdAt: new Date().toISOString(), files };
  await write(join(target, MANIFEST), `${JSON.stringify(manifest, null, 1)}\n`);
  await syncFolders(target);
  process.stdout.write(`${Object.keys(files).length} files are in ${target}\n`);
}

/**
 * Makes a data folder, and the rows in the database of the settings, out of a backup; each file is held against its hash.
 * A backup of either dialect can be restored on both. @throws UsageError when the data folder or the database is not empty,
 * or the backup is not whole
 */
export async function restore(config: Config, source: string): Promise<void> {
  await requireEmpty(config.data);
  const manifest = await readManifest(source);
  const folder = await takeDataFolder(config.data);
  const isSqliteFile = manifest.format === 1;
  try {
    for (const [name, hash] of Object.entries(manifest.files)) {
      if (name.split('/').some((part) => part === '' || part === '.' || part === '..')) throw broken(name);
      // Rows go into a database, not into the folder; an SQLite file is the database where that is wanted.
      if (name === ROWS || (name === DATABASE && config.databaseUrl !== '')) {
        if ((await hashOf(join(source, name)).catch(() => '')) !== hash) throw broken(name);
        continue;
      }
      const found = await copy(join(source, name), join(config.data, name)).catch((error: unknown) => {
        throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? broken(name) : error;
      });
      if (found !== hash) throw broken(name);
    }
    if (!isSqliteFile || config.databaseUrl !== '') {
      const [name, rowsIn] = isSqliteFile ? ([DATABASE, sqliteRows] as const) : ([ROWS, readRows] as const);
      if (!(name in manifest.files)) throw broken(name);
      await restoreRows(config, () => rowsIn(join(source, name)));
    }
    await syncFolders(config.data);
  } catch (error) {
    folder.release();
    await rm(config.data, { recursive: true, force: true });
    throw error;
  }
  folder.release();
  process.stdout.write(`${config.data} is as it was at ${manifest.createdAt}\n`);
}

async function restoreRows(config: Config, rows: () => AsyncIterable<Rows>): Promise<void> {
  const [{ services }, { migrationsOf }] = await Promise.all([import('../../services.ts'), import('../../server.ts')]);
  const database = await openEmpty(
    () =>
      config.databaseUrl === '' ? Database.sqlite(join(config.data, DATABASE)) : Database.postgres(config.databaseUrl),
    'The database',
  );
  try {
    await fillDatabase(database, migrationsOf(services), rows);
  } finally {
    await database.close();
  }
}

function broken(name: string): UsageError {
  return new UsageError(`The backup is damaged: ${name} is missing or not what it was. Nothing was restored.`);
}

async function readManifest(source: string): Promise<Manifest> {
  const text = await readFile(join(source, MANIFEST), 'utf8').catch((error: unknown) => {
    throw new UsageError(`${source} is no backup: ${(error as Error).message}`);
  });
  const manifest = JSON.parse(text) as Manifest;
  if (!FORMATS.includes(manifest.format)) throw new UsageError(`The backup has the unknown format ${manifest.format}.`);
  return manifest;
}

/** Gives every blob a second name and begins to read the database, while nobody writes. */
async function viewSqlite(data: string, staging: string): Promise<View> {
  const path = join(data, DATABASE);
  if ((await present(data, [DATABASE])).length === 0) throw new UsageError(`There is no installation in ${data}.`);
  const lock = new DatabaseSync(path, { timeout: 30_000 });
  try {
    lock.exec('BEGIN IMMEDIATE');
    await linkBlobs(data, staging);
    const snapshot = new DatabaseSync(path, { readOnly: true });
    snapshot.exec('BEGIN');
    snapshot.prepare('select count(*) from sqlite_schema').get();
    return {
      format: 1,
      file: DATABASE,
      async write(to) {
        await copyDatabase(snapshot, to);
        await sync(to);
        return hashOf(to);
      },
      close: () => snapshot.close(),
    };
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    throw error;
  } finally {
    lock.close();
  }
}

/**
 * Begins to read the database, then gives every blob a second name: bytes are there before the rows that name them, and
 * stay for a while after these have gone.
 */
async function viewPostgres({ data, databaseUrl }: Config, staging: string): Promise<View> {
  const snapshot = await postgresSnapshot(databaseUrl);
  try {
    await linkBlobs(data, staging);
  } catch (error) {
    await snapshot.close();
    await rm(staging, { recursive: true, force: true });
    throw error;
  }
  return { format: 2, file: ROWS, write: (to) => writeRows(to, snapshot.rows()), close: snapshot.close };
}

async function linkBlobs(data: string, staging: string): Promise<void> {
  for (const blob of await filesIn(join(data, BLOBS))) {
    await mkdir(dirname(join(staging, blob)), { recursive: true, mode: 0o700 });
    await link(join(data, BLOBS, blob), join(staging, blob)).catch((error: unknown) => {
      // A blob that no row names any more may go at any time.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    });
  }
}

async function requireEmpty(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if ((await readdir(folder)).length > 0) throw new UsageError(`${folder} is not empty.`);
}

async function present(folder: string, names: readonly string[]): Promise<string[]> {
  const found = await readdir(folder).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
  const there = new Set(found);
  return names.filter((name) => there.has(name));
}

/** Files below a folder by their path from it, without what is half written. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter((name) => !name.startsWith('.tmp/'));
}

/** Copies a file, durable and readable by its owner only. @returns its SHA-256, hex */
async function copy(from: string, to: string): Promise<string> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  const hash = createHash('sha256');
  const file = await open(to, 'wx', 0o600);
  try {
    for await (const chunk of createReadStream(from, { highWaterMark: 1024 * 1024 })) {
      hash.update(chunk);
      await writeAll(file, chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.byteLength; ) at += (await file.write(chunk, at, chunk.byteLength - at)).bytesWritten;
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

async function write(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.chmod(0o600);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolders(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) await syncFolder(join(entry.parentPath, entry.name));
  }
  await syncFolder(folder);
}
