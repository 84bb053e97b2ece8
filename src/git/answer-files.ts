import { createWriteStream, type WriteStream } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Ids } from '../kernel/ids.ts';

const MAX_TOTAL_BYTES = 512 * 1024 * 1024;
/** Requests remembered as asked once. */
const MAX_ASKED = 1_024;
/** A disk that falls behind a client by so much is not worth waiting for. */
const MAX_BEHIND_BYTES = 16 * 1024 * 1024;
const READ_CHUNK_BYTES = 512 * 1024;

/** A large answer that is in a file. */
export interface AnswerFile {
  bytes: number;
  stream: Readable;
}

/**
 * Keeps large answers to fetches in files of the cache, from the second time that they are asked for: a commit that
 * many builds clone is packed twice, then only read. Nothing here is needed; it may be deleted at any moment.
 */
export class AnswerFiles {
  readonly #folder: string;
  readonly #ids: Ids;
  /** In order of use, the longest unused first. */
  readonly #kept = new Map<string, { path: string; bytes: number }>();
  readonly #asked = new Set<string>();
  readonly #underWay = new Set<string>();
  #bytes = 0;

  constructor(folder: string, ids: Ids) {
    this.#folder = folder;
    this.#ids = ids;
  }

  /** Makes the folder anew: which file answers what is known to this process only. */
  async open(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
    await mkdir(this.#folder, { recursive: true });
  }

  /** The answer, opened, so that nobody can take it away any more. */
  async find(key: string): Promise<AnswerFile | null> {
    const kept = this.#kept.get(key);
    if (kept === undefined) return null;
    let file: FileHandle;
    try {
      file = await open(kept.path, 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      this.#forget(key);
      return null;
    }
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return { bytes: kept.bytes, stream: file.createReadStream({ highWaterMark: READ_CHUNK_BYTES }) };
  }

  /** Notes that the answer is wanted. From the second time on it answers a writer that must be ended. */
  want(key: string): AnswerWriter | null {
    if (!this.#asked.has(key)) {
      this.#asked.add(key);
      for (const oldest of this.#asked) {
        if (this.#asked.size <= MAX_ASKED) break;
        this.#asked.delete(oldest);
      }
      return null;
    }
    if (this.#underWay.has(key) || this.#kept.has(key)) return null;
    this.#underWay.add(key);
    return new AnswerWriter(join(this.#folder, this.#ids.uuid()), async (temporary, bytes) => {
      this.#underWay.delete(key);
      if (temporary !== null && bytes <= MAX_TOTAL_BYTES) await this.#keep(key, temporary, bytes);
    });
  }

  async #keep(key: string, temporary: string, bytes: number): Promise<void> {
    const path = `${temporary}.answer`;
    await rename(temporary, path);
    this.#kept.set(key, { path, bytes });
    this.#bytes += bytes;
    for (const [oldest, { path: old }] of this.#kept) {
      if (this.#bytes <= MAX_TOTAL_BYTES) return;
      this.#forget(oldest);
      await rm(old, { force: true });
    }
  }

  /** Deletes every answer of a repository that is deleted. */
  async forgetRepository(repositoryId: string): Promise<void> {
    for (const [key, { path }] of this.#kept) {
      if (!key.startsWith(`${repositoryId} `)) continue;
      this.#forget(key);
      await rm(path, { force: true });
    }
  }

  #forget(key: string): void {
    this.#bytes -= this.#kept.get(key)?.bytes ?? 0;
    this.#kept.delete(key);
  }
}

/** Writes one answer beside the client that gets it. A failing disk ends the writing, not the answer. */
export class AnswerWriter {
  readonly #path: string;
  readonly #file: WriteStream;
  readonly #settle: (temporary: string | null, bytes: number) => Promise<void>;
  #hasFailed = false;

  constructor(path: string, settle: (temporary: string | null, bytes: number) => Promise<void>) {
    this.#path = path;
    this.#settle = settle;
    this.#file = createWriteStream(path, { flags: 'wx', mode: 0o600 });
    this.#file.on('error', () => {
      this.#hasFailed = true;
    });
  }

  write(chunk: Uint8Array): void {
    if (this.#hasFailed) return;
    this.#file.write(chunk);
    if (this.#file.writableLength > MAX_BEHIND_BYTES) this.#hasFailed = true;
  }

  /** @param isWhole false when the answer was cut off or refused. */
  async end(isWhole: boolean): Promise<void> {
    if (!isWhole) this.#hasFailed = true;
    if (this.#hasFailed) this.#file.destroy();
    else this.#file.end();
    await Promise.allSettled([finished(this.#file)]);
    if (!this.#hasFailed) {
      await this.#settle(this.#path, this.#file.bytesWritten);
      return;
    }
    await this.#settle(null, 0);
    await rm(this.#path, { force: true });
  }
}
