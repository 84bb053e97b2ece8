import type { Readable, Writable } from 'node:stream';
import { type GitService, greet, type ProtocolVersion } from './advertisement.ts';
import { GitFailure, isGitFailure } from './failure.ts';
import { writable } from './flow.ts';
import { failureOf } from './git-process.ts';
import { PatientInput } from './patience.ts';
import { DELIMITER, FLUSH, PacketReader, pktLine } from './pkt-line.ts';
import { receivePack } from './receive-pack.ts';
import type { Repository } from './repository.ts';
import type { GitDoor } from './smart-http.ts';
import { answerUploadPack, UPLOAD_LIMITS } from './upload-pack.ts';

/** A connection that carries one service in both directions. */
export interface DuplexExchange {
  readonly service: GitService;
  readonly version: ProtocolVersion;
  readonly input: Readable;
  readonly output: Writable;
  /** Aborted when the client hangs up. */
  readonly signal: AbortSignal;
}

/** One request of version 2; a fetch of a repository with hundreds of thousands of references. */
const MAX_REQUEST_BYTES = 64 * 1024 * 1024;
/** Between two questions of a fetch, the client looks at what it has. */
const FETCH_IDLE_MS = 120_000;
/** Between the commands of a push and its pack, the client makes the pack, and says nothing meanwhile. */
const PACKING_MS = 1_800_000;
/** A pack that has begun goes on, as over HTTP. */
const PACK_IDLE_MS = 30_000;

/**
 * Serves a user who was authenticated and authorised before, over a connection such as SSH's (gitprotocol-pack): the
 * server speaks first, and a fetch may take several requests.
 * @throws {GitFailure} for what the client did wrong or git could not do; whatever was written stays.
 */
export async function serveDuplex(repository: Repository, exchange: DuplexExchange, door: GitDoor): Promise<void> {
  const { service, version, output } = exchange;
  if (service === 'git-receive-pack') {
    output.write(greet(service, version, await repository.state()));
    await servePush(repository, exchange, door);
  } else if (version === 2) {
    output.write(greet(service, 2, await repository.state()));
    await serveRequests(repository, exchange, door);
  } else await serveConversation(repository, exchange, door);
}

async function servePush(repository: Repository, { input, output, signal }: DuplexExchange, door: GitDoor) {
  const rules = door.push;
  if (rules === null) throw new Error('a push was let in without rules');
  const write = (bytes: Uint8Array) => {
    output.write(bytes);
  };
  const bytes = new PatientInput(input, repository.surroundings.clock, PACKING_MS);
  const begun = () => bytes.wait(PACK_IDLE_MS);
  await receivePack(repository, bytes, rules, { write, signal, report: door.report, begun });
}

/** Version 2: each request stands alone, as over HTTP. */
async function serveRequests(
  repository: Repository,
  { input, output, signal }: DuplexExchange,
  door: GitDoor,
): Promise<void> {
  const reader = new PacketReader(new PatientInput(input, repository.surroundings.clock, FETCH_IDLE_MS));
  for (;;) {
    const request = await readRequest(reader);
    if (request === null) return;
    const answer = await answerUploadPack(repository, 2, only(request), signal);
    if (answer.kind === 'bytes') {
      if (answer.failure !== undefined) door.report(answer.failure);
      output.write(answer.bytes);
      await writable(output);
      continue;
    }
    await pass(answer.stream, output);
    await answer.ended;
  }
}

/** The bytes of one request up to its flush; null when the client is done. @throws {GitFailure} `bad-request`, `body-too-large` */
async function readRequest(reader: PacketReader): Promise<Buffer | null> {
  const pieces: Buffer[] = [];
  let size = 0;
  for (;;) {
    const packet = await reader.next();
    if (packet === 'end' || (packet === 'flush' && pieces.length === 0)) return null;
    const piece = packet instanceof Buffer ? pktLine(packet) : packet === 'delimiter' ? DELIMITER : FLUSH;
    pieces.push(piece);
    size += piece.length;
    if (size > MAX_REQUEST_BYTES) throw new GitFailure('body-too-large', 'the request is too large');
    if (packet === 'flush') return Buffer.concat(pieces, size);
    if (packet === 'response-end') throw new GitFailure('bad-request', 'unexpected packet');
  }
}

/** Versions 0 and 1 keep a state between the questions of one fetch, so git itself talks to the client. */
async function serveConversation(
  repository: Repository,
  { version, input, output, signal }: DuplexExchange,
  door: GitDoor,
): Promise<void> {
  const leave = await repository.surroundings.uploads.take(signal);
  try {
    await repository.read(async ({ gitDir }) => {
      const child = repository.surroundings.git.spawn(['upload-pack', '--strict', gitDir], {
        gitDir,
        limits: UPLOAD_LIMITS,
        signal,
        ...(version === 1 ? { env: { GIT_PROTOCOL: 'version=1' } } : {}),
      });
      // While git has something to say, it is not the client's turn.
      const isBusy = () => output.writableLength > 0;
      const bytes = new PatientInput(input, repository.surroundings.clock, FETCH_IDLE_MS, isBusy);
      let idle: GitFailure | null = null;
      const fed = feed(bytes, child.stdin, signal).catch((error: unknown) => {
        if (!isGitFailure(error, 'stopped')) throw error;
        idle = error;
        child.kill();
      });
      await pass(child.stdout, output, () => bytes.restart());
      const end = await child.ended;
      // The client may keep its side open; nothing reads it any more.
      input.pause();
      fed.catch(door.report);
      if (idle !== null) throw idle;
      if (end.status !== 0) throw failureOf(end, 'upload-pack');
    });
  } finally {
    leave();
  }
}

async function feed(bytes: AsyncIterable<Buffer>, stdin: Writable, signal: AbortSignal): Promise<void> {
  try {
    for await (const chunk of bytes) {
      if (stdin.destroyed) return;
      stdin.write(chunk);
      await writable(stdin);
    }
  } catch (error) {
    // The client is gone, which is seen by whoever waits for git.
    if (!signal.aborted) throw error;
  }
  stdin.end();
}

/** @param passed is called for each piece. */
async function pass(source: Readable, output: Writable, passed: () => void = () => undefined): Promise<void> {
  const gone = () => source.destroy();
  if (output.destroyed) gone();
  output.once('close', gone);
  try {
    for await (const chunk of source) {
      passed();
      output.write(chunk);
      await writable(output);
    }
  } catch (error) {
    if (!source.destroyed) throw error;
  } finally {
    output.off('close', gone);
  }
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
