import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import type { Connection, ServerChannel } from 'ssh2';
import { writable } from '../../git/flow.ts';
import { socketOf } from './ssh-limits.ts';

/** As over HTTP: each write costs as much as a large one. */
const PIECE_BYTES = 128 * 1024;

/**
 * What is written to a channel, no faster than the client takes it: the library puts as much into the socket as the client's
 * window allows, which may be four gigabytes, and holds in memory what the network does not take.
 * @param signal closes the output: the client has gone.
 */
export function outputOf(client: Connection, channel: ServerChannel, signal: AbortSignal): Writable {
  const socket = socketOf(client);
  const send = (bytes: Buffer, done: () => void) => {
    channel.write(bytes, () => void writable(socket).then(done));
  };
  const output = new Writable({
    highWaterMark: PIECE_BYTES,
    write: (chunk: Buffer, _, done) => send(chunk, done),
    writev: (pieces, done) => send(Buffer.concat(pieces.map(({ chunk }) => chunk as Buffer)), done),
  });
  // The library forgets who waits for a channel that is closed.
  if (signal.aborted) output.destroy();
  signal.addEventListener('abort', () => output.destroy(), { once: true });
  return output;
}

/**
 * Has everything that is written in one turn of the event loop go out at once: the library writes each packet in three
 * pieces. The socket needs no algorithm of its own for that, which would wait for the client between two of them.
 */
export function gatherWrites(socket: Socket): void {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  const uncork = () => socket.uncork();
  socket.write = (...args: unknown[]) => {
    if (socket.writableCorked === 0) {
      socket.cork();
      process.nextTick(uncork);
    }
    return write(...args);
  };
}
