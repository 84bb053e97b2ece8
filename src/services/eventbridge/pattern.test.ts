import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isFault } from '../../kernel/fault.ts';
import { compileEventPattern, matchesEvent } from './pattern.ts';

const matches = (pattern: unknown, event: unknown): boolean =>
  matchesEvent(compileEventPattern(JSON.stringify(pattern)), event);

const commitEvent = {
  version: '0',
  id: 'e1',
  'detail-type': 'CodeCommit Repository State Change',
  source: 'aws.codecommit',
  account: '123456789012',
  region: 'us-east-1',
  resources: ['arn:aws:codecommit:us-east-1:123456789012:app'],
  detail: { event: 'referenceUpdated', referenceType: 'branch', referenceName: 'main', commitId: 'abc' },
};

/** [what, pattern of the field `x`, [values of `x` that match], [values that do not]] */
const values: [string, unknown, unknown[], unknown[]][] = [
  ['a string', ['a'], ['a', ['b', 'a'], [['a']]], ['A', '', 'aa', null, 1, ['b'], [], { a: 'a' }, '"a"']],
  ['an empty string', [''], [''], [' ', null]],
  ['one of several', ['a', 1, true, null], ['a', 1, true, null], ['1', 'true', 'null', false, 0, undefined]],
  ['a number', [300], [300, 3e2, [1, 300]], [300.1, '300']],
  ['an address in another spelling', ['2001:db8::1'], ['2001:0db8:0:0:0:0:0:1'], ['2001:db8::2', '32.1.13.184']],
  ['exactly', [{ exactly: 'a' }], ['a'], ['b']],
  ['prefix', [{ prefix: 'ab' }], ['ab', 'abc', ['x', 'abx']], ['a', 'xab', 'AB', 12, null]],
  ['empty prefix', [{ prefix: '' }], ['', 'x'], [1, null]],
  ['prefix whatever the case', [{ prefix: { 'equals-ignore-case': 'aB' } }], ['Abc', 'AB'], ['a', 'xab']],
  ['suffix', [{ suffix: '.png' }], ['a.png', '.png'], ['a.PNG', 'png', 'a.png ']],
  ['suffix whatever the case', [{ suffix: { 'equals-ignore-case': '.PnG' } }], ['a.png', 'B.PNG'], ['a.jpg']],
  ['equals-ignore-case', [{ 'equals-ignore-case': 'aBc' }], ['ABC', 'abc'], ['abcd', '', null]],
  ['numeric range', [{ numeric: ['>', 0, '<=', 5] }], [1, 5, 0.1], [0, 5.1, '3', null]],
  ['numeric ends', [{ numeric: ['>=', -1, '<', 1] }], [-1, 0.99], [1, -1.01]],
  ['numeric single bounds', [{ numeric: ['<', 10] }], [9, -1e300], [10, '9']],
  ['numeric equals', [{ numeric: ['=', 3.018e2] }], [301.8], [302, '301.8']],
  ['cidr', [{ cidr: '10.0.0.0/24' }], ['10.0.0.0', '10.0.0.255'], ['10.0.1.0', '10.0.0.256', 123, '::a00:1']],
  [
    'cidr of version 6',
    [{ cidr: '2001:db8:1234:1a00::/64' }],
    ['2001:db8:1234:1a00:ffff::1'],
    ['2001:db8:1234:1a01::'],
  ],
  ['cidr with bits beyond the mask', [{ cidr: '10.0.0.77/24' }], ['10.0.0.1'], ['10.0.1.1']],
  ['exists', [{ exists: true }], ['a', null, 0, [1], [{}, 'a']], [undefined, {}, { y: 1 }, []]],
  ['absent', [{ exists: false }], [undefined, {}, { y: 1 }, []], ['a', null, 0, [1]]],
  ['absent or a value', [{ exists: false }, 'a'], [undefined, 'a'], ['b', null]],
  ['anything-but a string', [{ 'anything-but': 'a' }], ['b', '', null, 1, ['a', 'b']], ['a', undefined, ['a']]],
  ['anything-but a number', [{ 'anything-but': 0 }], [1, '0'], [0, undefined]],
  ['anything-but strings', [{ 'anything-but': ['a', 'b'] }], ['c', null], ['a', 'b', undefined]],
  ['anything-but numbers', [{ 'anything-but': [1, 2] }], [3, '1'], [1, 2.0, undefined]],
  ['anything-but prefix', [{ 'anything-but': { prefix: 'in' } }], ['post-in', 12, null], ['init', undefined]],
  ['anything-but prefixes', [{ 'anything-but': { prefix: ['a', 'b'] } }], ['c'], ['a1', 'b1']],
  ['anything-but suffix', [{ 'anything-but': { suffix: '.txt' } }], ['a.txt.bak'], ['a.txt']],
  ['anything-but case', [{ 'anything-but': { 'equals-ignore-case': ['On', 'off'] } }], ['x', null], ['ON', 'Off']],
  ['anything-but wildcard', [{ 'anything-but': { wildcard: '*/init/*' } }], ['dir/post/x', 1], ['dir/init/x']],
  ['wildcard', [{ wildcard: 'a*c*e' }], ['ace', 'abcde', 'aceace'], ['ac', 'aec', 'xace', 'acex', null, 1]],
  [
    'wildcard inside only',
    [{ wildcard: '/Users/*/doc.txt' }],
    ['/Users/me/doc.txt', '/Users//doc.txt'],
    ['/Users/doc.txt'],
  ],
  ['wildcard escapes', [{ wildcard: 'a\\*b\\\\*' }], ['a*b\\', 'a*b\\x'], ['axb\\', 'a*b']],
  ['wildcard without a star', [{ wildcard: 'abc' }], ['abc'], ['abcd', 'ab']],
  ['empty wildcard', [{ wildcard: '' }], [''], ['a']],
  ['wildcard ends do not overlap', [{ wildcard: 'aba*aba' }], ['abaaba', 'abaXaba'], ['aba', 'ababa']],
];

describe('event pattern values', () => {
  for (const [what, pattern, matching, others] of values) {
    test(what, () => {
      const event = (x: unknown): unknown => JSON.parse(JSON.stringify({ d: { x } }));
      const compiled = compileEventPattern(JSON.stringify({ d: { x: pattern } }));
      for (const x of matching) assert.equal(matchesEvent(compiled, event(x)), true, `${JSON.stringify(x)}`);
      for (const x of others) assert.equal(matchesEvent(compiled, event(x)), false, `${JSON.stringify(x)}`);
    });
  }
});

/** [what, pattern, event, expected] */
const shapes: [string, unknown, unknown, boolean][] = [
  ['all fields', { source: ['aws.codecommit'], detail: { referenceName: ['main'] } }, commitEvent, true],
  ['one field wrong', { source: ['aws.codecommit'], detail: { referenceName: ['dev'] } }, commitEvent, false],
  ['an array field', { resources: ['x', 'arn:aws:codecommit:us-east-1:123456789012:app'] }, commitEvent, true],
  ['names keep their case', { detail: { ReferenceName: ['main'] } }, commitEvent, false],
  ['dots in the event', { detail: { state: { status: ['on'] } } }, { detail: { 'state.status': 'on' } }, true],
  ['dots in the pattern', { detail: { 'state.status': ['on'] } }, { detail: { state: { status: 'on' } } }, true],
  ['dots and depth', { a: { b: { c: ['x'] } } }, { 'a.b': { c: 'x' } }, true],
  ['dots, another depth', { a: { 'b.c': { c: ['x'] } } }, { a: { b: { c: 'x' } } }, false],
  ['either spelling', { a: { b: [2] } }, { 'a.b': 1, a: { b: 2 } }, true],
  ['text that holds JSON', { detail: { k: ['v'] } }, { detail: '{"k":"v"}' }, false],
  ['objects in an array', { a: { x: [1], y: [2] } }, { a: [{ x: 1, y: 2 }, { x: 3 }] }, true],
  [
    'fields of different elements',
    { a: { x: [1], y: [4] } },
    {
      a: [
        { x: 1, y: 2 },
        { x: 3, y: 4 },
      ],
    },
    false,
  ],
  ['exists in some element', { a: { id: [{ exists: true }] } }, { a: [{ k: 1 }, { id: 'x' }] }, true],
  ['absent though some element has it', { a: { id: [{ exists: false }] } }, { a: [{ k: 1 }, { id: 'x' }] }, false],
  ['absent below a missing parent', { a: { b: { c: [{ exists: false }] } } }, { a: 'leaf' }, true],
  ['a later field of the same name wins', JSON.parse('{"a":["x"]}'), { a: 'x' }, true],
  ['$or, first', { s: ['s'], $or: [{ a: [1] }, { b: [2] }] }, { s: 's', a: 1 }, true],
  ['$or, second', { s: ['s'], $or: [{ a: [1] }, { b: [2] }] }, { s: 's', b: 2 }, true],
  ['$or, none', { s: ['s'], $or: [{ a: [1] }, { b: [2] }] }, { s: 's', a: 2 }, false],
  ['$or, the rest fails', { s: ['s'], $or: [{ a: [1] }, { b: [2] }] }, { a: 1 }, false],
  ['$or below a field', { d: { $or: [{ a: [1] }, { b: [2], c: [3] }] } }, { d: { b: 2, c: 3 } }, true],
  ['$or with and', { d: { $or: [{ a: [1] }, { b: [2], c: [3] }] } }, { d: { b: 2 } }, false],
  ['$or twice', { $or: [{ a: [1] }, { b: [1] }], d: { $or: [{ e: [1] }, { f: [1] }] } }, { b: 1, d: { f: 1 } }, true],
  ['$or in $or', { $or: [{ a: [1] }, { $or: [{ b: [1] }, { c: [1] }] }] }, { c: 1 }, true],
  ['prototype names are only names', { detail: { constructor: [{ exists: true }] } }, { detail: {} }, false],
  ['__proto__', JSON.parse('{"__proto__":["x"]}'), JSON.parse('{"__proto__":"x"}'), true],
];

describe('event pattern shapes', () => {
  for (const [what, pattern, event, expected] of shapes) {
    test(what, () => assert.equal(matches(pattern, event), expected));
  }
});

/** [pattern text, reason with line and column as AWS answers it] */
const refused: [string, string][] = [
  ['{"int": 42}', '"int" must be an object or an array|11'],
  ['{"string": "my-value"}', '"string" must be an object or an array|13'],
  ['{"detail": {"equal": [{"NUMERIC": ["=", 5]}]}}', 'Unrecognized match type NUMERIC|36'],
  ['{"my_key": [{"EXISTS": true}]}', 'Unrecognized match type EXISTS|28'],
  ['{"resources": []}', 'Empty arrays are not allowed|17'],
  ['{"detail": {"c-count": [{"numeric": [">", 0, ">", 0]}]}}', 'Bad numeric range operator: >|49'],
  ['{"detail": {"c-count": [{"numeric": [">", 0, "<"]}]}}', 'Value of < must be numeric|50'],
  ['{"detail": {"c-count": [{"numeric": 10}]}}', 'Value of numeric must be an array.|39'],
  ['{"detail-type": [{"equals-ignore-case": ["x"]}]}', 'equals-ignore-case match pattern must be a string|42'],
  ['{"time": [{"prefix": 123}]}', 'prefix match pattern must be a string|25'],
  ['{"FileName": [{"suffix": [".png"]}]}', 'suffix match pattern must be a string|27'],
  ['{"EventBusArn": [{"wildcard": 123}]}', 'wildcard match pattern must be a string|34'],
  ['{"a": [{"wildcard": "arn:*:**:x"}]}', 'Consecutive wildcard characters at pos 7|33'],
  ['{"a": [{"wildcard": "b\\\\x"}]}', 'Invalid escape character at pos 2|27'],
  [
    '{"detail": {"state": [{"anything-but": {"equals-ignore-case": 123}}]}}',
    'Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.|66',
  ],
  [
    '{"detail": {"state": [{"anything-but": null}]}}',
    'Value of anything-but must be an array or single string/number value.|44',
  ],
  [
    '{"detail": {"FileName": [{"anything-but": {"prefix": {"equals-ignore-case": "file"}}}]}}',
    'Value of anything-but must be an array or single string/number value.|55',
  ],
  ['{"detail": {"FileName": [{"anything-but": {"suffix": ""}}]}}', 'Null prefix/suffix not allowed|56'],
  ['{"detail": {"FileName": [{"anything-but": {"suffix": 123}}]}}', 'prefix/suffix match pattern must be a string|57'],
  ['{"a": [{"anything-but": {"cidr": "x"}}]}', 'Unsupported anything-but pattern: cidr|35'],
  [
    '{"a": [{"anything-but": ["x", 1]}]}',
    'Inside anything but list, either all values are number or string, mixed type is not supported|33',
  ],
  ['{"a": [{"exists": "true"}]}', 'exists match pattern must be either true or false.|20'],
  ['{"a": [{"exists": true, "prefix": "x"}]}', 'Only one key allowed in match expression|36'],
  ['{"a": [{"numeric": ["=", "1"]}]}', 'Value of equals must be numeric|27'],
  ['{"a": [{"numeric": ["<", 1, ">", 0]}]}', 'Too many elements in numeric expression|30'],
  ['{"a": [{"numeric": ["!", 1]}]}', 'Unrecognized numeric range operator: !|24'],
  ['{"a": [["x"]]}', 'Match value must be String, number, true, false, or null|9'],
  ['{"a": {}}', 'Empty objects are not allowed|9'],
  ['{}', 'Empty objects are not allowed|3'],
  ['{"$or": [{"a": [1]}]}', 'There must have at least 2 Objects in $or relationship.|21'],
  ['{"$or": {"a": [1]}}', 'It must be an Array followed with $or.|10'],
  [
    '{"$or": [{"prefix": ["x"]}, {"b": [1]}]}',
    'prefix is Ruler reserved fieldName which cannot be used inside $or.|22',
  ],
  ['["not", "a", "dict"]', 'Filter is not an object|2'],
  [
    'this is not JSON',
    "Unrecognized token 'this': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')|5",
  ],
  ["{'bad': 'quotation'}", "Unexpected character (''' (code 39)): was expecting double-quote to start field name|2"],
];

const refusal = (pattern: string): string => {
  try {
    compileEventPattern(pattern);
  } catch (error) {
    assert.ok(isFault(error, 'InvalidEventPatternException'), String(error));
    return error.message;
  }
  return assert.fail(`accepted ${pattern}`);
};

describe('event patterns that are refused', () => {
  for (const [pattern, expected] of refused) {
    const [reason, column] = [
      expected.slice(0, expected.lastIndexOf('|')),
      expected.slice(expected.lastIndexOf('|') + 1),
    ];
    test(pattern, () => {
      assert.equal(
        refusal(pattern),
        `Event pattern is not valid. Reason: ${reason}\n at [Source: (String)"${pattern}"; line: 1, column: ${column}]`,
      );
    });
  }

  test('address ranges are refused without a place', () => {
    const reason = (cidr: string) => refusal(`{"a": [{"cidr": "${cidr}"}]}`);
    assert.equal(reason('bad'), "Event pattern is not valid. Reason: Malformed CIDR, one '/' required");
    assert.equal(reason('xx.11.xx/8'), 'Event pattern is not valid. Reason: Nonstandard IP address: xx.11.xx');
    assert.equal(reason('10.0.0.0/32'), 'Event pattern is not valid. Reason: IPv4 mask bits must be < 32');
  });

  test('a bad entry of an exclusion list is reported with its place twice', () => {
    const pattern = '{"detail": {"state": [{"anything-but": {"prefix": [123, "test"]}}]}}';
    const place = `\n at [Source: (String)"${pattern}"; line: 1, column: 55]`;
    assert.equal(
      refusal(pattern),
      `Event pattern is not valid. Reason: prefix/suffix match pattern must be a string${place}${place}`,
    );
  });

  test('the line is counted and a long source is cut', () => {
    const message = refusal(`{\n "a": [1],\n "b": ${' '.repeat(600)}2}`);
    assert.match(message, /"\[truncated 121 chars\]; line: 3, column: 608\]$/);
  });

  test('a number that a double cannot hold is refused where it would be compared', () => {
    assert.match(refusal('{"a": [{"numeric": [">", 9007199254740993]}]}'), /Cannot compare number : 9007199254740993/);
    assert.match(refusal('{"a": [{"numeric": [">", 1e999]}]}'), /Cannot compare number : 1e999/);
  });

  test('$or with more than 1000 combinations', () => {
    const pair = (n: number) => ({ $or: [{ [`a${n}`]: [1] }, { [`b${n}`]: [1] }] });
    const nested = (n: number): object => (n === 0 ? { z: [1] } : { ...pair(n), [`d${n}`]: nested(n - 1) });
    assert.match(refusal(JSON.stringify(nested(10))), /Rule is too complex/);
    compileEventPattern(JSON.stringify(nested(9)));
  });

  test('Y2: any text is a fault or a pattern, never another error', () => {
    const junk = fc.oneof(
      fc.string(),
      fc.json(),
      fc.constantFrom(
        '{"a":'.repeat(2000),
        `${'['.repeat(600)}`,
        '{"a":["\\ud800"]}',
        '\ufeff{"a":[1]}',
        '{"a":[1]}x',
        '{"a":[01]}',
      ),
      fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', ':', ',', 'a', '1', '$or', 'prefix', ' ', '\\') }),
    );
    fc.assert(
      fc.property(junk, (text) => {
        try {
          compileEventPattern(text);
        } catch (error) {
          assert.ok(isFault(error, 'InvalidEventPatternException'), String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('what strict JSON refuses is refused', () => {
    for (const text of [
      '',
      '{"a":[1],}',
      '{"a":[1,]}',
      '{"a":[01]}',
      '{"a":["\n"]}',
      '{"a":["\\x"]}',
      '{"a":[1]} {}',
      '{"a" [1]}',
      '{"a":[1}',
    ]) {
      assert.throws(() => JSON.parse(text));
      refusal(text);
    }
  });
});

describe('matching time', () => {
  test('wildcards and arrays that punish backtracking stay linear', () => {
    const hostile = 'a'.repeat(200_000);
    const started = performance.now();
    assert.equal(matches({ x: [{ wildcard: `*${'a*'.repeat(500)}b` }] }, { x: hostile }), false);
    assert.equal(matches({ x: [{ wildcard: `*${'a'.repeat(1000)}b*` }] }, { x: hostile }), false);
    const fields = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, [-1]]));
    const elements = Array.from({ length: 5000 }, () =>
      Object.fromEntries(Object.keys(fields).map((name) => [name, 1])),
    );
    assert.equal(matches({ a: { b: fields } }, { a: elements.map((b) => ({ b })) }), false);
    assert.ok(performance.now() - started < 2000, `took ${performance.now() - started} ms`);
  });

  test('a wildcard agrees with the regular expression it stands for', () => {
    const part = fc
      .string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 })
      .map((text) => text.replace(/\*+/g, '*'));
    const subject = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 });
    fc.assert(
      fc.property(part, subject, (wildcard, text) => {
        const expression = new RegExp(`^${wildcard.replaceAll('*', '.*')}$`);
        assert.equal(matches({ x: [{ wildcard }] }, { x: text }), expression.test(text));
      }),
      { numRuns: 2000 },
    );
  });
});
