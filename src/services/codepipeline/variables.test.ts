import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { resolveConfiguration, UnresolvedVariables, variableReferences } from './variables.ts';

const scopes = new Map([
  ['codepipeline', new Map([['PipelineExecutionId', 'e-1']])],
  [
    'variables',
    new Map([
      ['stage', 'beta'],
      ['tricky', '#{variables.stage} $& $1'],
    ]),
  ],
  [
    'SourceVariables',
    new Map([
      ['CommitId', 'abc'],
      ['CommitMessage', 'say "hi"\n\\ and #{variables.stage}'],
    ]),
  ],
]);

describe('references', () => {
  const table: [string, [string, string | undefined, string | undefined][]][] = [
    ['plain', []],
    ['#{a.b}', [['a.b', 'a', 'b']]],
    [
      'x#{a.b}y#{c-1.d@2}',
      [
        ['a.b', 'a', 'b'],
        ['c-1.d@2', 'c-1', 'd@2'],
      ],
    ],
    ['#{nokey}', [['nokey', undefined, undefined]]],
    ['#{a.b.c}', [['a.b.c', undefined, undefined]]],
    ['#{}', [['', undefined, undefined]]],
    ['#{a.b', []],
    ['#a.b}', []],
    ['#{ a.b }', [[' a.b ', undefined, undefined]]],
    ['#{x#{a.b}}', [['a.b', 'a', 'b']]],
  ];
  for (const [value, expected] of table) {
    test(value, () => {
      assert.deepEqual(
        variableReferences(value).map(({ text, namespace, key }) => [text, namespace, key]),
        expected,
      );
    });
  }
});

describe('resolution', () => {
  const resolved = (value: string) => resolveConfiguration({ key: value }, scopes)['key'];
  const table: [string, string][] = [
    ['no reference', 'no reference'],
    ['#{SourceVariables.CommitId}', 'abc'],
    ['id #{codepipeline.PipelineExecutionId} of #{variables.stage}', 'id e-1 of beta'],
    ['#{variables.tricky}', '#{variables.stage} $& $1'],
    ['#{SourceVariables.CommitMessage}', 'say "hi"\n\\ and #{variables.stage}'],
  ];
  for (const [value, expected] of table) test(value, () => assert.equal(resolved(value), expected));

  test('every reference without a value is named', () => {
    assert.throws(
      () => resolveConfiguration({ a: '#{no.such}', b: '#{SourceVariables.gone} #{variables.stage} #{bad}' }, scopes),
      (error) => error instanceof UnresolvedVariables && error.references.join() === 'no.such,SourceVariables.gone,bad',
    );
  });

  test('names of the prototype are not variables', () => {
    assert.throws(() => resolved('#{variables.constructor}'), UnresolvedVariables);
    assert.throws(() => resolved('#{constructor.name}'), UnresolvedVariables);
  });

  test('P7: a value cannot change the structure of the environment variables', () => {
    const json = '[{"name":"M","value":"#{SourceVariables.CommitMessage}","type":"PLAINTEXT"}]';
    const { EnvironmentVariables } = resolveConfiguration({ EnvironmentVariables: json }, scopes);
    assert.deepEqual(JSON.parse(EnvironmentVariables!), [
      { name: 'M', value: 'say "hi"\n\\ and #{variables.stage}', type: 'PLAINTEXT' },
    ]);
  });

  test('P7: whatever a variable holds arrives as it is', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const given = new Map([['n', new Map([['k', text]])]]);
        const out = resolveConfiguration(
          { plain: '<#{n.k}>', EnvironmentVariables: '[{"name":"X","value":"<#{n.k}>"}]' },
          given,
        );
        assert.equal(out['plain'], `<${text}>`);
        assert.deepEqual(JSON.parse(out['EnvironmentVariables']!), [{ name: 'X', value: `<${text}>` }]);
      }),
    );
  });

  test('environment variables that are not JSON are left to their reader', () => {
    assert.deepEqual(resolveConfiguration({ EnvironmentVariables: '[oops #{variables.stage}' }, scopes), {
      EnvironmentVariables: '[oops beta',
    });
  });
});
