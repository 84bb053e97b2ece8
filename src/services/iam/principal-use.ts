import type { Caller, RoleCaller } from '../../kernel/auth/identity.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import { tables } from './tables.ts';

const FLUSH_DELAY_MS = 5_000;
/** How exact the stored times are: what is in constant use is written this often. */
const STORED_EVERY_MS = 60_000;
const MAX_SEEN = 20_000;

interface Use {
  readonly ownerId: string;
  /** Signing name of the service; undefined for the role itself, whatever it was used for. */
  readonly service: string | undefined;
  region: string;
  atMs: number;
  storedAtMs: number;
}

/**
 * Remembers when each user and role last spoke to each service, and stores it now and then: for RoleLastUsed and the
 * reports of last access. The last seconds before a crash may be missing.
 */
export class PrincipalUse {
  readonly #ctx: Context;
  readonly #seen = new Map<string, Use>();
  readonly #dirty = new Set<Use>();
  #timer: { cancel(): void } | undefined;

  constructor(ctx: Context) {
    this.#ctx = ctx;
  }

  /** A signed request of a user or role. Called for every one: cheap. */
  note(caller: Caller, service: string, region: string): void {
    if (caller.type === 'IAMUser') this.#note(caller.principalId, service, region);
    if (caller.type !== 'AssumedRole') return;
    this.#note(caller.roleId, service, region);
    this.#note(caller.roleId, undefined, region);
  }

  /** A service's call inside the process, as a role. */
  noteInside(caller: RoleCaller): void {
    this.#note(caller.roleId, undefined, this.#ctx.config.region);
  }

  #note(ownerId: string, service: string | undefined, region: string): void {
    const atMs = this.#ctx.now().getTime();
    const key = service === undefined ? ownerId : `${ownerId} ${service}`;
    let use = this.#seen.get(key);
    if (use === undefined) {
      if (this.#seen.size >= MAX_SEEN) this.#seen.delete(this.#seen.keys().next().value!);
      use = { ownerId, service, region, atMs, storedAtMs: 0 };
      this.#seen.set(key, use);
    }
    use.atMs = atMs;
    use.region = region;
    if (atMs - use.storedAtMs < STORED_EVERY_MS) return;
    this.#dirty.add(use);
    this.#timer ??= this.#ctx.clock.after(FLUSH_DELAY_MS, () => void this.#flushLater());
  }

  /** The last use of a role that this node knows of. */
  last(roleId: string): { atMs: number; region: string } | undefined {
    return this.#seen.get(roleId);
  }

  async #flushLater(): Promise<void> {
    this.#timer = undefined;
    if (this.#ctx.signal.aborted) return;
    try {
      await this.flush();
    } catch (error) {
      this.#ctx.log.warn({ err: error }, 'the last use of services could not be stored');
    }
  }

  /** Stores what is new; reports have it done before they read. */
  async flush(): Promise<void> {
    const uses = [...this.#dirty].map((use) => ({ use, atMs: use.atMs, region: use.region }));
    this.#dirty.clear();
    if (uses.length === 0) return;
    await this.#ctx.tx(async (tx) => {
      for (const { use, atMs, region } of uses) await store(tx, use, atMs, region);
    });
    for (const { use, atMs } of uses) use.storedAtMs = atMs;
  }
}

async function store(tx: Tx, { ownerId, service }: Use, atMs: number, region: string): Promise<void> {
  if (service === undefined) {
    await tables(tx)
      .updateTable('iam_roles')
      .set({ last_used_at: atMs, last_used_region: region })
      .where('id', '=', ownerId)
      .execute();
    return;
  }
  await tables(tx)
    .insertInto('iam_service_use')
    .values({ owner_id: ownerId, service, used_at: atMs, region })
    .onConflict((c) => c.columns(['owner_id', 'service']).doUpdateSet({ used_at: atMs, region }))
    .execute();
}
