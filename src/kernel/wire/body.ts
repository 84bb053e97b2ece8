import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Readable, Transform, type TransformCallback } from 'node:stream';
import type { ErrorStyle } from '../auth/auth-faults.ts';
import type { Authenticated } from '../auth/authenticate.ts';
import { ChunkedDecoder } from '../auth/chunked.ts';
import { payloadFault } from '../auth/sigv4.ts';
import type { Clock } from '../clock.ts';
import { Fault } from '../fault.ts';
import { commonFault } from './errors.ts';
import type { HttpRequest } from './http.ts';
import type { ConnectionLimits } from './limits.ts';

/** A streamed request body. `trailers` are complete when it has ended. Nothing of it may become visible before it ends well. */
export type RequestStream = Readable & {
  readonly trailers?: ReadonlyMap<string, string>;
  /** Names of the trailers that will come, lower case, known before the first byte. */
  readonly announcedTrailers?: ReadonlySet<string>;
  readonly contentLength?: number;
};

/**
 * Reads a body into memory.
 * @param maxBytes more is refused with 413.
 * @param begin called when the body is first wanted.
 * @throws RequestEntityTooLarge, RequestTimeout
 */
export function readBuffer(
  message: IncomingMessage,
  maxBytes: number,
  begin: () => void,
  limits: ConnectionLimits,
  clock: Clock,
): Promise<Buffer> {
  if (Number(message.headers['content-length'] ?? 0) > maxBytes) return Promise.reject(tooLarge(maxBytes));
  begin();
  return new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const startMs = clock.monotonicMs();
    const settle = (done: () => void) => {
      message.off('data', take).off('end', end).off('close', hangUp);
      message.socket.setTimeout(limits.stallMs);
      done();
    };
    const fail = (error: Error) => settle(() => reject(error));
    const take = (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        message.pause();
        fail(tooLarge(maxBytes));
        return;
      }
      chunks.push(chunk);
      const tookMs = clock.monotonicMs() - startMs;
      if (tookMs > limits.bodyIdleMs && size < (limits.minBodyRate * tookMs) / 1000) stall();
    };
    const end = () => settle(() => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size)));
    const hangUp = () => fail(closedEarly());
    const stall = () => fail(commonFault('RequestTimeout', 'The request body did not come in time.'));
    // These two stay: an error that nobody hears would end the process, and a time-out the connection.
    message.on('error', hangUp).on('timeout', stall);
    message.on('data', take).once('end', end).once('close', hangUp);
    message.socket.setTimeout(limits.bodyIdleMs);
  });
}

function tooLarge(maxBytes: number): Fault {
  return commonFault('RequestEntityTooLarge', `The request body is larger than ${maxBytes} bytes.`);
}

function closedEarly(): Fault {
  return commonFault('RequestTimeout', 'The connection was closed before the request was complete.');
}

function incomplete(): Fault {
  const message = 'You did not provide the number of bytes specified by the Content-Length HTTP header.';
  return new Fault('IncompleteBody', message, { status: 400 });
}

/**
 * The body of a signed request as a stream that ends only if every byte is what was signed: plain with its SHA-256,
 * or `aws-chunked` in its three forms.
 * @param begin called when somebody starts to read it.
 */
export function openStream(
  request: HttpRequest,
  auth: Authenticated | undefined,
  style: ErrorStyle,
  begin: () => void,
  limits: ConnectionLimits,
): RequestStream {
  const { message, headers } = request;
  const payload = auth?.parsed.payload;
  if (auth !== undefined && payload?.kind.startsWith('streaming')) {
    const decodedContentLength = headers['x-amz-decoded-content-length'];
    const trailer = headers['x-amz-trailer'];
    const decoder = new ChunkedDecoder({ payload, signature: auth.verified, decodedContentLength, trailer });
    Object.assign(decoder, { contentLength: Number(decodedContentLength) });
    return connect(message, decoder, begin, limits);
  }
  const declared = headers['content-length'];
  const contentLength = declared === undefined ? undefined : Number(declared);
  const check = new BodyCheck(payload?.kind === 'sha256' ? payload.hash : undefined, contentLength, style);
  return connect(message, Object.assign(check, { contentLength }), begin, limits);
}

/** Lets the message flow into the decoder as soon as somebody reads that, by whatever means of a stream. */
function connect<T extends Transform>(
  message: IncomingMessage,
  decoder: T,
  begin: () => void,
  limits: ConnectionLimits,
): T {
  const fail = (error: Error) => void decoder.destroy(error);
  const hangUp = () => {
    if (!message.readableEnded) fail(incomplete());
  };
  const stall = () => {
    // Nothing comes while the handler does not read: that is not the client's doing.
    if (decoder.writableNeedDrain) message.socket.setTimeout(limits.bodyIdleMs);
    else fail(commonFault('RequestTimeout', 'The request body did not come in time.'));
  };
  const start = (event: string | symbol) => {
    if (event !== 'data' && event !== 'readable') return;
    decoder.off('newListener', start);
    begin();
    message.on('timeout', stall).socket.setTimeout(limits.bodyIdleMs);
    message.pipe(decoder);
  };
  const release = () => {
    message.off('close', hangUp).off('timeout', stall).unpipe(decoder);
    message.socket.setTimeout(limits.stallMs);
  };
  message.on('error', hangUp).once('close', hangUp);
  // The body may break before its handler reads it, or after it has given up: whoever reads gets the error all the same,
  // but an 'error' event that nobody hears would end the process.
  decoder.on('newListener', start).once('close', release);
  decoder.on('error', () => undefined);
  if (message.destroyed) hangUp();
  return decoder;
}

/** Passes bytes on and fails at the end when their number or digest is not what was announced. */
class BodyCheck extends Transform {
  readonly #hash = createHash('sha256');
  readonly #claimed: string | undefined;
  readonly #length: number | undefined;
  readonly #style: ErrorStyle;
  #seen = 0;

  constructor(claimed: string | undefined, length: number | undefined, style: ErrorStyle) {
    super();
    this.#claimed = claimed;
    this.#length = length;
    this.#style = style;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#seen += chunk.length;
    if (this.#claimed !== undefined) this.#hash.update(chunk);
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    if (this.#length !== undefined && this.#seen !== this.#length) {
      done(incomplete());
      return;
    }
    const digest = this.#claimed === undefined ? undefined : this.#hash.digest('hex');
    done(digest === this.#claimed ? null : payloadFault(this.#style, this.#claimed!, digest!));
  }
}

/** The `100 Continue` of a client that waits for it: given when the body is first wanted, so a refused upload is not sent at all. */
export class Permission {
  readonly #response: ServerResponse;
  #pending: boolean;

  constructor(response: ServerResponse, expected: boolean) {
    this.#response = response;
    this.#pending = expected;
  }

  /** True while the client waits. */
  get isPending(): boolean {
    return this.#pending;
  }

  give(): void {
    if (!this.#pending) return;
    this.#pending = false;
    this.#response.writeContinue();
  }

  /** Gives it as soon as somebody reads the stream, by whatever means. */
  giveWhenRead(stream: Readable): void {
    if (!this.#pending) return;
    stream.on('newListener', (event: string | symbol) => {
      if (event === 'data' || event === 'readable') this.give();
    });
  }
}
