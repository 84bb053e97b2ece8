import { ATOMIC_FAILED, collected } from '../../git/change.ts';
import { parentNames } from '../../git/ref-name.ts';
import { type RefUpdate, type RepositoryChange, STALE } from '../../git/truth.ts';
import type { Context, RecordedEvent, Tx } from '../../kernel/context.ts';
import { type MergeFacts, type MovedRef, repositoryStateChange } from './events.ts';
import { noteChange } from './git-cache.ts';
import { followMovedRefs } from './pull-requests-follow.ts';
import { leaveTip } from './roots.ts';
import { BRANCHES, findRef, findRepositoryById } from './store.ts';
import { type RepositoryRow, tables } from './tables.ts';
import { writeDispatches } from './triggers-dispatch.ts';
import { packRow, RepositoryGoneError } from './truth.ts';

export interface MoveOptions {
  /** The audit record of the change, written with it; for pushes, as API calls have theirs. */
  record?(repository: RepositoryRow, moved: readonly MovedRef[]): RecordedEvent;
  /** What the events of the moved references tell about the merge that moved them. */
  merge?: MergeFacts;
  /** Further changes of the same transaction; a fault undoes all of it. Not called where nothing moves. */
  within?(tx: Tx, repository: RepositoryRow): Promise<void>;
}

/** Undoes the transaction of an atomic push. */
class AtomicRefusal extends Error {
  readonly refused: ReadonlyMap<string, string>;

  constructor(refused: ReadonlyMap<string, string>) {
    super('an atomic push was refused');
    this.refused = refused;
  }
}

/**
 * The transaction of every push and every API call that moves references: compare-and-set, pack, default branch, events
 * and audit record are committed together.
 * @returns the refused updates by name, with the text for the user.
 * @throws {GitFailure} `collected` when objects were taken out of the repository since the change was looked at
 */
export async function moveRefs(
  ctx: Context,
  repositoryId: string,
  change: RepositoryChange,
  options: MoveOptions = {},
): Promise<ReadonlyMap<string, string>> {
  try {
    return await ctx.tx((tx) => moveWithin(tx, ctx, repositoryId, change, options));
  } catch (error) {
    if (!(error instanceof AtomicRefusal)) throw error;
    const { refused } = error;
    return new Map(change.updates.map(({ name }) => [name, refused.get(name) ?? ATOMIC_FAILED]));
  }
}

async function moveWithin(
  tx: Tx,
  ctx: Context,
  repositoryId: string,
  change: RepositoryChange,
  options: MoveOptions,
): Promise<ReadonlyMap<string, string>> {
  const repository = await findRepositoryById(tx, repositoryId);
  if (repository === undefined && change.updates.length === 0) throw new RepositoryGoneError(repositoryId);
  if (repository === undefined) return new Map(change.updates.map(({ name }) => [name, 'the repository was deleted']));
  if (change.collections !== null && change.collections !== Number(repository.collections)) throw collected();
  const refused = new Map<string, string>();
  const moved: MovedRef[] = [];
  // Deletions first: what they make room for may come with the same push.
  for (const update of change.updates.toSorted((a, b) => Number(a.to !== null) - Number(b.to !== null))) {
    const result = await moveOne(tx, repository, update, ctx.now());
    if (typeof result === 'string') refused.set(update.name, result);
    else moved.push(result);
  }
  if (change.atomic && refused.size > 0) throw new AtomicRefusal(refused);
  // A pack without a reference is a commit that can only be had by its id.
  if (moved.length === 0 && (change.updates.length > 0 || change.pack === null)) return refused;
  if (change.pack !== null) {
    // What the pack has brought for a reference that stays where it is.
    for (const { name, to } of change.updates) {
      if (to !== null && refused.has(name)) await leaveTip(tx, repositoryId, to, ctx.now());
    }
    for (const id of change.abandoned ?? []) await leaveTip(tx, repositoryId, id, ctx.now());
    await tables(tx)
      .insertInto('codecommit_packs')
      .values({ repository_id: repositoryId, ...packRow(change.pack) })
      .execute();
  }
  const head = repository.head ?? firstBranch(moved);
  const generation = await touch(tx, repository, head, ctx.now());
  const updates = change.updates.filter(({ name }) => !refused.has(name));
  tx.afterCommit(() => noteChange(ctx, repositoryId, { generation, head, updates, pack: change.pack }));
  for (const ref of moved) {
    const event = repositoryStateChange(repository, ref, ctx.caller, options.merge);
    if (event !== undefined) await tx.emit(event);
  }
  await options.within?.(tx, repository);
  await followMovedRefs(tx, ctx, repository, moved);
  await writeDispatches(tx, ctx, repository, moved);
  if (options.record !== undefined) await tx.record(options.record(repository, moved));
  return refused;
}

/** Answers what was moved, or why it was not. */
async function moveOne(tx: Tx, repository: RepositoryRow, update: RefUpdate, now: Date): Promise<MovedRef | string> {
  const { name, from, to, peeled, forced } = update;
  const present = await findRef(tx, repository.id, name);
  if ((present?.object_id ?? null) !== from) return STALE;
  if (to === null && name === repository.head) return 'deletion of the current branch prohibited';
  if (from === null) {
    const other = await findFolderConflict(tx, repository.id, name);
    if (other !== undefined) return `'${other}' exists; cannot create '${name}'`;
  }
  const refs = tables(tx);
  if (from !== null && (forced || to === null)) await leaveTip(tx, repository.id, from, now);
  if (to === null) {
    await refs
      .deleteFrom('codecommit_refs')
      .where('repository_id', '=', repository.id)
      .where('name', '=', name)
      .execute();
  } else {
    await refs
      .insertInto('codecommit_refs')
      .values({ repository_id: repository.id, name, object_id: to, peeled })
      .onConflict((c) => c.columns(['repository_id', 'name']).doUpdateSet({ object_id: to, peeled }))
      .execute();
  }
  const before = present === undefined ? null : (present.peeled ?? present.object_id);
  return { name, forced, before, after: peeled ?? to };
}

/** A reference that would have to be a folder of the new one, or the other way round. */
async function findFolderConflict(tx: Tx, repositoryId: string, name: string): Promise<string | undefined> {
  const parents = parentNames(name);
  const other = await tables(tx)
    .selectFrom('codecommit_refs')
    .select('name')
    .where('repository_id', '=', repositoryId)
    .where((e) =>
      e.or([
        e.and([e('name', '>', `${name}/`), e('name', '<', `${name}0`)]),
        ...(parents.length === 0 ? [] : [e('name', 'in', parents)]),
      ]),
    )
    .limit(1)
    .executeTakeFirst();
  return other?.name;
}

/** The default branch of a repository that has had none: the first that comes, `main` or `master` if several come at once. */
function firstBranch(moved: readonly MovedRef[]): string | null {
  const names = moved.filter(({ name, after }) => after !== null && name.startsWith(BRANCHES)).map(({ name }) => name);
  return [`${BRANCHES}main`, `${BRANCHES}master`].find((name) => names.includes(name)) ?? names[0] ?? null;
}

/** Marks the repository as changed: every node then reads its references and packs anew. @returns the new generation */
export async function touch(tx: Tx, repository: RepositoryRow, head: string | null, now: Date): Promise<number> {
  const { generation } = await tables(tx)
    .updateTable('codecommit_repositories')
    .set((e) => ({ head, generation: e('generation', '+', 1), modified_at: now.getTime() }))
    .where('id', '=', repository.id)
    .returning('generation')
    .executeTakeFirstOrThrow();
  return Number(generation);
}
