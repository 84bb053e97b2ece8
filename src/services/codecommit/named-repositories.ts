import type { Context } from '../../kernel/context.ts';
import { type RepositoryRow, tables } from './tables.ts';

/** The account's repositories of that name, each in another region. */
export function repositoriesOfName(ctx: Context, account: string, name: string): Promise<RepositoryRow[]> {
  return tables(ctx)
    .selectFrom('codecommit_repositories')
    .selectAll()
    .where('account', '=', account)
    .where('name', '=', name)
    .execute();
}

/** A git password or an SSH key says nothing about the region: it is the default one unless the name exists in one other only. */
export function likelyRegion({ config }: Context, named: readonly RepositoryRow[]): string {
  return named.length === 1 ? named[0]!.region : config.region;
}
