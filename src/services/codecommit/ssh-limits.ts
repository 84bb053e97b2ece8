import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import type { Connection, ServerChannel, Session } from 'ssh2';
import type { Clock } from '../../kernel/clock.ts';

/** Connections that have not logged in yet. Each may take twenty seconds, so a few must not keep everybody out. */
const MAX_LOGINS = 100;
/** As over HTTP: for so long a client may take nothing of what it asked for. */
const STALL_MS = 60_000;
/** What a client may send ahead is its window of 2 MiB, once more for what was read meanwhile, and some packets. */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024;
/** Every client in use takes 16 KiB and more. The library would send one byte in each packet, or none in packets without end. */
const MIN_PACKET_BYTES = 1_024;

/** What the library keeps to itself. */
interface Insides {
  connection: { _sock: Socket };
  session: { _chanInfo: { outgoing: { packetSize: number } } };
}

/** The socket of a connection. */
export function socketOf(client: Connection): Socket {
  return (client as unknown as Insides['connection'])._sock;
}

/** Ends a connection whether or not the other end answers. */
export function hangUp(client: Connection): void {
  client.end();
  // `end` waits for the client to close, which one that is silent never does.
  socketOf(client).destroy();
}

/** True for a session whose packets may be as large as in any client. */
export function hasRoomInPackets(session: Session): boolean {
  return (session as unknown as Insides['session'])._chanInfo.outgoing.packetSize >= MIN_PACKET_BYTES;
}

/** Hangs up on a client that sends more than its window: the library takes whatever comes, read or not. */
export function limitUnread(client: Connection, channel: ServerChannel): void {
  const socket = socketOf(client);
  const look = () => {
    if (channel.readableLength > MAX_UNREAD_BYTES) hangUp(client);
  };
  socket.on('data', look);
  channel.once('close', () => socket.off('data', look));
}

/** Those who are at the door and not yet in, the oldest first. When there are too many, the oldest has to go. */
export class Logins {
  readonly #waiting = new Set<Connection>();

  get size(): number {
    return this.#waiting.size;
  }

  add(client: Connection): void {
    const [oldest] = this.#waiting;
    if (this.#waiting.size >= MAX_LOGINS && oldest !== undefined) {
      this.#waiting.delete(oldest);
      hangUp(oldest);
    }
    this.#waiting.add(client);
    const leave = () => this.#waiting.delete(client);
    client.once('ready', leave).once('close', leave);
  }
}

/**
 * Calls `stalled` when bytes wait to be taken and nothing was taken for a minute: git, and its place among the clones, are
 * held for as long as the client pleases otherwise.
 * @param output may emit `piece` for each part of what waits that was taken.
 */
export function watchStall(clock: Clock, output: Writable, stalled: () => void): { cancel(): void } {
  let timer = clock.after(STALL_MS, look);
  let waited = false;
  let hasMoved = false;
  const moved = () => {
    hasMoved = true;
  };
  function look() {
    const waits = output.writableLength > 0;
    if (waits && waited && !hasMoved) {
      stalled();
      return;
    }
    waited = waits;
    hasMoved = false;
    timer = clock.after(STALL_MS, look);
  }
  output.on('drain', moved).on('piece', moved);
  return {
    cancel() {
      output.off('drain', moved).off('piece', moved);
      timer.cancel();
    },
  };
}
