import { createHash } from 'node:crypto';
import type { Context } from '../../kernel/context.ts';
import type { RequestStream } from '../../kernel/wire/body.ts';
import { ALGORITHMS, type Algorithm, type Checksum, isChecksum, startChecksum } from './checksums.ts';
import type { Encryption } from './encryption.ts';
import { badDigest, entityTooLarge, invalidRequest, s3Fault } from './faults.ts';
import { DATA_KEY_BYTES, free, seal } from './sealed-blob.ts';

/** Largest object of one upload, and largest part: 5 GiB. */
export const MAX_UPLOAD_BYTES = 5 * 1024 ** 3;

const PIECE_BYTES = 256 * 1024;

/** Data that is durable in the blob store and that no row names yet. */
export interface StoredContent {
  /** Null where there are no bytes. */
  blob: string | null;
  dataKey: string | null;
  size: number;
  /** MD5, hex; or random where others hold the key. */
  etag: string;
  checksum: Checksum | undefined;
}

/** What the client says of the data. */
export interface Claims {
  /** `Content-MD5`: base64. */
  md5?: string | undefined;
  /** Checksum in a header. */
  checksum?: { algorithm: Algorithm; value: string } | undefined;
  /** Algorithm to compute where the client states none. */
  algorithm?: Algorithm | undefined;
}

/** A body as any caller may give it: over the wire, or from another service. */
export type Body = AsyncIterable<Uint8Array> | Uint8Array | string | Blob | ReadableStream | undefined;

/**
 * Stores a body under a new blob and verifies what the client says of it: length, MD5, checksum in header or trailer. If
 * anything differs, nothing is stored.
 * @throws BadDigest, InvalidDigest, EntityTooLarge, MissingContentLength, and what the stream itself fails with
 */
export async function storeContent(
  ctx: Context,
  body: Body,
  claims: Claims,
  encryption: Pick<Encryption, 'envelope' | 'hidesContent'>,
): Promise<StoredContent> {
  const { envelope, hidesContent } = encryption;
  const source = toChunks(body);
  checkLength(source);
  const meter = new Meter(source, claims);
  const chunks = meter.read();
  const first = await chunks.next();
  const result = () => ({ ...meter.result(), ...(hidesContent ? { etag: ctx.ids.bytes(16).toString('hex') } : {}) });
  if (first.done) return { ...result(), blob: null, dataKey: null };
  const key = ctx.ids.bytes(DATA_KEY_BYTES);
  const blob = newBlobKey(ctx);
  await ctx.blobs.put(blob, seal(startingWith(first.value, chunks), key));
  return { ...result(), blob, dataKey: envelope.seal(blob, key) };
}

/** Folder of all object data in the blob store. */
export const BLOB_FOLDER = 's3';

/** A key of our own: nothing of a user's key reaches the disk. The time in it tells the sweeper how old a blob is. */
function newBlobKey(ctx: Context): string {
  const id = ctx.ids.uuid();
  return `${BLOB_FOLDER}/${id.slice(0, 2)}/${ctx.now().getTime().toString(36)}-${id}`;
}

/** When a blob was begun, from its key; undefined for a key that is not ours. */
export function blobBegunAt(blob: string): number | undefined {
  const match = /^s3\/[0-9a-f]{2}\/([0-9a-z]{1,11})-[0-9a-f-]{36}$/.exec(blob);
  return match === null ? undefined : Number.parseInt(match[1]!, 36);
}

function toChunks(body: Body): AsyncIterable<Uint8Array> {
  if (body === undefined) return fromBytes(Buffer.alloc(0));
  if (typeof body === 'string') return fromBytes(Buffer.from(body));
  if (body instanceof Uint8Array) return fromBytes(body);
  if (body instanceof Blob) return body.stream() as unknown as AsyncIterable<Uint8Array>;
  return body as AsyncIterable<Uint8Array>;
}

/** In pieces, so that digests of a large body do not hold up everybody else. */
async function* fromBytes(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

async function* startingWith(first: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* rest;
}

function isFromWire(source: AsyncIterable<Uint8Array>): source is RequestStream {
  return 'contentLength' in source;
}

/** S3 wants to know the length of an upload before its first byte. */
function checkLength(source: AsyncIterable<Uint8Array>): void {
  if (!isFromWire(source)) return;
  const { contentLength } = source;
  if (contentLength === undefined) {
    throw s3Fault('MissingContentLength', 411, 'You must provide the Content-Length HTTP header.');
  }
  if (contentLength > MAX_UPLOAD_BYTES) throw entityTooLarge(contentLength, MAX_UPLOAD_BYTES);
}

/** Measures a stream on its way and, at its end, holds it against what the client says. */
class Meter {
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #claims: Claims;
  #size = 0;
  #etag = '';
  #checksum: Checksum | undefined;

  constructor(source: AsyncIterable<Uint8Array>, claims: Claims) {
    this.#source = source;
    this.#claims = claims;
    const { md5 } = claims;
    if (md5 !== undefined && !/^[A-Za-z0-9+/]{22}==$/.test(md5)) {
      throw s3Fault('InvalidDigest', 400, 'The Content-MD5 you specified was invalid.');
    }
  }

  async *read(): AsyncGenerator<Uint8Array> {
    const algorithm = this.#algorithm();
    const md5 = createHash('md5');
    const fromWire = isFromWire(this.#source);
    const digester = algorithm === undefined ? undefined : startChecksum(algorithm);
    for await (const chunk of this.#source) {
      if (chunk.byteLength === 0) continue;
      this.#size += chunk.byteLength;
      if (this.#size > MAX_UPLOAD_BYTES) throw entityTooLarge(undefined, MAX_UPLOAD_BYTES);
      md5.update(chunk);
      digester?.update(chunk);
      yield chunk;
      // It is encrypted by now. What came over the wire is ours; the body of a call from inside is the caller's.
      if (fromWire) free(chunk);
    }
    const digest = md5.digest();
    if (this.#claims.md5 !== undefined && this.#claims.md5 !== digest.toString('base64')) {
      throw badDigest('Content-MD5');
    }
    this.#etag = digest.toString('hex');
    if (algorithm !== undefined) this.#checksum = this.#verify(algorithm, await digester!.digest());
  }

  result(): Pick<StoredContent, 'size' | 'etag' | 'checksum'> {
    return { size: this.#size, etag: this.#etag, checksum: this.#checksum };
  }

  #algorithm(): Algorithm | undefined {
    const announced = [...((this.#source as RequestStream).announcedTrailers ?? [])];
    const trailing = ALGORITHMS.filter((one) => announced.includes(trailerName(one)));
    const { checksum, algorithm } = this.#claims;
    if (trailing.length > 1 || (trailing.length === 1 && checksum !== undefined)) {
      throw invalidRequest('Expecting a single x-amz-checksum- header');
    }
    return trailing[0] ?? checksum?.algorithm ?? algorithm;
  }

  #verify(algorithm: Algorithm, digest: Buffer): Checksum {
    const value = digest.toString('base64');
    const trailer = (this.#source as RequestStream).trailers?.get(trailerName(algorithm));
    if (trailer !== undefined && !isChecksum(algorithm, trailer)) {
      throw invalidRequest(`Value for ${trailerName(algorithm)} trailing header is invalid.`);
    }
    const claimed = trailer ?? this.#claims.checksum?.value;
    if (claimed !== undefined && claimed !== value) throw badDigest(algorithm);
    return { algorithm, type: 'FULL_OBJECT', value };
  }
}

function trailerName(algorithm: Algorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}
