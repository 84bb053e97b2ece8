import * as sdk from '@aws-sdk/client-kms';
import { principalOf } from '../../kernel/auth/authorize.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName, ResourceRef } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { endDryRun } from './crypto-operations.ts';
import { granteeNames, readGrant } from './grant-rules.ts';
import { readGrantToken } from './grant-tokens.ts';
import { keyByName, keyRef, namedKeyConditions } from './key-access.ts';
import { changeKeys } from './key-cache.ts';
import { callerConditions, grantConditions, isForService } from './key-conditions.ts';
import { onKey } from './key-operations.ts';
import type { GrantTable, KmsTables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const invalid = (message: string) => commonFault('ValidationError', message);

export const RevokeGrant: Op<'RevokeGrant'> = {
  ...onKey('RevokeGrant', { crossAccount: true }),
  conditions: async (input, ctx) => ({
    ...(await namedKeyConditions(ctx, input.KeyId)),
    'kms:GrantIsForAWSResource': isForService(ctx),
  }),
  async handle({ KeyId, GrantId, DryRun }, ctx) {
    const { arn } = await keyByName(ctx, KeyId);
    await removeGrant(ctx, arn, GrantId, DryRun);
    return {};
  },
};

/** The grant that RetireGrant means: by key and id, or by its token; undefined where neither is whole. */
function namedGrant(ctx: Context, input: sdk.RetireGrantCommandInput): { keyId: string; grantId: string } | undefined {
  const { GrantToken, KeyId, GrantId } = input;
  if (KeyId !== undefined && GrantId !== undefined) return { keyId: KeyId, grantId: GrantId };
  if (GrantToken === undefined) return undefined;
  const { keyArn, grantId } = readGrantToken(ctx, GrantToken);
  return { keyId: keyArn, grantId };
}

export const RetireGrant: Op<'RetireGrant'> = {
  async resource(input, ctx): Promise<ResourceRef> {
    const named = namedGrant(ctx, input);
    if (named === undefined) return { arn: '*' };
    const ref = await keyRef(ctx, named.keyId, 'kms:RetireGrant', { crossAccount: true });
    return (await mayRetire(ctx, ref.arn, named.grantId)) ? { ...ref, granted: 'self' } : ref;
  },
  async conditions(input, ctx) {
    const named = namedGrant(ctx, input);
    if (named === undefined) return callerConditions(ctx);
    const keys = await namedKeyConditions(ctx, named.keyId);
    const { arn } = await keyRef(ctx, named.keyId, 'kms:RetireGrant', { crossAccount: true });
    const grant = await findGrant(ctx, arn, named.grantId);
    return { ...keys, ...(grant === undefined ? {} : grantConditions(readGrant(grant).constraints)) };
  },
  async handle(input, ctx) {
    const named = namedGrant(ctx, input);
    if (named === undefined) throw invalid('Specify either a grant token, or a key ARN and a grant ID.');
    const { arn } = await keyByName(ctx, named.keyId);
    await removeGrant(ctx, arn, named.grantId, input.DryRun);
    return {};
  },
};

/** The retiring principal may, and the grantee where the grant says so. Source: KMS Developer Guide, "Retiring grants". */
async function mayRetire(ctx: Context, keyArn: string, grantId: string): Promise<boolean> {
  const row = await findGrant(ctx, keyArn, grantId);
  if (row === undefined) return false;
  const names = granteeNames(principalOf(ctx.caller)).filter((name) => !isWholeAccount(ctx, name));
  if (row.retiring !== null && names.includes(row.retiring)) return true;
  return names.includes(row.grantee) && (JSON.parse(row.operations) as string[]).includes('RetireGrant');
}

/** A grant to an account lets that account's policies decide; its root user is meant by it directly. */
const isWholeAccount = ({ caller }: Context, name: string) =>
  caller.type !== 'Root' && (name.endsWith(':root') || /^\d{12}$/.test(name));

function findGrant(source: Context | Tx, keyArn: string, grantId: string): Promise<GrantTable | undefined> {
  return source
    .db<KmsTables>()
    .selectFrom('kms_grants')
    .selectAll()
    .where('id', '=', grantId)
    .where('key_arn', '=', keyArn)
    .executeTakeFirst();
}

async function removeGrant(ctx: Context, keyArn: string, grantId: string, dryRun: boolean | undefined): Promise<void> {
  await changeKeys(ctx, async (tx) => {
    if ((await findGrant(tx, keyArn, grantId)) === undefined)
      throw fault(sdk.NotFoundException, `Grant ID ${grantId} not found`);
    endDryRun({ DryRun: dryRun });
    await tx.db<KmsTables>().deleteFrom('kms_grants').where('id', '=', grantId).execute();
  });
}
