// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables are written so
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDate } from './condition-operators.ts';
import { ConditionContext, type ConditionKeys, compileCondition, parseOperator } from './conditions.ts';

function holds(
  operator: string,
  policyValues: string | string[],
  keys: ConditionKeys,
  key = 'k:key',
  variables = true,
) {
  const name = parseOperator(operator);
  assert.ok(name, operator);
  return compileCondition(name, key, [policyValues].flat(), variables)(new ConditionContext(keys));
}

/** For each operator: policy values, a value of the request that compares true with the first, and one with none. */
const SAMPLES: Record<string, [policy: string[], hit: string, miss: string]> = {
  StringEquals: [['a*', 'x'], 'a*', 'ab'],
  StringNotEquals: [['a*', 'x'], 'a*', 'ab'],
  StringEqualsIgnoreCase: [['AbC', 'x'], 'aBc', 'ab'],
  StringNotEqualsIgnoreCase: [['AbC', 'x'], 'aBc', 'ab'],
  StringLike: [['a*?', 'x'], 'a:b/c', 'b'],
  StringNotLike: [['a*?', 'x'], 'a:b/c', 'b'],
  NumericEquals: [['10', '99'], '10.0', '11'],
  NumericNotEquals: [['10', '99'], '10.0', '11'],
  NumericLessThan: [['10', '-5'], '9.5', '10'],
  NumericLessThanEquals: [['10', '-5'], '10', '10.1'],
  NumericGreaterThan: [['10', '99'], '1e2', '10'],
  NumericGreaterThanEquals: [['10', '99'], '10', '9'],
  DateEquals: [['2026-01-01T00:00:00Z', '1970-01-01T00:00:00Z'], '2026-01-01T01:00:00+01:00', '2026-01-01T00:00:01Z'],
  DateNotEquals: [['2026-01-01T00:00:00Z', '1970-01-01T00:00:00Z'], '1767225600', '2026-01-01T00:00:01Z'],
  DateLessThan: [['2026-01-01T00:00:00Z', '1960-01-01'], '2025-12-31T23:59:59Z', '2026-01-01T00:00:00Z'],
  DateLessThanEquals: [['2026-01-01T00:00:00Z', '1960-01-01'], '2026-01-01', '2026-01-01T00:00:01Z'],
  DateGreaterThan: [['2026-01-01T00:00:00Z', '2090'], '2026-01-01T00:00:01Z', '2026-01-01T00:00:00Z'],
  DateGreaterThanEquals: [['2026-01-01T00:00:00Z', '2090'], '2026-01-01T00:00:00Z', '2025-12-31T23:59:59Z'],
  Bool: [['true', 'x'], 'TRUE', 'false'],
  BinaryEquals: [['QmluYXJ5', 'AAAA'], 'QmluYXJ5', 'QmluYXJz'],
  IpAddress: [['203.0.113.0/24', '2001:db8::/32'], '203.0.113.9', '203.0.114.9'],
  NotIpAddress: [['203.0.113.0/24', '2001:db8::/32'], '2001:db8:1::1', '203.0.114.9'],
  ArnEquals: [['arn:aws:s3:::b*', 'arn:aws:sns:*:*:t'], 'arn:aws:s3:::bucket', 'arn:aws:s3:::c'],
  ArnLike: [['arn:aws:s3:::b*', 'arn:aws:sns:*:*:t'], 'arn:aws:sns:us-east-1:1:t', 'arn:aws:sns:us-east-1:1:tt'],
  ArnNotEquals: [['arn:aws:s3:::b*', 'arn:aws:sns:*:*:t'], 'arn:aws:s3:::bucket', 'arn:aws:s3:::c'],
  ArnNotLike: [['arn:aws:s3:::b*', 'arn:aws:sns:*:*:t'], 'arn:aws:s3:::bucket', 'arn:aws:s3:::c'],
};

/**
 * Expected outcome by situation of the key in the request. Columns: one value that compares true (hit), one that does
 * not (miss), key missing, key without values, two hits, hit and miss, two misses, an empty string.
 * Sources: IAM User Guide, "Condition operators", "...IfExists", "Multivalued context keys" (ForAllValues is true and
 * ForAnyValue false for a missing key or an empty set).
 */
const SITUATIONS = ['hit', 'miss', 'missing', 'empty', 'hits', 'mixed', 'misses', 'blank'] as const;
const EXPECTED: Record<string, string> = {
  //                            hit miss missing empty hits mixed misses blank
  'positive plain': 'T   F    F       F     T    T     F      F',
  'positive ifExists': 'T   F    T       T     T    T     F      F',
  'positive ForAllValues': 'T   F    T       T     T    F     F      T',
  'positive ForAllValues ifExists': 'T   F    T       T     T    F     F      T',
  'positive ForAnyValue': 'T   F    F       F     T    T     F      F',
  'positive ForAnyValue ifExists': 'T   F    T       T     T    T     F      F',
  'negated plain': 'F   T    T       T     F    F     T      T',
  'negated ifExists': 'F   T    T       T     F    F     T      T',
  'negated ForAllValues': 'F   T    T       T     F    F     T      T',
  'negated ForAllValues ifExists': 'F   T    T       T     F    F     T      T',
  'negated ForAnyValue': 'F   T    F       F     F    T     T      F',
  'negated ForAnyValue ifExists': 'F   T    T       T     F    T     T      F',
};

test('I5: every operator in every situation, plain, IfExists, ForAllValues and ForAnyValue', () => {
  let cells = 0;
  for (const [operator, [policy, hit, miss]] of Object.entries(SAMPLES)) {
    const negated = operator.includes('Not');
    const keys: Record<(typeof SITUATIONS)[number], ConditionKeys> = {
      hit: { 'K:Key': hit },
      miss: { 'k:key': [miss] },
      missing: { 'other:key': hit },
      empty: { 'k:key': [] },
      hits: { 'k:KEY': [hit, hit] },
      mixed: { 'k:key': [hit, miss] },
      misses: { 'k:key': [miss, miss] },
      blank: { 'k:key': '' },
    };
    for (const quantifier of ['', 'ForAllValues', 'ForAnyValue']) {
      for (const ifExists of ['', 'IfExists']) {
        const row = [negated ? 'negated' : 'positive', quantifier || (ifExists ? '' : 'plain'), ifExists && 'ifExists']
          .filter(Boolean)
          .join(' ');
        const expected = EXPECTED[row]!.split(/\s+/);
        for (const values of [policy, [policy[0]!]]) {
          // The second policy value is there to be ignored; a hit on it alone counts only where it is given.
          const onlyFirst = values.length === 1 && !holds(operator.replace('Not', ''), values, keys.hit);
          if (onlyFirst) continue;
          for (const [index, situation] of SITUATIONS.entries()) {
            const name = `${quantifier && `${quantifier}:`}${operator}${ifExists}`;
            assert.equal(
              holds(name, values, keys[situation]),
              expected[index] === 'T',
              `${name} ${values} ${situation}`,
            );
            cells++;
          }
        }
      }
    }
  }
  assert.ok(cells >= 1300, `only ${cells} cells`);
});

test('Null asks whether the key is there, and has no IfExists', () => {
  assert.equal(holds('Null', 'true', {}), true);
  assert.equal(holds('Null', 'true', { 'k:key': [] }), true);
  assert.equal(holds('Null', 'true', { 'k:key': 'x' }), false);
  assert.equal(holds('Null', 'false', {}), false);
  assert.equal(holds('Null', 'false', { 'K:KEY': '' }), true);
  for (const name of [
    'NullIfExists',
    'StringEqual',
    'stringequals',
    'ForAllValues::StringEquals',
    'ForEach:StringEquals',
    '',
    'IfExists',
  ]) {
    assert.equal(parseOperator(name), undefined, name);
  }
});

test('I6: MFA: BoolIfExists takes long-term keys for unprotected, Bool does not see them', () => {
  assert.equal(holds('BoolIfExists', 'false', {}, 'aws:MultiFactorAuthPresent'), true);
  assert.equal(holds('Bool', 'false', {}, 'aws:MultiFactorAuthPresent'), false);
  assert.equal(
    holds('BoolIfExists', 'false', { 'aws:MultiFactorAuthPresent': 'true' }, 'aws:MultiFactorAuthPresent'),
    false,
  );
  assert.equal(holds('NumericLessThan', '3600', { 'aws:MultiFactorAuthAge': '3599' }, 'aws:MultiFactorAuthAge'), true);
  assert.equal(holds('NumericLessThan', '3600', {}, 'aws:MultiFactorAuthAge'), false);
});

test('I4: variables in values: defaults, wildcards as text, nothing resolved twice, several values unusable', () => {
  const keys = { 'aws:username': 'al*ce', 'x:self': '${aws:username}', 'x:many': ['a', 'b'], 'k:key': 'al*ce' };
  assert.equal(holds('StringEquals', '${aws:username}', keys), true);
  assert.equal(holds('StringEquals', '${AWS:UserName}', keys), true);
  assert.equal(
    holds('StringLike', '${aws:username}', { ...keys, 'k:key': 'alice' }),
    false,
    'a star in a value is text',
  );
  assert.equal(holds('StringLike', '${aws:username}*', { ...keys, 'k:key': 'al*ce/x' }), true);
  assert.equal(holds('StringEquals', '${x:self}', { ...keys, 'k:key': 'al*ce' }), false, 'no second resolution');
  assert.equal(holds('StringEquals', '${x:self}', { ...keys, 'k:key': '${aws:username}' }), true);
  assert.equal(holds('StringEquals', '${x:many}', { ...keys, 'k:key': 'a' }), false);
  assert.equal(holds('StringEquals', '${x:none}', { ...keys, 'k:key': '' }), false);
  assert.equal(holds('StringNotEquals', '${x:none}', keys), true);
  assert.equal(holds('StringLike', "${x:none, 'al*'}", { ...keys, 'k:key': 'alice' }), false, 'a default is text');
  assert.equal(holds('StringLike', "${x:none, 'al*'}", { ...keys, 'k:key': 'al*' }), true);
  assert.equal(holds('StringEqualsIgnoreCase', "${x:none, 'ABC'}", { ...keys, 'k:key': 'abc' }), true);
  assert.equal(holds('StringLike', 'a${*}c${?}${$}', { 'k:key': 'a*c?$' }), true);
  assert.equal(holds('StringLike', 'a${*}c', { 'k:key': 'abc' }), false);
  assert.equal(
    holds('ArnLike', 'arn:aws:s3:::${aws:username}', { 'aws:username': 'b:c', 'k:key': 'arn:aws:s3:::b:c' }),
    true,
  );
  assert.equal(
    holds('ArnLike', 'arn:aws:iam::${x:account}:user/a', { 'x:account': '*', 'k:key': 'arn:aws:iam::1:user/a' }),
    false,
  );
  assert.equal(holds('Bool', '${x:flag}', { 'x:flag': 'true', 'k:key': 'true' }), true);
});

test('I4: version 2008-10-17 knows no variables', () => {
  assert.equal(holds('StringEquals', '${aws:username}', { 'aws:username': 'a', 'k:key': 'a' }, 'k:key', false), false);
  assert.equal(holds('StringEquals', '${aws:username}', { 'k:key': '${aws:username}' }, 'k:key', false), true);
});

test('values that are none of the kind never match, and never fail', () => {
  assert.equal(holds('NumericEquals', 'NaN', { 'k:key': 'NaN' }), false);
  assert.equal(holds('NumericEquals', '0', { 'k:key': '' }), false);
  assert.equal(holds('NumericLessThan', '10', { 'k:key': '0x1' }), false);
  assert.equal(holds('DateEquals', 'soon', { 'k:key': 'soon' }), false);
  assert.equal(holds('BinaryEquals', '!!', { 'k:key': '!!' }), false);
  for (const block of [
    '',
    'x',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0/8',
    '::/129',
    '10.0.0.0/-1',
    '10.0.0.0/ 8',
  ]) {
    assert.equal(holds('IpAddress', block, { 'k:key': '10.0.0.1' }), false, block);
  }
  assert.equal(holds('IpAddress', '10.0.0.0/8', { 'k:key': 'localhost' }), false);
  assert.equal(holds('IpAddress', '0.0.0.0/0', { 'k:key': '10.1.2.3' }), true);
  assert.equal(holds('IpAddress', '10.0.0.1', { 'k:key': '10.0.0.1' }), true);
  assert.equal(holds('ArnLike', '*', { 'k:key': 'not an arn' }), false);
  assert.equal(holds('ArnLike', '*', { 'k:key': 'arn:aws:s3:::b' }), true);
  assert.equal(holds('ArnLike', 'arn:aws:iam:*:user/x', { 'k:key': 'arn:aws:iam::1:user/x' }), false);
});

test('dates in all the forms that the W3C profile of ISO 8601 has, and epoch seconds', () => {
  const cases: [string, string | undefined][] = [
    ['2026', '2026-01-01T00:00:00.000Z'],
    ['2026-11', '2026-11-01T00:00:00.000Z'],
    ['2026-11-20', '2026-11-20T00:00:00.000Z'],
    ['2026-11-20T10:30Z', '2026-11-20T10:30:00.000Z'],
    ['2026-11-20T10:30:15.25-02:30', '2026-11-20T13:00:15.250Z'],
    ['1767225600', '2026-01-01T00:00:00.000Z'],
    ['2026-13-01', undefined],
    ['20261120T103015Z', undefined],
    ['today', undefined],
  ];
  for (const [text, iso] of cases) {
    assert.equal(
      iso === undefined ? parseDate(text) : new Date(parseDate(text)).toISOString(),
      iso ?? Number.NaN,
      text,
    );
  }
});
