// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables are written so
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileArnPattern, compileTokens, tokenize } from './wildcard.ts';

const none = () => undefined;
const glob = (pattern: string, text: string) =>
  compileTokens(tokenize(pattern, { variables: true, wildcards: true })).matches(text, none);
const arnGlob = (pattern: string, text: string) =>
  compileArnPattern(tokenize(pattern, { variables: true, wildcards: true })).matches(text, none);

test('I3: wildcards', () => {
  const cases: [string, string, boolean][] = [
    ['*', '', true],
    ['**', 'anything', true],
    ['?', '', false],
    ['?', 'a', true],
    ['', '', true],
    ['', 'a', false],
    ['abc', 'abc', true],
    ['abc', 'ABC', false],
    ['abc', 'abcd', false],
    ['a*', 'a', true],
    ['*a', 'ba', true],
    ['*a', 'ab', false],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['a*b*c', 'aXbYbZc', true],
    ['a*b*c', 'acb', false],
    ['Get*t', 'GetObject', true],
    ['Get*t', 'GetObjects', false],
    ['a?c*e?', 'abcdef', true],
    ['a?c*e?', 'abcdefg', false],
    ['*?*?*', 'a', false],
    ['*?*?*', 'ab', true],
    ['a.c', 'abc', false],
    ['[a-z]', 'b', false],
    ['\\*', '\\anything', true],
  ];
  for (const [pattern, text, expected] of cases) assert.equal(glob(pattern, text), expected, `${pattern} ~ ${text}`);
});

test('I3: agrees with a plain definition of wildcards on random patterns', () => {
  const slow = (pattern: string, text: string): boolean => {
    if (pattern === '') return text === '';
    if (pattern[0] === '*') return slow(pattern.slice(1), text) || (text !== '' && slow(pattern, text.slice(1)));
    return text !== '' && (pattern[0] === '?' || pattern[0] === text[0]) && slow(pattern.slice(1), text.slice(1));
  };
  fc.assert(
    fc.property(fc.stringMatching(/^[ab*?]{0,8}$/), fc.stringMatching(/^[ab]{0,10}$/), (pattern, text) => {
      assert.equal(glob(pattern, text), slow(pattern, text));
    }),
    { numRuns: 5000 },
  );
});

test('I3: patterns made to explode take no longer than others', () => {
  const text = `${'a'.repeat(1200)}c`;
  const hostile = [
    'a*'.repeat(3000),
    `${'a*'.repeat(600)}b`,
    `${'*a'.repeat(600)}b`,
    `${'a?'.repeat(300)}*b`,
    `*${'a?'.repeat(300)}b`,
    `${'*?a'.repeat(200)}b`,
  ];
  for (const pattern of hostile) {
    const compiled = compileTokens(tokenize(pattern, { variables: false, wildcards: true }));
    const start = process.cpuUsage();
    for (let i = 0; i < 20; i++) assert.equal(compiled.matches(text, none), false);
    const { user } = process.cpuUsage(start);
    assert.ok(user / 20 < 5_000, `${user / 20} microseconds for ${pattern.slice(0, 20)}...`);
  }
});

test('I3: in an ARN pattern no wildcard reaches across a colon', () => {
  const cases: [string, string, boolean][] = [
    ['arn:aws:s3:::bucket/*', 'arn:aws:s3:::bucket/a/b:c', true],
    ['arn:aws:s3:::b*', 'arn:aws:s3:::bucket/key', true],
    ['arn:aws:iam::*:user/x', 'arn:aws:iam::123456789012:user/x', true],
    ['arn:aws:iam::1*:user/x', 'arn:aws:iam::123456789012:role/a:user/x', false],
    ['arn:aws:*:user/x', 'arn:aws:iam::123456789012:user/x', false],
    ['arn:aws:codecommit:*', 'arn:aws:codecommit:us-east-1:123456789012:Repo', true],
    ['arn:aws:codecommit:*:*:Repo', 'arn:aws:codecommit:us-east-1:123456789012:Other', false],
    ['*', '*', true],
    ['arn:aws:s3:::*', '*', false],
    ['arn:*:s3:::a', 'arn:aws-cn:s3:::a', true],
    ['arn:aws:logs:*:*:log-group:*', 'arn:aws:logs:us-east-1:123456789012:log-group:/aws/x:log-stream:y', true],
  ];
  for (const [pattern, text, expected] of cases) assert.equal(arnGlob(pattern, text), expected, `${pattern} ~ ${text}`);
});

test('I4: tokens of variables, defaults and escaped characters', () => {
  const tokens = (text: string) => tokenize(text, { variables: true, wildcards: true });
  assert.deepEqual(tokens("a${aws:UserName}b${ x , 'd*' }"), [
    'a',
    { key: 'aws:username', fallback: undefined },
    'b',
    { key: 'x', fallback: 'd*' },
  ]);
  assert.deepEqual(tokens('${*}${?}${$}'), ['*?$']);
  assert.deepEqual(tokens('${'), ['${']);
  assert.deepEqual(tokens('${a b}'), ['${a b}']);
  assert.deepEqual(tokenize('${*}', { variables: false, wildcards: false }), ['${*}']);
});
