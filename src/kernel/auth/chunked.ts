import { createHash, type Hash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';
import { Fault } from '../fault.ts';
import { authFault } from './auth-faults.ts';
import { EMPTY_HASH, type SignedPayload } from './signed-request.ts';
import { hashWire, signatureMatches, type VerifiedSignature } from './sigv4.ts';

/** S3 takes smaller chunks only as the last one. */
const MIN_CHUNK_BYTES = 8192;
/** Longest chunk header: a size in hex and the signature extension. */
const MAX_HEADER_BYTES = 256;
/** All trailing headers together. */
const MAX_TRAILER_BYTES = 16_384;
/** 5 GiB, the largest single upload that S3 takes. */
const MAX_BODY_BYTES = 5 * 1024 ** 3;

const CHECKSUM_TRAILERS: ReadonlySet<string> = new Set([
  'x-amz-checksum-crc32',
  'x-amz-checksum-crc32c',
  'x-amz-checksum-crc64nvme',
  'x-amz-checksum-sha1',
  'x-amz-checksum-sha256',
]);
const TRAILER_SIGNATURE = 'x-amz-trailer-signature';

export interface ChunkedOptions {
  readonly payload: SignedPayload;
  /** Outcome of `verifySignature`; the chunk signatures chain on from it. */
  readonly signature: VerifiedSignature;
  /** `x-amz-decoded-content-length` as in the request. */
  readonly decodedContentLength: string | undefined;
  /** `x-amz-trailer` as in the request: names of the announced trailers, comma-separated. */
  readonly trailer?: string | undefined;
}

/** Where the decoder stands in the body. */
type State = 'header' | 'data' | 'dataEnd' | 'trailers' | 'done';

/**
 * Decoder of `aws-chunked` bodies (S3 API reference, "Authenticating requests: signature calculations using multiple
 * chunks"): signed chunks, signed chunks with signed trailers, unsigned chunks with trailers. Data flows through as it
 * comes; a chunk's signature is known to be right only at the chunk's end, so a consumer must make nothing visible
 * before the stream has ended. Any deviation destroys the stream with the fault that S3 answers.
 */
export class ChunkedDecoder extends Transform {
  /** Trailing headers by lower-case name, complete once the stream has ended. */
  readonly trailers = new Map<string, string>();

  readonly #signed: boolean;
  readonly #withTrailer: boolean;
  readonly #signature: VerifiedSignature;
  /** Names of the trailers that the request announced, lower case. */
  readonly announcedTrailers: ReadonlySet<string>;
  readonly #expectedBytes: number;

  #state: State = 'header';
  /** Bytes of an unfinished line: chunk header, line end or trailer. */
  #line = '';
  #trailerBytes = 0;
  #trailerText = '';
  #trailerSigned = false;
  #chunkLeft = 0;
  #chunkSignature = '';
  #chunkHash: Hash | undefined;
  #previousSignature: string;
  #smallChunkSeen = false;
  #decodedBytes = 0;

  /** @throws the fault of S3 when the decoded length is missing or a trailer of an unknown kind is announced. */
  constructor(options: ChunkedOptions) {
    super();
    const { kind } = options.payload;
    if (kind === 'sha256' || kind === 'unsigned') throw new TypeError(`a ${kind} payload is not chunked`);
    this.#signed = kind !== 'streaming-unsigned-trailer';
    this.#withTrailer = kind !== 'streaming-signed';
    this.#signature = options.signature;
    this.#previousSignature = options.signature.seedSignature;
    this.#expectedBytes = readLength(options.decodedContentLength);
    this.announcedTrailers = readAnnounced(this.#withTrailer ? options.trailer : undefined);
  }

  override _transform(input: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      let at = 0;
      while (at < input.length) at = this.#state === 'data' ? this.#takeData(input, at) : this.#takeLine(input, at);
      done();
    } catch (error) {
      done(error as Error);
    }
  }

  override _flush(done: TransformCallback): void {
    if (this.#state !== 'done') done(incompleteBody());
    else if (this.#decodedBytes !== this.#expectedBytes) done(wrongLength());
    else done();
  }

  /** Passes on chunk data from `at`; gives the position of the first byte not consumed. */
  #takeData(input: Buffer, at: number): number {
    const end = Math.min(input.length, at + this.#chunkLeft);
    const data = at === 0 && end === input.length ? input : input.subarray(at, end);
    this.#chunkHash?.update(data);
    this.#chunkLeft -= data.length;
    this.push(data);
    if (this.#chunkLeft === 0) {
      this.#checkChunkSignature(this.#chunkHash?.digest('hex'));
      this.#state = 'dataEnd';
    }
    return end;
  }

  /** Collects one line up to its newline and hands it on. */
  #takeLine(input: Buffer, at: number): number {
    if (this.#state === 'done') throw malformed('There is data after the end of the chunked body.');
    const newline = input.indexOf(10, at);
    const end = newline < 0 ? input.length : newline + 1;
    const limit = this.#state === 'trailers' ? MAX_TRAILER_BYTES : MAX_HEADER_BYTES;
    if (this.#line.length + end - at > limit) throw malformed('A line of the chunked body is too long.');
    this.#line += input.toString('latin1', at, end);
    if (newline < 0) return end;
    const line = this.#line;
    this.#line = '';
    switch (this.#state) {
      case 'header':
        this.#startChunk(line);
        break;
      case 'dataEnd':
        if (line !== '\r\n') throw malformed('A chunk is longer than its size says.');
        this.#state = 'header';
        break;
      default:
        this.#takeTrailer(line);
    }
    return end;
  }

  #startChunk(line: string): void {
    const match = (this.#signed ? SIGNED_HEADER : UNSIGNED_HEADER).exec(line);
    if (match === null) throw malformed('A chunk header is malformed.');
    const size = Number.parseInt(match[1]!, 16);
    this.#chunkSignature = match[2] ?? '';
    if (size === 0) {
      this.#checkChunkSignature(EMPTY_HASH);
      this.#state = 'trailers';
      return;
    }
    if (this.#smallChunkSeen) throw chunkTooSmall();
    this.#smallChunkSeen = size < MIN_CHUNK_BYTES;
    this.#decodedBytes += size;
    if (this.#decodedBytes > this.#expectedBytes) throw wrongLength();
    this.#chunkLeft = size;
    this.#chunkHash = this.#signed ? createHash('sha256') : undefined;
    this.#state = 'data';
  }

  /** Each signature covers the one before it, so chunks cannot be dropped, repeated or exchanged. */
  #checkChunkSignature(dataHash: string | undefined): void {
    if (!this.#signed) return;
    const { timestamp, scope, key } = this.#signature;
    const stringToSign = `AWS4-HMAC-SHA256-PAYLOAD\n${timestamp}\n${scope}\n${this.#previousSignature}\n${EMPTY_HASH}\n${dataHash}`;
    if (!signatureMatches(key, stringToSign, this.#chunkSignature)) throw authFault('s3', 'signature');
    this.#previousSignature = this.#chunkSignature;
  }

  #takeTrailer(rawLine: string): void {
    this.#trailerBytes += rawLine.length;
    if (this.#trailerBytes > MAX_TRAILER_BYTES) throw malformedTrailer();
    const line = rawLine.endsWith('\r\n') ? rawLine.slice(0, -2) : rawLine.slice(0, -1);
    if (line === '') {
      // Some signers put a blank line between the trailing headers and their signature.
      if (this.#signed && this.#withTrailer && !this.#trailerSigned && this.trailers.size > 0) return;
      this.#endTrailers();
      return;
    }
    const match = TRAILER_LINE.exec(line);
    if (match === null) throw malformedTrailer();
    const name = match[1]!.toLowerCase();
    const value = match[2]!;
    if (this.#signed && name === TRAILER_SIGNATURE && !this.#trailerSigned) {
      this.#checkTrailerSignature(value);
      return;
    }
    if (!this.announcedTrailers.has(name) || this.trailers.has(name) || this.#trailerSigned) {
      throw malformedTrailer();
    }
    this.trailers.set(name, value);
    this.#trailerText += `${name}:${value}\n`;
  }

  #checkTrailerSignature(signature: string): void {
    const { timestamp, scope, key } = this.#signature;
    const stringToSign = `AWS4-HMAC-SHA256-TRAILER\n${timestamp}\n${scope}\n${this.#previousSignature}\n${hashWire(this.#trailerText)}`;
    if (!signatureMatches(key, stringToSign, signature)) throw authFault('s3', 'signature');
    this.#trailerSigned = true;
  }

  #endTrailers(): void {
    if (this.trailers.size !== this.announcedTrailers.size) throw malformedTrailer();
    if (this.#signed && this.#withTrailer && !this.#trailerSigned) throw malformedTrailer();
    this.#state = 'done';
  }
}

const SIGNED_HEADER = /^([0-9a-fA-F]{1,10});chunk-signature=([0-9a-f]{64})\r\n$/;
const TRAILER_LINE = /^([A-Za-z0-9-]+):[ \t]*([\x21-\x7e]+)[ \t]*$/;
const UNSIGNED_HEADER = /^([0-9a-fA-F]{1,10})\r\n$/;

function readLength(text: string | undefined): number {
  if (text === undefined || !/^\d{1,16}$/.test(text)) {
    throw new Fault('MissingContentLength', 'You must provide the Content-Length HTTP header.', { status: 411 });
  }
  const bytes = Number(text);
  if (bytes > MAX_BODY_BYTES) {
    throw new Fault('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', {
      status: 400,
      members: { ProposedSize: bytes, MaxSizeAllowed: MAX_BODY_BYTES },
    });
  }
  return bytes;
}

function readAnnounced(trailer: string | undefined): ReadonlySet<string> {
  const names = new Set<string>();
  for (const piece of trailer?.split(',') ?? []) {
    const name = piece.trim().toLowerCase();
    if (name === '') continue;
    if (!CHECKSUM_TRAILERS.has(name)) {
      throw new Fault('InvalidRequest', 'The value specified in the x-amz-trailer header is not supported', {
        status: 400,
      });
    }
    names.add(name);
  }
  return names;
}

function incompleteBody(): Fault {
  return new Fault('IncompleteBody', 'The request body terminated unexpectedly', { status: 400 });
}

function wrongLength(): Fault {
  return new Fault(
    'IncompleteBody',
    'You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header',
    { status: 400 },
  );
}

function malformed(message: string): Fault {
  return new Fault('InvalidRequest', message, { status: 400 });
}

function malformedTrailer(): Fault {
  return new Fault(
    'MalformedTrailerError',
    'The request contained trailing data that was not well-formed or did not conform to our published schema.',
    { status: 400 },
  );
}

function chunkTooSmall(): Fault {
  return new Fault('InvalidChunkSizeError', 'Only the last chunk is allowed to have a size less than 8192 bytes', {
    status: 403,
  });
}
