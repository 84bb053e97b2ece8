import * as sdk from '@aws-sdk/client-codecommit';
import type { Kysely } from 'kysely';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { preparedQuery } from '../../kernel/store/prepared-query.ts';
import type { Place } from './resources.ts';
import { type CodeCommitTables, type RefRow, type RepositoryRow, tables } from './tables.ts';

/** The repository of that name, if there is one. */
export async function findRepository(
  source: Context | Tx,
  place: Place,
  name: string,
): Promise<RepositoryRow | undefined> {
  return (await repositoriesNamed(tables(source), place.account, place.region, name))[0];
}

const repositoriesNamed = preparedQuery((db: Kysely<CodeCommitTables>, account: string, region: string, name: string) =>
  db
    .selectFrom('codecommit_repositories')
    .selectAll()
    .where('account', '=', account)
    .where('region', '=', region)
    .where('name', '=', name),
);

/** @throws RepositoryDoesNotExistException */
export async function repositoryByName(source: Context | Tx, place: Place, name: string): Promise<RepositoryRow> {
  const repository = await findRepository(source, place, name);
  if (repository === undefined) throw fault(sdk.RepositoryDoesNotExistException, `${name} does not exist`);
  return repository;
}

/** The repository of that id, if it was not deleted. */
export async function findRepositoryById(source: Context | Tx, id: string): Promise<RepositoryRow | undefined> {
  return (await repositoriesWithId(tables(source), id))[0];
}

const repositoriesWithId = preparedQuery((db: Kysely<CodeCommitTables>, id: string) =>
  db.selectFrom('codecommit_repositories').selectAll().where('id', '=', id),
);

/** A reference by its full name, if it is there. */
export async function findRef(source: Context | Tx, repositoryId: string, name: string): Promise<RefRow | undefined> {
  return (await refsNamed(tables(source), repositoryId, name))[0];
}

const refsNamed = preparedQuery((db: Kysely<CodeCommitTables>, repositoryId: string, name: string) =>
  db.selectFrom('codecommit_refs').selectAll().where('repository_id', '=', repositoryId).where('name', '=', name),
);

/** @param name short name. @throws BranchDoesNotExistException */
export async function branchByName(source: Context | Tx, repository: RepositoryRow, name: string): Promise<RefRow> {
  const ref = await findRef(source, repository.id, branchRef(name));
  if (ref === undefined) throw branchDoesNotExist(repository, name);
  return ref;
}

/** Whether the repository has no branch at all. */
export async function hasNoBranch(source: Context | Tx, repositoryId: string): Promise<boolean> {
  const first = await tables(source)
    .selectFrom('codecommit_refs')
    .select('name')
    .where('repository_id', '=', repositoryId)
    .where('name', '>', BRANCHES)
    .where('name', '<', AFTER_BRANCHES)
    .limit(1)
    .executeTakeFirst();
  return first === undefined;
}

export function branchDoesNotExist(repository: RepositoryRow, name: string) {
  return fault(sdk.BranchDoesNotExistException, `Branch ${name} does not exist in repository ${repository.name}`);
}

export const BRANCHES = 'refs/heads/';
/** The first text behind every branch: the character after the slash. */
export const AFTER_BRANCHES = 'refs/heads0';
export const TAGS = 'refs/tags/';

/** Full name of a branch. */
export function branchRef(name: string): string {
  return `${BRANCHES}${name}`;
}
