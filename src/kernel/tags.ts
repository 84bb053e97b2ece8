import type { Kysely } from 'kysely';
import type { Context, Tx } from './context.ts';
import type { ConditionKeys, ResourceRef } from './service.ts';
import type { KernelTables } from './store/kernel-tables.ts';

/** Tags of all services live in one table, by ARN. Keys are case-sensitive. */
export type Tags = Record<string, string>;

/** AWS's limit for most resources. */
export const MAX_TAGS = 50;
const MAX_KEY = 128;
const MAX_VALUE = 256;
const CHARACTERS = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

/** Why a tag set is not allowed, or undefined. The service words its own fault by it. */
export type TagProblem = 'too-many' | 'bad-key' | 'bad-value' | 'system-tag';

/** Holds tags against AWS's rules. Source: Tagging AWS Resources, "Tag naming limits and requirements". */
export function tagProblem(tags: Tags, existing: Tags = {}): TagProblem | undefined {
  for (const [key, value] of Object.entries(tags)) {
    if (/^aws:/i.test(key)) return 'system-tag';
    if (key.length < 1 || key.length > MAX_KEY || !CHARACTERS.test(key)) return 'bad-key';
    if (value.length > MAX_VALUE || !CHARACTERS.test(value)) return 'bad-value';
  }
  return Object.keys({ ...existing, ...tags }).length > MAX_TAGS ? 'too-many' : undefined;
}

/** Tags of a resource. */
export async function tagsOf(source: Context | Tx, arn: string): Promise<Tags> {
  const db: Kysely<KernelTables> = source.db<KernelTables>();
  const rows = await db
    .selectFrom('kernel_tags')
    .select(['key', 'value'])
    .where('arn', '=', arn)
    .orderBy('key')
    .execute();
  return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
}

/** What IAM evaluates for a resource whose tags stand here under `tagged`: they are read only when a policy asks for one. */
export function taggedResource(ctx: Context, arn: string, tagged = arn): ResourceRef {
  return { arn, tags: () => tagsOf(ctx, tagged) };
}

/** Condition keys of a call that brings tags, as IAM knows them: `aws:RequestTag/*` and `aws:TagKeys`. */
export function requestTagKeys(tags: Tags = {}): ConditionKeys {
  const keys = Object.keys(tags);
  if (keys.length === 0) return {};
  return {
    'aws:TagKeys': keys,
    ...Object.fromEntries(keys.map((key) => [`aws:RequestTag/${key}`, tags[key]!])),
  };
}

/** Adds or replaces tags. */
export async function putTags(tx: Tx, arn: string, tags: Tags): Promise<void> {
  const rows = Object.entries(tags).map(([key, value]) => ({ arn, key, value }));
  if (rows.length === 0) return;
  await tx
    .db<KernelTables>()
    .insertInto('kernel_tags')
    .values(rows)
    .onConflict((c) => c.columns(['arn', 'key']).doUpdateSet((e) => ({ value: e.ref('excluded.value') })))
    .execute();
}

/** Removes some tags; absent ones are fine. */
export async function removeTags(tx: Tx, arn: string, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return;
  await tx
    .db<KernelTables>()
    .deleteFrom('kernel_tags')
    .where('arn', '=', arn)
    .where('key', 'in', [...keys])
    .execute();
}

/** Removes every tag of a resource that goes away. */
export async function deleteAllTags(tx: Tx, arn: string): Promise<void> {
  await tx.db<KernelTables>().deleteFrom('kernel_tags').where('arn', '=', arn).execute();
}
