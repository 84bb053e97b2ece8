import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { appliesTo, isMember, isSatisfied, parseContent } from './approval-rules-content.ts';

const ACCOUNT = '123456789012';
const user = (name: string, account = ACCOUNT) => `arn:aws:iam::${account}:user/${name}`;
const session = (name: string) => `arn:aws:sts::${ACCOUNT}:assumed-role/${name}`;

test('members of a pool, with the forms and wildcards that AWS documents', () => {
  const cases: [member: string, arn: string, expected: boolean][] = [
    [`CodeCommitApprovers:${ACCOUNT}:Mary`, user('Mary'), true],
    [`CodeCommitApprovers:${ACCOUNT}:Mary`, user('team/Mary'), true],
    [`CodeCommitApprovers:${ACCOUNT}:team/Mary`, user('team/Mary'), true],
    [`CodeCommitApprovers:${ACCOUNT}:Mary`, `arn:aws:sts::${ACCOUNT}:federated-user/Mary`, true],
    [`CodeCommitApprovers:${ACCOUNT}:Mary`, session('Review/Mary'), false],
    [`CodeCommitApprovers:${ACCOUNT}:*Mary`, session('Review/Mary'), true],
    [`CodeCommitApprovers:${ACCOUNT}:Review/Mary`, session('Review/Mary'), true],
    [`CodeCommitApprovers:${ACCOUNT}:Review/*`, session('Review/Li'), true],
    [`CodeCommitApprovers:${ACCOUNT}:Review/*`, session('Review2/Li'), false],
    [`CodeCommitApprovers:${ACCOUNT}:mary`, user('Mary'), false],
    [`CodeCommitApprovers:${ACCOUNT}:Mary`, user('Mary', '999999999999'), false],
    [`CodeCommitApprovers:999999999999:Mary`, user('Mary'), false],
    [user('Mary'), user('Mary'), true],
    [user('Mary'), user('MaryAnn'), false],
    [user('Mar*'), user('MaryAnn'), true],
    [user('M?ry'), user('Mary'), false],
    [session('Review/*'), session('Review/Mary'), true],
    [session('Review'), session('Review/Mary'), true],
    [session('Review'), session('Reviewer/Mary'), false],
    [session('Review/Mary'), session('Review/Li'), false],
    [`arn:aws:iam::${ACCOUNT}:role/Review`, session('Review/Mary'), false],
    [`arn:aws:iam::${ACCOUNT}:root`, `arn:aws:iam::${ACCOUNT}:root`, true],
  ];
  for (const [member, arn, expected] of cases) assert.equal(isMember(member, arn), expected, `${member} ${arn}`);
});

const statement = (needed: number, pool?: string[]) => ({
  Type: 'Approvers',
  NumberOfApprovalsNeeded: needed,
  ...(pool === undefined ? {} : { ApprovalPoolMembers: pool }),
});
const content = (more: object) => JSON.stringify({ Version: '2018-11-08', Statements: [statement(1)], ...more });

test('content that does not follow the grammar is refused, with the reason', () => {
  const cases: [text: string, message: RegExp][] = [
    ['{', /not JSON/],
    ['[]', /must be an object/],
    [content({ Version: '2012-10-17' }), /Version/],
    [content({ Statements: [] }), /Statements/],
    [content({ Statements: 'x' }), /Statements/],
    [content({ Statements: [1] }), /must be an object/],
    [content({ Extra: 1 }), /no member Extra/],
    [content({ Statements: [{ ...statement(1), Extra: 1 }] }), /no member Extra/],
    [content({ Statements: [{ ...statement(1), Type: 'Reviewers' }] }), /Type/],
    [content({ Statements: [statement(0)] }), /NumberOfApprovalsNeeded/],
    [content({ Statements: [statement(1.5)] }), /NumberOfApprovalsNeeded/],
    [content({ Statements: [statement(201)] }), /NumberOfApprovalsNeeded/],
    [content({ Statements: [{ ...statement(1), NumberOfApprovalsNeeded: '1' }] }), /NumberOfApprovalsNeeded/],
    [content({ Statements: [statement(1, ['Mary'])] }), /neither/],
    [content({ Statements: [statement(1, ['arn:aws:s3:::bucket'])] }), /neither/],
    [content({ Statements: [statement(1, ['CodeCommitApprovers:12:Mary'])] }), /neither/],
    [content({ Statements: [statement(1, Array(51).fill(user('a')))] }), /at most 50/],
    [content({ Statements: [{ ...statement(1), ApprovalPoolMembers: [1] }] }), /list of texts/],
    [content({ DestinationReferences: Array(101).fill('refs/heads/a') }), /at most 100/],
    [content({ DestinationReferences: ['refs/tags/v1'] }), /not the name of a branch/],
    [content({ DestinationReferences: ['refs/heads/*'] }), /wildcard/],
    [content({ DestinationReferences: ['*'] }), /wildcard/],
    [content({ DestinationReferences: 'main' }), /list of texts/],
  ];
  for (const [text, message] of cases) assert.throws(() => parseContent(text), { message }, text);
});

test('destination references choose the branches', () => {
  const only = (...names: string[]) => parseContent(content({ DestinationReferences: names }));
  assert.equal(appliesTo(parseContent(content({})), 'refs/heads/any'), true);
  assert.equal(appliesTo(only('refs/heads/main'), 'refs/heads/main'), true);
  assert.equal(appliesTo(only('main'), 'refs/heads/main'), true);
  assert.equal(appliesTo(only('refs/heads/main'), 'refs/heads/main2'), false);
  assert.equal(appliesTo(only('refs/heads/release/*'), 'refs/heads/release/1/2'), true);
  assert.equal(appliesTo(only('refs/heads/x', 'refs/heads/release-*-final'), 'refs/heads/release-7-final'), true);
});

test('approvals count once each, in the pool only, of the own account only', () => {
  const two = parseContent(content({ Statements: [statement(2, [user('a'), user('b'), session('Review/*')])] }));
  const cases: [approvers: string[], expected: boolean][] = [
    [[], false],
    [[user('a')], false],
    [[user('a'), user('a')], false],
    [[user('a'), user('c')], false],
    [[user('a'), user('b', '999999999999')], false],
    [[user('a'), user('b')], true],
    [[session('Review/x'), session('Review/y')], true],
  ];
  for (const [approvers, expected] of cases) assert.equal(isSatisfied(two, approvers, ACCOUNT), expected);
  const both = parseContent(content({ Statements: [statement(1, [user('a')]), statement(1, [user('b')])] }));
  assert.equal(isSatisfied(both, [user('a')], ACCOUNT), false, 'every statement must hold');
  assert.equal(isSatisfied(both, [user('a'), user('b')], ACCOUNT), true);
});

test('more approvals never make a satisfied rule unsatisfied, and stars cost no time', () => {
  const approver = fc.constantFrom('a', 'b', 'c', 'd').map((name) => user(name));
  fc.assert(
    fc.property(fc.array(approver), approver, fc.integer({ min: 1, max: 4 }), (approvers, one, needed) => {
      const rule = parseContent(content({ Statements: [statement(needed, [user('a'), user('b'), user('c')])] }));
      if (isSatisfied(rule, approvers, ACCOUNT)) assert.ok(isSatisfied(rule, [...approvers, one], ACCOUNT));
    }),
  );
  const started = performance.now();
  isMember(user(`${'*a'.repeat(1_400)}b`), user('a'.repeat(10_000)));
  assert.ok(performance.now() - started < 1_000);
});
