import type { Readable } from 'node:stream';
import { answerLsRefs } from './advertisement.ts';
import { GitFailure } from './failure.ts';
import { failureOf, type GitChild, type GitLimits } from './git-process.ts';
import { lineText, PacketReader } from './pkt-line.ts';
import type { Repository } from './repository.ts';

/** The answer to a POST to upload-pack. */
export type UploadAnswer =
  | { kind: 'bytes'; bytes: Buffer }
  /** `ended` settles when git has ended and rejects when it failed; the stream must be read or destroyed. */
  | { kind: 'stream'; stream: Readable; ended: Promise<void>; stop(): void };

/** Requests up to this size are read before git is started; longer ones can only be a fetch with many haves. */
const HELD_BYTES = 1024 * 1024;
const LIMITS: GitLimits = { wallMs: 4 * 3_600_000, cpuSeconds: 3_600, memoryBytes: 8 * 1024 ** 3 };

/**
 * Answers one stateless request. Version 2's `ls-refs` comes from rows; a fetch is git's own `upload-pack` on the
 * cache. Every object of a repository may be asked for by id (gitprotocol-v2), as whoever may read it may read it all.
 * @throws {GitFailure} `bad-request`, `busy`.
 */
export async function answerUploadPack(
  repository: Repository,
  version: 0 | 2,
  input: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<UploadAnswer> {
  const body = await HeldBody.read(input);
  if (body.held.length === 0) return { kind: 'bytes', bytes: Buffer.alloc(0) };
  if (version === 2) {
    const reader = new PacketReader(only(body.held));
    const first = await reader.next();
    const command = first instanceof Buffer ? lineText(first) : '';
    if (command === 'command=ls-refs') {
      if (!body.isWhole) throw new GitFailure('body-too-large', 'the request is too large');
      return { kind: 'bytes', bytes: await answerLsRefs(reader, await repository.state()) };
    }
    if (command !== 'command=fetch') throw new GitFailure('bad-request', 'unknown command');
  }
  return stream(repository, version, body, signal);
}

async function stream(
  repository: Repository,
  version: 0 | 2,
  body: HeldBody,
  signal: AbortSignal | undefined,
): Promise<UploadAnswer> {
  const leave = await repository.surroundings.uploads.take(signal);
  try {
    const lease = await repository.lease();
    const child = repository.surroundings.git.spawn(['upload-pack', '--strict', '--stateless-rpc', repository.gitDir], {
      gitDir: repository.gitDir,
      limits: LIMITS,
      ...(version === 2 ? { env: { GIT_PROTOCOL: 'version=2' } } : {}),
      ...(signal === undefined ? {} : { signal }),
    });
    const ended = finish(repository, child, body).finally(() => {
      lease.release();
      leave();
    });
    return { kind: 'stream', stream: child.stdout, ended, stop: () => child.kill() };
  } catch (error) {
    leave();
    throw error;
  }
}

async function finish(repository: Repository, child: GitChild, body: HeldBody): Promise<void> {
  try {
    await feed(child, body);
  } catch (error) {
    child.kill();
    await child.ended;
    throw error;
  }
  const end = await child.ended;
  if (end.status === 0) return;
  repository.suspect();
  throw failureOf(end, 'upload-pack');
}

async function feed(child: GitChild, body: HeldBody): Promise<void> {
  if (body.isWhole) {
    child.stdin.end(body.held);
    return;
  }
  for await (const chunk of body.all()) {
    if (child.stdin.destroyed) return;
    if (!child.stdin.write(chunk)) {
      await new Promise<void>((resolve) => {
        child.stdin.once('drain', resolve);
        child.stdin.once('close', resolve);
      });
    }
  }
  child.stdin.end();
}

/** The first part of a request's body, and the rest as it comes. */
class HeldBody {
  readonly held: Buffer;
  readonly isWhole: boolean;
  readonly #rest: AsyncIterator<Uint8Array>;

  private constructor(held: Buffer, isWhole: boolean, rest: AsyncIterator<Uint8Array>) {
    this.held = held;
    this.isWhole = isWhole;
    this.#rest = rest;
  }

  static async read(input: AsyncIterable<Uint8Array>): Promise<HeldBody> {
    const source = input[Symbol.asyncIterator]();
    const chunks: Uint8Array[] = [];
    let size = 0;
    while (size <= HELD_BYTES) {
      const { value, done } = await source.next();
      if (done) return new HeldBody(Buffer.concat(chunks, size), true, source);
      chunks.push(value);
      size += value.length;
    }
    return new HeldBody(Buffer.concat(chunks, size), false, source);
  }

  async *all(): AsyncGenerator<Uint8Array> {
    yield this.held;
    for (let next = await this.#rest.next(); !next.done; next = await this.#rest.next()) yield next.value;
  }
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
