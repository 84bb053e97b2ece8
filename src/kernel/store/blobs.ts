import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, opendir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { systemIds } from '../ids.ts';
import { syncFolder } from './durable-file.ts';

/** Thrown by {@link BlobStore.get} and {@link BlobStore.size} for a key that holds nothing. */
export class BlobNotFoundError extends Error {
  constructor(key: string) {
    super(`no blob ${key}`);
    this.name = 'BlobNotFoundError';
  }
}

/** Byte range, both ends inclusive, as in RFC 9110. */
export interface ByteRange {
  start: number;
  end: number;
}

/**
 * Bytes by key. A key is `/`-separated segments of `[A-Za-z0-9._-]`, chosen by us, never by a user.
 * A put is all or nothing and on stable storage when it resolves; a blob is never changed, only replaced or deleted.
 */
export interface BlobStore {
  /**
   * Stores the bytes and resolves once they are durable. A failing source leaves nothing behind. A piece of the source is
   * done with when the next one is asked for.
   */
  put(key: string, body: AsyncIterable<Uint8Array> | Uint8Array): Promise<{ size: number; sha256: string }>;
  /** Opens the blob. @throws {BlobNotFoundError} */
  get(key: string, range?: ByteRange): Promise<Readable>;
  /** Size in bytes. @throws {BlobNotFoundError} */
  size(key: string): Promise<number>;
  /** Removes the blob; a missing one is fine. */
  delete(key: string): Promise<void>;
  /** Every key below the prefix (whole segments), in no particular order. */
  list(prefix: string): AsyncIterable<string>;
}

const KEY = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;
const READ_CHUNK_BYTES = 256 * 1024;

/** A {@link BlobStore} on a folder: written to a temporary file, synced, renamed, directory synced. */
export class FolderBlobStore implements BlobStore {
  readonly #root: string;
  readonly #temporary: string;
  /** Folders that are there for good, or on their way to it. */
  readonly #folders = new Map<string, Promise<void>>();

  constructor(root: string) {
    this.#root = root;
    this.#temporary = join(root, '.tmp');
  }

  /** Makes the folder and removes what a killed process left half written. */
  async open(): Promise<void> {
    await mkdir(this.#root, { recursive: true });
    await syncFolder(dirname(this.#root));
    await rm(this.#temporary, { recursive: true, force: true });
    await mkdir(this.#temporary);
  }

  #path(key: string): string {
    if (!KEY.test(key) || key.length > 500) throw new Error(`bad blob key ${JSON.stringify(key)}`);
    return join(this.#root, key);
  }

  async put(key: string, body: AsyncIterable<Uint8Array> | Uint8Array): Promise<{ size: number; sha256: string }> {
    const path = this.#path(key);
    const temporary = join(this.#temporary, systemIds.uuid());
    const hash = createHash('sha256');
    let size = 0;
    // A stream may break before it is read: it is told when it is, but an 'error' that nobody hears would end the process.
    if (body instanceof Readable) body.on('error', () => undefined);
    try {
      const file = await open(temporary, 'wx', 0o600);
      try {
        for await (const chunk of body instanceof Uint8Array ? [body] : body) {
          hash.update(chunk);
          size += chunk.byteLength;
          await writeAll(file, chunk);
        }
        await file.datasync();
      } finally {
        await file.close();
      }
      await this.#makeFolder(dirname(path));
      await rename(temporary, path);
      await syncFolder(dirname(path));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    return { size, sha256: hash.digest('hex') };
  }

  /**
   * Makes a folder whose entry in its parent is on stable storage: a synced file in an unsynced folder is lost with the
   * power. Those who come while that is under way wait for it.
   */
  #makeFolder(folder: string): Promise<void> {
    if (folder === this.#root) return Promise.resolve();
    let made = this.#folders.get(folder);
    if (made === undefined) {
      made = this.#makeInParent(folder);
      this.#folders.set(folder, made);
      made.catch(() => this.#folders.delete(folder));
    }
    return made;
  }

  async #makeInParent(folder: string): Promise<void> {
    const parent = dirname(folder);
    await this.#makeFolder(parent);
    await mkdir(folder, { recursive: true });
    await syncFolder(parent);
  }

  async get(key: string, range?: ByteRange): Promise<Readable> {
    let file: FileHandle;
    try {
      file = await open(this.#path(key), 'r');
    } catch (error) {
      throw notFound(key, error);
    }
    return createReadStream('', {
      fd: file,
      highWaterMark: READ_CHUNK_BYTES,
      ...(range === undefined ? {} : { start: range.start, end: range.end }),
    });
  }

  async size(key: string): Promise<number> {
    try {
      const found = await stat(this.#path(key));
      if (found.isFile()) return found.size;
    } catch (error) {
      throw notFound(key, error);
    }
    throw new BlobNotFoundError(key);
  }

  async delete(key: string): Promise<void> {
    await rm(this.#path(key), { force: true });
  }

  async *list(prefix: string): AsyncIterable<string> {
    let folder: Awaited<ReturnType<typeof opendir>>;
    try {
      folder = await opendir(this.#path(prefix));
    } catch (error) {
      if (isMissing(error)) return;
      throw error;
    }
    for await (const entry of folder) {
      const key = `${prefix}/${entry.name}`;
      if (entry.isDirectory()) yield* this.list(key);
      else yield key;
    }
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.byteLength; ) {
    at += (await file.write(chunk, at, chunk.byteLength - at)).bytesWritten;
  }
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function notFound(key: string, error: unknown): unknown {
  return isMissing(error) ? new BlobNotFoundError(key) : error;
}
