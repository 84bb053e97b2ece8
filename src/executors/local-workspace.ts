import { constants, createReadStream, type Stats } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { type WorkspaceEntry, type WorkspaceEntryType, type WorkspaceFiles, WorkspacePathError } from './executor.ts';

/** As Linux: a path may lead through this many links. */
const MAX_LINKS = 40;
/** `lstat` calls under way at once while listing. */
const STAT_BATCH = 64;
const READ_CHUNK_BYTES = 256 * 1024;

/**
 * A folder of this machine as a {@link WorkspaceFiles}. Links are resolved here, one component at a time, instead of
 * by the kernel, because a link's target was written for the place where the script saw the workspace, and so that
 * none leads out. Holds only while nobody writes to the folder.
 */
export class LocalWorkspace implements WorkspaceFiles {
  readonly #folder: string;
  readonly #mountedAt: string;

  /**
   * @param folder absolute path on this machine.
   * @param mountedAt where the script saw the folder; absolute links below it stay inside.
   */
  constructor(folder: string, mountedAt: string = folder) {
    this.#folder = folder;
    this.#mountedAt = mountedAt;
  }

  async *list(folder: string): AsyncIterable<WorkspaceEntry> {
    const { path, stats } = await this.#resolve(folder);
    if (!stats.isDirectory()) throw new WorkspacePathError(folder, 'wrong-kind');
    yield* this.#walk(path, '');
  }

  async *#walk(folder: string, prefix: string): AsyncIterable<WorkspaceEntry> {
    const names = (await readdir(join(this.#folder, folder))).sort(byBytes);
    for (let at = 0; at < names.length; at += STAT_BATCH) {
      const batch = names.slice(at, at + STAT_BATCH);
      const entries = await Promise.all(batch.map((name) => this.#entry(join(folder, name), prefix + name)));
      for (const entry of entries) {
        yield entry;
        if (entry.type === 'folder') {
          yield* this.#walk(join(folder, entry.path.slice(prefix.length)), `${entry.path}/`);
        }
      }
    }
  }

  async #entry(path: string, shownAs: string): Promise<WorkspaceEntry> {
    const absolute = join(this.#folder, path);
    let stats: Stats;
    try {
      stats = await this.#lstat(absolute, path);
    } catch (error) {
      if (!(error instanceof WorkspacePathError)) throw error;
      // A name that is not UTF-8 cannot be asked for by its text.
      return { path: shownAs, type: 'other', mode: 0, sizeBytes: 0, modifiedAt: new Date(0) };
    }
    const entry = entryOf(shownAs, stats);
    if (entry.type === 'link') entry.target = await readlink(absolute);
    return entry;
  }

  async stat(path: string): Promise<WorkspaceEntry> {
    const { stats } = await this.#resolve(path);
    return entryOf(path, stats);
  }

  async open(path: string): Promise<Readable> {
    const { path: real, stats } = await this.#resolve(path);
    if (!stats.isFile()) throw new WorkspacePathError(path, 'wrong-kind');
    const file = await open(join(this.#folder, real), constants.O_RDONLY | constants.O_NOFOLLOW);
    return createReadStream('', { fd: file, highWaterMark: READ_CHUNK_BYTES });
  }

  /** Follows the path below the folder; the result has no link in it. */
  async #resolve(path: string): Promise<{ path: string; stats: Stats }> {
    const rest = path.split('/').reverse();
    const done: string[] = [];
    let links = 0;
    while (rest.length > 0) {
      const name = rest.pop()!;
      if (name === '' || name === '.') continue;
      if (name.includes('\0')) throw new WorkspacePathError(path, 'missing');
      if (name === '..') {
        if (done.pop() === undefined) throw new WorkspacePathError(path, 'outside');
        continue;
      }
      const here = join(this.#folder, ...done, name);
      const stats = await this.#lstat(here, path);
      if (!stats.isSymbolicLink()) {
        if (rest.some(isName) && !stats.isDirectory()) throw new WorkspacePathError(path, 'missing');
        done.push(name);
        continue;
      }
      if (++links > MAX_LINKS) throw new WorkspacePathError(path, 'missing');
      let target = await readlink(here);
      if (target.startsWith('/')) {
        target = this.#below(target, path);
        done.length = 0;
      }
      rest.push(...target.split('/').reverse());
    }
    const real = done.join('/');
    return { path: real, stats: await this.#lstat(join(this.#folder, real), path) };
  }

  #below(target: string, path: string): string {
    if (target === this.#mountedAt) return '';
    if (!target.startsWith(`${this.#mountedAt}/`)) throw new WorkspacePathError(path, 'outside');
    return target.slice(this.#mountedAt.length + 1);
  }

  async #lstat(absolute: string, path: string): Promise<Stats> {
    try {
      return await lstat(absolute);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') {
        throw new WorkspacePathError(path, 'missing');
      }
      throw error;
    }
  }
}

function isName(part: string): boolean {
  return part !== '' && part !== '.';
}

function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function typeOf(stats: Stats): WorkspaceEntryType {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'folder';
  return stats.isSymbolicLink() ? 'link' : 'other';
}

function entryOf(path: string, stats: Stats): WorkspaceEntry {
  return {
    path,
    type: typeOf(stats),
    mode: stats.mode & 0o7777,
    sizeBytes: stats.size,
    modifiedAt: stats.mtime,
  };
}
