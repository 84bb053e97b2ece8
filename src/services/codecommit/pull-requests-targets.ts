import * as sdk from '@aws-sdk/client-codecommit';
import { shortNameProblem } from '../../git/ref-name.ts';
import type { Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { BRANCHES, branchRef, findRef } from './store.ts';
import type { RefRow, RepositoryRow } from './tables.ts';

/** The two branches of a pull request. */
export interface Target {
  repository: RepositoryRow;
  source: RefRow;
  destination: RefRow;
}

/**
 * Finds the branches. Without a destination it is the default branch.
 * @throws ReferenceNameRequiredException, InvalidReferenceNameException, ReferenceTypeNotSupportedException,
 *   ReferenceDoesNotExistException, SourceAndDestinationAreSameException
 */
export async function targetOf(
  tx: Tx,
  repository: RepositoryRow,
  { sourceReference, destinationReference }: sdk.Target,
): Promise<Target> {
  const sourceName = branchNameOf(sourceReference);
  const destinationName = destinationReference === undefined ? repository.head : branchNameOf(destinationReference);
  if (destinationName === sourceName) {
    throw fault(sdk.SourceAndDestinationAreSameException, 'The source and the destination branch must be different.');
  }
  const source = await branch(tx, repository, sourceName);
  if (destinationName === null) throw missing(repository, 'HEAD');
  return { repository, source, destination: await branch(tx, repository, destinationName) };
}

/** The full name of a branch, which may be given short. */
function branchNameOf(reference: string | undefined): string {
  if (reference === undefined || reference === '') {
    throw fault(sdk.ReferenceNameRequiredException, 'A reference name is required.');
  }
  if (reference.startsWith('refs/') && !reference.startsWith(BRANCHES)) {
    throw fault(sdk.ReferenceTypeNotSupportedException, `${shown(reference)} is not a branch`);
  }
  const name = reference.startsWith(BRANCHES) ? reference.slice(BRANCHES.length) : reference;
  const problem = shortNameProblem(name);
  if (problem === null) return branchRef(name);
  throw fault(sdk.InvalidReferenceNameException, `${shown(reference)} is not a valid reference name: ${problem}`);
}

async function branch(tx: Tx, repository: RepositoryRow, name: string): Promise<RefRow> {
  const ref = await findRef(tx, repository.id, name);
  if (ref === undefined) throw missing(repository, name);
  return ref;
}

function missing(repository: RepositoryRow, name: string) {
  return fault(sdk.ReferenceDoesNotExistException, `The reference ${name} does not exist in ${repository.name}`);
}

function shown(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}...` : text;
}
