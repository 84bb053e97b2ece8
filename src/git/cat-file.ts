import { GitFailure } from './failure.ts';
import { failureOf, type GitChild, type GitLimits, type GitProcesses } from './git-process.ts';
import type { ObjectType } from './object-format.ts';
import type { ObjectContents, ObjectInfo, ObjectSource } from './object-source.ts';
import { isObjectId } from './ref-name.ts';

/** One question to git, answered in order. */
interface Pending {
  wantsBody: boolean;
  capBytes: number;
  resolve(answer: ObjectContents | null): void;
  reject(error: unknown): void;
}

const NEWLINE = 0x0a;
const NO_BODY = Buffer.alloc(0);
/** Longer than any header line that git writes for an object id. */
const MAX_HEADER_BYTES = 200;
const LIMITS: GitLimits = { wallMs: 24 * 3_600_000, cpuSeconds: 3_600, memoryBytes: 3 * 1024 ** 3 };

/**
 * One long-lived `git cat-file --batch-command`. Only object ids are ever written to it, so no name of a user can be
 * taken for a revision expression. Questions may overlap; the answers come in order.
 */
export class CatFile implements ObjectSource {
  readonly #child: GitChild;
  readonly #pending: Pending[] = [];
  #chunks: Buffer[] = [];
  #buffered = 0;
  /** The answer whose body is being read; null between two answers. */
  #reading: { pending: Pending; info: ObjectInfo; left: number; parts: Buffer[] } | null = null;
  #dead = false;

  constructor(git: GitProcesses, gitDir: string, env?: Record<string, string>) {
    this.#child = git.spawn(['cat-file', '--batch-command'], { gitDir, limits: LIMITS, env: env ?? {} });
    this.#child.stdout.on('data', (chunk: Buffer) => this.#accept(chunk));
    this.#child.ended.then((end) => {
      this.#dead = true;
      const failure = failureOf(end, 'cat-file');
      this.#reading?.pending.reject(failure);
      for (const pending of this.#pending.splice(0)) pending.reject(failure);
    });
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** True while questions are open. */
  get working(): boolean {
    return this.#pending.length > 0 || this.#reading !== null;
  }

  info(id: string): Promise<ObjectInfo | null> {
    return this.#ask(id, false, 0);
  }

  /** Beyond `capBytes` the bytes are read and dropped. */
  contents(id: string, capBytes: number): Promise<ObjectContents | null> {
    return this.#ask(id, true, capBytes);
  }

  /** Lets git answer what was asked and end; nothing may be asked after. */
  closeWhenIdle(): void {
    this.#child.stdin.end();
  }

  async close(): Promise<void> {
    this.#child.kill();
    await this.#child.ended;
  }

  #ask(id: string, wantsBody: boolean, capBytes: number): Promise<ObjectContents | null> {
    if (!isObjectId(id)) return Promise.resolve(null);
    if (this.#dead) return Promise.reject(new GitFailure('process-failed', 'git cat-file has ended'));
    return new Promise((resolve, reject) => {
      this.#pending.push({ wantsBody, capBytes, resolve, reject });
      this.#child.stdin.write(`${wantsBody ? 'contents' : 'info'} ${id}\n`);
    });
  }

  #accept(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    while (this.#buffered > 0 && (this.#reading === null ? this.#readHeader() : this.#readBody())) {
      // Each turn takes one header or one piece of a body.
    }
  }

  #readHeader(): boolean {
    const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks = [bytes];
    const end = bytes.indexOf(NEWLINE);
    if (end < 0) {
      if (bytes.length > MAX_HEADER_BYTES) this.#child.kill();
      return false;
    }
    this.#keep(bytes.subarray(end + 1));
    const pending = this.#pending.shift()!;
    const [, type, size] = bytes.toString('latin1', 0, end).split(' ');
    if (size === undefined) {
      pending.resolve(null);
      return true;
    }
    const info = { type: type as ObjectType, size: Number(size) };
    if (pending.wantsBody) this.#reading = { pending, info, left: info.size + 1, parts: [] };
    else pending.resolve({ ...info, body: NO_BODY });
    return true;
  }

  /** Takes what has arrived of the body and of the newline after it. */
  #readBody(): boolean {
    const reading = this.#reading!;
    const bytes = this.#chunks.shift()!;
    const taken = bytes.subarray(0, reading.left);
    this.#buffered -= bytes.length;
    reading.left -= taken.length;
    if (reading.info.size <= reading.pending.capBytes) reading.parts.push(taken);
    const rest = bytes.subarray(taken.length);
    if (rest.length > 0) {
      this.#chunks.unshift(rest);
      this.#buffered += rest.length;
    }
    if (reading.left > 0) return true;
    this.#reading = null;
    const { pending, info } = reading;
    if (info.size > pending.capBytes) {
      pending.reject(new GitFailure('object-too-large', `the object is larger than ${pending.capBytes} bytes`));
    } else {
      const body = reading.parts.length === 1 ? reading.parts[0]! : Buffer.concat(reading.parts);
      pending.resolve({ ...info, body: body.subarray(0, info.size) });
    }
    return true;
  }

  #keep(rest: Buffer): void {
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#buffered = rest.length;
  }
}
