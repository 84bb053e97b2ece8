import { createHash } from 'node:crypto';
import { copyFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { systemClock } from '../src/kernel/clock.ts';
import { systemIds } from '../src/kernel/ids.ts';
import { Database } from '../src/kernel/store/database.ts';
import { kernelMigrations } from '../src/kernel/store/kernel-tables.ts';
import { type Migrations, migrate } from '../src/kernel/store/migrate.ts';
import { services } from '../src/services.ts';

const SOURCES = new URL('../src/', import.meta.url).pathname;
const KEPT = new URL('../node_modules/.cache/test-databases/', import.meta.url).pathname;

let made: Promise<string> | undefined;

/**
 * Puts an SQLite database with every migration done, and nothing else in it, where a test's server will open its own. The
 * several hundred statements of the migrations are a third of a start; they run once for each state of the sources.
 */
export async function placeEmptyDatabase(path: string): Promise<void> {
  made ??= migratedDatabase();
  await copyFile(await made, path);
}

async function migratedDatabase(): Promise<string> {
  const path = join(KEPT, `${await stateOfSources()}.db`);
  if (await exists(path)) return path;
  await mkdir(KEPT, { recursive: true });
  // Test files run side by side: each makes its own, and the last one stays.
  const folder = join(KEPT, systemIds.uuid());
  await mkdir(folder);
  const database = Database.sqlite(join(folder, 'making.db'));
  const owners = new Map<string, Migrations>([['kernel', kernelMigrations]]);
  for (const service of services) if (service.migrations !== undefined) owners.set(service.name, service.migrations);
  await migrate(database, owners, systemClock);
  await sql`vacuum into ${join(folder, 'made.db')}`.execute(database.reader);
  await database.close();
  await rename(join(folder, 'made.db'), path);
  await rm(folder, { recursive: true });
  await removeFormer(path);
  return path;
}

/** Changes with any file that a migration could lean on. */
async function stateOfSources(): Promise<string> {
  const hash = createHash('sha256');
  for (const name of (await readdir(SOURCES, { recursive: true })).sort()) {
    if (!name.endsWith('.ts') || name.endsWith('.test.ts')) continue;
    const { mtimeMs, size } = await stat(join(SOURCES, name));
    hash.update(`${name} ${mtimeMs} ${size}\n`);
  }
  return hash.digest('hex').slice(0, 32);
}

const FORMER_MS = 3_600_000;

async function removeFormer(current: string): Promise<void> {
  for (const name of await readdir(KEPT)) {
    const path = join(KEPT, name);
    if (path === current) continue;
    const { mtimeMs } = await stat(path);
    if (mtimeMs < systemClock.now().getTime() - FORMER_MS) await rm(path, { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch((error: NodeJS.ErrnoException) => absent(error))) !== undefined;
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
