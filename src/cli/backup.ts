import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, link, mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { backup as copyDatabase, DatabaseSync } from 'node:sqlite';
import type { Config } from '../kernel/config.ts';
import { takeDataFolder } from '../kernel/store/data-folder.ts';
import { syncFolder } from '../kernel/store/durable-file.ts';
import { UsageError } from './usage-error.ts';

const DATABASE = 'slipway.db';
const BLOBS = 'blobs';
const MANIFEST = 'manifest.json';
const FORMAT = 1;
/** What opens the rest; whoever has these and the backup has everything. */
const KEYS = ['root.key', 'root.key.wrapped', 'root.key.check', 'root-credentials.json', 'ssh_host_ed25519_key'];

interface Manifest {
  format: number;
  createdAt: string;
  /** SHA-256 by path from the backup's folder. */
  files: Record<string, string>;
}

/**
 * Copies an installation on SQLite into a new folder, also while a server works on it: its writers wait only until every
 * blob has a second name and the database a snapshot, so rows and bytes are of one moment.
 * @param options.keys false leaves out what opens the data; keep it elsewhere, or nothing can be restored.
 * @throws UsageError when the folder is not empty or the data is not there
 */
export async function backup(config: Config, target: string, options: { keys: boolean }): Promise<void> {
  if (config.databaseUrl !== '') {
    throw new UsageError(
      'This installation keeps its rows in PostgreSQL: copy them with pg_dump, then the blobs folder.',
    );
  }
  await requireEmpty(target);
  const staging = join(config.data, `backup-${process.pid}`);
  const snapshot = await takeSnapshot(config.data, staging);
  const files: Record<string, string> = {};
  try {
    const database = join(target, DATABASE);
    await copyDatabase(snapshot, database);
    await sync(database);
    files[DATABASE] = await hashOf(database);
    for (const blob of await filesIn(staging)) {
      files[`${BLOBS}/${blob}`] = await copy(join(staging, blob), join(target, BLOBS, blob));
    }
    for (const name of options.keys ? await present(config.data, KEYS) : []) {
      files[name] = await copy(join(config.data, name), join(target, name));
    }
  } finally {
    snapshot.close();
    await rm(staging, { recursive: true, force: true });
  }
  const manifest: Manifest = { format: FORMAT, createdAt: new Date().toISOString(), files };
  await write(join(target, MANIFEST), `${JSON.stringify(manifest, null, 1)}\n`);
  await syncFolders(target);
  process.stdout.write(`${Object.keys(files).length} files are in ${target}\n`);
}

/**
 * Makes a data folder out of a backup; each file is held against its hash. @throws UsageError when the data folder is not
 * empty, or the backup is not whole
 */
export async function restore(config: Config, source: string): Promise<void> {
  await requireEmpty(config.data);
  const manifest = await readManifest(source);
  const folder = await takeDataFolder(config.data);
  try {
    for (const [name, hash] of Object.entries(manifest.files)) {
      if (name.split('/').some((part) => part === '' || part === '.' || part === '..')) throw broken(name);
      const found = await copy(join(source, name), join(config.data, name)).catch((error: unknown) => {
        throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? broken(name) : error;
      });
      if (found !== hash) throw broken(name);
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

function broken(name: string): UsageError {
  return new UsageError(`The backup is damaged: ${name} is missing or not what it was. Nothing was restored.`);
}

async function readManifest(source: string): Promise<Manifest> {
  const text = await readFile(join(source, MANIFEST), 'utf8').catch((error: unknown) => {
    throw new UsageError(`${source} is no backup: ${(error as Error).message}`);
  });
  const manifest = JSON.parse(text) as Manifest;
  if (manifest.format !== FORMAT) throw new UsageError(`The backup has the unknown format ${manifest.format}.`);
  return manifest;
}

/** Gives every blob a second name and begins to read the database, while nobody writes. */
async function takeSnapshot(data: string, staging: string): Promise<DatabaseSync> {
  const path = join(data, DATABASE);
  if ((await present(data, [DATABASE])).length === 0) throw new UsageError(`There is no installation in ${data}.`);
  const lock = new DatabaseSync(path, { timeout: 30_000 });
  try {
    lock.exec('BEGIN IMMEDIATE');
    for (const blob of await filesIn(join(data, BLOBS))) {
      await mkdir(dirname(join(staging, blob)), { recursive: true, mode: 0o700 });
      await link(join(data, BLOBS, blob), join(staging, blob)).catch((error: unknown) => {
        // A blob that no row names any more may go at any time.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      });
    }
    const snapshot = new DatabaseSync(path, { readOnly: true });
    snapshot.exec('BEGIN');
    snapshot.prepare('select count(*) from sqlite_schema').get();
    return snapshot;
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    throw error;
  } finally {
    lock.close();
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
