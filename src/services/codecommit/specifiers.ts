import * as sdk from '@aws-sdk/client-codecommit';
import { isObjectId, shortNameProblem } from '../../git/ref-name.ts';
import type { Lease } from '../../git/repository.ts';
import type { Ref, RepositoryState } from '../../git/truth.ts';
import { fault } from '../../kernel/fault.ts';
import { branchRef, TAGS } from './store.ts';

/**
 * The commit that a specifier stands for: a full commit id, `HEAD`, a branch, a tag, or the full name of a reference.
 * Left out, it is the tip of the default branch. Names are looked up in rows and never reach git.
 * @throws InvalidCommitException, CommitDoesNotExistException
 */
export async function resolveCommit({ state, objects }: Lease, specifier = 'HEAD'): Promise<string> {
  const ref = isObjectId(specifier) ? undefined : findRef(state, specifier);
  const id = isObjectId(specifier) ? specifier : (ref?.peeled ?? ref?.id);
  if (id !== undefined && (await objects.findInfo(id))?.type === 'commit') return id;
  throw fault(sdk.CommitDoesNotExistException, `Commit ${specifier} does not exist`);
}

function findRef({ refs, head }: RepositoryState, specifier: string): Ref | undefined {
  if (specifier === 'HEAD') return head === null ? undefined : refs.get(head);
  if (specifier.startsWith('refs/')) return refs.get(specifier);
  const problem = shortNameProblem(specifier);
  if (problem !== null) throw fault(sdk.InvalidCommitException, `The commit specifier is not valid: ${problem}`);
  return refs.get(branchRef(specifier)) ?? refs.get(`${TAGS}${specifier}`);
}

const UUID = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const COMMENT_ID = new RegExp(`^${UUID}(:${UUID})?$`);

/** Whether a comment may have that id: those made here are one UUID, imported ones may be two. */
export function isCommentId(text: string): boolean {
  return COMMENT_ID.test(text);
}
