import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, opendir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { systemIds } from '../ids.ts';

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
  /** Stores the bytes and resolves once they are durable. A failing source leaves nothing behind. */
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
  readonly #madeFolders = new Set<string>();

  constructor(root: string) {
    this.#root = root;
    this.#temporary = join(root, '.tmp');
  }

  /** Makes the folder and removes what a killed process left half written. */
  async open(): Promise<void> {
    await rm(this.#temporary, { recursive: true, force: true });
    await mkdir(this.#temporary, { recursive: true });
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

  /** Makes a folder and syncs the parents that changed: a synced file in an unsynced folder is lost with the power. */
  async #makeFolder(folder: string): Promise<void> {
    if (this.#madeFolders.has(folder)) return;
    const first = await mkdir(folder, { recursive: true });
    if (first !== undefined) {
      for (let at = folder; at.length >= dirname(first).length; at = dirname(at)) await syncFolder(at);
    }
    this.#madeFolders.add(folder);
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
      return (await stat(this.#path(key))).size;
    } catch (error) {
      throw notFound(key, error);
    }
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

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

function notFound(key: string, error: unknown): unknown {
  return isMissing(error) ? new BlobNotFoundError(key) : error;
}
