import type { Context, Tx } from '../../kernel/context.ts';
import { awsManagedPolicy } from './aws-managed-policies.ts';
import { tables } from './tables.ts';

/** The document of a managed policy's default version, AWS's or a customer's; undefined when there is none. */
export async function findManagedDocument(source: Context | Tx, policyArn: string): Promise<string | undefined> {
  const managed = awsManagedPolicy(policyArn);
  if (managed !== undefined) return managed.document;
  const row = await tables(source)
    .selectFrom('iam_policies as p')
    .innerJoin('iam_policy_versions as v', (join) =>
      join.onRef('v.policy_id', '=', 'p.id').onRef('v.version', '=', 'p.default_version'),
    )
    .select('v.document')
    .where('p.arn', '=', policyArn)
    .executeTakeFirst();
  return row?.document;
}
