import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ALNUM, BASE32, type Ids } from '../ids.ts';
import { readOrMake, syncFolder } from './durable-file.ts';

/** Thrown when another process works on the data folder. */
export class DataFolderBusyError extends Error {
  constructor(folder: string) {
    super(`Another Slipway server is using the data folder ${folder}. Stop it, or choose another folder with --data.`);
    this.name = 'DataFolderBusyError';
  }
}

/** Thrown for a folder that a restore was making when it was killed. */
export class UnfinishedRestoreError extends Error {
  constructor(folder: string) {
    super(`A restore into ${folder} was cut off. Delete the folder and restore again.`);
    this.name = 'UnfinishedRestoreError';
  }
}

const RESTORING = 'restore.unfinished';

/** Marks a folder that was taken as half made, so that no server starts on it. @returns what takes the mark away */
export async function beginRestore(folder: string): Promise<() => Promise<void>> {
  await writeFile(join(folder, RESTORING), '', { mode: 0o600 });
  await syncFolder(folder);
  return async () => {
    await rm(join(folder, RESTORING));
    await syncFolder(folder);
  };
}

/** Makes the data folder, readable by its owner only, and takes it for this process until the handle is released. */
export async function takeDataFolder(folder: string): Promise<{ release(): void }> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (existsSync(join(folder, RESTORING))) throw new UnfinishedRestoreError(folder);
  // A lock of the embedded database goes away with its process, however that ends; a lock file would stay.
  const lock = new DatabaseSync(join(folder, 'lock.db'), { timeout: 0 });
  try {
    lock.exec('PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE;');
  } catch (error) {
    lock.close();
    if (/locked|busy/i.test((error as Error).message)) throw new DataFolderBusyError(folder);
    throw error;
  }
  const release = () => {
    if (lock.isOpen) lock.close();
  };
  return { release };
}

/** The root user's access key. */
export interface RootCredentials {
  accessKeyId: string;
  secretAccessKey: string;
}

/** Reads the root user's key, or makes it on first start: a file of mode 0600. */
export async function loadRootCredentials(folder: string, ids: Ids): Promise<RootCredentials> {
  const make = (): RootCredentials => ({
    accessKeyId: `AKIA${ids.string(16, BASE32)}`,
    secretAccessKey: ids.string(40, ALNUM),
  });
  const text = await readOrMake(join(folder, 'root-credentials.json'), () => `${JSON.stringify(make())}\n`);
  return JSON.parse(text) as RootCredentials;
}
