import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compileJsonPath, valueAtPath } from './json-path.ts';
import { type TargetInput, targetInput, targetInputProblem } from './target-input.ts';

const event = {
  version: '0',
  id: 'e1',
  'detail-type': 'update',
  source: 'app',
  account: '123456789012',
  time: '2026-01-02T03:04:05Z',
  region: 'us-east-1',
  resources: [],
  detail: {
    id: '0a78',
    quote: 'say "hi"\n',
    list: ['A', 'B'],
    deep: { on: true, n: 3 },
    nothing: null,
    rows: [{ k: 1 }, { k: 2 }],
  },
};
const delivery = {
  ruleArn: 'arn:aws:events:us-east-1:123456789012:rule/r',
  ruleName: 'r',
  ingestionTime: '2026-01-02T03:04:06Z',
};
const given = (target: TargetInput): string => targetInput(target, event, delivery);
const template = (InputTemplate: string): string =>
  given({
    InputTransformer: {
      InputTemplate,
      InputPathsMap: {
        id: '$.detail.id',
        quote: '$.detail.quote',
        list: '$.detail.list',
        deep: '$.detail.deep',
        gone: '$.detail.gone',
      },
    },
  });

describe('paths', () => {
  const table: [string, unknown][] = [
    ['$', event],
    ['$.detail-type', 'update'],
    ['$.detail.deep.on', true],
    ["$['detail']['id']", '0a78'],
    ['$["detail-type"]', 'update'],
    ['$.detail.list[1]', 'B'],
    ['$.detail.list[-1]', 'B'],
    ['$.detail.list[9]', undefined],
    ['$.detail.rows[*].k', [1, 2]],
    ['$.detail.nothing', null],
    ['$.detail.nothing.x', undefined],
    ['$.constructor', undefined],
  ];
  for (const [path, expected] of table) {
    test(path, () => assert.deepEqual(valueAtPath(event, compileJsonPath(path)!), expected));
  }
  for (const path of ['', 'detail', '$detail', '$.', '$..x', '$[', "$['a'", '$.a b', '$[?(@.x)]']) {
    test(`refused: ${path}`, () => assert.equal(compileJsonPath(path), undefined));
  }
});

describe('what a target receives', () => {
  test('the whole event', () => assert.equal(given({}), JSON.stringify(event)));
  test('a constant', () => assert.equal(given({ Input: '{"a": 1}' }), '{"a": 1}'));
  test('a part', () => assert.equal(given({ InputPath: '$.detail.deep' }), '{"on":true,"n":3}'));
  test('a text part is JSON text', () => assert.equal(given({ InputPath: '$.detail.id' }), '"0a78"'));
  test('a path that leads nowhere', () => assert.equal(given({ InputPath: '$.gone' }), '{}'));

  const templates: [string, string][] = [
    ['{"id": <id>, "n": [<id>, "x"]}', '{"id": "0a78", "n": ["0a78", "x"]}'],
    ['{"path": "users/<id>/second/<id>"}', '{"path": "users/0a78/second/0a78"}'],
    ['{"body": <deep>}', '{"body": {"on":true,"n":3}}'],
    ['{"gone": <gone>}', '{"gone": ""}'],
    ['"text <id> <gone>."', '"text 0a78 ."'],
    ['"<list> and <deep>"', '"[A,B] and {on:true,n:3}"'],
    ['"one <id>"\n"two <id>"', '"one 0a78"\n"two 0a78"'],
    ['{"escaped \\" quote": <id>}', '{"escaped \\" quote": "0a78"}'],
    ['"<aws.events.rule-arn> <aws.events.rule-name>"', `"${delivery.ruleArn} r"`],
    ['<aws.events.event.ingestion-time>', '"2026-01-02T03:04:06Z"'],
    ['<aws.events.event.json>', JSON.stringify(event)],
  ];
  for (const [text, expected] of templates) test(text, () => assert.equal(template(text), expected));

  test('the event without its detail', () => {
    const { detail: _, 'detail-type': detailType, ...rest } = event;
    assert.deepEqual(JSON.parse(template('<aws.events.event>')), { ...rest, detailType });
  });

  test('P7: a value cannot break out of the quotes around it', () => {
    assert.deepEqual(JSON.parse(template('{"a": "<quote>", "b": <quote>}')), { a: 'say "hi"\n', b: 'say "hi"\n' });
  });
});

describe('settings that are refused', () => {
  const table: [TargetInput, string | undefined][] = [
    [{ Id: 't' }, undefined],
    [
      { Id: 't', Input: '{}', InputPath: '$' },
      'Only one of Input, InputPath, or InputTransformer must be provided for target t.',
    ],
    [{ Id: 't', Input: '{' }, 'JSON syntax error in input for target t'],
    [{ Id: 't', InputPath: 'x' }, 'InputPath for target t is invalid.'],
    [
      { Id: 't', InputTransformer: { InputPathsMap: { a: '$.a' }, InputTemplate: '"<a> <b>"' } },
      'InputTemplate for target t contains invalid placeholder b.',
    ],
    [
      { Id: 't', InputTransformer: { InputPathsMap: { a: 'a' }, InputTemplate: '"<a>"' } },
      'InputPathsMap for target t contains invalid path a.',
    ],
    [{ Id: 't', InputTransformer: { InputTemplate: '"<aws.events.rule-name>"' } }, undefined],
    [
      { Id: 't', InputTransformer: { InputPathsMap: { 'AWS.x': '$.a' }, InputTemplate: '1' } },
      'InputPathsMap for target t contains reserved key AWS.x.',
    ],
  ];
  for (const [target, expected] of table) {
    test(JSON.stringify(target), () => assert.equal(targetInputProblem(target), expected));
  }
});
