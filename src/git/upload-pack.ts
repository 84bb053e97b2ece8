import { hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Clock } from '../kernel/clock.ts';
import { lsRefsBytes, type ProtocolVersion } from './advertisement.ts';
import { MAX_KEPT_ANSWER_BYTES } from './answer-cache.ts';
import { GitFailure, isGitFailure } from './failure.ts';
import { writable } from './flow.ts';
import { failureOf, type GitChild, type GitLimits } from './git-process.ts';
import { HeldBody } from './held-body.ts';
import { lineText, PacketReader } from './pkt-line.ts';
import { MAX_TRIES, type Repository } from './repository.ts';

/** The answer to a POST to upload-pack. */
export type UploadAnswer =
  /** `failure` is git's, which has told the client in `bytes` what is wrong. */
  | { kind: 'bytes'; bytes: Buffer; failure?: GitFailure }
  /**
   * `ended` settles when git has ended and rejects when it failed; the stream must be read or destroyed. `bytes` is its
   * length where that is known.
   */
  | { kind: 'stream'; stream: Readable; bytes: number | null; ended: Promise<void> };

/** Requests up to this size are read before git is started; longer ones can only be a fetch with many haves. */
const HELD_BYTES = 1024 * 1024;
/** Requests that first clones and updates of a few branches make; only their answers are kept. */
const MAX_KEPT_REQUEST_BYTES = 16 * 1024;
/** An answer that takes longer is passed on as it comes, so that the client sees progress. */
const GATHER_MS = 250;
/** What one upload-pack may use. */
export const UPLOAD_LIMITS: GitLimits = { wallMs: 4 * 3_600_000, cpuSeconds: 3_600, memoryBytes: 8 * 1024 ** 3 };

/**
 * Answers one stateless request. Version 2's `ls-refs` comes from rows; a fetch is git's own `upload-pack` on the
 * cache. Every object of a repository may be asked for by id (gitprotocol-v2), as whoever may read it may read it all.
 * @throws {GitFailure} `bad-request`, `busy`.
 */
export async function answerUploadPack(
  repository: Repository,
  version: ProtocolVersion,
  input: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<UploadAnswer> {
  const body = await HeldBody.read(input, HELD_BYTES);
  if (body.held.length === 0) return { kind: 'bytes', bytes: Buffer.alloc(0) };
  if (version === 2) {
    const reader = new PacketReader(only(body.held));
    const first = await reader.next();
    const command = first instanceof Buffer ? lineText(first) : '';
    if (command === 'command=ls-refs') {
      if (!body.isWhole) throw new GitFailure('body-too-large', 'the request is too large');
      return { kind: 'bytes', bytes: await lsRefsBytes(reader, repository) };
    }
    if (command !== 'command=fetch') throw new GitFailure('bad-request', 'unknown command');
  }
  return fetchObjects(repository, version, body, signal);
}

/** Answers from what is kept where the same was asked before. */
async function fetchObjects(
  repository: Repository,
  version: ProtocolVersion,
  body: HeldBody,
  signal: AbortSignal | undefined,
): Promise<UploadAnswer> {
  if (!body.isWhole || body.held.length > MAX_KEPT_REQUEST_BYTES) return stream(repository, version, body, signal);
  const { generation } = await repository.state();
  const key = `${repository.id} ${generation} ${version} ${hash('sha256', body.held)}`;
  const { answers } = repository.surroundings;
  const known = await answers.find(key);
  if (known !== null) return { kind: 'bytes', bytes: known };
  const file = await repository.surroundings.answerFiles.find(key);
  if (file !== null) return { kind: 'stream', ...file, ended: Promise.resolve() };
  if (!answers.begin(key)) return keepLarge(repository, key, await gather(repository, version, body, signal));
  let answer: UploadAnswer | null = null;
  try {
    answer = await gather(repository, version, body, signal);
  } finally {
    answers.settle(key, answer?.kind === 'bytes' && answer.failure === undefined ? answer.bytes : null);
  }
  return keepLarge(repository, key, answer);
}

/** Writes a large answer to a file while the client gets it, where it was asked for before. */
function keepLarge(repository: Repository, key: string, answer: UploadAnswer): UploadAnswer {
  if (answer.kind === 'bytes') return answer;
  const { answerFiles, report } = repository.surroundings;
  const writer = answerFiles.want(key);
  if (writer === null) return answer;
  answer.stream.on('data', (chunk: Buffer) => writer.write(chunk));
  answer.stream.pause();
  const end = (isWhole: boolean) => writer.end(isWhole).catch(report);
  answer.ended.then(
    () => end(answer.stream.readableEnded),
    () => end(false),
  );
  return answer;
}

/** An answer in one piece where it is short; made again where the cache was deleted under it. */
async function gather(
  repository: Repository,
  version: ProtocolVersion,
  body: HeldBody,
  signal: AbortSignal | undefined,
): Promise<UploadAnswer> {
  for (let tries = 1; ; tries++) {
    const { losses } = repository;
    const answer = await inOnePiece(await stream(repository, version, body, signal), repository.surroundings.clock);
    const hasFailed = answer.kind === 'bytes' && answer.failure !== undefined && signal?.aborted !== true;
    if (!hasFailed || tries >= MAX_TRIES || !(await repository.hasLostSince(losses))) return answer;
  }
}

/** Waits for a short answer to be whole; a long or slow one is handed on as a stream, with nothing lost. */
async function inOnePiece(answer: UploadAnswer, clock: Clock): Promise<UploadAnswer> {
  if (answer.kind === 'bytes') return answer;
  const chunks: Buffer[] = [];
  let size = 0;
  const isWhole = await new Promise<boolean>((resolve) => {
    let isLate = false;
    const timer = clock.after(GATHER_MS, () => {
      isLate = true;
      // With nothing to pass on it may yet turn out that git has failed.
      if (size > 0) finish(false);
    });
    const take = (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (isLate || size > MAX_KEPT_ANSWER_BYTES) finish(false);
    };
    const close = () => finish(true);
    const finish = (whole: boolean) => {
      timer.cancel();
      answer.stream.pause().off('data', take).off('close', close).off('end', close);
      resolve(whole);
    };
    answer.stream.on('data', take).on('close', close).on('end', close);
  });
  const bytes = Buffer.concat(chunks, size);
  if (!isWhole) {
    if (size > 0) answer.stream.unshift(bytes);
    return answer;
  }
  try {
    await answer.ended;
    return { kind: 'bytes', bytes };
  } catch (error) {
    if (!isGitFailure(error, 'process-failed')) throw error;
    return { kind: 'bytes', bytes, failure: error };
  }
}

async function stream(
  repository: Repository,
  version: ProtocolVersion,
  body: HeldBody,
  signal: AbortSignal | undefined,
): Promise<UploadAnswer> {
  const leave = await repository.surroundings.uploads.take(signal);
  try {
    const lease = await repository.lease();
    const child = repository.surroundings.git.spawn(['upload-pack', '--strict', '--stateless-rpc', lease.gitDir], {
      gitDir: lease.gitDir,
      limits: UPLOAD_LIMITS,
      ...(version === 2 ? { env: { GIT_PROTOCOL: 'version=2' } } : {}),
      ...(signal === undefined ? {} : { signal }),
    });
    const ended = finish(repository, child, body).finally(() => {
      lease.release();
      leave();
    });
    // Whoever reads the stream to its end looks at this after; until then a failure is no unhandled one.
    ended.catch(() => undefined);
    return { kind: 'stream', stream: child.stdout, bytes: null, ended };
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
    child.stdin.write(chunk);
    await writable(child.stdin);
  }
  child.stdin.end();
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
