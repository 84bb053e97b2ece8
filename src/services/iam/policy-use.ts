import type { Context, Tx } from '../../kernel/context.ts';
import { tables } from './tables.ts';

export interface PolicyUse {
  attachments: number;
  /** Users and roles that have it as their boundary. */
  boundaries: number;
}

/** How much each of these managed policies is used. */
export async function policyUse(source: Context | Tx, policyArns: readonly string[]): Promise<Map<string, PolicyUse>> {
  const use = new Map(policyArns.map((policyArn) => [policyArn, { attachments: 0, boundaries: 0 }]));
  if (policyArns.length === 0) return use;
  const db = tables(source);
  const attached = await db
    .selectFrom('iam_attachments')
    .select(['policy_arn', (e) => e.fn.countAll<number>().as('n')])
    .groupBy('policy_arn')
    .execute();
  for (const { policy_arn, n } of attached) {
    const entry = use.get(policy_arn);
    if (entry !== undefined) entry.attachments = Number(n);
  }
  for (const table of ['iam_users', 'iam_roles'] as const) {
    const bounded = await db
      .selectFrom(table)
      .select(['boundary_arn', (e) => e.fn.countAll<number>().as('n')])
      .where('boundary_arn', 'is not', null)
      .groupBy('boundary_arn')
      .execute();
    for (const { boundary_arn, n } of bounded) {
      const entry = use.get(boundary_arn!);
      if (entry !== undefined) entry.boundaries += Number(n);
    }
  }
  return use;
}
