import * as sdk from '@aws-sdk/client-kms';
import { parseArn } from '../../kernel/arn.ts';
import { principalOf } from '../../kernel/auth/authorize.ts';
import { isPrincipalValue } from '../../kernel/auth/principals.ts';
import type { Context } from '../../kernel/context.ts';
import { fault, isFault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { endDryRun } from './crypto-operations.ts';
import { canDerive, granteeNames, grantFor } from './grant-rules.ts';
import { checkGrantTokens, makeGrantToken } from './grant-tokens.ts';
import { keyByName, keyRef, namedKeyConditions } from './key-access.ts';
import { changeKeys, findGrants, type Key } from './key-cache.ts';
import { callerConditions, grantConditions, isForService } from './key-conditions.ts';
import { onKey } from './key-operations.ts';
import { specOf } from './key-specs.ts';
import { keyRow, requireUsable } from './key-states.ts';
import { invalidMarker } from './markers.ts';
import type { GrantTable, KmsTables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const MAX_PAGE = 100;
const DEFAULT_PAGE = 50;
/** AWS's quota of grants for one key. */
const MAX_GRANTS = 50_000;
/** Of one constraint: pairs, and characters of each value. */
const MAX_PAIRS = 8;
const MAX_PAIR_VALUE = 384;

/** What grants can allow, by the usage of the key. Source: KMS Developer Guide, "Grant operations". */
const ALWAYS = ['CreateGrant', 'RetireGrant', 'DescribeKey'];
const BY_USAGE: Readonly<Record<string, readonly string[]>> = {
  ENCRYPT_DECRYPT: ['Encrypt', 'Decrypt', 'ReEncryptFrom', 'ReEncryptTo'],
  SIGN_VERIFY: ['Sign', 'Verify'],
  GENERATE_VERIFY_MAC: ['GenerateMac', 'VerifyMac'],
  KEY_AGREEMENT: ['DeriveSharedSecret'],
};
const DATA_KEYS = [
  'GenerateDataKey',
  'GenerateDataKeyWithoutPlaintext',
  'GenerateDataKeyPair',
  'GenerateDataKeyPairWithoutPlaintext',
];

export const CreateGrant: Op<'CreateGrant'> = {
  async resource(input, ctx) {
    const ref = await keyRef(ctx, input.KeyId, 'kms:CreateGrant', { crossAccount: true });
    const granted = await derivedFrom(ctx, input);
    return granted === undefined ? ref : { ...ref, granted };
  },
  async conditions(input, ctx) {
    const { GranteePrincipal, RetiringPrincipal, Operations, Constraints } = input;
    return {
      ...(await namedKeyConditions(ctx, input.KeyId)),
      'kms:GrantOperations': [...Operations],
      ...(GranteePrincipal === undefined ? {} : { 'kms:GranteePrincipal': GranteePrincipal }),
      ...(RetiringPrincipal === undefined ? {} : { 'kms:RetiringPrincipal': RetiringPrincipal }),
      ...grantConditions(Constraints),
      'kms:GrantIsForAWSResource': isForService(ctx),
    };
  },
  async handle(input, ctx) {
    refuseServicePrincipals(input);
    checkGrantTokens(ctx, input.GrantTokens);
    const { arn } = await keyByName(ctx, input.KeyId);
    const wanted = grantRow(ctx, arn, input);
    const row = await changeKeys(ctx, async (tx) => {
      const key = await keyRow(tx, arn);
      requireUsable(key);
      checkGrant(key, input);
      endDryRun(input);
      const db = tx.db<KmsTables>();
      const existing = await db
        .selectFrom('kms_grants')
        .selectAll()
        .where('key_arn', '=', arn)
        .where('name', '=', wanted.name ?? '')
        .execute();
      const same = existing.find((one) => isSameGrant(one, wanted));
      if (same !== undefined) return same;
      const { grants } = await db
        .selectFrom('kms_grants')
        .select((e) => e.fn.countAll<number>().as('grants'))
        .where('key_arn', '=', arn)
        .executeTakeFirstOrThrow();
      if (Number(grants) >= MAX_GRANTS) throw fault(sdk.LimitExceededException, `${arn} has ${MAX_GRANTS} grants.`);
      await db.insertInto('kms_grants').values(wanted).execute();
      return wanted;
    });
    return { GrantId: row.id, GrantToken: makeGrantToken(ctx, { keyArn: arn, grantId: row.id }) };
  },
};

/** Grants to services on behalf of one resource; integrated services of Slipway act for their callers instead. */
function refuseServicePrincipals(input: {
  GranteeServicePrincipal?: string | undefined;
  RetiringServicePrincipal?: string | undefined;
  Constraints?: sdk.GrantConstraints | undefined;
}): void {
  const names = ['GranteeServicePrincipal', 'RetiringServicePrincipal'] as const;
  const given =
    input.Constraints?.SourceArn === undefined ? names.find((one) => input[one] !== undefined) : 'SourceArn';
  if (given !== undefined) throw commonFault('NotImplemented', `${given} is not implemented by Slipway.`);
}

/** A grantee that may make grants may give away what he has, under the same constraints or narrower ones. */
async function derivedFrom(ctx: Context, input: sdk.CreateGrantCommandInput) {
  const key = await keyByName(ctx, input.KeyId!).catch((error: unknown) => {
    // What is wrong with the key is told where it is asked for; a database that fails is no missing grant.
    if (isFault(error)) return undefined;
    throw error;
  });
  if (key === undefined || !key.hasGrants) return undefined;
  const who = principalOf(ctx.caller);
  const parents = (await findGrants(ctx, key.arn, granteeNames(who))) ?? [];
  const able = parents.filter((parent) => canDerive(parent, input.Operations ?? [], input.Constraints));
  return grantFor(able, who, 'CreateGrant', undefined);
}

function grantRow(ctx: Context, keyArn: string, input: sdk.CreateGrantCommandInput): GrantTable {
  const { account } = ctx.caller;
  return {
    id: ctx.ids.bytes(32).toString('hex'),
    key_arn: keyArn,
    grantee: input.GranteePrincipal ?? '',
    retiring: input.RetiringPrincipal ?? null,
    name: input.Name ?? null,
    issuing_account: `arn:aws:iam::${account}:root`,
    operations: JSON.stringify([...new Set(input.Operations)]),
    constraints: input.Constraints === undefined ? null : JSON.stringify(input.Constraints),
    created_at: ctx.now().getTime(),
  };
}

function isSameGrant(one: GrantTable, other: GrantTable): boolean {
  const members = ['grantee', 'retiring', 'issuing_account', 'operations', 'constraints'] as const;
  return members.every((member) => one[member] === other[member]);
}

function checkGrant(key: Pick<Key, 'arn' | 'spec' | 'usage'>, input: sdk.CreateGrantCommandInput): void {
  if (input.GranteePrincipal === undefined) throw invalid('GranteePrincipal is required.');
  for (const principal of [input.GranteePrincipal, input.RetiringPrincipal]) {
    if (principal !== undefined && !isGrantPrincipal(principal)) {
      throw fault(sdk.InvalidArnException, `Invalid principal: ${principal}`);
    }
  }
  const { kind } = specOf(key);
  const isSymmetric = kind === 'symmetric';
  const known = [
    ...ALWAYS,
    ...(BY_USAGE[key.usage] ?? []),
    ...(isSymmetric ? DATA_KEYS : []),
    ...(isSymmetric || kind === 'hmac' ? [] : ['GetPublicKey']),
  ];
  const bad = input.Operations!.find((operation) => !known.includes(operation));
  if (input.Operations!.length === 0) throw invalid('Operations must not be empty.');
  if (bad !== undefined)
    throw invalid(`Operation ${bad} is not supported on keys with key spec ${key.spec} and key usage ${key.usage}.`);
  checkPairs(input.Constraints);
  if (input.Constraints !== undefined && !isSymmetric) {
    throw invalid(`Grant constraints are not supported on keys with key spec ${key.spec}.`);
  }
}

/** Source: KMS API reference, CreateGrant. @throws ValidationException */
function checkPairs({ EncryptionContextEquals, EncryptionContextSubset }: sdk.GrantConstraints = {}): void {
  for (const pairs of [EncryptionContextEquals, EncryptionContextSubset]) {
    const values = Object.values(pairs ?? {});
    if (values.length > MAX_PAIRS) throw invalid(`A grant constraint can have at most ${MAX_PAIRS} pairs.`);
    if (values.some((value) => value.length > MAX_PAIR_VALUE)) {
      throw invalid(`A value of a grant constraint can have at most ${MAX_PAIR_VALUE} characters.`);
    }
  }
}

const invalid = (message: string) => commonFault('ValidationError', message);

function isGrantPrincipal(value: string): boolean {
  return value !== '*' && (isPrincipalValue('AWS', value) || isPrincipalValue('Service', value));
}

export const ListGrants: Op<'ListGrants'> = {
  ...onKey('ListGrants', { crossAccount: true }),
  async handle({ KeyId, GrantId, GranteePrincipal, Limit = DEFAULT_PAGE, Marker, ...more }, ctx) {
    refuseServicePrincipals(more);
    const { arn } = await keyByName(ctx, KeyId);
    const scope = `ListGrants ${JSON.stringify([arn, GrantId, GranteePrincipal])}`;
    let query = ctx.db<KmsTables>().selectFrom('kms_grants').selectAll().where('key_arn', '=', arn);
    if (GrantId !== undefined) query = query.where('id', '=', GrantId);
    if (GranteePrincipal !== undefined) query = query.where('grantee', '=', GranteePrincipal);
    const limit = Math.min(Limit, MAX_PAGE);
    const after = cursorOf<string>(ctx, scope, Marker, invalidMarker) ?? '';
    const rows = await query
      .where('id', '>', after)
      .orderBy('id')
      .limit(limit + 1)
      .execute();
    return grantPage(ctx, scope, rows, limit);
  },
};

export const ListRetirableGrants: Op<'ListRetirableGrants'> = {
  resource: ({ RetiringPrincipal }) => (RetiringPrincipal?.startsWith('arn:') ? RetiringPrincipal : '*'),
  conditions: (_input, ctx) => callerConditions(ctx),
  async handle({ RetiringPrincipal, Limit = DEFAULT_PAGE, Marker, ...more }, ctx) {
    refuseServicePrincipals(more);
    if (RetiringPrincipal === undefined) throw invalid('RetiringPrincipal is required.');
    if (!isGrantPrincipal(RetiringPrincipal))
      throw fault(sdk.InvalidArnException, `Invalid principal: ${RetiringPrincipal}`);
    const own = (parseArn(RetiringPrincipal)?.account ?? ctx.account) === ctx.account;
    if (!own)
      throw fault(sdk.InvalidArnException, `${RetiringPrincipal} is not a principal of account ${ctx.account}.`);
    const scope = `ListRetirableGrants ${RetiringPrincipal}`;
    const limit = Math.min(Limit, MAX_PAGE);
    const after = cursorOf<string>(ctx, scope, Marker, invalidMarker) ?? '';
    const rows = await ctx
      .db<KmsTables>()
      .selectFrom('kms_grants as g')
      .innerJoin('kms_keys as k', 'k.arn', 'g.key_arn')
      .selectAll('g')
      .where('g.retiring', '=', RetiringPrincipal)
      .where('k.region', '=', ctx.region)
      .where('g.id', '>', after)
      .orderBy('g.id')
      .limit(limit + 1)
      .execute();
    return grantPage(ctx, scope, rows, limit);
  },
};

function grantPage(ctx: Context, scope: string, rows: readonly GrantTable[], limit: number) {
  const { items, token } = page(ctx, scope, rows, limit, ({ id }) => id);
  return {
    Grants: items.map(grantEntry),
    Truncated: token !== undefined,
    ...(token === undefined ? {} : { NextMarker: token }),
  };
}

function grantEntry(row: GrantTable): sdk.GrantListEntry {
  return {
    KeyId: row.key_arn,
    GrantId: row.id,
    Name: row.name ?? '',
    CreationDate: new Date(row.created_at),
    GranteePrincipal: row.grantee,
    ...(row.retiring === null ? {} : { RetiringPrincipal: row.retiring }),
    IssuingAccount: row.issuing_account,
    Operations: JSON.parse(row.operations) as sdk.GrantOperation[],
    ...(row.constraints === null ? {} : { Constraints: JSON.parse(row.constraints) as sdk.GrantConstraints }),
  };
}
