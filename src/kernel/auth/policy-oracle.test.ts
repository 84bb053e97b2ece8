// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are policy variables
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Document, oracle, type Question, type Statement } from '../testing/policy-oracle.ts';
import { ConditionContext } from './conditions.ts';
import { evaluate } from './policy.ts';
import { type CompiledPolicy, type PolicyForm, parsePolicy } from './policy-grammar.ts';

/** Of each run; `POLICY_CASES=1000000` takes more of them. */
const CASES = Number(process.env['POLICY_CASES'] ?? 20_000);

const ACCOUNTS = ['111111111111', '222222222222'] as const;
const USER = 'arn:aws:iam::111111111111:user/alice';
const ROLE = 'arn:aws:iam::111111111111:role/build';
const SESSION = 'arn:aws:sts::111111111111:assumed-role/build/one';

const ACTIONS = ['s3:GetObject', 's3:PutObject', 'codecommit:GitPull', 'sts:AssumeRole'];
const ACTION_PATTERNS = [
  '*',
  's3:*',
  's3:Get*',
  'S3:getobject',
  's3:?etObject',
  '*:*',
  'codecommit:Git*',
  's3:*Obj*t',
  'sts:AssumeRole',
];
const RESOURCES = [
  'arn:aws:s3:::bucket/alice/file',
  'arn:aws:s3:::bucket/*/file',
  'arn:aws:s3:::other',
  'arn:aws:codecommit:us-east-1:111111111111:alice',
  'arn:aws:codecommit:us-east-1:222222222222:repo:x',
];
const RESOURCE_PATTERNS = [
  '*',
  'arn:aws:s3:::*',
  'arn:aws:s3:::bucket/*',
  'arn:aws:s3:::bucket/${aws:username}/*',
  'arn:aws:s3:::bucket/${*}/file',
  'arn:aws:s3:::bucket/?????/f*e',
  'arn:aws:codecommit:*:111111111111:${aws:username}',
  'arn:aws:codecommit:us-*:*:*',
  "arn:aws:codecommit:us-east-1:${aws:PrincipalAccount, '222222222222'}:*",
  'arn:aws:s3:::${aws:PrincipalTag/team}',
  'arn:aws:s3:*:*:bucket*',
];
const KEYS = {
  'aws:username': ['alice', 'Alice', '*'],
  'aws:PrincipalTag/team': ['other', 'blue', ''],
  'aws:PrincipalAccount': [...ACCOUNTS],
  'aws:TagKeys': ['a', 'b', 'c', ''],
  'aws:SourceIp': ['10.0.0.1', '10.1.2.3', '192.0.2.7'],
  'aws:CurrentTime': ['2026-01-01T00:00:00Z', '2026-06-01T12:00:00Z'],
  's3:max-keys': ['5', '10', '-1', '1e1'],
  'aws:SecureTransport': ['true', 'false'],
  'aws:SourceArn': ['arn:aws:s3:::bucket', 'arn:aws:codebuild:us-east-1:111111111111:project/p'],
  'app:bytes': ['AQID', 'AQI='],
} as const;
type Key = keyof typeof KEYS;
const TEXT_KEYS: Key[] = [
  'aws:username',
  'aws:PrincipalTag/team',
  'aws:PrincipalAccount',
  'aws:TagKeys',
  'aws:SourceArn',
];
const TEXTS = [
  'alice',
  'a',
  'b',
  'A*',
  'a?ice',
  '${aws:username}',
  '${aws:PrincipalTag/team}',
  '${*}',
  "${app:none, 'blue'}",
  '',
  'other',
  '${$}',
];

/** Operators with keys and policy values that go with them. */
const LINES: { operators: string[]; keys: Key[]; values: string[] }[] = [
  {
    operators: [
      'StringEquals',
      'StringNotEquals',
      'StringEqualsIgnoreCase',
      'StringNotEqualsIgnoreCase',
      'StringLike',
      'StringNotLike',
    ],
    keys: TEXT_KEYS,
    values: TEXTS,
  },
  {
    operators: [
      'NumericEquals',
      'NumericNotEquals',
      'NumericLessThan',
      'NumericLessThanEquals',
      'NumericGreaterThan',
      'NumericGreaterThanEquals',
    ],
    keys: ['s3:max-keys'],
    values: ['5', '10', '10.0', '-1'],
  },
  {
    operators: [
      'DateEquals',
      'DateNotEquals',
      'DateLessThan',
      'DateLessThanEquals',
      'DateGreaterThan',
      'DateGreaterThanEquals',
    ],
    keys: ['aws:CurrentTime'],
    values: ['2026-01-01T00:00:00Z', '2026-01-01T01:00:00+01:00', '2026-03-01'],
  },
  {
    operators: ['IpAddress', 'NotIpAddress'],
    keys: ['aws:SourceIp'],
    values: ['10.0.0.0/8', '10.0.0.1', '192.0.2.0/29', '0.0.0.0/0'],
  },
  {
    operators: ['ArnEquals', 'ArnNotEquals', 'ArnLike', 'ArnNotLike'],
    keys: ['aws:SourceArn', 'aws:username'],
    values: [
      'arn:aws:s3:::*',
      'arn:aws:*:us-east-1:${aws:PrincipalAccount}:project/*',
      '*',
      'arn:aws:s3:::bucket',
      'arn:*:*:*:*:*',
    ],
  },
  { operators: ['Bool'], keys: ['aws:SecureTransport'], values: ['true', 'false', 'TRUE'] },
  { operators: ['BinaryEquals'], keys: ['app:bytes'], values: ['AQID', 'AQI='] },
];

const some = <T>(from: readonly T[], max = 2) => fc.array(fc.constantFrom(...from), { minLength: 1, maxLength: max });

const line = fc.constantFrom(...LINES).chain(({ operators, keys, values }) =>
  fc
    .record({
      operator: fc.constantFrom(...operators),
      quantifier: fc.constantFrom('', '', '', 'ForAllValues:', 'ForAnyValue:'),
      ifExists: fc.constantFrom('', '', 'IfExists'),
      key: fc.constantFrom(...keys),
      values: some(values),
    })
    .map((one) => ({
      operator: `${one.quantifier}${one.operator}${one.ifExists}`,
      key: one.key as string,
      values: one.values,
    })),
);
const nullLine = fc
  .record({ key: fc.constantFrom(...(Object.keys(KEYS) as Key[])), value: fc.constantFrom('true', 'false') })
  .map(({ key, value }) => ({ operator: 'Null', key: key as string, values: [value] }));

const condition = fc
  .array(fc.oneof({ weight: 6, arbitrary: line }, { weight: 1, arbitrary: nullLine }), { maxLength: 2 })
  .map((lines) => {
    const block: Record<string, Record<string, string[]>> = {};
    for (const { operator, key, values } of lines) {
      block[operator] ??= {};
      block[operator][key] = values;
    }
    return block;
  });

const PRINCIPALS = [
  '*',
  ...ACCOUNTS,
  'arn:aws:iam::111111111111:root',
  USER,
  ROLE,
  SESSION,
  'arn:aws:iam::222222222222:user/bob',
];

const principal: fc.Arbitrary<Partial<Statement>> = fc.oneof(
  fc.constant<Partial<Statement>>({ Principal: '*' }),
  some(PRINCIPALS, 3).map((AWS) => ({ Principal: { AWS } })),
  fc.constant<Partial<Statement>>({ Principal: { Service: ['codebuild.amazonaws.com'] } }),
  some(PRINCIPALS.slice(1), 4).map((AWS) => ({ NotPrincipal: { AWS } })),
);

const statement = (form: PolicyForm): fc.Arbitrary<Statement> =>
  fc
    .record({
      effect: fc.constantFrom<('Allow' | 'Deny')[]>('Allow', 'Allow', 'Allow', 'Deny'),
      action: fc.record({ not: fc.constantFrom(false, false, false, true), list: some(ACTION_PATTERNS, 3) }),
      resource: fc.record({ not: fc.constantFrom(false, false, false, true), list: some(RESOURCE_PATTERNS, 3) }),
      condition,
      principal: form === 'identity' ? fc.constant({}) : principal,
    })
    .map((one) => ({
      Effect: one.effect,
      ...one.principal,
      ...(one.action.not ? { NotAction: one.action.list } : { Action: one.action.list }),
      ...(one.resource.not ? { NotResource: one.resource.list } : { Resource: one.resource.list }),
      ...(Object.keys(one.condition).length === 0 ? {} : { Condition: one.condition }),
    }));

const document = (form: PolicyForm): fc.Arbitrary<Document> =>
  fc.record({
    // Policies of identities must be of the newer version here.
    Version:
      form === 'identity'
        ? fc.constant('2012-10-17' as const)
        : fc.constantFrom('2012-10-17', '2012-10-17', '2008-10-17'),
    Statement: fc.array(statement(form), { minLength: 1, maxLength: 3 }),
  }) as fc.Arbitrary<Document>;

const who: fc.Arbitrary<Question['principal']> = fc.constantFrom(
  { type: 'IAMUser', account: ACCOUNTS[0], arn: USER },
  { type: 'IAMUser', account: ACCOUNTS[0], arn: USER },
  { type: 'AssumedRole', account: ACCOUNTS[0], arn: SESSION, roleArn: ROLE },
  { type: 'AssumedRole', account: ACCOUNTS[0], arn: SESSION, roleArn: ROLE },
  { type: 'Root', account: ACCOUNTS[0], arn: 'arn:aws:iam::111111111111:root' },
  { type: 'AWSService', account: ACCOUNTS[0], arn: '', service: 'codebuild.amazonaws.com' },
  { type: 'Anonymous', account: '', arn: '' },
);

const keys = fc
  .record(
    Object.fromEntries(
      Object.entries(KEYS).map(([key, values]) => [
        key,
        key === 'aws:TagKeys'
          ? fc.array(fc.constantFrom(...values), { maxLength: 3 })
          : fc.constantFrom(...values).map((one) => [one as string]),
      ]),
    ),
    { requiredKeys: [] },
  )
  .map((given) =>
    Object.fromEntries(Object.entries(given).map(([key, values]) => [key.toLowerCase(), values as string[]])),
  );

/** Documents are made and compiled once, and meet in ever other requests: most of the time would go into making them. */
const SEED = Number(process.env['POLICY_SEED'] ?? Date.now() % 2 ** 31);
const POOL = Math.max(1_000, Math.min(CASES / 10, 20_000));

const compiled = new Map<Document, CompiledPolicy>();

function pool(form: PolicyForm, seed: number): readonly Document[] {
  const documents = fc.sample(document(form), { numRuns: POOL, seed });
  for (const one of documents) compiled.set(one, parsePolicy(JSON.stringify(one), { form }));
  return documents;
}

const identityDocument = fc.constantFrom(...pool('identity', SEED));
const resourceDocument = fc.constantFrom(...pool('resource', SEED + 1));

const question: fc.Arbitrary<Question> = fc.record({
  principal: who,
  action: fc.constantFrom(...ACTIONS),
  resource: fc.constantFrom(...RESOURCES),
  resourceAccount: fc.constantFrom(ACCOUNTS[0], ACCOUNTS[0], ACCOUNTS[1]),
  keys: fc.constantFrom(...fc.sample(keys, { numRuns: 500, seed: SEED + 2 })),
  identity: fc.array(identityDocument, { maxLength: 2 }),
  boundary: fc.option(identityDocument, { nil: undefined, freq: 2 }),
  session: fc.option(fc.array(identityDocument, { minLength: 1, maxLength: 2 }), { nil: undefined, freq: 2 }),
  resourcePolicy: fc.option(resourceDocument, { nil: undefined, freq: 3 }),
  decides: fc.constantFrom(false, false, false, true),
});

test(`C2: the evaluator and an oracle of its own agree, over ${CASES} requests (POLICY_SEED=${SEED})`, () => {
  const seen = { allow: 0, explicitDeny: 0, implicitDeny: 0 };
  const known = (one: Document | undefined) => (one === undefined ? undefined : compiled.get(one));
  fc.assert(
    fc.property(question, (asked) => {
      // A trust or key policy that decides is always there.
      const decides = asked.decides && asked.resourcePolicy !== undefined;
      const expected = oracle({ ...asked, decides });
      const { decision } = evaluate({
        ...asked,
        context: new ConditionContext(asked.keys),
        identityPolicies: asked.identity.map((one) => compiled.get(one)!),
        boundary: known(asked.boundary),
        sessionPolicies: asked.session?.map((one) => compiled.get(one)!),
        resourcePolicy: known(asked.resourcePolicy),
        resourcePolicyDecides: decides,
      });
      seen[expected] += 1;
      assert.equal(decision, expected);
    }),
    { numRuns: CASES, seed: SEED },
  );
  // The generator would be worth little if it hardly ever allowed anything.
  for (const [decision, count] of Object.entries(seen)) assert.ok(count > CASES / 20, `${decision}: ${count}`);
});
