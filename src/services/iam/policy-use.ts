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
  const db = tables(source);
  for (const table of ['iam_users', 'iam_groups', 'iam_roles'] as const) {
    const attached = await db
      .selectFrom('iam_attachments as a')
      .innerJoin(`${table as 'iam_users'} as e`, 'e.id', 'a.owner_id')
      .select(['a.policy_arn', (e) => e.fn.countAll<number>().as('n')])
      .where('a.policy_arn', 'in', [...arns])
      .where('e.account', '=', account)
      .groupBy('a.policy_arn')
      .execute();
    for (const { policy_arn, n } of attached) use.get(policy_arn)!.attachments += Number(n);
  }
  for (const table of ['iam_users', 'iam_roles'] as const) {
    const bounded = await db
      .selectFrom(table)
      .select(['boundary_arn', (e) => e.fn.countAll<number>().as('n')])
      .where('boundary_arn', 'in', [...arns])
      .where('account', '=', account)
      .groupBy('boundary_arn')
      .execute();
    for (const { boundary_arn, n } of bounded) use.get(boundary_arn!)!.boundaries += Number(n);
  }
}
