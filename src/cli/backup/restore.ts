import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Config } from '../../kernel/config.ts';
import { beginRestore, takeDataFolder } from '../../kernel/store/data-folder.ts';
import { Database } from '../../kernel/store/database.ts';
import { copy, hashOf, requireEmpty, syncFolders } from './files.ts';
import { fillDatabase, openEmpty } from './fill.ts';
import { DATABASE, damaged, type Manifest, ROWS, readManifest } from './manifest.ts';
import { readRows } from './read-rows.ts';
import { type Rows, sqliteRows } from './rows.ts';

/**
 * Makes a data folder, and the rows in the database of the settings, out of a backup; each file is held against its hash.
 * A backup of either dialect can be restored on both. What fails leaves nothing; what is killed leaves a folder that no
 * server starts on. @throws UsageError when the data folder or the database is not empty, or the backup is not whole
 */
export async function restore(config: Config, source: string): Promise<void> {
  const manifest = await readManifest(source);
  await requireEmpty(config.data);
  const folder = await takeDataFolder(config.data);
  try {
    const finish = await beginRestore(config.data);
    await restoreFiles(config, source, manifest);
    await restoreDatabase(config, source, manifest);
    await syncFolders(config.data);
    await finish();
  } catch (error) {
    folder.release();
    await rm(config.data, { recursive: true, force: true });
    throw error;
  }
  folder.release();
  process.stdout.write(`${config.data} is as it was at ${manifest.createdAt}\n`);
}

async function restoreFiles(config: Config, source: string, { files }: Manifest): Promise<void> {
  for (const [name, hash] of Object.entries(files)) {
    // Rows go into a database, not into the folder; an SQLite file is the database where that is wanted.
    const isElsewhere = name === ROWS || (name === DATABASE && config.databaseUrl !== '');
    const reading = isElsewhere ? hashOf(join(source, name)) : copy(join(source, name), join(config.data, name));
    const found = await reading.catch((error: unknown) => {
      const { code } = error as NodeJS.ErrnoException;
      throw code === 'ENOENT' || code === 'EISDIR' ? damaged(name) : error;
    });
    if (found !== hash) throw damaged(name);
  }
}

async function restoreDatabase(config: Config, source: string, { format }: Manifest): Promise<void> {
  if (format === 1 && config.databaseUrl === '') {
    requireSound(join(config.data, DATABASE));
    return;
  }
  if (format === 1) requireSound(join(source, DATABASE), true);
  const rows = format === 1 ? () => sqliteRows(join(source, DATABASE)) : () => readRows(join(source, ROWS));
  await restoreRows(config, rows);
}

/** @throws UsageError for a file that is no database, or a broken one */
function requireSound(path: string, readOnly = false): void {
  let found: unknown;
  try {
    const database = new DatabaseSync(path, { readOnly });
    try {
      found = Object.values(database.prepare('pragma quick_check(1)').get() ?? {})[0];
      database.prepare('select count(*) from kernel_migrations').get();
    } finally {
      database.close();
    }
  } catch (error) {
    found = (error as Error).message;
  }
  if (found !== 'ok') throw damaged(DATABASE, String(found));
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
