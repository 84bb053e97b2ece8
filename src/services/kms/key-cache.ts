import { type CompiledPolicy, parsePolicy } from '../../kernel/auth/policy-grammar.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import type { Secrets } from '../../kernel/secrets.ts';
import { ReadCache } from '../../kernel/store/read-cache.ts';
import { type Grant, readGrant } from './grant-rules.ts';
import { type Material, readyMaterial, unsealMaterial } from './materials.ts';
import type { KeyTable, KmsTables } from './tables.ts';

const MAX_CACHED = 20_000;
/** Another node's change is seen within this time; a single node hears of every change at once. */
const SHARED_AGE_MS = 500;
const SINGLE_AGE_MS = 60_000;

/** A key as calls use it, with what belongs to it. */
export interface Key extends Readonly<KeyTable> {
  readonly compiledPolicy: CompiledPolicy;
  /** Names of the aliases that point to it. */
  readonly aliases: readonly string[];
  readonly hasGrants: boolean;
  /** Material by id, without what was deleted or never imported. */
  readonly materials: ReadonlyMap<string, Material>;
}

/** What calls need of keys, kept in memory and dropped by every commit that changes a key. */
class KeyCache {
  readonly keys: ReadCache<Key>;
  readonly aliases: ReadCache<string>;
  readonly grants: ReadCache<readonly Grant[]>;

  constructor(ctx: Context) {
    const isShared = ctx.config.databaseUrl !== '';
    const options = { maxAgeMs: isShared ? SHARED_AGE_MS : SINGLE_AGE_MS, maxEntries: MAX_CACHED };
    this.keys = new ReadCache(ctx.clock, options);
    this.aliases = new ReadCache(ctx.clock, options);
    this.grants = new ReadCache(ctx.clock, options);
  }

  forget(): void {
    this.keys.clear();
    this.aliases.clear();
    this.grants.clear();
  }
}

/** One cache for each running installation; a test process may have several. */
const caches = new WeakMap<Secrets, KeyCache>();

function cacheOf(ctx: Context): KeyCache {
  let cache = caches.get(ctx.secrets);
  if (cache === undefined) {
    cache = new KeyCache(ctx);
    caches.set(ctx.secrets, cache);
  }
  return cache;
}

/** A transaction that changes keys: what is kept of them is dropped as soon as it is committed. */
export function changeKeys<T>(ctx: Context, run: (tx: Tx) => Promise<T>): Promise<T> {
  return ctx.tx((tx) => {
    tx.afterCommit(() => cacheOf(ctx).forget());
    return run(tx);
  });
}

/** A key by its ARN, at most as old as the cache allows. */
export function findKey(ctx: Context, arn: string): Key | undefined | Promise<Key | undefined> {
  return cacheOf(ctx).keys.get(arn, () => loadKey(ctx, arn));
}

/** ARN of the key that an alias points to. @param name `alias/...` */
export function findAliasTarget(
  ctx: Context,
  account: string,
  name: string,
): string | undefined | Promise<string | undefined> {
  return cacheOf(ctx).aliases.get(`${account}/${ctx.region}/${name}`, async () => {
    const row = await ctx
      .db<KmsTables>()
      .selectFrom('kms_aliases')
      .select('key_arn')
      .where('account', '=', account)
      .where('region', '=', ctx.region)
      .where('name', '=', name)
      .executeTakeFirst();
    return row?.key_arn;
  });
}

/** Grants of a key to any of the given principals. */
export function findGrants(
  ctx: Context,
  keyArn: string,
  grantees: readonly string[],
): readonly Grant[] | undefined | Promise<readonly Grant[] | undefined> {
  return cacheOf(ctx).grants.get(`${keyArn} ${grantees.join(' ')}`, async () => {
    const rows = await ctx
      .db<KmsTables>()
      .selectFrom('kms_grants')
      .selectAll()
      .where('key_arn', '=', keyArn)
      .where('grantee', 'in', [...grantees])
      .execute();
    return rows.map(readGrant);
  });
}

async function loadKey(ctx: Context, arn: string): Promise<Key | undefined> {
  const db = ctx.db<KmsTables>();
  const row = await db.selectFrom('kms_keys').selectAll().where('arn', '=', arn).executeTakeFirst();
  if (row === undefined) return undefined;
  const [aliases, grant, materials] = await Promise.all([
    db.selectFrom('kms_aliases').select('name').where('key_arn', '=', arn).orderBy('name').execute(),
    db.selectFrom('kms_grants').select('id').where('key_arn', '=', arn).limit(1).executeTakeFirst(),
    db.selectFrom('kms_materials').selectAll().where('key_arn', '=', arn).execute(),
  ]);
  const ready = new Map<string, Material>();
  for (const { id, sealed, valid_to } of materials) {
    if (sealed === null) continue;
    ready.set(id, readyMaterial(row.spec, id, unsealMaterial(ctx, arn, id, sealed), valid_to));
  }
  return {
    ...row,
    compiledPolicy: parsePolicy(row.policy, { form: 'resource' }),
    aliases: aliases.map(({ name }) => name),
    hasGrants: grant !== undefined,
    materials: ready,
  };
}
