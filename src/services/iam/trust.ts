import * as sdk from '@aws-sdk/client-iam';
import { sql } from 'kysely';
import { parseArn } from '../../kernel/arn.ts';
import type { Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { findAccount } from './accounts.ts';
import { checkDocument, documentSize } from './documents.ts';
import { QUOTAS, quotaExceeded } from './quotas.ts';
import { entityArn, findEntity } from './store.ts';
import { tables } from './tables.ts';

/**
 * Checks a trust policy as CreateRole and UpdateAssumeRolePolicy do: grammar, size, and that the users and roles that it
 * names exist.
 * @throws MalformedPolicyDocument or LimitExceeded
 */
export async function checkTrustPolicy(tx: Tx, account: string, document: string): Promise<void> {
  checkDocument(document, 'trust');
  if (documentSize(document) > QUOTAS.trustPolicySize) throw quotaExceeded('ACLSizePerRole', QUOTAS.trustPolicySize);
  for (const arn of principalArns(document)) {
    const parsed = parseArn(arn);
    if (parsed?.service !== 'iam') continue;
    // Accounts that this installation does not have cannot be looked into.
    if (parsed.account !== account && (await findAccount(tx, parsed.account)) === undefined) continue;
    const [kind, ...rest] = parsed.resource.split('/');
    if (kind !== 'user' && kind !== 'role') continue;
    const entity = await findEntity(tx, parsed.account, kind, rest.at(-1)!);
    if (entity === undefined || entityArn(kind, entity) !== arn) {
      throw fault(sdk.MalformedPolicyDocumentException, `Invalid principal in policy: "AWS":"${arn}"`);
    }
  }
}

function principalArns(document: string): string[] {
  const { Statement } = JSON.parse(document) as { Statement: unknown };
  return [Statement].flat().flatMap((statement) => {
    const { Principal, NotPrincipal } = statement as Record<string, { AWS?: string | string[] } | string | undefined>;
    const principal = Principal ?? NotPrincipal;
    return typeof principal === 'object' ? [principal.AWS ?? []].flat() : [];
  });
}

/**
 * Puts another value in the place of a principal in all trust policies of all accounts. A renamed user stays trusted; a
 * deleted one leaves its unique id behind, so that nobody who takes the name later inherits the trust. Source: IAM User
 * Guide, "AWS JSON policy elements: Principal".
 */
export async function repointTrustPolicies(tx: Tx, from: string, to: string): Promise<void> {
  await tables(tx)
    .updateTable('iam_roles')
    .set({ trust_policy: sql<string>`replace(trust_policy, ${JSON.stringify(from)}, ${JSON.stringify(to)})` })
    .where('trust_policy', 'like', `%"${from.replace(/[%_\\]/g, '_')}"%`)
    .execute();
}
