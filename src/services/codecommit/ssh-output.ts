import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import type { Connection, ServerChannel } from 'ssh2';
import { writable } from '../../git/flow.ts';
import { socketOf } from './ssh-limits.ts';

/** A packet has 32 KB; more pieces at once save nothing, and are held several times on their way through the library. */
const PIECE_BYTES = 128 * 1024;

/**
 * What is written to a channel, no faster than the client takes it: the library puts as much into the socket as the client's
 * window allows, which may be four gigabytes, and holds in memory what the network does not take.
 * Emits `piece` for each piece that was taken.
 * @param signal closes the output: the client has gone.
 */
export function outputOf(client: Connection, channel: ServerChannel, signal: AbortSignal): Writable {
  const socket = socketOf(client);
  const send = async (bytes: Buffer): Promise<void> => {
    for (let at = 0; at < bytes.length && !signal.aborted; at += PIECE_BYTES) {
      // It may never be called: the library forgets who waits for a channel that is closed.
      await new Promise<void>((resolve) => void channel.write(bytes.subarray(at, at + PIECE_BYTES), () => resolve()));
      await writable(socket);
      output.emit('piece');
    }
  };
  const output: Writable = new Writable({
    highWaterMark: PIECE_BYTES,
    write: (chunk: Buffer, _, done) => void send(chunk).then(() => done(), done),
    writev: (pieces, done) =>
      void send(Buffer.concat(pieces.map(({ chunk }) => chunk as Buffer))).then(() => done(), done),
  });
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
