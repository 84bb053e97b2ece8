import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPublicPolicy } from './public-policy.ts';

const allow = { Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::b/*' };
const cases: [name: string, statement: object, isPublic: boolean][] = [
  ['everybody', { ...allow, Principal: '*' }, true],
  ['everybody, spelt AWS', { ...allow, Principal: { AWS: '*' } }, true],
  ['everybody in a list', { ...allow, Principal: { AWS: ['arn:aws:iam::111122223333:root', '*'] } }, true],
  ['all but one', { ...allow, NotPrincipal: { AWS: 'arn:aws:iam::111122223333:root' } }, true],
  ['one account', { ...allow, Principal: { AWS: '111122223333' } }, false],
  ['one service', { ...allow, Principal: { Service: 'codepipeline.amazonaws.com' } }, false],
  ['a Deny', { ...allow, Effect: 'Deny', Principal: '*' }, false],
  ['a fixed source account', cond('StringEquals', 'aws:SourceAccount', '111122223333'), false],
  ['a fixed organisation', cond('StringEquals', 'aws:PrincipalOrgID', 'o-abc'), false],
  ['an organisation that may be any', cond('StringLike', 'aws:PrincipalOrgID', 'o-*'), true],
  ['a key in another case', cond('StringEquals', 'AWS:sourceaccount', '111122223333'), false],
  ['a small network', cond('IpAddress', 'aws:SourceIp', '203.0.113.0/24'), false],
  ['the whole Internet', cond('IpAddress', 'aws:SourceIp', '0.0.0.0/0'), true],
  ['half the Internet', cond('IpAddress', 'aws:SourceIp', ['10.0.0.0/8', '0.0.0.0/1']), true],
  ['everywhere but a network', cond('NotIpAddress', 'aws:SourceIp', '203.0.113.0/24'), true],
  ['if it happens to be there', cond('StringEqualsIfExists', 'aws:SourceAccount', '111122223333'), true],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a policy variable
  ['a variable', cond('StringEquals', 'aws:userid', '${aws:PrincipalTag/x}'), true],
  ['a key that fixes nobody', cond('StringEquals', 's3:prefix', 'public/'), true],
  [
    'an ARN with an open tail',
    cond('ArnLike', 'aws:SourceArn', 'arn:aws:codepipeline:us-east-1:111122223333:*'),
    false,
  ],
  ['an ARN with an open account', cond('ArnLike', 'aws:SourceArn', 'arn:aws:codepipeline:us-east-1:*:x'), true],
];

function cond(operator: string, key: string, value: string | string[]): object {
  return { ...allow, Principal: '*', Condition: { [operator]: { [key]: value } } };
}

test('what S3 calls public', () => {
  for (const [name, statement, isPublic] of cases) {
    const single = JSON.stringify({ Version: '2012-10-17', Statement: statement });
    const listed = JSON.stringify({ Version: '2012-10-17', Statement: [cases[4]![1], statement] });
    assert.equal(isPublicPolicy(single), isPublic, name);
    assert.equal(isPublicPolicy(listed), isPublic, `${name}, in a list`);
  }
});
