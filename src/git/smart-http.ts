import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../kernel/clock.ts';
import { advertisedBytes, type GitService, type ProtocolVersion, protocolVersionOf } from './advertisement.ts';
import { GitFailure, isGitFailure } from './failure.ts';
import { passOn } from './flow.ts';
import { DEFAULT_PACK_LIMITS } from './incoming-pack.ts';
import { type PushRules, receivePack } from './receive-pack.ts';
import type { Repository } from './repository.ts';
import { readBody } from './request-body.ts';
import { answerUploadPack } from './upload-pack.ts';

/** Which of the three requests of smart HTTP this is. */
export interface GitEndpoint {
  service: GitService;
  kind: 'advertise' | 'rpc';
}

/** What the caller gives to serve a user. */
export interface GitDoor {
  /** Null where the user may only read: a push is then refused by the caller before. */
  push: PushRules | null;
  /** Told about every failure of ours, with git's words where there are any. */
  report(error: unknown): void;
}

/** A client that takes nothing for this long is given up. */
const WRITE_STALL_MS = 60_000;
/** Wants and haves of a repository with hundreds of thousands of references. */
const MAX_FETCH_BODY_BYTES = 64 * 1024 * 1024;
/** Commands before the pack. */
const MAX_COMMANDS_BYTES = 32 * 1024 * 1024;
const NO_CACHE = {
  expires: 'Fri, 01 Jan 1980 00:00:00 GMT',
  pragma: 'no-cache',
  'cache-control': 'no-cache, max-age=0, must-revalidate',
};

/**
 * Recognises smart HTTP (gitprotocol-http) by what follows the repository in the path. The dumb protocol's files
 * (`/HEAD`, `/objects/...`) are not served, nor is `info/refs` without a service.
 * @param rest path after the repository, such as `/info/refs`.
 */
export function gitEndpointOf(method: string, rest: string, query: URLSearchParams): GitEndpoint | null {
  if (rest === '/info/refs' && (method === 'GET' || method === 'HEAD')) {
    const services = query.getAll('service');
    const service = services.length === 1 ? toService(services[0]!) : null;
    return service === null ? null : { service, kind: 'advertise' };
  }
  const service = method === 'POST' && rest.startsWith('/') ? toService(rest.slice(1)) : null;
  return service === null ? null : { service, kind: 'rpc' };
}

function toService(name: string): GitService | null {
  return name === 'git-upload-pack' || name === 'git-receive-pack' ? name : null;
}

/**
 * Answers a request of a user who was authenticated and authorised before.
 * Resolves when the answer is sent; failures become an answer.
 */
export async function serveGit(
  repository: Repository,
  endpoint: GitEndpoint,
  exchange: { request: IncomingMessage; response: ServerResponse },
  door: GitDoor,
): Promise<void> {
  const { request, response } = exchange;
  const abort = new AbortController();
  const hangUp = () => {
    if (!response.writableFinished) abort.abort();
  };
  response.once('close', hangUp);
  const stall = watchStall(response, repository.surroundings.clock);
  try {
    if (endpoint.kind === 'advertise') await serveAdvertisement(repository, endpoint.service, request, response);
    else if (endpoint.service === 'git-upload-pack') await serveFetch(repository, exchange, door, abort.signal);
    else await servePush(repository, exchange, door, abort.signal);
  } catch (error) {
    answerFailure(error, response, door);
  } finally {
    stall.cancel();
    response.off('close', hangUp);
  }
}

async function serveAdvertisement(
  repository: Repository,
  service: GitService,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const bytes = await advertisedBytes(repository, service, protocolVersion(request));
  response.writeHead(200, {
    ...NO_CACHE,
    'content-type': `application/x-${service}-advertisement`,
    'content-length': bytes.length,
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

async function serveFetch(
  repository: Repository,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
  door: GitDoor,
  signal: AbortSignal,
): Promise<void> {
  requireType(request, 'git-upload-pack');
  const body = readBody(request, repository.surroundings.clock, MAX_FETCH_BODY_BYTES);
  const answer = await answerUploadPack(repository, protocolVersion(request), body, signal);
  const headers = { ...NO_CACHE, 'content-type': 'application/x-git-upload-pack-result' };
  if (answer.kind === 'bytes') {
    if (answer.failure !== undefined) door.report(answer.failure);
    response.writeHead(200, { ...headers, 'content-length': answer.bytes.length });
    response.end(answer.bytes);
    return;
  }
  response.writeHead(200, answer.bytes === null ? headers : { ...headers, 'content-length': answer.bytes });
  const passed = passOn(answer.stream, response, repository.surroundings.clock);
  try {
    await answer.ended;
  } catch (error) {
    // A git that was stopped leaves half an answer, which must not look whole; else it has told the client (an ERR line).
    if (!isGitFailure(error, 'process-failed')) throw error;
    door.report(error);
  }
  await passed;
  response.end();
}

async function servePush(
  repository: Repository,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
  door: GitDoor,
  signal: AbortSignal,
): Promise<void> {
  requireType(request, 'git-receive-pack');
  const rules = door.push;
  if (rules === null) throw new Error('a push was let in without rules');
  const { maxPackBytes } = rules.limits ?? DEFAULT_PACK_LIMITS;
  const body = readBody(request, repository.surroundings.clock, maxPackBytes + MAX_COMMANDS_BYTES);
  const head = () => {
    if (!response.headersSent) {
      response.writeHead(200, { ...NO_CACHE, 'content-type': 'application/x-git-receive-pack-result' });
    }
  };
  const write = (bytes: Uint8Array) => {
    head();
    response.write(bytes);
  };
  await receivePack(repository, body, rules, { write, signal, report: door.report });
  head();
  response.end();
}

function protocolVersion(request: IncomingMessage): ProtocolVersion {
  const header = request.headers['git-protocol'];
  return protocolVersionOf(typeof header === 'string' ? header : undefined);
}

function requireType(request: IncomingMessage, service: GitService): void {
  if (request.headers['content-type'] !== `application/x-${service}-request`) {
    throw new GitFailure('bad-request', 'unexpected content type');
  }
}

/** Ends the connection of a client that has stopped reading, and with it the git that writes for it. */
function watchStall(response: ServerResponse, clock: Clock): { cancel(): void } {
  let sent = response.socket?.bytesWritten ?? 0;
  const look = () => {
    const now = response.socket?.bytesWritten ?? 0;
    if (response.writableNeedDrain && now === sent) {
      response.destroy();
      return;
    }
    sent = now;
    timer = clock.after(WRITE_STALL_MS, look);
  };
  let timer = clock.after(WRITE_STALL_MS, look);
  return { cancel: () => timer.cancel() };
}

function answerFailure(error: unknown, response: ServerResponse, door: GitDoor): void {
  if (!isGitFailure(error) || error.reason === 'process-failed') door.report(error);
  if (response.destroyed) return;
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const [status, text] = statusOf(error);
  // The rest of the body is not read, so the connection cannot serve another request.
  response.writeHead(status, { ...NO_CACHE, 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
  response.end(`${text}\n`);
}

function statusOf(error: unknown): [number, string] {
  if (!isGitFailure(error)) return [500, 'internal error'];
  if (error.reason === 'bad-request') return [400, error.message];
  if (error.reason === 'body-too-large' || error.reason === 'pack-too-large') return [413, error.message];
  if (error.reason === 'busy') return [503, error.message];
  if (error.reason === 'key-refused') return [403, error.message];
  return [500, error.reason === 'process-failed' ? 'internal error' : error.message];
}
