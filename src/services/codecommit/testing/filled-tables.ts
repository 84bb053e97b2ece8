/** For tests only: rows that nobody wants to make by a thousand calls. */
import type { TestServer } from '../../../../test/harness.ts';
import { type ReviewTables, reviews } from '../review-tables.ts';
import { tables } from '../tables.ts';

/** Rows in one statement: databases take only so many values. */
const CHUNK = 200;

/** Fills a table, for the repository `other`, with copies of what there is, for as long as `work` takes. */
export async function withFullTable(
  server: TestServer,
  table: 'codecommit_approval_templates' | 'codecommit_pull_requests',
  count: number,
  work: () => Promise<unknown>,
): Promise<unknown> {
  const ctx = server.kernel.serviceContext('codecommit.amazonaws.com');
  await ctx.tx(async (tx) => {
    const found = tables(tx).selectFrom('codecommit_repositories').select('id').where('name', '=', 'other');
    const { id } = await found.executeTakeFirstOrThrow();
    const [row] = await reviews(tx).selectFrom(table).selectAll().limit(1).execute();
    const copies = Array.from({ length: count }, (_, n) => {
      const more =
        table === 'codecommit_pull_requests'
          ? { number: 10_000 + n, repository_id: id, status: 'OPEN' }
          : { name: `filled ${n}` };
      return { ...row, id: `copy-${table}-${n}`, ...more } as ReviewTables[typeof table];
    });
    for (let at = 0; at < count; at += CHUNK) {
      await reviews(tx)
        .insertInto(table)
        .values(copies.slice(at, at + CHUNK))
        .execute();
    }
  });
  try {
    return await work();
  } finally {
    await ctx.tx(async (tx) => {
      await reviews(tx).deleteFrom(table).where('id', 'like', `copy-${table}-%`).execute();
    });
  }
}

/** Gives a pull request so many approvals, of users who are not there. */
export async function fillApprovals(
  server: TestServer,
  number: number,
  revision_id: string,
  count: number,
): Promise<void> {
  await server.kernel.serviceContext('codecommit.amazonaws.com').tx(async (tx) => {
    const found = reviews(tx).selectFrom('codecommit_pull_requests').select('id').where('number', '=', number);
    const { id: pull_request } = await found.executeTakeFirstOrThrow();
    const approval = (n: number) => {
      return { pull_request, revision_id, user_arn: `arn:aws:iam::1:user/u${n}`, approved_at: 1 };
    };
    const rows = Array.from({ length: count }, (_, n) => approval(n));
    await reviews(tx).insertInto('codecommit_approvals').values(rows).execute();
  });
}
