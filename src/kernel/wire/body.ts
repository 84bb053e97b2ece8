import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Readable, Transform, type TransformCallback } from 'node:stream';
import type { ErrorStyle } from '../auth/auth-faults.ts';
import type { Authenticated } from '../auth/authenticate.ts';
import { ChunkedDecoder } from '../auth/chunked.ts';
import { payloadFault } from '../auth/sigv4.ts';
import { Fault } from '../fault.ts';
import { commonFault } from './errors.ts';
import type { HttpRequest } from './http.ts';

/** A streamed request body. `trailers` are complete when it has ended. Nothing of it may become visible before it ends well. */
export type RequestStream = Readable & {
  readonly trailers?: ReadonlyMap<string, string>;
  /** Names of the trailers that will come, lower case, known before the first byte. */
  readonly announcedTrailers?: ReadonlySet<string>;
  readonly contentLength?: number;
};

const BODY_IDLE_MS = 30_000;
const SOCKET_IDLE_MS = 120_000;

/** Reads a body into memory. @param maxBytes more is refused with 413. @throws RequestEntityTooLarge, RequestTimeout */
export async function readBuffer(message: IncomingMessage, maxBytes: number, begin: () => void): Promise<Buffer> {
  if (Number(message.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  begin();
  const chunks: Buffer[] = [];
  let size = 0;
  await new Promise<void>((resolve, reject) => {
    message.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        message.pause();
        reject(tooLarge(maxBytes));
      } else chunks.push(chunk);
    });
    message.once('end', resolve);
    message.once('error', reject);
    message.once('close', () =>
      reject(commonFault('RequestTimeout', 'The connection was closed before the request was complete.')),
    );
    message.socket.setTimeout(BODY_IDLE_MS);
  });
  message.socket.setTimeout(SOCKET_IDLE_MS);
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size);
}

function tooLarge(maxBytes: number): Fault {
  return commonFault('RequestEntityTooLarge', `The request body is larger than ${maxBytes} bytes.`);
}

/**
 * The body of a signed request as a stream that ends only if every byte is what was signed: plain with its SHA-256,
 * or `aws-chunked` in its three forms.
 */
export function openStream(request: HttpRequest, auth: Authenticated | undefined, style: ErrorStyle): RequestStream {
  const { message } = request;
  const payload = auth?.parsed.payload;
  if (auth !== undefined && payload !== undefined && payload.kind.startsWith('streaming')) {
    const decoder = new ChunkedDecoder({
      payload,
      signature: auth.verified,
      decodedContentLength: request.headers['x-amz-decoded-content-length'],
      trailer: request.headers['x-amz-trailer'],
    });
    return connect(
      message,
      Object.assign(decoder, { contentLength: Number(request.headers['x-amz-decoded-content-length']) }),
    );
  }
  const declared = request.headers['content-length'];
  const contentLength = declared === undefined ? undefined : Number(declared);
  const claimed = payload?.kind === 'sha256' ? payload.hash : undefined;
  return connect(message, Object.assign(new BodyCheck(claimed, contentLength, style), { contentLength }));
}

function connect<T extends Transform>(message: IncomingMessage, decoder: T): T {
  message.once('error', (error) => decoder.destroy(error));
  message.once('close', () => {
    if (!message.complete)
      decoder.destroy(
        new Fault(
          'IncompleteBody',
          'You did not provide the number of bytes specified by the Content-Length HTTP header.',
          { status: 400 },
        ),
      );
  });
  // A body that nobody sends ends the connection, and with it whatever waits for the body.
  message.socket.setTimeout(BODY_IDLE_MS);
  decoder.once('close', () => message.socket.setTimeout(SOCKET_IDLE_MS));
  return message.pipe(decoder);
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
      done(
        new Fault(
          'IncompleteBody',
          'You did not provide the number of bytes specified by the Content-Length HTTP header.',
          { status: 400 },
        ),
      );
      return;
    }
    const digest = this.#claimed === undefined ? undefined : this.#hash.digest('hex');
    done(digest === this.#claimed ? null : payloadFault(this.#style, this.#claimed!, digest!));
  }
}

/** Sends `100 Continue` once, when the body is first wanted: a refused upload is not sent at all. */
export function continueOnce(response: ServerResponse, expected: boolean): () => void {
  let pending = expected;
  return () => {
    if (!pending) return;
    pending = false;
    response.writeContinue();
  };
}
