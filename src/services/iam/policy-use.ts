import { sql } from 'kysely';
import type { Context, Tx } from '../../kernel/context.ts';
import { tables } from './tables.ts';

export interface PolicyUse {
  attachments: number;
  /** Users and roles that have it as their boundary. */
  boundaries: number;
}

/** As many ARNs as one query takes: both databases limit parameters. */
const ARNS_AT_ONCE = 500;

/** How much each of these managed policies is used in an account. */
export async function policyUse(
  source: Context | Tx,
  policyArns: readonly string[],
  account: string,
): Promise<Map<string, PolicyUse>> {
  const use = new Map(policyArns.map((policyArn) => [policyArn, { attachments: 0, boundaries: 0 }]));
  for (let at = 0; at < policyArns.length; at += ARNS_AT_ONCE) {
    await addUse(source, policyArns.slice(at, at + ARNS_AT_ONCE), account, use);
  }
  return use;
}

async function addUse(
  source: Context | Tx,
  arns: readonly string[],
  account: string,
  use: Map<string, PolicyUse>,
): Promise<void> {
  for (const table of ['iam_users', 'iam_groups', 'iam_roles'] as const) {
    for (const { policy_arn, n } of await attachmentsOf(source, table, arns, account).execute()) {
      use.get(policy_arn)!.attachments += Number(n);
    }
  }
  for (const table of ['iam_users', 'iam_roles'] as const) {
    for (const { boundary_arn, n } of await boundariesOf(source, table, arns, account).execute()) {
      use.get(boundary_arn!)!.boundaries += Number(n);
    }
  }
}

/**
 * The account as a text that no index has. With many ARNs SQLite takes the account for the narrower condition and looks at
 * all that it has, each against every ARN: minutes for a page of policies beside 100,000 users.
 */
const unindexed = (column: string) => sql<string>`(${sql.ref(column)} || '')`;

/** How often entities of a kind have each policy attached. */
export function attachmentsOf(
  source: Context | Tx,
  table: 'iam_users' | 'iam_groups' | 'iam_roles',
  arns: readonly string[],
  account: string,
) {
  return tables(source)
    .selectFrom('iam_attachments as a')
    .innerJoin(`${table as 'iam_users'} as e`, 'e.id', 'a.owner_id')
    .select(['a.policy_arn', (e) => e.fn.countAll<number>().as('n')])
    .where('a.policy_arn', 'in', [...arns])
    .where(unindexed('e.account'), '=', account)
    .groupBy('a.policy_arn');
}

/** How often entities of a kind have each policy as their boundary. */
export function boundariesOf(
  source: Context | Tx,
  table: 'iam_users' | 'iam_roles',
  arns: readonly string[],
  account: string,
) {
  return tables(source)
    .selectFrom(table)
    .select(['boundary_arn', (e) => e.fn.countAll<number>().as('n')])
    .where('boundary_arn', 'in', [...arns])
    .where(unindexed('account'), '=', account)
    .groupBy('boundary_arn');
}
