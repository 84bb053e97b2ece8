import type { Writable } from 'node:stream';
import type { Connection } from 'ssh2';
import type { Clock } from '../../kernel/clock.ts';

/** Connections that have not logged in yet. Each may take twenty seconds, so a few must not keep everybody out. */
const MAX_LOGINS = 100;
/** As over HTTP: for so long a client may take nothing of what it asked for. */
const STALL_MS = 60_000;

/** Ends a connection whether or not the other end answers. */
export function hangUp(client: Connection): void {
  client.end();
  // `end` waits for the client to close, which one that is silent never does.
  (client as unknown as { _sock?: { destroy(): void } })._sock?.destroy();
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
 */
export function watchStall(clock: Clock, channel: Writable, stalled: () => void): { cancel(): void } {
  let timer = clock.after(STALL_MS, look);
  let waited = false;
  let hasMoved = false;
  const moved = () => {
    hasMoved = true;
  };
  function look() {
    const waits = channel.writableLength > 0;
    if (waits && waited && !hasMoved) {
      stalled();
      return;
    }
    waited = waits;
    hasMoved = false;
    timer = clock.after(STALL_MS, look);
  }
  channel.on('drain', moved);
  return {
    cancel() {
      channel.off('drain', moved);
      timer.cancel();
    },
  };
}
