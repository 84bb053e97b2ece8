import * as sdk from '@aws-sdk/client-codecommit';
import { isGitFailure } from '../../git/failure.ts';
import { GitStore } from '../../git/git-store.ts';
import type { Lease, Repository } from '../../git/repository.ts';
import type { StateChange } from '../../git/truth.ts';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Lifecycle } from '../../kernel/service.ts';
import type { BlobStore } from '../../kernel/store/blobs.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { type CachePlace, leaveCache, placeOfCache } from './cache-place.ts';
import { RepositoryKeys } from './repository-keys.ts';
import { findRepositoryById } from './store.ts';
import type { RepositoryRow } from './tables.ts';
import { DatabaseTruth, RepositoryGoneError } from './truth.ts';

/** The git layer of one running server. */
interface Opened {
  store: GitStore;
  /** The service's own context: truths outlive the requests that ask for them. */
  ctx: Context;
  keys: RepositoryKeys;
  place: CachePlace;
}

/** Callers of the API work on ids of objects; what references there are, they know from the rows. */
export const BY_ID = { refs: false };

/** By the blob store, which every server has of its own; several servers may run in one process. */
const servers = new WeakMap<BlobStore, Promise<Opened>>();

/** Opens the git layer when it is first asked for: requests may come before the start is over. */
function opened(ctx: Context): Promise<Opened> {
  let opening = servers.get(ctx.blobs);
  if (opening === undefined) {
    opening = open(ctx.asService('codecommit.amazonaws.com', ctx.config.account, ctx.config.region));
    servers.set(ctx.blobs, opening);
  }
  return opening;
}

async function open(ctx: Context): Promise<Opened> {
  const place = await placeOfCache(ctx);
  const store = new GitStore({
    folder: place.folder,
    blobs: ctx.blobs,
    clock: ctx.clock,
    ids: ctx.ids,
    report: (error) => ctx.log.error({ err: error }, 'git upkeep failed'),
    collected: (collection) => ctx.log.info(collection, 'objects that nothing led to were taken out of a repository'),
  });
  const { verdict, reason } = await store.open();
  if (verdict === 'refuse') throw new Error(reason);
  if (verdict === 'warn') ctx.log.warn(reason);
  return { store, ctx, keys: new RepositoryKeys(ctx), place };
}

/** Opens the git layer with the server and ends its processes with it. @throws when git is missing or too old */
export const gitLifecycle: Required<Lifecycle> = {
  async start(ctx) {
    await opened(ctx);
  },
  async stop(ctx) {
    const { store, place } = await opened(ctx);
    await store.close();
    await leaveCache(place);
  },
};

/** Has the git layer take over what a transaction has changed, once it is committed. */
export function noteChange(ctx: Context, repositoryId: string, change: StateChange): void {
  // Too late or never is no harm: whoever finds a state outdated reads it anew.
  opened(ctx).then(
    ({ store }) => store.note(repositoryId, change),
    () => undefined,
  );
}

/** Every repository that this server has open. */
export async function gitStoreOf(ctx: Context): Promise<GitStore> {
  return (await opened(ctx)).store;
}

/** The data keys of this server's repositories. */
export async function repositoryKeysOf(ctx: Context): Promise<RepositoryKeys> {
  return (await opened(ctx)).keys;
}

/**
 * Runs `work` with the repository's objects at hand. It runs once more where it meets a repository that objects were taken
 * out of after it had looked at them.
 * @throws RepositoryDoesNotExistException when it was deleted meanwhile, ThrottlingException when git is busy,
 *   EncryptionKeyDisabledException and the others of its kind
 */
export async function readRepository<T>(
  ctx: Context,
  { id, name }: RepositoryRow,
  work: (lease: Lease, repository: Repository) => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      const repository = await openRepository(ctx, id);
      return await repository.read((lease) => work(lease, repository), BY_ID);
    } catch (error) {
      if (!isGitFailure(error, 'collected')) throw gitFault(error, name);
    }
  }
}

/** What a caller sees of failures that any operation on a repository can meet; other errors come back as they are. */
export function gitFault(error: unknown, repositoryName: string): unknown {
  if (error instanceof RepositoryGoneError) {
    return fault(sdk.RepositoryDoesNotExistException, `${repositoryName} does not exist`);
  }
  if (isGitFailure(error, 'key-refused')) return error.cause;
  if (isGitFailure(error, 'integrity')) {
    return fault(sdk.EncryptionIntegrityChecksFailedException, 'An encryption integrity check failed.');
  }
  if (isGitFailure(error, 'busy')) return commonFault('ThrottlingException', 'Rate exceeded', error);
  return error;
}

/**
 * The repository of that id on this node, for a caller who may use its key: its objects, its cache.
 * @throws {RepositoryGoneError}, EncryptionKeyDisabledException and the others of its kind
 */
export async function openRepository(ctx: Context, repositoryId: string): Promise<Repository> {
  const row = await findRepositoryById(ctx, repositoryId);
  if (row === undefined) throw new RepositoryGoneError(repositoryId);
  await (await opened(ctx)).keys.unlock(ctx, row);
  return lockedRepository(ctx, repositoryId);
}

/** The same without asking for the key: for upkeep, which works while the key is in memory, and for removal. */
export async function lockedRepository(ctx: Context, repositoryId: string): Promise<Repository> {
  const { store, ctx: own, keys } = await opened(ctx);
  return store.repository(new DatabaseTruth(own, keys, repositoryId));
}
