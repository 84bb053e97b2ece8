import type { Kysely } from 'kysely';
import type { Context } from '../../kernel/context.ts';
import { preparedQuery } from '../../kernel/store/prepared-query.ts';
import { type CodeCommitTables, type RepositoryRow, tables } from './tables.ts';

/** The account's repositories of that name, each in another region. */
export function repositoriesOfName(ctx: Context, account: string, name: string): Promise<RepositoryRow[]> {
  return repositoriesCalled(tables(ctx), account, name);
}

const repositoriesCalled = preparedQuery((db: Kysely<CodeCommitTables>, account: string, name: string) =>
  db.selectFrom('codecommit_repositories').selectAll().where('account', '=', account).where('name', '=', name),
);

/** A git password or an SSH key says nothing about the region: it is the default one unless the name exists in one other only. */
export function likelyRegion({ config }: Context, named: readonly RepositoryRow[]): string {
  return named.length === 1 ? named[0]!.region : config.region;
}
