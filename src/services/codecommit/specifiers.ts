import * as sdk from '@aws-sdk/client-codecommit';
import { isObjectId, shortNameProblem } from '../../git/ref-name.ts';
import type { Lease } from '../../git/repository.ts';
import type { Ref, RepositoryState } from '../../git/truth.ts';
import { type FaultClass, fault } from '../../kernel/fault.ts';
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

/**
 * Holds a specifier by itself against what could be one, before anything is looked up.
 * @param invalid the fault, for operations that have one of their own.
 * @throws InvalidCommitException
 */
export function requireSpecifier(specifier = 'HEAD', invalid: FaultClass = sdk.InvalidCommitException): void {
  if (specifier === 'HEAD' || specifier.startsWith('refs/') || isObjectId(specifier)) return;
  const problem = shortNameProblem(specifier);
  if (problem !== null) throw fault(invalid, `The commit specifier is not valid: ${problem}`);
}

/** As {@link requireSpecifier}, of both sides of a merge. */
export function requireSpecifiers(input: { sourceCommitSpecifier: string; destinationCommitSpecifier: string }): void {
  requireSpecifier(input.sourceCommitSpecifier);
  requireSpecifier(input.destinationCommitSpecifier);
}

function findRef({ refs, head }: RepositoryState, specifier: string): Ref | undefined {
  requireSpecifier(specifier);
  if (specifier === 'HEAD') return head === null ? undefined : refs.get(head);
  if (specifier.startsWith('refs/')) return refs.get(specifier);
  return refs.get(branchRef(specifier)) ?? refs.get(`${TAGS}${specifier}`);
}

const UUID = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const COMMENT_ID = new RegExp(`^${UUID}(:${UUID})?$`);

/** Whether a comment may have that id: those made here are one UUID, imported ones may be two. */
export function isCommentId(text: string): boolean {
  return COMMENT_ID.test(text);
}
