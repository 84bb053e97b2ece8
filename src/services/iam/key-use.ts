import type { Context } from '../../kernel/context.ts';
import { tables } from './tables.ts';

export interface KeyUseRecord {
  atMs: number;
  service: string;
  region: string;
}

const FLUSH_DELAY_MS = 5_000;
/** How exact the stored time is: a key in constant use is written this often. */
const STORED_EVERY_MS = 60_000;
const MAX_KEYS = 20_000;

interface Seen extends KeyUseRecord {
  storedAtMs: number;
}

/**
 * Remembers when each long-term access key was last used, and stores it now and then. The last seconds before a crash
 * may be missing; AWS promises no more.
 */
export class KeyUse {
  readonly #ctx: Context;
  readonly #seen = new Map<string, Seen>();
  readonly #dirty = new Set<string>();
  #timer: { cancel(): void } | undefined;

  constructor(ctx: Context) {
    this.#ctx = ctx;
  }

  /** Called for every request: cheap. */
  note(accessKeyId: string, service: string, region: string): void {
    if (!accessKeyId.startsWith('AKIA')) return;
    const atMs = this.#ctx.now().getTime();
    const seen = this.#seen.get(accessKeyId);
    if (seen === undefined) {
      if (this.#seen.size >= MAX_KEYS) this.#seen.delete(this.#seen.keys().next().value!);
      this.#seen.set(accessKeyId, { atMs, service, region, storedAtMs: 0 });
    } else {
      const moved = seen.service !== service || seen.region !== region;
      Object.assign(seen, { atMs, service, region });
      if (!moved && atMs - seen.storedAtMs < STORED_EVERY_MS) return;
    }
    this.#dirty.add(accessKeyId);
    this.#timer ??= this.#ctx.clock.after(FLUSH_DELAY_MS, () => void this.#flush());
  }

  /** The last use that this node knows of. */
  last(accessKeyId: string): KeyUseRecord | undefined {
    return this.#seen.get(accessKeyId);
  }

  async #flush(): Promise<void> {
    this.#timer = undefined;
    if (this.#ctx.signal.aborted) return;
    const rows = [...this.#dirty].map((id) => [id, this.#seen.get(id)] as const);
    this.#dirty.clear();
    try {
      await this.#ctx.tx(async (tx) => {
        for (const [id, use] of rows) {
          if (use === undefined) continue;
          await tables(tx)
            .updateTable('iam_access_keys')
            .set({ last_used_at: use.atMs, last_used_service: use.service, last_used_region: use.region })
            .where('id', '=', id)
            .execute();
        }
      });
      for (const [, use] of rows) if (use !== undefined) use.storedAtMs = use.atMs;
    } catch (error) {
      this.#ctx.log.warn({ err: error }, 'the last use of access keys could not be stored');
    }
  }
}
