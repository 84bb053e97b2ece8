import { link, mkdir, open, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { backup as copyDatabase, DatabaseSync } from 'node:sqlite';
import type { Config } from '../../kernel/config.ts';
import { UsageError } from '../usage-error.ts';
import { copy, hashOf, requireEmpty, syncFolders, write } from './files.ts';
import { BLOBS, CHECK, DATABASE, KEYS, MANIFEST, type Manifest, ROWS } from './manifest.ts';
import { postgresSnapshot, writeRows } from './rows.ts';

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

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.chmod(0o600);
    await file.sync();
  } finally {
    await file.close();
  }
}
