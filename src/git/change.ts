import { createReadStream } from 'node:fs';
import { GitFailure, isGitFailure } from './failure.ts';
import { HeldBody } from './held-body.ts';
import { isAncestor } from './history.ts';
import { DEFAULT_PACK_LIMITS, IncomingPack, type PackLimits, SMALL_PACK_BYTES } from './incoming-pack.ts';
import type { ObjectType } from './object-format.ts';
import { ObjectWriter } from './object-writer.ts';
import type { ObjectReader } from './objects.ts';
import { PathCheck } from './path-limits.ts';
import { type Lease, MAX_TRIES, type Repository } from './repository.ts';
import type { CommitChange, RefUpdate, RepositoryChange, RepositoryState } from './truth.ts';

/** A reference that shall move. `from` and `to` as in {@link RefUpdate}. */
export interface WantedUpdate {
  name: string;
  from: string | null;
  to: string | null;
}

export interface ChangeRequest {
  updates: readonly WantedUpdate[];
  atomic: boolean;
  /** The objects that the updates need, made here or as one pack; null when the repository has them all. */
  pack: ObjectWriter | AsyncIterable<Uint8Array> | null;
  /** Keeps the pack though no reference shall lead to it; `updates` is empty then. */
  unreferenced?: boolean;
  /** The transaction. It must not use the repository. */
  commit: CommitChange;
  /** The state that the caller has looked at; left out, nothing that he read matters. */
  basis?: RepositoryState;
  /** Objects for references that were refused already; the pack may have them. */
  abandoned?: readonly string[];
  limits?: PackLimits;
  signal?: AbortSignal | undefined;
}

/** What to tell about updates that fell with another one. */
export const ATOMIC_FAILED = 'atomic push failure';

/**
 * The one road by which anything enters a repository, for pushes and API calls alike: the pack into quarantine,
 * checks, blobs written and synced, the transaction, and only then the answer. Killed anywhere before the
 * transaction, nothing has happened but a blob without an owner; after it, everything has.
 *
 * Where objects were taken out of the repository between the checks and the transaction, all is checked once more.
 *
 * @returns the refused updates by name, with the reason; all others are durable.
 * @throws {GitFailure} when the pack is refused, or `collected` when it is the caller who must look again; no reference
 * has moved then.
 */
export async function changeRepository(
  repository: Repository,
  request: ChangeRequest,
): Promise<ReadonlyMap<string, string>> {
  // Before anything is held: a slow client keeps nothing from being tidied up.
  const { pack } = request;
  const source = pack === null || pack instanceof ObjectWriter ? pack : await HeldBody.read(pack, SMALL_PACK_BYTES);
  let isBegun = false;
  const commit: CommitChange = (change) => {
    isBegun = true;
    return request.commit(change);
  };
  for (let tries = 1; ; tries++) {
    const { losses } = repository;
    try {
      return await attempt(repository, source, { ...request, commit });
    } catch (error) {
      // The cache may be deleted at any moment, also now.
      const isOver = isBegun || isGitFailure(error, 'collected') || request.signal?.aborted === true;
      const isReadable = !(source instanceof HeldBody) || source.isWhole;
      const mayTryAgain = !isOver && tries < MAX_TRIES && isReadable;
      if (!mayTryAgain || !(await repository.hasLostSince(losses))) throw error;
    }
  }
}

async function attempt(
  repository: Repository,
  source: ObjectWriter | HeldBody | null,
  request: ChangeRequest,
): Promise<ReadonlyMap<string, string>> {
  const { losses } = repository;
  const lease = await repository.lease({ refs: PathCheck.looksAtRefs(request.limits ?? DEFAULT_PACK_LIMITS) });
  let incoming: IncomingPack | null = null;
  try {
    if ((request.basis ?? lease.state).collections !== lease.state.collections) throw collected();
    if (source !== null) incoming = await receive(repository, lease, source, request);
    try {
      return await applyUpdates(repository, lease, incoming, { ...request, losses });
    } catch (error) {
      if (!isGitFailure(error, 'collected') || request.basis !== undefined) throw error;
      const isPushed = incoming !== null && source instanceof HeldBody;
      const pack = isPushed ? createReadStream(incoming!.files.pack) : request.pack;
      return await changeRepository(repository, { ...request, pack });
    }
  } finally {
    // The answer does not wait for the files to move, nor for the sweeping; what stays behind is swept at the next start.
    if (incoming === null) lease.release();
    else {
      const swept = incoming.remove().catch(repository.surroundings.report);
      repository.goesOn(swept.finally(() => lease.release()));
    }
  }
}

/** Objects that were looked at may be gone by now. */
export function collected(): GitFailure {
  return new GitFailure('collected', 'the repository was repacked meanwhile, try again');
}

async function receive(
  repository: Repository,
  lease: Lease,
  source: ObjectWriter | HeldBody,
  request: ChangeRequest,
): Promise<IncomingPack> {
  const { limits = DEFAULT_PACK_LIMITS, signal } = request;
  try {
    const made = source instanceof ObjectWriter ? await IncomingPack.make(repository, lease, source, limits) : null;
    if (made !== null) return made;
    const body = source instanceof ObjectWriter ? await HeldBody.read(source.pack(), SMALL_PACK_BYTES) : source;
    return await IncomingPack.receive(repository, lease, body, { limits, signal });
  } catch (error) {
    // Objects that "are missing" may be missing from the cache only; the next use of it will look.
    repository.suspect();
    throw error;
  }
}

async function applyUpdates(
  repository: Repository,
  lease: Lease,
  incoming: IncomingPack | null,
  request: ChangeRequest & { losses: number },
): Promise<ReadonlyMap<string, string>> {
  // The blobs are written while the updates are looked at; nearly always both are wanted.
  const stored = incoming?.store() ?? Promise.resolve();
  const [described] = await Promise.allSettled([describeAll(repository, lease, incoming, request), stored]);
  if (described.status === 'rejected') {
    await stored.then(() => incoming?.unstore());
    throw described.reason;
  }
  await stored;
  const isDoubtful = described.value.some(({ problem, update }) => problem !== null || update.forced);
  if (isDoubtful && (await repository.hasLostSince(request.losses))) {
    await incoming?.unstore();
    throw new GitFailure('process-failed', 'the cache was deleted');
  }
  const refused = new Map<string, string>();
  const updates: RefUpdate[] = [];
  for (const one of described.value) {
    if (one.problem === null) updates.push(one.update);
    else refused.set(one.update.name, one.problem);
  }
  if (request.atomic && refused.size > 0) {
    for (const update of updates.splice(0)) refused.set(update.name, ATOMIC_FAILED);
  }
  if (updates.length === 0 && request.unreferenced !== true) {
    await incoming?.unstore();
    return refused;
  }
  const abandoned = await broughtInVain(incoming, [
    ...(request.abandoned ?? []),
    ...described.value.map(({ update, problem }) => (problem === null ? null : update.to)),
  ]);
  const change = {
    updates,
    atomic: request.atomic,
    pack: incoming?.record ?? null,
    collections: lease.state.collections,
    abandoned,
  };
  for (const [name, problem] of await transact(repository, lease, incoming, change, request))
    refused.set(name, problem);
  return refused;
}

/** Those of `ids` that have come with the pack, or were here, though their references were refused. */
async function broughtInVain(incoming: IncomingPack | null, ids: readonly (string | null)[]): Promise<string[]> {
  const found: string[] = [];
  for (const id of incoming === null ? [] : ids) {
    if (id !== null && (await incoming!.objects.findInfo(id)) !== null) found.push(id);
  }
  return found;
}

async function transact(
  repository: Repository,
  lease: Lease,
  incoming: IncomingPack | null,
  change: RepositoryChange,
  request: ChangeRequest,
): Promise<ReadonlyMap<string, string>> {
  if (incoming === null) return request.commit(change);
  const isAccepted = (refused: ReadonlyMap<string, string>) =>
    refused.size < change.updates.length || (request.unreferenced === true && refused.size === 0);
  const { result: refused, adopted } = await repository
    .publish(lease, incoming, () => request.commit(change), isAccepted)
    .catch(async (error: unknown) => {
      // If the transaction throws anything else, its outcome is unknown: the blobs stay, and the sweep asks the truth later.
      if (isGitFailure(error, 'collected')) await incoming.unstore();
      throw error;
    });
  incoming.keepUntil(adopted);
  if (!isAccepted(refused)) await incoming.unstore();
  else incoming.remember(lease);
  return refused;
}

type Described = { update: RefUpdate; problem: string | null };

async function describeAll(
  repository: Repository,
  lease: Lease,
  incoming: IncomingPack | null,
  request: ChangeRequest,
): Promise<Described[]> {
  const objects = incoming?.objects ?? lease.objects;
  const paths = new PathCheck(request.limits ?? DEFAULT_PACK_LIMITS, objects);
  const described: Described[] = [];
  await incoming?.placed();
  for (const wanted of request.updates) {
    if (request.signal?.aborted) throw new GitFailure('stopped', 'the client went away');
    const options = { env: incoming?.env ?? {}, signal: request.signal, paths };
    described.push(await describe(repository, lease, objects, wanted, options));
  }
  return described;
}

async function describe(
  repository: Repository,
  lease: Lease,
  objects: ObjectReader,
  wanted: WantedUpdate,
  options: { env: Record<string, string>; signal: AbortSignal | undefined; paths: PathCheck },
): Promise<Described> {
  const update: RefUpdate = { ...wanted, peeled: null, forced: false };
  if (wanted.to === null) return { update, problem: null };
  const info = await objects.findInfo(wanted.to);
  if (info === null) return { update, problem: 'missing necessary objects' };
  if (!wanted.name.startsWith('refs/tags/') && info.type !== 'commit') {
    return { update, problem: 'only tags may point at something that is not a commit' };
  }
  const peeled = await objects.peel(wanted.to, info.type);
  update.peeled = peeled?.id ?? null;
  const problem = await options.paths.problemOf(repository, lease, peeled ?? { id: wanted.to, ...info }, options);
  if (problem !== null) return { update, problem };
  if (wanted.from !== null) {
    const moved = { name: wanted.name, from: wanted.from };
    update.forced = !(await isForward(
      repository,
      lease,
      objects,
      moved,
      peeled ?? { id: wanted.to, ...info },
      options,
    ));
  }
  return { update, problem: null };
}

/** True when the new commit contains the old one. Anything but two commits counts as rewriting. */
async function isForward(
  repository: Repository,
  lease: Lease,
  objects: ObjectReader,
  { name, from }: { name: string; from: string },
  to: { id: string; type: ObjectType },
  options: { env: Record<string, string>; signal: AbortSignal | undefined },
): Promise<boolean> {
  if (from === to.id) return true;
  // A branch points at a commit by rule; only a tag needs the question.
  const isTag = name.startsWith('refs/tags/');
  if (to.type !== 'commit' || (isTag && (await objects.findInfo(from))?.type !== 'commit')) return false;
  return isAncestor(repository, lease, { ancestor: from, descendant: to.id }, { objects, ...options });
}
