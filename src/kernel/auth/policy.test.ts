// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables are written so
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deniedMessage, type Evaluation } from './policy.ts';
import { type CompiledPolicy, parsePolicy } from './policy-grammar.ts';
import type { PrincipalIdentity } from './principals.ts';
import {
  ACCOUNT,
  ALICE,
  ANONYMOUS,
  allowed,
  ask,
  identity,
  OTHER_ACCOUNT,
  policy,
  type Question,
  ROOT,
  resource,
  SERVICE,
  SESSION,
} from './testdata/policies.ts';

const ALLOW = identity({});
const DENY = identity({ Effect: 'Deny' });
const SILENT = identity({ Action: 's3:PutObject' });
const account = (id: string) => ({ AWS: `arn:aws:iam::${id}:root` });

const SIDES: Record<string, CompiledPolicy | undefined> = { none: undefined, allow: ALLOW, deny: DENY, silent: SILENT };

/** What a resource policy may say; `self` names user or session, `role` the role behind the session. */
const RESOURCE: Record<string, (who: PrincipalIdentity) => CompiledPolicy | undefined> = {
  none: () => undefined,
  self: (who) => resource({ Principal: { AWS: who.arn } }),
  role: (who) => resource({ Principal: { AWS: who.roleArn ?? 'arn:aws:iam::123456789012:role/Other' } }),
  account: (who) => resource({ Principal: account(who.account) }),
  everyone: () => resource({ Principal: '*' }),
  silent: () => resource({ Principal: '*', Action: 's3:PutObject' }),
  deny: () => resource({ Principal: '*', Effect: 'Deny' }),
};

/**
 * The rules once more, in the order of the documentation's flow chart and in other words than the evaluator's:
 * IAM User Guide, "Policy evaluation logic" (same account, cross account).
 */
function expected(
  who: string,
  sides: { identity: string; boundary: string; session: string; resource: string },
  cross: boolean,
) {
  if (Object.values(sides).includes('deny')) return 'explicitDeny';
  const opens = (side: string) => side === 'none' || side === 'allow';
  const limits = opens(sides.boundary) && opens(sides.session);
  const ownSide = sides.identity === 'allow' && limits;
  const named =
    sides.resource === 'role' ? who === 'session' : ['self', 'account', 'everyone'].includes(sides.resource);
  let yes: boolean;
  if (cross) yes = ownSide && named;
  else if (sides.resource === 'self') yes = true;
  else if (sides.resource === 'everyone' && who === 'user') yes = true;
  else if (sides.resource === 'everyone' || (sides.resource === 'role' && who === 'session')) yes = limits;
  else yes = ownSide;
  return yes ? 'allow' : 'implicitDeny';
}

test('I1: every combination of identity, boundary, session and resource policies, in one account and across', () => {
  let cells = 0;
  for (const [name, who] of [
    ['user', ALICE],
    ['session', SESSION],
  ] as const) {
    for (const identitySide of Object.keys(SIDES)) {
      for (const boundary of Object.keys(SIDES)) {
        for (const session of Object.keys(SIDES)) {
          for (const resourceSide of Object.keys(RESOURCE)) {
            for (const cross of [false, true]) {
              const sides = { identity: identitySide, boundary, session, resource: resourceSide };
              const { decision } = ask({
                principal: who,
                resourceAccount: cross ? OTHER_ACCOUNT : ACCOUNT,
                identityPolicies: SIDES[identitySide] ? [SILENT, SIDES[identitySide]] : [],
                boundary: SIDES[boundary],
                sessionPolicies: SIDES[session] && [SIDES[session]],
                resourcePolicy: RESOURCE[resourceSide]!(who),
              });
              assert.equal(decision, expected(name, sides, cross), `${name} ${JSON.stringify(sides)} cross ${cross}`);
              cells++;
            }
          }
        }
      }
    }
  }
  assert.equal(cells, 2 * 4 * 4 * 4 * 7 * 2);
});

test('I1: a deny is named by its policy, in a fixed order', () => {
  const named = parsePolicy(
    JSON.stringify({ Version: '2012-10-17', Statement: { Sid: 'No', Effect: 'Deny', Action: '*', Resource: '*' } }),
    { form: 'identity', name: 'guard' },
  );
  assert.deepEqual(ask({ identityPolicies: [ALLOW, named] }), {
    decision: 'explicitDeny',
    by: 'identity',
    policy: 'guard',
    statement: 'No',
  });
  assert.deepEqual(ask({ identityPolicies: [ALLOW], boundary: DENY }), {
    decision: 'explicitDeny',
    by: 'boundary',
    policy: undefined,
    statement: undefined,
  });
});

test('I2: NotAction and NotResource', () => {
  const allBut = identity({ NotAction: ['iam:*', 's3:DeleteBucket'] });
  assert.equal(allowed({ identityPolicies: [allBut] }), true);
  assert.equal(allowed({ identityPolicies: [allBut], action: 'IAM:CreateUser' }), false);
  assert.equal(allowed({ identityPolicies: [allBut], action: 's3:deletebucket' }), false);
  const denyElsewhere = identity({}, { Effect: 'Deny', Action: 's3:*', NotResource: 'arn:aws:s3:::bucket/*' });
  assert.equal(allowed({ identityPolicies: [denyElsewhere] }), true);
  assert.equal(allowed({ identityPolicies: [denyElsewhere], resource: 'arn:aws:s3:::other/key' }), false);
  const both = identity({ NotAction: 's3:GetObject', NotResource: 'arn:aws:s3:::bucket/*' });
  assert.equal(allowed({ identityPolicies: [both], action: 's3:PutObject', resource: 'arn:aws:s3:::other/key' }), true);
  assert.equal(allowed({ identityPolicies: [both], action: 's3:PutObject' }), false);
});

test('I2: NotPrincipal with Deny exempts only whoever is listed with account, and a session with role and session', () => {
  const guard = (...listed: string[]) => ({
    identityPolicies: [ALLOW],
    resourcePolicy: resource({ Effect: 'Deny', NotPrincipal: { AWS: listed } }),
  });
  assert.equal(allowed(guard(ALICE.arn, `arn:aws:iam::${ACCOUNT}:root`)), true);
  assert.equal(allowed(guard(ALICE.arn)), false, 'account missing');
  assert.equal(allowed(guard(`arn:aws:iam::${ACCOUNT}:root`)), false, 'user missing');
  const session = (...listed: string[]) => allowed({ ...guard(...listed), principal: SESSION });
  assert.equal(session(SESSION.arn, SESSION.roleArn!, ACCOUNT), true);
  assert.equal(session(SESSION.roleArn!, ACCOUNT), false, 'session missing');
  assert.equal(session(SESSION.arn, ACCOUNT), false, 'role missing');
  const allowOthers = resource({ NotPrincipal: { AWS: ALICE.arn } });
  assert.equal(allowed({ resourcePolicy: allowOthers }), false);
  assert.equal(
    allowed({
      resourcePolicy: allowOthers,
      principal: { ...ALICE, arn: `arn:aws:iam::${ACCOUNT}:user/bob`, principalId: 'AIDAEXAMPLEBOB00001' },
    }),
    true,
  );
});

test('I2: every form of a principal', () => {
  const cases: [unknown, PrincipalIdentity, boolean][] = [
    ['*', ANONYMOUS, true],
    [{ AWS: '*' }, ANONYMOUS, true],
    [{ AWS: ACCOUNT }, ANONYMOUS, false],
    [{ AWS: ACCOUNT }, ROOT, true],
    [{ AWS: `arn:aws:iam::${ACCOUNT}:root` }, ROOT, true],
    [{ AWS: `arn:aws:iam::${ACCOUNT}:root` }, ALICE, false],
    [{ AWS: ALICE.arn }, ALICE, true],
    [{ AWS: ALICE.principalId }, ALICE, true],
    [{ AWS: `${ALICE.arn}2` }, ALICE, false],
    [{ AWS: ALICE.arn }, SESSION, false],
    [{ AWS: SESSION.arn }, SESSION, true],
    [{ AWS: SESSION.roleArn }, SESSION, true],
    [{ AWS: SESSION.principalId }, SESSION, true],
    [{ AWS: `arn:aws:sts::${ACCOUNT}:assumed-role/Build/run-2` }, SESSION, false],
    [{ Service: 'codebuild.amazonaws.com' }, SERVICE, true],
    [{ Service: ['s3.amazonaws.com', 'codebuild.amazonaws.com'] }, SERVICE, true],
    [{ Service: 's3.amazonaws.com' }, SERVICE, false],
    [{ Service: 'codebuild.amazonaws.com' }, ALICE, false],
    [{ AWS: ACCOUNT }, SERVICE, false],
    [{ AWS: [OTHER_ACCOUNT, ALICE.arn] }, ALICE, true],
  ];
  for (const [Principal, principal, expectation] of cases) {
    // Without any identity policy only a principal that is named itself (or everyone) gets in.
    const question = {
      principal,
      resourcePolicy: resource({ Principal }),
      resourcePolicyDecides: true,
    };
    assert.equal(allowed(question), expectation, `${JSON.stringify(Principal)} ${principal.type}`);
  }
});

test('I9: a trust policy decides alone: no identity policy gets into a role that does not trust', () => {
  const trust = (Principal: unknown, Condition?: object) =>
    policy('trust', { Principal, ...(Condition ? { Condition } : {}) });
  const assume = (
    principal: PrincipalIdentity,
    resourcePolicy: CompiledPolicy,
    identityPolicies: CompiledPolicy[] = [],
    keys = {},
  ) =>
    allowed({
      principal,
      resourcePolicy,
      identityPolicies,
      keys,
      action: 'sts:AssumeRole',
      resource: SESSION.roleArn!,
      resourcePolicyDecides: true,
    });
  assert.equal(assume(ALICE, trust({ Service: 'codebuild.amazonaws.com' }), [ALLOW]), false);
  assert.equal(assume(ROOT, trust({ Service: 'codebuild.amazonaws.com' })), false);
  assert.equal(assume(ALICE, trust({ AWS: ACCOUNT }), [ALLOW]), true);
  assert.equal(assume(ALICE, trust({ AWS: ACCOUNT })), false);
  assert.equal(assume(ALICE, trust({ AWS: ALICE.arn })), true);
  assert.equal(assume(ALICE, trust({ AWS: ALICE.arn }), [DENY]), false);
  const guarded = trust(
    { Service: 'codebuild.amazonaws.com' },
    {
      StringEquals: { 'aws:SourceAccount': ACCOUNT },
      ArnLike: { 'aws:SourceArn': `arn:aws:codebuild:us-east-1:${ACCOUNT}:project/*` },
    },
  );
  const source = { 'aws:SourceAccount': ACCOUNT, 'aws:SourceArn': `arn:aws:codebuild:us-east-1:${ACCOUNT}:project/a` };
  assert.equal(assume(SERVICE, guarded, [], source), true);
  assert.equal(assume(SERVICE, guarded, [], {}), false);
  assert.equal(assume(SERVICE, guarded, [], { ...source, 'aws:SourceAccount': OTHER_ACCOUNT }), false);
});

test('root may do everything in its account but what a policy of the resource denies, and nothing elsewhere', () => {
  assert.equal(allowed({ principal: ROOT }), true);
  assert.equal(allowed({ principal: ROOT, resourcePolicy: RESOURCE['deny']!(ROOT) }), false);
  assert.equal(allowed({ principal: ROOT, resourceAccount: OTHER_ACCOUNT }), false);
  assert.equal(
    allowed({
      principal: ROOT,
      resourceAccount: OTHER_ACCOUNT,
      resourcePolicy: resource({ Principal: account(ACCOUNT) }),
    }),
    true,
  );
});

test('a grant is an Allow of its own: without identity policies, across accounts, but not before a deny', () => {
  const decides = { resourcePolicyDecides: true, resourcePolicy: resource({ Principal: account(OTHER_ACCOUNT) }) };
  const cases: [what: string, question: Question, isAllowed: boolean][] = [
    ['no grant', { ...decides }, false],
    ['to the user himself', { ...decides, granted: 'self' }, true],
    ['to the user, in another account', { ...decides, granted: 'self', resourceAccount: OTHER_ACCOUNT }, true],
    ['to the account: its own policies decide', { ...decides, granted: 'account' }, false],
    ['to the account, and they allow', { ...decides, granted: 'account', identityPolicies: [ALLOW] }, true],
    ['denied by identity', { ...decides, granted: 'self', identityPolicies: [DENY] }, false],
    [
      'denied by resource',
      { ...decides, granted: 'self', resourcePolicy: resource({ Principal: '*', Effect: 'Deny' }) },
      false,
    ],
    ['denied by boundary', { ...decides, granted: 'self', boundary: DENY }, false],
    ['to the role of a session', { ...decides, principal: SESSION, granted: 'role' }, true],
    [
      'to the role, in another account',
      { ...decides, principal: SESSION, granted: 'role', resourceAccount: OTHER_ACCOUNT },
      true,
    ],
    [
      'to the role, beyond the session policy',
      { ...decides, principal: SESSION, granted: 'role', sessionPolicies: [SILENT] },
      false,
    ],
    ['to the role, beyond the boundary', { ...decides, principal: SESSION, granted: 'role', boundary: SILENT }, false],
    ['to the session itself', { ...decides, principal: SESSION, granted: 'self', sessionPolicies: [SILENT] }, true],
    ['to a service', { ...decides, principal: SERVICE, granted: 'self' }, true],
  ];
  for (const [what, question, isAllowed] of cases) assert.equal(allowed(question), isAllowed, what);
});

test('I4: variables in resources: per user, never as wildcards, never widening an Allow', () => {
  const home = identity({ Resource: 'arn:aws:s3:::bucket/${aws:username}/*' });
  const read = (username: string | undefined, key: string, policies = [home]) =>
    allowed({ identityPolicies: policies, resource: `arn:aws:s3:::bucket/${key}`, keys: { 'aws:username': username } });
  assert.equal(read('alice', 'alice/x'), true);
  assert.equal(read('alice', 'bob/x'), false);
  assert.equal(read('*', 'bob/x'), false);
  assert.equal(read('${aws:userid}', 'bob/x'), false);
  assert.equal(read(undefined, 'undefined/x'), false);
  const others = identity({ NotResource: 'arn:aws:s3:::bucket/${aws:username}/*' });
  assert.equal(read('alice', 'bob/x', [others]), true);
  assert.equal(read(undefined, 'bob/x', [others]), false);
  const denyOthers = identity({}, { Effect: 'Deny', NotResource: 'arn:aws:s3:::bucket/${aws:username}/*' });
  assert.equal(read('alice', 'alice/x', [denyOthers]), true);
  assert.equal(read(undefined, 'alice/x', [denyOthers]), false);
  const old = parsePolicy(
    JSON.stringify({
      Version: '2008-10-17',
      Statement: { Effect: 'Allow', Principal: '*', Action: 's3:*', Resource: 'arn:aws:s3:::bucket/${aws:username}' },
    }),
    { form: 'resource' },
  );
  assert.equal(
    allowed({ resourcePolicy: old, resource: 'arn:aws:s3:::bucket/alice', keys: { 'aws:username': 'alice' } }),
    false,
  );
});

test('I3: actions have no case, resources have', () => {
  const exact = identity({ Action: 'S3:getobject', Resource: 'arn:aws:s3:::bucket/Key' });
  assert.equal(allowed({ identityPolicies: [exact], resource: 'arn:aws:s3:::bucket/Key' }), true);
  assert.equal(allowed({ identityPolicies: [exact], resource: 'arn:aws:s3:::bucket/key' }), false);
  assert.equal(
    allowed({ identityPolicies: [exact], action: 's3:GetObjectAcl', resource: 'arn:aws:s3:::bucket/Key' }),
    false,
  );
  const general = identity({ Action: 'codecommit:ListRepositories', Resource: 'arn:aws:codecommit:*:*:*' });
  assert.equal(allowed({ identityPolicies: [general], action: 'codecommit:ListRepositories', resource: '*' }), false);
});

test('I7: a session can never do what its chain of policies does not all allow', () => {
  const actions = ['s3:GetObject', 's3:PutObject', 's3:DeleteObject', 's3:ListBucket'];
  // All chains of identity, boundary and session policy over subsets of four actions.
  for (let mask = 0; mask < 2 ** 12; mask += 7) {
    const subset = (shift: number) => actions.filter((_, i) => ((mask >> shift) >> i) & 1);
    const of = (list: string[]) => (list.length === 0 ? SILENT2 : identity({ Action: list }));
    const [a, b, c] = [subset(0), subset(4), subset(8)];
    for (const action of actions) {
      const question = {
        principal: SESSION,
        action,
        identityPolicies: [of(a)],
        boundary: of(b),
        sessionPolicies: [of(c)],
      };
      assert.equal(allowed(question), a.includes(action) && b.includes(action) && c.includes(action));
    }
  }
});
const SILENT2 = identity({ Action: 'none:None' });

test("denials in AWS's words", () => {
  const say = (evaluation: Evaluation, principal = ALICE) => {
    assert.notEqual(evaluation.decision, 'allow');
    return deniedMessage(
      { principal, action: 'codecommit:CreateRepository', resource: `arn:aws:codecommit:us-east-1:${ACCOUNT}:My` },
      evaluation as Exclude<Evaluation, { decision: 'allow' }>,
    );
  };
  const lead = `User: arn:aws:iam::${ACCOUNT}:user/alice is not authorized to perform: codecommit:CreateRepository on resource: arn:aws:codecommit:us-east-1:${ACCOUNT}:My`;
  assert.equal(say(ask({})), `${lead} because no identity-based policy allows the codecommit:CreateRepository action`);
  assert.equal(say(ask({ identityPolicies: [DENY] })), `${lead} with an explicit deny in an identity-based policy`);
  assert.equal(
    say(ask({ identityPolicies: [ALLOW], boundary: SILENT })),
    `${lead} because no permissions boundary allows the codecommit:CreateRepository action`,
  );
  assert.equal(
    say(ask({ identityPolicies: [ALLOW], boundary: DENY })),
    `${lead} with an explicit deny in a permissions boundary`,
  );
  assert.equal(
    say(ask({ identityPolicies: [ALLOW], sessionPolicies: [SILENT] })),
    `${lead} because no session policy allows the codecommit:CreateRepository action`,
  );
  assert.equal(
    say(ask({ identityPolicies: [ALLOW], sessionPolicies: [DENY] })),
    `${lead} with an explicit deny in a session policy`,
  );
  assert.equal(
    say(ask({ identityPolicies: [ALLOW], resourceAccount: OTHER_ACCOUNT })),
    `${lead} because no resource-based policy allows the codecommit:CreateRepository action`,
  );
  assert.equal(
    say(ask({ identityPolicies: [ALLOW], resourcePolicy: RESOURCE['deny']!(ALICE) })),
    `${lead} with an explicit deny in a resource-based policy`,
  );
  assert.match(
    say(ask({ principal: SESSION }), SESSION),
    /^User: arn:aws:sts::123456789012:assumed-role\/Build\/run-1 is not authorized/,
  );
});

test('denials of S3: the resource in quotation marks, and none where the action has none', () => {
  const say = (action: string, resource: string) =>
    deniedMessage(
      { principal: ALICE, action, resource },
      { decision: 'implicitDeny', by: 'identity' },
      { quotesResource: true, hidesStar: true },
    );
  const lead = `User: arn:aws:iam::${ACCOUNT}:user/alice is not authorized to perform:`;
  assert.equal(
    say('s3:GetObject', 'arn:aws:s3:::b/k'),
    `${lead} s3:GetObject on resource: "arn:aws:s3:::b/k" because no identity-based policy allows the s3:GetObject action`,
  );
  assert.equal(
    say('s3:ListAllMyBuckets', '*'),
    `${lead} s3:ListAllMyBuckets because no identity-based policy allows the s3:ListAllMyBuckets action`,
  );
});

test('a decision over 20 policies of 20 statements stays far below a millisecond', () => {
  const many = Array.from({ length: 20 }, (_, p) =>
    identity(
      ...Array.from({ length: 20 }, (_, s) => ({
        Action: [`s3:Get${p}*`, `codecommit:*${s}`],
        Resource: [`arn:aws:s3:::bucket-${p}-${s}/*`, `arn:aws:s3:::*-${s}`],
        Condition: { StringLike: { 'aws:username': 'a*' } },
      })),
    ),
  );
  const question = { identityPolicies: many, keys: { 'aws:username': 'alice' } };
  for (let i = 0; i < 200; i++) ask(question);
  const start = process.cpuUsage();
  for (let i = 0; i < 500; i++) assert.equal(ask(question).decision, 'implicitDeny');
  const { user } = process.cpuUsage(start);
  assert.ok(user / 500 < 500, `${user / 500} microseconds`);
});
