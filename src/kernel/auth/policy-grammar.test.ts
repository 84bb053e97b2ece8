import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../fault.ts';
import { type PolicyForm, parsePolicy } from './policy-grammar.ts';
import cases from './testdata/policy-documents.json' with { type: 'json' };

const problem = (document: unknown, form: PolicyForm): string | undefined => {
  try {
    parsePolicy(typeof document === 'string' ? document : JSON.stringify(document), { form });
    return undefined;
  } catch (error) {
    assert.ok(error instanceof Fault, String(error));
    assert.deepEqual([error.name, error.status], ['MalformedPolicyDocument', 400]);
    return error.message;
  }
};

const statement = (members: object) => ({
  Version: '2012-10-17',
  Statement: { Effect: 'Allow', Action: 's3:ListBucket', Resource: '*', ...members },
});

test("malformed policies of identities, in IAM's words and order of checks", () => {
  for (const [message, documents] of Object.entries(cases.identity)) {
    for (const document of documents as unknown[]) {
      assert.equal(problem(document, 'identity'), message, JSON.stringify(document));
    }
  }
});

test('policies that IAM stores', () => {
  for (const document of cases.valid) assert.equal(problem(document, 'identity'), undefined, JSON.stringify(document));
});

test('trust policies', () => {
  for (const [message, documents] of Object.entries(cases.trust)) {
    for (const document of documents as unknown[])
      assert.equal(problem(document, 'trust'), message || undefined, JSON.stringify(document));
  }
});

test('policies of resources may use the old version, any Sid, and must name a principal', () => {
  const good = {
    Effect: 'Allow',
    Sid: 'with a blank',
    Principal: '*',
    Action: 's3:GetObject',
    Resource: 'arn:aws:s3:::b/*',
  };
  assert.equal(problem({ Version: '2008-10-17', Statement: [good] }, 'resource'), undefined);
  assert.equal(problem({ Statement: [good] }, 'resource'), undefined);
  assert.equal(
    problem({ Statement: [{ ...good, Principal: undefined }] }, 'resource'),
    'Missing required field Principal',
  );
  assert.equal(
    problem({ Statement: [{ ...good, Principal: { AWS: 'arn:aws:iam::123456789012:user/*' } }] }, 'resource'),
    'Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:user/*"',
  );
  assert.throws(
    () =>
      parsePolicy('{', {
        form: 'resource',
        fault: (message) => new Fault('MalformedPolicy', message, { status: 400 }),
      }),
    { name: 'MalformedPolicy' },
  );
});

test('Y2: JSON tricks: repeated keys, __proto__, depth, huge numbers', () => {
  const syntax = 'Syntax errors in policy.';
  const one = '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Effect":"Allow","Action":"s3:*","Resource":"*"}}';
  assert.equal(problem(one, 'identity'), syntax);
  assert.equal(problem(one.replace('"Effect":"Deny",', ''), 'identity'), undefined);
  assert.equal(problem(one.replace('"Effect":"Deny"', '"Eff\\u0065ct":"Deny"'), 'identity'), syntax);
  assert.equal(problem(one.replace('"Effect":"Deny"', '"__proto__":{}'), 'identity'), syntax);
  assert.equal(problem('['.repeat(100_000), 'identity'), syntax);
  assert.equal(problem(`${'['.repeat(50_000)}${']'.repeat(50_000)}`, 'identity'), syntax);
  assert.equal(problem(statement({ Condition: { NumericEquals: { k: 1e300 } } }), 'identity'), undefined);
  assert.equal(
    problem(
      '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"NumericEquals":{"k":1e999}}}}',
      'identity',
    ),
    syntax,
  );
  assert.equal(problem('\ufeff{}', 'identity'), syntax);
  assert.equal(problem('null', 'identity'), syntax);
});

test('a compiled policy cannot be changed', () => {
  const compiled = parsePolicy(JSON.stringify(statement({})), { form: 'identity', name: 'p' });
  assert.ok(
    Object.isFrozen(compiled) && Object.isFrozen(compiled.statements) && Object.isFrozen(compiled.statements[0]),
  );
});
