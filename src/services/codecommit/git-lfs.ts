import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { isGitFailure } from '../../git/failure.ts';
import { readBody } from '../../git/request-body.ts';
import { seal, unseal } from '../../git/sealed-stream.ts';
import type { Context, RecordedEvent } from '../../kernel/context.ts';
import { isFault } from '../../kernel/fault.ts';
import type { Exchange } from '../../kernel/wire/http.ts';
import { gitFault, repositoryKeysOf } from './git-cache.ts';
import { gitRecord } from './git-records.ts';
import { addLfsObject, lfsBlobKey, lfsSizes } from './lfs-rows.ts';
import { repositoryResource } from './resources.ts';
import { findRepositoryById } from './store.ts';
import type { RepositoryRow } from './tables.ts';

/** Where large files have their address, behind the repository's. */
export const LFS = '/info/lfs/';
const TYPE = 'application/vnd.git-lfs+json';
const OID = /^[0-9a-f]{64}$/;
const MAX_BATCH_BYTES = 1024 * 1024;
const MAX_OBJECTS = 1_000;
/** As large as one object of S3 that is put at once. */
const MAX_OBJECT_BYTES = 5 * 1024 ** 3;

/** What a client asks of a repository's large files, after who it is is known. */
export interface LfsVisit {
  ctx: Context;
  name: string;
  repository: RepositoryRow | undefined;
  /** Behind `/info/lfs/`. */
  rest: string;
}

interface Batch {
  operation: 'download' | 'upload';
  objects: { oid: string; size: number }[];
}

/** An answer that is an error. */
class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Git LFS: the batch API with basic transfers. Downloads need codecommit:GitPull, uploads codecommit:GitPush. Content is
 * sealed with the repository's data key and counts only when it is what its id says.
 * Source: git-lfs, docs/api/batch.md and docs/api/basic-transfers.md.
 */
export async function serveLfs(exchange: Exchange, visit: LfsVisit): Promise<void> {
  const { request } = exchange;
  try {
    const [kind, oid] =
      /^objects\/(batch|[0-9a-f]{64})$/.exec(visit.rest)?.[1] === 'batch'
        ? ['batch', '']
        : ['object', visit.rest.slice('objects/'.length)];
    if (kind === 'batch' && request.method === 'POST') await answerBatch(exchange, visit);
    else if (!OID.test(oid))
      throw new Refusal(
        visit.rest.startsWith('locks') ? 501 : 404,
        'File locks of Git LFS are not implemented. This address serves the batch API and transfers of objects only.',
      );
    else if (request.method === 'PUT') await takeObject(exchange, visit, oid);
    else if (request.method === 'GET') await giveObject(exchange, visit, oid);
    else throw new Refusal(405, 'This method is not allowed here.');
  } catch (error) {
    refuse(exchange, refusalOf(gitFault(error, visit.name), visit, exchange));
  }
}

async function answerBatch(exchange: Exchange, visit: LfsVisit): Promise<void> {
  const { request, response } = exchange;
  const batch = readBatch(await textOf(exchange, visit.ctx));
  const isUpload = batch.operation === 'upload';
  const repository = await requireRepository(visit, isUpload, {
    operation: batch.operation,
    objects: batch.objects.length,
  });
  const known = await lfsSizes(
    visit.ctx,
    repository.id,
    batch.objects.map(({ oid }) => oid),
  );
  const base = `${originOf(exchange, visit.ctx)}${request.path.slice(0, -'batch'.length)}`;
  const objects = batch.objects.map(({ oid, size }) => {
    const href = `${base}${oid}`;
    const present = known.has(oid);
    if (isUpload && size > MAX_OBJECT_BYTES)
      return { oid, size, error: { code: 422, message: 'The object is too large.' } };
    if (isUpload) return present ? { oid, size } : { oid, size, actions: { upload: { href } } };
    if (!present) return { oid, size, error: { code: 404, message: 'The object does not exist.' } };
    return { oid, size: known.get(oid), actions: { download: { href } } };
  });
  response.writeHead(200, { 'content-type': TYPE, 'cache-control': 'no-store' });
  response.end(JSON.stringify({ transfer: 'basic', objects, hash_algo: 'sha256' }));
}

/** The address as the client knows it: behind a proxy it is another one than ours. */
function originOf({ request }: Exchange, ctx: Context): string {
  const { protocol } = new URL(ctx.publicUrl);
  return request.headers.host === undefined ? ctx.publicUrl : `${protocol}//${request.headers.host}`;
}

async function textOf({ request }: Exchange, ctx: Context): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readBody(request.message, ctx.clock, MAX_BATCH_BYTES)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function readBatch(text: string): Batch {
  let given: Partial<Batch> & { transfers?: unknown; hash_algo?: unknown };
  try {
    given = JSON.parse(text);
  } catch (error) {
    throw new Refusal(422, `The request is not JSON: ${(error as Error).message}`);
  }
  const { operation, objects, transfers, hash_algo: algorithm = 'sha256' } = given ?? {};
  if (operation !== 'download' && operation !== 'upload')
    throw new Refusal(422, 'The operation must be download or upload.');
  if (algorithm !== 'sha256') throw new Refusal(409, 'The hash algorithm must be sha256.');
  if (Array.isArray(transfers) && transfers.length > 0 && !transfers.includes('basic')) {
    throw new Refusal(422, 'Only basic transfers are served.');
  }
  if (!Array.isArray(objects) || objects.length > MAX_OBJECTS) {
    throw new Refusal(413, `A batch has at most ${MAX_OBJECTS} objects.`);
  }
  const isObject = (one: { oid?: unknown; size?: unknown } | null) =>
    typeof one === 'object' && OID.test(String(one?.oid)) && Number.isSafeInteger(one?.size) && Number(one?.size) >= 0;
  if (!objects.every(isObject)) throw new Refusal(422, 'An object needs an oid of 64 hexadecimal digits and a size.');
  return { operation, objects };
}

/** Takes an upload: nothing of it stays unless it is whole and what its id says. */
async function takeObject({ request, response }: Exchange, visit: LfsVisit, oid: string): Promise<void> {
  const { ctx } = visit;
  const repository = await requireRepository(visit, true, { operation: 'upload', oid });
  const key = lfsBlobKey(repository.id, oid);
  const sealing = { dataKey: await dataKeyOf(ctx, repository), name: key };
  let size = 0;
  const checked = async function* () {
    const hash = createHash('sha256');
    for await (const chunk of readBody(request.message, ctx.clock, MAX_OBJECT_BYTES)) {
      hash.update(chunk);
      size += chunk.length;
      yield chunk;
    }
    if (hash.digest('hex') !== oid) throw new Refusal(422, 'The content is not what its oid says.');
  };
  await ctx.blobs.put(key, seal(checked(), sealing));
  const isThere = await ctx.tx(async (tx) => {
    if ((await findRepositoryById(tx, repository.id)) === undefined) return false;
    await addLfsObject(tx, { repository_id: repository.id, oid, size, created_at: ctx.now().getTime() });
    return true;
  });
  if (!isThere) {
    await ctx.blobs.delete(key);
    throw new Refusal(404, `${visit.name} does not exist`);
  }
  response.writeHead(200, { 'content-length': 0 });
  response.end();
}

async function giveObject({ response }: Exchange, visit: LfsVisit, oid: string): Promise<void> {
  const { ctx } = visit;
  const repository = await requireRepository(visit, false, { operation: 'download', oid });
  const size = (await lfsSizes(ctx, repository.id, [oid])).get(oid);
  if (size === undefined) throw new Refusal(404, 'The object does not exist.');
  const key = lfsBlobKey(repository.id, oid);
  const sealing = { dataKey: await dataKeyOf(ctx, repository), name: key };
  const content = unseal(await ctx.blobs.get(key), sealing);
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': size,
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  });
  // What is damaged breaks off before its length is reached, so nobody takes it for the whole.
  await pipeline(content, response);
}

async function dataKeyOf(ctx: Context, repository: RepositoryRow): Promise<Buffer> {
  const keys = await repositoryKeysOf(ctx);
  await keys.unlock(ctx, repository);
  return keys.use(repository.id);
}

/** The repository, for a user who may do this; recorded like a pull or push. @throws Refusal */
async function requireRepository(
  visit: LfsVisit,
  isPush: boolean,
  lfs: Record<string, unknown>,
): Promise<RepositoryRow> {
  const { ctx, name, repository } = visit;
  const resource = repositoryResource(ctx, name);
  const record = (more: Partial<RecordedEvent> = {}) => {
    const one = gitRecord(isPush, { name, repository, arn: resource.arn }, true, more);
    ctx.record({ ...one, additionalEventData: { ...one.additionalEventData, lfs } });
  };
  try {
    await ctx.authorize(isPush ? 'codecommit:GitPush' : 'codecommit:GitPull', resource);
  } catch (error) {
    if (!isFault(error, 'AccessDenied')) throw error;
    record({ errorCode: 'AccessDenied', errorMessage: error.message });
    throw new Refusal(403, error.message);
  }
  if (repository === undefined) {
    const errorMessage = `${name} does not exist`;
    record({ errorCode: 'RepositoryDoesNotExistException', errorMessage });
    throw new Refusal(404, errorMessage);
  }
  record();
  return repository;
}

function refusalOf(error: unknown, { ctx, repository }: LfsVisit, { response }: Exchange): Refusal {
  if (error instanceof Refusal) return error;
  if (isFault(error)) return new Refusal(error.name.startsWith('EncryptionKey') ? 403 : 500, error.message);
  if (isGitFailure(error) && error.reason === 'body-too-large') return new Refusal(413, error.message);
  if (isGitFailure(error) && error.reason !== 'process-failed') return new Refusal(400, error.message);
  if (!response.destroyed)
    ctx.log.error({ err: error, repositoryId: repository?.id }, 'a request for a large file failed');
  return new Refusal(500, 'internal error');
}

/**
 * Tells git-lfs that the credentials that it sent are no good. After a 401 it asks its helpers again and sends what they say,
 * which may be the same, for ever (git-lfs, pull request 6231), so it is 403; git itself has had its 401 before.
 */
export function refuseLfs(exchange: Exchange, message: string): void {
  refuse(exchange, { status: 403, message });
}

interface Answer {
  status: number;
  message: string;
}

function refuse({ request, response }: Exchange, { status, message }: Answer): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  response.writeHead(status, { 'content-type': TYPE, ...(request.message.complete ? {} : { connection: 'close' }) });
  response.end(JSON.stringify({ message }));
}
