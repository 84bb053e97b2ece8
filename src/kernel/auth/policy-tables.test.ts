// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables are written so
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConditionContext } from './conditions.ts';
import { type AuthorizationRequest, evaluate } from './policy.ts';
import { type CompiledPolicy, parsePolicy } from './policy-grammar.ts';
import type { PrincipalIdentity } from './principals.ts';

const ACCOUNT = '111111111111';
const OTHER = '222222222222';
const USER: PrincipalIdentity = { type: 'IAMUser', account: ACCOUNT, arn: `arn:aws:iam::${ACCOUNT}:user/alice` };
const SESSION: PrincipalIdentity = {
  type: 'AssumedRole',
  account: ACCOUNT,
  arn: `arn:aws:sts::${ACCOUNT}:assumed-role/build/one`,
  roleArn: `arn:aws:iam::${ACCOUNT}:role/build`,
};
const ROOT: PrincipalIdentity = { type: 'Root', account: ACCOUNT, arn: `arn:aws:iam::${ACCOUNT}:root` };

function identityPolicy(statement: object, version = '2012-10-17'): CompiledPolicy {
  return parsePolicy(JSON.stringify({ Version: version, Statement: statement }), { form: 'identity' });
}

function resourcePolicy(statement: object, version = '2012-10-17'): CompiledPolicy {
  return parsePolicy(JSON.stringify({ Version: version, Statement: statement }), { form: 'resource' });
}

function ask(change: Partial<AuthorizationRequest>): string {
  return evaluate({
    principal: USER,
    action: 's3:GetObject',
    resource: 'arn:aws:s3:::bucket/key',
    resourceAccount: ACCOUNT,
    context: new ConditionContext({}),
    identityPolicies: [],
    ...change,
  }).decision;
}

const ALL = { Action: '*', Resource: '*' };
const STATES = ['absent', 'silent', 'allow', 'deny'] as const;
type State = (typeof STATES)[number];

/** A statement that allows, denies, or is about something else. */
function statementOf(state: Exclude<State, 'absent'>) {
  if (state === 'silent') return { Effect: 'Allow', Action: 'ec2:RunInstances', Resource: '*' };
  return { Effect: state === 'allow' ? 'Allow' : 'Deny', ...ALL };
}

/** Whom a resource's policy names. */
const NAMES = {
  'the caller': (who: PrincipalIdentity) => ({ AWS: who.arn }),
  'the role': (who: PrincipalIdentity) => ({ AWS: who.roleArn ?? who.arn }),
  'the account': () => ({ AWS: ACCOUNT }),
  everyone: () => '*',
} as const;
type Name = keyof typeof NAMES;

/**
 * The table of the IAM User Guide, "Policy evaluation logic" and "Cross-account policy evaluation logic", by hand. `yes`
 * means that a policy of the kind allows; an absent boundary or session policy narrows nothing.
 */
function expected(who: PrincipalIdentity, sameAccount: boolean, name: Name, states: Record<string, State>): string {
  if (Object.values(states).includes('deny')) return 'explicitDeny';
  const says = (kind: string) => states[kind] === 'allow';
  const narrows = (kind: string) => states[kind] === 'silent';
  const isWithin = !narrows('boundary') && !narrows('session');
  const ofHisOwn = (who.type === 'Root' || says('identity')) && isWithin;
  const allow = (yes: boolean) => (yes ? 'allow' : 'implicitDeny');
  if (!sameAccount) return allow(ofHisOwn && says('resource'));
  if (!says('resource')) return allow(ofHisOwn);
  switch (name) {
    case 'the caller':
      return 'allow';
    case 'the account':
      return who.type === 'Root' ? 'allow' : allow(ofHisOwn);
    default:
      // To name a role, or everyone, leaves the limits of a session of it standing.
      return who.roleArn === undefined ? 'allow' : allow(isWithin);
  }
}

test('I1: what each kind of policy says, in every combination, for each caller and in both accounts', () => {
  let cells = 0;
  for (const who of [USER, SESSION, ROOT]) {
    for (const name of Object.keys(NAMES) as Name[]) {
      for (const sameAccount of [true, false]) {
        for (let n = 0; n < STATES.length ** 4; n++) {
          const at = (place: number) => STATES[Math.floor(n / STATES.length ** place) % STATES.length]!;
          const states = { identity: at(0), boundary: at(1), session: at(2), resource: at(3) };
          const policy = (state: State) => (state === 'absent' ? undefined : identityPolicy(statementOf(state)));
          const session = policy(states.session);
          const identity = policy(states.identity);
          const decision = ask({
            principal: who,
            resourceAccount: sameAccount ? ACCOUNT : OTHER,
            identityPolicies: identity === undefined ? [] : [identity],
            boundary: policy(states.boundary),
            sessionPolicies: session === undefined ? undefined : [session],
            resourcePolicy:
              states.resource === 'absent'
                ? undefined
                : resourcePolicy({ ...statementOf(states.resource), Principal: NAMES[name](who) }),
          });
          const what = `${who.type}, ${name}, ${sameAccount ? 'same' : 'other'} account: ${JSON.stringify(states)}`;
          assert.equal(decision, expected(who, sameAccount, name, states), what);
          cells += 1;
        }
      }
    }
  }
  assert.equal(cells, 3 * 4 * 2 * 256);
});

/**
 * Each operator with a policy value, a value of a request for which the condition holds, and one for which it does not.
 * Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
 */
const OPERATORS: readonly (readonly [string, policy: string, holds: string, fails: string])[] = [
  ['StringEquals', 'blue', 'blue', 'Blue'],
  ['StringNotEquals', 'blue', 'Blue', 'blue'],
  ['StringEqualsIgnoreCase', 'blue', 'BLUE', 'green'],
  ['StringNotEqualsIgnoreCase', 'blue', 'green', 'BLUE'],
  ['StringLike', 'b?u*', 'blue-ish', 'bue'],
  ['StringNotLike', 'b?u*', 'bue', 'blue'],
  ['NumericEquals', '10', '10.0', '11'],
  ['NumericNotEquals', '10', '11', '10'],
  ['NumericLessThan', '10', '9.5', '10'],
  ['NumericLessThanEquals', '10', '10', '10.5'],
  ['NumericGreaterThan', '10', '11', '10'],
  ['NumericGreaterThanEquals', '10', '10', '9'],
  ['DateEquals', '2026-01-01T00:00:00Z', '1767225600', '2026-01-01T00:00:01Z'],
  ['DateNotEquals', '2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z', '2026-01-01T01:00:00+01:00'],
  ['DateLessThan', '2026-01-01T00:00:00Z', '2025-12-31T23:59:59Z', '2026-01-01T00:00:00Z'],
  ['DateLessThanEquals', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z'],
  ['DateGreaterThan', '2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z', '2026-01-01T00:00:00Z'],
  ['DateGreaterThanEquals', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', '2025-01-01T00:00:00Z'],
  ['Bool', 'true', 'true', 'false'],
  ['BinaryEquals', 'QmluYXJ5', 'QmluYXJ5', 'AQID'],
  ['IpAddress', '203.0.113.0/24', '203.0.113.200', '203.0.114.1'],
  ['NotIpAddress', '2001:db8::/32', '2001:db9::1', '2001:db8:1::7'],
  ['ArnEquals', 'arn:aws:s3:::b*', 'arn:aws:s3:::bucket/key', 'arn:aws:s3:::cup'],
  ['ArnNotEquals', 'arn:aws:s3:::bucket', 'arn:aws:s3:::other', 'arn:aws:s3:::bucket'],
  [
    'ArnLike',
    'arn:aws:*:us-east-1:*:project/*',
    'arn:aws:codebuild:us-east-1:1:project/p',
    'arn:aws:codebuild:us-east-2:1:project/p',
  ],
  ['ArnNotLike', 'arn:aws:sns:*:1:*', 'arn:aws:sns:us-east-1:2:t', 'arn:aws:sns:us-east-1:1:t'],
];

/** What the request has under the key: how many values hold, how many fail, or nothing. */
const GIVEN = {
  'one that holds': ['holds'],
  'one that fails': ['fails'],
  'several that hold': ['holds', 'holds'],
  'several that fail': ['fails', 'fails'],
  'one of each': ['holds', 'fails'],
  'one of each, the other way': ['fails', 'holds'],
  'an empty text': [''],
  'no values': [],
  'no key': undefined,
} as const;

/** The documented outcome. Negated operators hold where nothing compares equal, and without a key. */
function outcome(
  operator: string,
  quantifier: string,
  ifExists: boolean,
  given: readonly string[] | undefined,
): boolean {
  const isNegated = operator.includes('Not');
  if (given === undefined || given.length === 0) {
    if (quantifier === 'ForAllValues') return true;
    return ifExists || (quantifier === '' && isNegated);
  }
  if (given.length === 1 && given[0] === '') {
    if (quantifier !== '') return quantifier === 'ForAllValues';
    return isNegated; // an empty text equals none of the values in the table
  }
  const results = given.map((value) => value === 'holds');
  if (quantifier === 'ForAllValues') return !results.includes(false);
  if (quantifier === 'ForAnyValue') return results.includes(true);
  return isNegated ? !results.includes(false) : results.includes(true);
}

test('I5: every operator × what the request has × IfExists × quantifier', () => {
  let cells = 0;
  const decide = (Condition: object, values: readonly string[] | undefined) =>
    ask({
      identityPolicies: [identityPolicy({ Effect: 'Allow', ...ALL, Condition })],
      context: new ConditionContext(values === undefined ? {} : { 'App:Key': values }),
    }) === 'allow';
  for (const [operator, policy, holds, fails] of OPERATORS) {
    for (const quantifier of ['', 'ForAllValues', 'ForAnyValue']) {
      for (const ifExists of [false, true]) {
        for (const [what, given] of Object.entries(GIVEN)) {
          const values = given?.map((one) => (one === 'holds' ? holds : one === 'fails' ? fails : one));
          const name = `${quantifier === '' ? '' : `${quantifier}:`}${operator}${ifExists ? 'IfExists' : ''}`;
          const wanted = outcome(operator, quantifier, ifExists, given);
          assert.equal(decide({ [name]: { 'app:key': policy } }, values), wanted, `${name}, ${what}`);
          assert.equal(decide({ [name]: { 'APP:KEY': [policy, policy] } }, values), wanted, `${name}, ${what}, twice`);
          cells += 2;
        }
      }
    }
  }
  for (const [what, given] of Object.entries(GIVEN)) {
    const isThere = given !== undefined && given.length > 0;
    assert.equal(decide({ Null: { 'app:key': 'true' } }, given), !isThere, `Null true, ${what}`);
    assert.equal(decide({ Null: { 'app:key': 'false' } }, given), isThere, `Null false, ${what}`);
    assert.equal(decide({ Null: { 'app:key': false } }, given), isThere, `Null, a boolean, ${what}`);
    cells += 3;
  }
  assert.ok(cells >= 1_300, `${cells} cells`);
});

/** Pattern, text, whether it matches; of actions (without case) and resources (with it). */
const WILDCARDS: readonly (readonly ['action' | 'resource', string, string, boolean])[] = [
  ['action', '*', 's3:GetObject', true],
  ['action', 's3:*', 's3:GetObject', true],
  ['action', 's3:Get*t', 's3:GetObject', true],
  ['action', 's3:Get*t', 's3:GetObjectAcl', false],
  ['action', 's3:get**', 's3:GetObject', true],
  ['action', 'S3:GETOBJECT', 's3:GetObject', true],
  ['action', 's3:GetObjec?', 's3:GetObject', true],
  ['action', 's3:GetObject?', 's3:GetObject', false],
  ['action', 's3:GetObject', 's3:GetObjectAcl', false],
  ['action', 's3:Get', 's3:GetObject', false],
  ['resource', 'arn:aws:s3:::bucket/*', 'arn:aws:s3:::bucket/a/b', true],
  ['resource', 'arn:aws:s3:::bucket/*', 'arn:aws:s3:::bucket', false],
  ['resource', 'arn:aws:s3:::bucket*', 'arn:aws:s3:::bucket-of-another', true],
  ['resource', 'arn:aws:s3:::bucket', 'arn:aws:s3:::bucket-of-another', false],
  ['resource', 'arn:aws:s3:::Bucket/k', 'arn:aws:s3:::bucket/k', false],
  ['resource', 'arn:aws:s3:::b?cket/k', 'arn:aws:s3:::bucket/k', true],
  ['resource', 'arn:aws:s3:*:bucket/k', 'arn:aws:s3:::bucket/k', false],
  ['resource', 'arn:aws:logs:us-east-1:*', 'arn:aws:logs:us-east-1:1:log-group:g:log-stream:s', true],
  ['resource', 'arn:aws:logs:*:g:*', 'arn:aws:logs:us-east-1:1:log-group:g', false],
  ['resource', 'arn:aws:logs:*:*:log-group:g:*', 'arn:aws:logs:us-east-1:1:log-group:g:log-stream:', true],
  ['resource', 'arn:aws:logs:*:*:log-group:g', 'arn:aws:logs:us-east-1:1:log-group:g:log-stream:', false],
  ['resource', 'arn:aws:iam::*:role/*', 'arn:aws:iam::1:role/a/b:c', true],
  ['resource', 'arn:aws:codecommit:us-*-1:1:r', 'arn:aws:codecommit:us-east-1:1:r', true],
];

test('I3: wildcards, case, and the parts of an ARN', () => {
  for (const [element, pattern, text, matches] of WILDCARDS) {
    const isAction = element === 'action';
    const statement = { Effect: 'Allow', Action: isAction ? pattern : '*', Resource: isAction ? '*' : pattern };
    const decision = ask({
      identityPolicies: [identityPolicy(statement)],
      ...(isAction ? { action: text } : { resource: text }),
      context: new ConditionContext({ 'aws:username': 'alice' }),
    });
    assert.equal(decision, matches ? 'allow' : 'implicitDeny', `${pattern} ${text}`);
  }
});

test('I3: no pattern takes more than a millisecond, however it is made', () => {
  const texts = ['a'.repeat(2_000), `${'ab'.repeat(1_000)}c`, `${'a'.repeat(1_999)}b`];
  const patterns = [
    'a*'.repeat(2_900),
    `${'a*'.repeat(2_900)}b`,
    `${'*a?'.repeat(2_000)}`,
    `${'?*'.repeat(2_900)}!`,
    `*${'a'.repeat(1_000)}*${'a'.repeat(1_000)}c`,
  ];
  for (const pattern of patterns) {
    const policy = identityPolicy({ Effect: 'Allow', Action: '*', Resource: `arn:aws:s3:::${pattern}` });
    for (const text of texts) {
      const request = { identityPolicies: [policy], resource: `arn:aws:s3:::${text}` };
      const times = Array.from({ length: 20 }, () => {
        const before = performance.now();
        ask(request);
        return performance.now() - before;
      });
      // The quickest of several: the others may have had to wait for the processor.
      assert.ok(Math.min(...times) <= 1, `${pattern.slice(0, 12)}: ${Math.min(...times)} ms`);
    }
  }
});

/** Resource pattern, resource, keys, outcome, version of the policy. Source: IAM User Guide, "Variables and tags". */
const VARIABLES: readonly (readonly [string, string, Record<string, string | string[]>, boolean])[] = [
  ['bucket/${aws:username}/*', 'bucket/alice/k', { 'aws:username': 'alice' }, true],
  ['bucket/${aws:username}/*', 'bucket/bob/k', { 'aws:username': 'alice' }, false],
  ['bucket/${AWS:UserName}/*', 'bucket/alice/k', { 'aws:username': 'alice' }, true],
  ['bucket/${aws:username}/*', 'bucket/bob/k', { 'aws:username': '*' }, false],
  ['bucket/${aws:username}/*', 'bucket/*/k', { 'aws:username': '*' }, true],
  ['bucket/${aws:username}/*', 'bucket/bob/k', { 'aws:username': 'b?b' }, false],
  ['bucket/${aws:username}/*', 'bucket/bob/k', { 'aws:username': '${aws:userid}', 'aws:userid': 'bob' }, false],
  [
    'bucket/${aws:username}/*',
    'bucket/${aws:userid}/k',
    { 'aws:username': '${aws:userid}', 'aws:userid': 'bob' },
    true,
  ],
  ['bucket/${aws:username}/*', 'bucket//k', {}, false],
  ['bucket/${aws:username}/*', 'bucket/${aws:username}/k', {}, false],
  ["bucket/${aws:username, 'nobody'}/*", 'bucket/nobody/k', {}, true],
  ["bucket/${aws:username, 'nobody'}/*", 'bucket/nobody/k', { 'aws:username': 'alice' }, false],
  ["bucket/${aws:username,'a*'}/*", 'bucket/abc/k', {}, false],
  ["bucket/${aws:username, ''}/*", 'bucket//k', {}, true],
  ['bucket/${aws:PrincipalTag/team}/*', 'bucket/blue/k', { 'aws:PrincipalTag/team': 'blue' }, true],
  ['bucket/${aws:TagKeys}/*', 'bucket/a/k', { 'aws:TagKeys': ['a', 'b'] }, false],
  ['bucket/${*}/k', 'bucket/*/k', {}, true],
  ['bucket/${*}/k', 'bucket/x/k', {}, false],
  ['bucket/${?}/k', 'bucket/?/k', {}, true],
  ['bucket/${?}/k', 'bucket/x/k', {}, false],
  ['bucket/${$}{aws:username}/k', 'bucket/${aws:username}/k', { 'aws:username': 'alice' }, true],
  ['bucket/${', 'bucket/${', {}, true],
];

test('I4: variables, defaults and the special characters; what a value contains is never looked at again', () => {
  for (const [pattern, resource, keys, allows] of VARIABLES) {
    const context = new ConditionContext(keys);
    const text = `arn:aws:s3:::${resource}`;
    const inResource = { Effect: 'Allow', Action: '*', Resource: `arn:aws:s3:::${pattern}` };
    const like = { Effect: 'Allow', ...ALL, Condition: { StringLike: { 'app:path': pattern } } };
    const wanted = allows ? 'allow' : 'implicitDeny';
    assert.equal(ask({ identityPolicies: [identityPolicy(inResource)], resource: text, context }), wanted, pattern);
    const withPath = new ConditionContext({ ...keys, 'app:path': resource });
    assert.equal(
      ask({ identityPolicies: [identityPolicy(like)], context: withPath }),
      wanted,
      `${pattern}, StringLike`,
    );
  }
});

test('I4: the older version of the language has no variables', () => {
  const context = new ConditionContext({ 'aws:username': 'alice' });
  const policy = (pattern: string) =>
    resourcePolicy({ Effect: 'Allow', Principal: '*', Action: '*', Resource: `arn:aws:s3:::${pattern}` }, '2008-10-17');
  const decide = (pattern: string, resource: string) =>
    ask({ resourcePolicy: policy(pattern), resource: `arn:aws:s3:::${resource}`, context });
  assert.equal(decide('bucket/${aws:username}', 'bucket/alice'), 'implicitDeny');
  assert.equal(decide('bucket/${aws:username}', 'bucket/${aws:username}'), 'allow');
  assert.equal(decide('bucket/${*}', 'bucket/${anything}'), 'allow', 'a wildcard between braces');
});

test('I4: NotResource with a variable that has no value opens nothing, and a Deny of it stands', () => {
  const NotResource = 'arn:aws:s3:::bucket/${aws:username}/*';
  const allow = identityPolicy({ Effect: 'Allow', Action: '*', NotResource });
  assert.equal(ask({ identityPolicies: [allow] }), 'implicitDeny');
  const context = new ConditionContext({ 'aws:username': 'alice' });
  assert.equal(ask({ identityPolicies: [allow], context }), 'allow');
  const all = identityPolicy({ Effect: 'Allow', ...ALL });
  const deny = identityPolicy({ Effect: 'Deny', Action: '*', NotResource });
  assert.equal(ask({ identityPolicies: [all, deny] }), 'explicitDeny');
});
