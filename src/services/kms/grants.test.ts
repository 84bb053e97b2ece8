import assert from 'node:assert/strict';
import { test } from 'node:test';
import type * as sdk from '@aws-sdk/client-kms';
import { type Clients, startServer, type TestServer } from '../../../test/harness.ts';
import { allow, contextOf, refused } from './harness.ts';

const ARN = 'arn:aws:iam::123456789012';
const NOBODY = allow('sts:GetCallerIdentity');
const Plaintext = Buffer.from('x');

async function setUp(server: TestServer) {
  const { kms } = server.root_;
  const bob = await server.user('bob', NOBODY);
  const KeyId = (await kms.createKey({})).KeyMetadata!.Arn!;
  const grant = (Operations: sdk.GrantOperation[], more: Partial<sdk.CreateGrantCommandInput> = {}) =>
    kms.createGrant({ KeyId, GranteePrincipal: `${ARN}:user/bob`, Operations, ...more });
  return { kms, bob, KeyId, grant };
}

test('a grant allows what it names, until it is revoked', async (t) => {
  const server = await startServer(t);
  const { kms, bob, KeyId, grant } = await setUp(server);
  await refused(bob.kms.encrypt({ KeyId, Plaintext }), 'AccessDeniedException');
  const { GrantId, GrantToken } = await grant(['Encrypt', 'DescribeKey']);
  await bob.kms.encrypt({ KeyId, Plaintext, GrantTokens: [GrantToken!] });
  const { CiphertextBlob } = await bob.kms.encrypt({ KeyId, Plaintext });
  await bob.kms.describeKey({ KeyId });
  await refused(bob.kms.decrypt({ CiphertextBlob }), 'AccessDeniedException');
  await refused(bob.kms.encrypt({ KeyId, Plaintext, GrantTokens: ['no'] }), 'InvalidGrantTokenException');
  const { Grants } = await kms.listGrants({ KeyId });
  assert.deepEqual(
    Grants!.map((one) => [one.GrantId, one.GranteePrincipal, one.Operations, one.KeyId]),
    [[GrantId, `${ARN}:user/bob`, ['Encrypt', 'DescribeKey'], KeyId]],
  );
  await kms.revokeGrant({ KeyId, GrantId: GrantId! });
  await refused(bob.kms.encrypt({ KeyId, Plaintext }), 'AccessDeniedException');
  await refused(kms.revokeGrant({ KeyId, GrantId: GrantId! }), 'NotFoundException');
});

test('an explicit deny stands before a grant', async (t) => {
  const server = await startServer(t);
  const { kms, bob, KeyId, grant } = await setUp(server);
  await grant(['Encrypt', 'Decrypt']);
  await bob.kms.encrypt({ KeyId, Plaintext });
  await server.root_.iam.putUserPolicy({
    UserName: 'bob',
    PolicyName: 'deny',
    PolicyDocument: JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Deny', Action: 'kms:Encrypt', Resource: '*' }],
    }),
  });
  await refused(bob.kms.encrypt({ KeyId, Plaintext }), 'AccessDeniedException', /explicit deny in an identity-based/);
  const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext });
  await bob.kms.decrypt({ CiphertextBlob });
});

test('constraints hold a grant to an encryption context', async (t) => {
  const server = await startServer(t);
  const { bob, KeyId, grant } = await setUp(server);
  const encrypt = (EncryptionContext?: Record<string, string>) =>
    bob.kms.encrypt({ KeyId, Plaintext, ...(EncryptionContext === undefined ? {} : { EncryptionContext }) });
  const cases: [sdk.GrantConstraints, [Record<string, string> | undefined, boolean][]][] = [
    [
      { EncryptionContextEquals: { a: '1' } },
      [
        [{ a: '1' }, true],
        [{ a: '1', b: '2' }, false],
        [{ a: '2' }, false],
        [{ A: '1' }, true],
        [{ a: '1', A: '1' }, false],
        [undefined, false],
      ],
    ],
    [
      { EncryptionContextSubset: { a: '1' } },
      [
        [{ a: '1' }, true],
        [{ a: '1', b: '2' }, true],
        [{ b: '2' }, false],
        [{ A: '1' }, true],
        [{ a: '1'.padEnd(2) }, false],
        [undefined, false],
      ],
    ],
  ];
  for (const [Constraints, contexts] of cases) {
    const { GrantId } = await grant(['Encrypt', 'DescribeKey'], { Constraints });
    for (const [context, isAllowed] of contexts) {
      if (isAllowed) await encrypt(context);
      else await refused(encrypt(context), 'AccessDeniedException');
    }
    await bob.kms.describeKey({ KeyId });
    await server.root_.kms.revokeGrant({ KeyId, GrantId: GrantId! });
  }
});

test('grants are retired by whom they name, and given on in part', async (t) => {
  const server = await startServer(t);
  const { kms, bob, KeyId, grant } = await setUp(server);
  const carol = await server.user('carol', NOBODY);
  const retire = (who: Clients, GrantId: string) => who.kms.retireGrant({ KeyId, GrantId });
  const first = await grant(['Encrypt'], { RetiringPrincipal: `${ARN}:user/carol` });
  await refused(retire(bob, first.GrantId!), 'AccessDeniedException');
  assert.equal((await kms.listRetirableGrants({ RetiringPrincipal: `${ARN}:user/carol` })).Grants!.length, 1);
  await carol.kms.retireGrant({ GrantToken: first.GrantToken! });
  await refused(bob.kms.encrypt({ KeyId, Plaintext }), 'AccessDeniedException');
  const second = await grant(['Encrypt', 'CreateGrant', 'RetireGrant'], {
    Constraints: { EncryptionContextSubset: { a: '1' } },
  });
  const pass = (Operations: sdk.GrantOperation[], Constraints?: sdk.GrantConstraints) =>
    bob.kms.createGrant({
      KeyId,
      GranteePrincipal: `${ARN}:user/carol`,
      Operations,
      ...(Constraints === undefined ? {} : { Constraints }),
    });
  await refused(pass(['Decrypt'], { EncryptionContextSubset: { a: '1' } }), 'AccessDeniedException');
  await refused(pass(['Encrypt']), 'AccessDeniedException');
  await refused(pass(['Encrypt'], { EncryptionContextSubset: { b: '1' } }), 'AccessDeniedException');
  await pass(['Encrypt'], { EncryptionContextEquals: { a: '1', b: '2' } });
  await carol.kms.encrypt({ KeyId, Plaintext, EncryptionContext: { a: '1', b: '2' } });
  await retire(bob, second.GrantId!);
  await refused(retire(bob, second.GrantId!), 'AccessDeniedException');
});

test('the right to retire a grant can depend on the context that the grant demands', async (t) => {
  const server = await startServer(t);
  const { kms, KeyId, grant } = await setUp(server);
  const { key, type } = { key: 'kms:EncryptionContext:app', type: 'kms:GrantConstraintType' };
  const rule = (Condition: object) => ({ Effect: 'Allow', Action: 'kms:RetireGrant', Resource: '*', Condition });
  const keeper = await server.user('keeper', {
    Version: '2012-10-17',
    Statement: [
      rule({
        StringEquals: { [key]: 'web' },
        'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': ['app'], [type]: ['EncryptionContextEquals'] },
      }),
    ],
  });
  const constrained = async (Constraints?: sdk.GrantConstraints) =>
    grant(['Encrypt'], Constraints === undefined ? {} : { Constraints });
  const wrong = [
    await constrained(),
    await constrained({ EncryptionContextEquals: { app: 'db' } }),
    await constrained({ EncryptionContextEquals: { app: 'web', more: 'x' } }),
    await constrained({ EncryptionContextSubset: { app: 'web' } }),
  ];
  for (const { GrantId, GrantToken } of wrong) {
    await refused(keeper.kms.retireGrant({ KeyId, GrantId: GrantId! }), 'AccessDeniedException');
    await refused(keeper.kms.retireGrant({ GrantToken: GrantToken! }), 'AccessDeniedException');
  }
  const right = await constrained({ EncryptionContextEquals: { app: 'web' } });
  await keeper.kms.retireGrant({ KeyId, GrantId: right.GrantId! });
  assert.equal((await kms.listGrants({ KeyId })).Grants!.length, wrong.length);
});

test('a grant with the same name and content is the same grant; what makes no sense is refused', async (t) => {
  const server = await startServer(t);
  const { kms, KeyId, grant } = await setUp(server);
  const one = await grant(['Encrypt'], { Name: 'once' });
  const again = await grant(['Encrypt'], { Name: 'once' });
  assert.equal(again.GrantId, one.GrantId);
  const other = await grant(['Decrypt'], { Name: 'once' });
  assert.notEqual(other.GrantId, one.GrantId);
  await refused(grant(['Sign']), 'ValidationException', /Sign is not supported/);
  await refused(grant(['Encrypt'], { GranteePrincipal: 'bob' }), 'InvalidArnException');
  const constrained = (EncryptionContextSubset: Record<string, string>) =>
    grant(['Encrypt'], { Constraints: { EncryptionContextSubset }, DryRun: true });
  const pairs = Array.from({ length: 9 }, (_, at) => [`k${at}`, 'v'] as const);
  await refused(constrained(Object.fromEntries(pairs)), 'ValidationException', /at most 8 pairs/);
  await refused(constrained(Object.fromEntries(pairs.slice(1))), 'DryRunOperationException');
  await refused(constrained({ k: 'v'.repeat(385) }), 'ValidationException', /at most 384 characters/);
  await refused(grant(['Encrypt'], { DryRun: true }), 'DryRunOperationException');
  await refused(kms.retireGrant({ KeyId }), 'ValidationException');
  const seen: string[] = [];
  let Marker: string | undefined;
  do {
    const page = await kms.listGrants({ KeyId, Limit: 1, ...(Marker === undefined ? {} : { Marker }) });
    seen.push(...page.Grants!.map(({ GrantId }) => GrantId!));
    Marker = page.NextMarker;
  } while (Marker !== undefined);
  assert.deepEqual(seen, [one.GrantId!, other.GrantId!].sort());
  await kms.disableKey({ KeyId });
  await refused(grant(['Encrypt']), 'DisabledException');
});

test('condition keys hold a right to services, contexts, grants, aliases and tags', async (t) => {
  const server = await startServer(t);
  const { kms } = server.root_;
  const KeyId = (await kms.createKey({ Tags: [{ TagKey: 'team', TagValue: 'red' }] })).KeyMetadata!.Arn!;
  await kms.createAlias({ AliasName: 'alias/red', TargetKeyId: KeyId });
  const rule = (Action: string, Condition: object) => ({ Effect: 'Allow', Action, Resource: '*', Condition });
  const who = await server.user('eve', {
    Version: '2012-10-17',
    Statement: [
      rule('kms:Encrypt', { StringEquals: { 'kms:EncryptionContext:app': 'web' } }),
      rule('kms:Decrypt', { StringEquals: { 'kms:ViaService': 's3.us-east-1.amazonaws.com' } }),
      rule('kms:CreateGrant', { Bool: { 'kms:GrantIsForAWSResource': 'true' } }),
      rule('kms:GenerateMac', {}),
      rule('kms:DescribeKey', { StringEquals: { 'kms:RequestAlias': 'alias/red' } }),
      rule('kms:GetKeyPolicy', { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': 'alias/red' } }),
      rule('kms:ListResourceTags', { StringEquals: { 'aws:ResourceTag/team': 'red' } }),
      rule('kms:GenerateDataKey', { 'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': ['app'] } }),
      rule('kms:CreateKey', { StringEquals: { 'kms:KeySpec': 'SYMMETRIC_DEFAULT', 'aws:RequestTag/team': 'red' } }),
      rule('kms:TagResource', { 'ForAllValues:StringEquals': { 'aws:TagKeys': ['team'] } }),
    ],
  });
  const denied = (call: Promise<unknown>) => refused(call, 'AccessDeniedException');
  await who.kms.encrypt({ KeyId, Plaintext, EncryptionContext: { app: 'web' } });
  await denied(who.kms.encrypt({ KeyId, Plaintext, EncryptionContext: { app: 'db' } }));
  await denied(who.kms.encrypt({ KeyId, Plaintext }));
  const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext });
  await denied(who.kms.decrypt({ CiphertextBlob }));
  const ctx = await contextOf(server, who);
  const via = ctx.forward('s3.amazonaws.com');
  await via.call<typeof sdk, 'Decrypt'>('kms', 'Decrypt', { CiphertextBlob });
  const grant = { KeyId, GranteePrincipal: `${ARN}:user/eve`, Operations: ['Decrypt' as const] };
  await denied(who.kms.createGrant(grant));
  await via.call<typeof sdk, 'CreateGrant'>('kms', 'CreateGrant', grant);
  await who.kms.describeKey({ KeyId: 'alias/red' });
  await denied(who.kms.describeKey({ KeyId }));
  await who.kms.getKeyPolicy({ KeyId });
  await who.kms.listResourceTags({ KeyId });
  const other = (await kms.createKey({})).KeyMetadata!.Arn!;
  await denied(who.kms.getKeyPolicy({ KeyId: other }));
  await denied(who.kms.listResourceTags({ KeyId: other }));
  const size = { KeySpec: 'AES_256' as const };
  await who.kms.generateDataKey({ KeyId, EncryptionContext: { app: 'x' }, ...size });
  await denied(who.kms.generateDataKey({ KeyId, EncryptionContext: { app: 'x', more: 'y' }, ...size }));
  await who.kms.createKey({ Tags: [{ TagKey: 'team', TagValue: 'red' }] });
  await denied(who.kms.createKey({}));
  await denied(
    who.kms.createKey({
      Tags: [
        { TagKey: 'team', TagValue: 'red' },
        { TagKey: 'x', TagValue: '' },
      ],
    }),
  );
});
