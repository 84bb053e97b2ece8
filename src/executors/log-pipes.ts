import { execFile } from 'node:child_process';
import { closeSync, constants, openSync, unlinkSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Ids } from '../kernel/ids.ts';

const BATCH = 16;
const READ_BYTES = 64 * 1024;
const run = promisify(execFile);

/**
 * Reads a pipe into one buffer, again and again: a stream would make a new one for each 64 KiB, a hundred megabytes of
 * garbage a second for a log that pours.
 */
export class LogReader {
  readonly #socket: Socket;
  readonly #taken: Promise<void>;
  #consume: (chunk: Buffer) => Promise<void> = async () => undefined;
  #settle: { resolve(): void; reject(error: unknown): void };
  bytesRead = 0;

  constructor(fd: number) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#taken = promise;
    this.#settle = { resolve, reject };
    this.#socket = new Socket({
      fd,
      readable: true,
      writable: false,
      onread: { buffer: Buffer.allocUnsafeSlow(READ_BYTES), callback: (bytes, buffer) => this.#read(bytes, buffer) },
    });
    this.#socket.pause();
    this.#socket.once('end', resolve);
    this.#socket.once('close', () => resolve());
    this.#socket.once('error', reject);
  }

  /** Hands every chunk on, one at a time; a chunk is good until the promise settles. Resolves at the end of the log. */
  async run(consume: (chunk: Buffer) => Promise<void>): Promise<void> {
    this.#consume = consume;
    this.#socket.resume();
    try {
      await this.#taken;
    } finally {
      this.destroy();
    }
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(bytes: number, buffer: Uint8Array): boolean {
    this.bytesRead += bytes;
    this.#consume(Buffer.from(buffer.buffer, buffer.byteOffset, bytes)).then(
      () => this.#socket.resume(),
      (error: unknown) => this.#settle.reject(error),
    );
    return false;
  }
}

/** One pipe: the end that the script gets, and the stream of what it writes there. */
export interface LogPipe {
  /** Where it was made; now unlinked. */
  path: string;
  /** Pass it on as the child's descriptors 1 and 2, then call {@link closeWriter}. */
  writer: number;
  closeWriter(): void;
  reader: LogReader;
}

/**
 * Real pipes for the logs of runs. Node gives a child sockets, and a script that opens `/dev/stdout` (`tee /dev/stderr`)
 * fails on a socket; a named pipe that is opened at both ends and unlinked at once is an ordinary pipe. Pipes are made
 * ahead, several by one `mkfifo`, so that starting a run does not wait for a process.
 */
export class LogPipes {
  readonly #folder: string;
  readonly #ids: Ids;
  #made: string[] = [];
  #making: Promise<void> | undefined;

  constructor(folder: string, ids: Ids) {
    this.#folder = folder;
    this.#ids = ids;
  }

  /** Clears what an earlier server left and makes the first pipes. */
  async open(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await this.#make();
  }

  async take(): Promise<LogPipe> {
    while (this.#made.length === 0) await this.#make();
    const path = this.#made.pop()!;
    if (this.#made.length < BATCH / 2) {
      // Ahead of need; who finds none left waits for this promise and sees its error.
      this.#make().catch(() => undefined);
    }
    // The reader comes first: opening the writing end of a pipe without a reader would block.
    const readerFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = openSync(path, constants.O_WRONLY);
    unlinkSync(path);
    return { path, writer, closeWriter: () => closeSync(writer), reader: new LogReader(readerFd) };
  }

  #make(): Promise<void> {
    this.#making ??= this.#makeBatch().finally(() => {
      this.#making = undefined;
    });
    return this.#making;
  }

  async #makeBatch(): Promise<void> {
    const paths = Array.from({ length: BATCH }, () => join(this.#folder, this.#ids.uuid()));
    // Open to all because the script may run as another user; the folder keeps everybody else out.
    await run('mkfifo', ['-m', '666', ...paths]);
    this.#made.push(...paths);
  }
}
