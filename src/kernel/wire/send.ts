import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '../clock.ts';
import { isStream } from './codec.ts';
import type { ConnectionLimits } from './limits.ts';
import type { RestAnswer } from './rest-binding.ts';

/**
 * Sends an answer; resolves when it is handed over. HEAD, 204 and 304 have no body, whatever the operation made.
 * @throws what a streamed body throws, or ERR_STREAM_PREMATURE_CLOSE when the client hung up
 */
export async function sendAnswer(response: ServerResponse, answer: RestAnswer, method: string): Promise<void> {
  const { status, headers, body } = answer;
  const mayHaveBody = status !== 204 && status !== 304;
  const bodiless = method === 'HEAD' || !mayHaveBody;
  if (isStream(body)) {
    response.writeHead(status, headers);
    const length = headers['content-length'];
    if (!bodiless) return length === undefined ? pipeline(body, response) : pipeline(exactly(body, length), response);
    body.destroy();
    response.end();
    return;
  }
  if (mayHaveBody && !(method === 'HEAD' && headers['content-length'] !== undefined)) {
    headers['content-length'] = String(body === undefined ? 0 : Buffer.byteLength(body));
  }
  response.writeHead(status, headers);
  response.end(bodiless ? undefined : body);
}

/** Passes a body on and fails when it is not as long as its header said: the next answer would be taken for its rest. */
async function* exactly(body: Readable, declared: string): AsyncGenerator<Uint8Array> {
  let left = Number(declared);
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    left -= Buffer.byteLength(chunk);
    if (left < 0) throw new Error('a body is longer than its length');
    yield chunk;
  }
  if (left > 0) throw new Error('a body ended before its length');
}

/**
 * Reads what still comes of a refused request's body, within limits: a connection that is closed on unread bytes takes the
 * answer with it. What comes after the limits, or never, ends the connection.
 */
export function lingerOver(message: IncomingMessage, limits: ConnectionLimits, clock: Clock): void {
  let left = limits.lingerBytes;
  const { socket } = message;
  const timer = clock.after(limits.lingerMs, () => socket.destroy());
  const done = () => timer.cancel();
  message.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) socket.destroy();
  });
  message.once('end', done).once('close', done).resume();
}

/**
 * Ends a connection that makes no progress: an answer that the client does not read, or a body that stopped coming while
 * nobody keeps its time. A handler that takes its time is no reason to hang up.
 */
export function closeStalled(message: IncomingMessage, response: ServerResponse): void {
  response.on('timeout', (socket) => {
    const waitsForBody = !message.complete && message.readableLength === 0 && message.listenerCount('timeout') === 0;
    if (socket.writableLength > 0 || waitsForBody) socket.destroy();
  });
}
