import { isGitFailure } from '../../git/failure.ts';
import { mergeBases } from '../../git/merge-base.ts';
import type { Lease } from '../../git/repository.ts';
import type { Context } from '../../kernel/context.ts';
import { isFault } from '../../kernel/fault.ts';
import { BY_ID, gitFault, openRepository } from './git-cache.ts';
import type { RepositoryRow } from './tables.ts';

/** Answers kept in memory; a pair of commits never gets another one. */
const MAX_KNOWN = 10_000;

const known = new Map<string, string | undefined>();

/**
 * The commit that both sides build on; undefined when there is none, when one of the commits is not there any more, or
 * while the caller cannot have the repository's key: what was changed is changed, and its answer comes without.
 * It is worked out when somebody asks, as no transaction can wait for git, and is the same whenever it is.
 */
export async function mergeBaseOf(
  ctx: Context,
  { id, name }: RepositoryRow,
  destination: string,
  source: string,
): Promise<string | undefined> {
  const key = `${id} ${destination} ${source}`;
  if (known.has(key)) return known.get(key);
  try {
    const repository = await openRepository(ctx, id);
    const find = (lease: Lease) => mergeBases(repository, lease, [destination, source], ctx.signal);
    const [base] = await repository.read(find, BY_ID);
    if (known.size >= MAX_KNOWN) known.delete(known.keys().next().value!);
    known.set(key, base);
    return base;
  } catch (error) {
    if (isGitFailure(error, 'process-failed')) return undefined;
    const told = gitFault(error, name);
    if (isFault(told) && told.name.startsWith('Encryption')) return undefined;
    throw told;
  }
}
