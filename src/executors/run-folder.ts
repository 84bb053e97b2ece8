import { lchownSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { chmod, cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkRunId } from './executor.ts';

/** What a server that was killed must tell the next one about a run's process. */
export interface RunRecord {
  pid: number;
  /** With `pid`, names the process for ever; see `ProcessEntry.startedAt`. */
  startedAt: number;
}

/** The folder of one run on this host: `workspace`, `home`, `tmp`, and `run` with the script and the record. */
export class RunFolder {
  readonly path: string;
  readonly workspace: string;
  readonly home: string;
  readonly temporary: string;
  readonly readOnly: string;

  constructor(root: string, runId: string) {
    this.path = join(root, checkRunId(runId));
    this.workspace = join(this.path, 'workspace');
    this.home = join(this.path, 'home');
    this.temporary = join(this.path, 'tmp');
    this.readOnly = join(this.path, 'run');
  }

  /**
   * Makes the folders and takes over the workspace. The few calls are synchronous: each takes microseconds, a way
   * through the thread pool much longer, and a build waits for all of them.
   * @param ownerId the script's user where it is not the server's
   */
  async prepare(workspaceFolder: string, script: string, ownerId: number | undefined): Promise<void> {
    mkdirSync(this.path, { mode: 0o700 });
    await moveFolder(workspaceFolder, this.workspace);
    for (const folder of [this.home, this.temporary]) mkdirSync(folder, { mode: 0o700 });
    mkdirSync(this.readOnly, { mode: 0o755 });
    writeFileSync(join(this.readOnly, 'script.sh'), script, { mode: 0o644 });
    if (ownerId === undefined) return;
    for (const folder of [this.workspace, this.home, this.temporary]) await giveTo(folder, ownerId);
  }

  async record(record: RunRecord): Promise<void> {
    await writeFile(join(this.path, 'record.json'), JSON.stringify(record));
  }

  /** Undefined when the server died before the process was recorded. */
  async findRecord(): Promise<RunRecord | undefined> {
    try {
      return JSON.parse(await readFile(join(this.path, 'record.json'), 'utf8')) as RunRecord;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  async remove(): Promise<void> {
    await removeFolder(this.path);
  }
}

async function moveFolder(from: string, to: string): Promise<void> {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await cp(from, to, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    await removeFolder(from);
  }
}

/** Entries whose owner is changed before other work gets its turn. */
const TURN_ENTRIES = 500;

/** Changes the owner of a tree that nobody else writes to yet. */
async function giveTo(root: string, ownerId: number): Promise<void> {
  lchownSync(root, ownerId, ownerId);
  const folders = [root];
  let sinceTurn = 0;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      lchownSync(path, ownerId, ownerId);
      if (entry.isDirectory()) folders.push(path);
      if (++sinceTurn % TURN_ENTRIES === 0) await new Promise((resume) => setImmediate(resume));
    }
  }
}

/** Removes a tree even where a script took away its own right to enter or change a folder. */
export async function removeFolder(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (!['EACCES', 'EPERM', 'ENOTEMPTY'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    await makeRemovable(path);
    await rm(path, { recursive: true, force: true });
  }
}

async function makeRemovable(path: string): Promise<void> {
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await makeRemovable(join(path, entry.name));
  }
}
