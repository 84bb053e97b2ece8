import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** What a load of requests came to. */
export interface LoadResult {
  /** Answered requests. */
  answers: number;
  seconds: number;
}

/**
 * Sends requests that were made before, as bytes, over kept connections, one at a time on each, for a while. It does so
 * little itself that what is measured is the server.
 * @param nextRequest gives the bytes of the next request, whole
 * @throws where an answer is not 200 or a connection breaks
 */
export async function load(
  port: number,
  connections: number,
  durationMs: number,
  nextRequest: () => Buffer,
): Promise<LoadResult> {
  const start = performance.now();
  const end = start + durationMs;
  const counts = await Promise.all(
    Array.from({ length: connections }, () =>
      sendUntil(connect({ port, host: '127.0.0.1', noDelay: true }), end, nextRequest),
    ),
  );
  return { answers: counts.reduce((sum, count) => sum + count, 0), seconds: (performance.now() - start) / 1000 };
}

async function sendUntil(socket: Socket, endMs: number, nextRequest: () => Buffer): Promise<number> {
  await once(socket, 'connect');
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let answers = 0;
  let held: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    const size = answerBytes(held);
    if (size === undefined || held.length < size) return;
    if (!held.subarray(0, 12).equals(OK)) {
      reject(new Error(`answered: ${held.toString('utf8').slice(0, 1_000)}`));
      return;
    }
    held = held.subarray(size);
    answers += 1;
    if (performance.now() < endMs) socket.write(nextRequest());
    else resolve(answers);
  });
  socket.on('error', reject);
  socket.on('close', () => reject(new Error('the server closed a connection that was in use')));
  socket.write(nextRequest());
  try {
    return await promise;
  } finally {
    socket.removeAllListeners('close');
    socket.destroy();
  }
}

const OK = Buffer.from('HTTP/1.1 200');
const LENGTH = Buffer.from('ontent-');

/** Bytes of head and body of the answer at the beginning; undefined while its head is not whole. */
function answerBytes(held: Buffer): number | undefined {
  const headEnd = held.indexOf('\r\n\r\n');
  if (headEnd === -1) return undefined;
  for (let at = held.indexOf(LENGTH); at !== -1 && at < headEnd; at = held.indexOf(LENGTH, at + 1)) {
    const length = /^ontent-length: *(\d+)/i.exec(held.toString('latin1', at, at + 40));
    if (length !== null) return headEnd + 4 + Number(length[1]);
  }
  throw new Error(`an answer without a length: ${held.toString('latin1', 0, headEnd)}`);
}
