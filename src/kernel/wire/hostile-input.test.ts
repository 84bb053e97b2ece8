import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { Fault } from '../fault.ts';
import type { Service } from '../service.ts';
import { type RawAnswer, type RawRequest, sendSigned } from '../testing/raw-http.ts';
import { testIdentities, testService } from '../testing/services.ts';

/** Sends signed requests to a server of one service. */
async function serve(t: TestContext, service: Service): Promise<(request: RawRequest) => Promise<RawAnswer>> {
  const server = await startServer(t, { services: [testIdentities(), service] });
  return (request) => sendSigned(server.url, service.signingName, server.root, request);
}

/** A handler that notes what it was given. */
function noting(seen: unknown[]) {
  return async (input: unknown) => {
    seen.push(input);
    return {};
  };
}

function echoing(seen: unknown[]): Service {
  const take = noting(seen);
  return testService('codecommit', { UpdateRepositoryDescription: take, TagResource: take, PutFile: take });
}

function call(operation: string, body: string | Buffer, headers: Record<string, string> = {}): RawRequest {
  const target = `CodeCommit_20150413.${operation}`;
  return { body, headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': target, ...headers } };
}

const deep = (open: string, close: string, depth: number) => open.repeat(depth) + close.repeat(depth);

const BAD_JSON: [what: string, operation: string, body: string | Buffer][] = [
  ['not JSON', 'UpdateRepositoryDescription', '{'],
  ['text after it', 'UpdateRepositoryDescription', '{} {}'],
  ['a byte order mark', 'UpdateRepositoryDescription', '\ufeff{}'],
  ['a list for the input', 'UpdateRepositoryDescription', '[]'],
  ['null for the input', 'UpdateRepositoryDescription', 'null'],
  ['a number for a string', 'UpdateRepositoryDescription', '{"repositoryName":1}'],
  ['a structure for a string', 'UpdateRepositoryDescription', '{"repositoryName":{}}'],
  ['a boolean for a string', 'UpdateRepositoryDescription', '{"repositoryName":true}'],
  ['a lone surrogate', 'UpdateRepositoryDescription', '{"repositoryName":"\\ud800"}'],
  ['bytes that are not UTF-8', 'UpdateRepositoryDescription', Buffer.from('{"repositoryName":"\xff"}', 'latin1')],
  ['an overlong encoding', 'UpdateRepositoryDescription', Buffer.from('{"repositoryName":"\xc0\xaf"}', 'latin1')],
  ['a list for a map', 'TagResource', '{"tags":["a"]}'],
  ['a map of numbers for one of strings', 'TagResource', '{"tags":{"a":1}}'],
  ['a lone surrogate as a key', 'TagResource', '{"tags":{"\\udfff":"v"}}'],
  ['a string for a boolean', 'PutFile', '{"fileContent":"AA==","fileMode":["x"]}'],
  ['bytes that are not base64', 'PutFile', '{"fileContent":"%%%"}'],
  ['base64 without padding', 'PutFile', '{"fileContent":"AAA"}'],
  ['100,000 lists', 'TagResource', `{"tags":${deep('[', ']', 100_000)}}`],
  ['100,000 structures', 'TagResource', `{"tags":{"a":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}}`],
  ['100,000 lists that do not end', 'TagResource', '['.repeat(100_000)],
];

test('Y2: what is not JSON of the model is a SerializationException', async (t) => {
  const send = await serve(t, echoing([]));
  for (const [what, operation, body] of BAD_JSON) {
    const answer = await send(call(operation, body));
    assert.deepEqual([answer.status, JSON.parse(answer.text).__type], [400, 'SerializationException'], what);
  }
});

test('Y2: odd JSON that is JSON is taken as it is', async (t) => {
  const seen: Record<string, unknown>[] = [];
  const send = await serve(t, echoing(seen));
  const unknown = `{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"other":${deep('[', ']', 100_000)}}`;
  const ok = [
    '',
    '{}',
    unknown,
    '{"repositoryName":null}',
    '{"repositoryName":"a","repositoryName":"b"}',
    '{"repositoryName":"\\u0000\\ud83d\\ude00"}',
  ];
  for (const body of ok)
    assert.equal((await send(call('UpdateRepositoryDescription', body))).status, 200, body.slice(0, 50));
  assert.deepEqual(seen, [{}, {}, {}, {}, { repositoryName: 'b' }, { repositoryName: '\0😀' }]);
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
});

test('Y2: numbers that no integer holds', async (t) => {
  const seen: unknown[] = [];
  const service = testService(
    'codecommit',
    { ListRepositories: noting(seen), GetMergeConflicts: async () => ({}) },
    { constraints: { operations: {}, members: {} } },
  );
  const send = await serve(t, service);
  for (const number of ['1e999', '-1e999', '1e300', '1.5', '9007199254740993', '2147483648', '"1"', 'true']) {
    const answer = await send(call('GetMergeConflicts', `{"maxConflictFiles":${number}}`));
    assert.deepEqual([answer.status, JSON.parse(answer.text).__type], [400, 'SerializationException'], number);
  }
});

test('a body that is too large is refused with 413, and the client gets to see it', async (t) => {
  const service = testService('codecommit', { PutFile: async () => ({}) }, { maxBodyBytes: 10_000 });
  const send = await serve(t, service);
  assert.equal((await send(call('PutFile', `{"filePath":"${'x'.repeat(9_000)}"}`))).status, 200);
  for (const size of [10_001, 300_000, 8_000_000]) {
    const answer = await send(call('PutFile', Buffer.alloc(size, 'x')));
    assert.deepEqual([answer.status, JSON.parse(answer.text).__type], [413, 'RequestEntityTooLargeException']);
  }
  const chunked = await send(call('PutFile', Buffer.alloc(300_000, 'x'), { 'transfer-encoding': 'chunked' }));
  assert.equal(chunked.status, 413);
});

test('unknown operations and services are named', async (t) => {
  const send = await serve(t, echoing([]));
  const unknown = await send(call('MakeCoffee', '{}'));
  assert.deepEqual([unknown.status, JSON.parse(unknown.text).__type], [400, 'UnknownOperationException']);
  const target = await send({ body: '{}', headers: { 'x-amz-target': 'Nothing_20150413.CreateBranch' } });
  assert.deepEqual([target.status, JSON.parse(target.text).__type], [400, 'UnknownOperationException']);
  const prototype = await send(call('constructor', '{}'));
  assert.equal(prototype.status, 400);
});

test('a Query form is read strictly', async (t) => {
  const seen: unknown[] = [];
  const service = testService('iam', { CreateUser: noting(seen) });
  const send = await serve(t, service);
  const form = (body: string | Buffer) =>
    send({ body, headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' } });
  const good = 'Action=CreateUser&Version=2010-05-08&UserName=a%20b+c&';
  assert.equal((await form(`${good}Tags.member.2.Key=z&Tags.member.10.Key=y&Tags.member.1.Key=x`)).status, 200);
  assert.deepEqual(seen, [{ UserName: 'a b c', Tags: [{ Key: 'x' }, { Key: 'z' }, { Key: 'y' }] }]);
  const bad: [string, RegExp][] = [
    [`${good}UserName=b`, /more than once/],
    [`${good}%55serName=b`, /more than once/],
    [`${good}Path=%ZZ`, /percent-encoding/],
    [`${good}Path=%`, /percent-encoding/],
    [`${good}Path=%C0%AF`, /percent-encoding/],
    [`${good}Path=%ED%A0%80`, /percent-encoding/],
    [`${good}${'a.'.repeat(100)}b=1`, /nested too deeply/],
    [`${good}${Array.from({ length: 10_001 }, (_, i) => `p${i}=1`).join('&')}`, /too many parameters/],
  ];
  for (const [body, message] of bad) {
    const answer = await form(body);
    assert.equal(answer.status, 400, body.slice(0, 80));
    assert.match(answer.text, /<Code>MalformedInput<\/Code>/, body.slice(0, 80));
    assert.match(answer.text, message);
  }
  const nothing = await form('Version=2010-05-08');
  assert.match(nothing.text, /<Code>InvalidAction<\/Code>/);
  const prototype = await form('Action=__proto__');
  assert.match(prototype.text, /<Code>InvalidAction<\/Code>/);
  const polluting = await form(`${good}__proto__.polluted=1&Tags.member.1.__proto__.x=1`);
  assert.equal(polluting.status, 200);
  assert.equal(({} as { polluted?: string }).polluted, undefined);
});

test('A7: XML bodies: no declarations, no entities, bounded depth, no duplicates', async (t) => {
  const seen: Record<string, unknown>[] = [];
  const service = testService('s3', { DeleteObjects: noting(seen) });
  const send = await serve(t, service);
  const post = (body: string) => send({ path: '/bucket/', body });
  const object = '<Object><Key>k</Key></Object>';
  assert.equal(
    (await post(`<?xml version="1.0"?><Delete xmlns="urn:x">${object}<!-- c --><Quiet>true</Quiet></Delete>`)).status,
    200,
  );
  assert.equal((await post('<Delete><Object><Key>&#x41;&lt;<![CDATA[<b>]]></Key></Object></Delete>')).status, 200);
  assert.deepEqual(
    seen.map(({ Delete }) => Delete),
    [{ Objects: [{ Key: 'k' }], Quiet: true }, { Objects: [{ Key: 'A<<b>' }] }],
  );
  const lol = '<!DOCTYPE l [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]><Delete><Object><Key>&b;</Key></Object></Delete>';
  const file = '<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&a;</Key></Object></Delete>';
  const bad = [
    lol,
    file,
    '<!doctype x><Delete/>',
    'not xml',
    '<Delete>',
    '<Delete><Object></Delete>',
    `<Delete>${object}<Quiet>maybe</Quiet></Delete>`,
    `<Delete>${object}<Quiet>true</Quiet><Quiet>true</Quiet></Delete>`,
    '<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>',
    '<Delete>text</Delete>',
    '<Delete><Object><Key><a/></Key></Object></Delete>',
    deep('<a>', '</a>', 50_000),
    '<a>'.repeat(100_000),
    `<Delete>${deep('<a>', '</a>', 50_000)}</Delete>`,
  ];
  for (const body of bad) {
    const answer = await post(body);
    assert.equal(answer.status, 400, body.slice(0, 100));
    assert.match(answer.text, /<Code>MalformedXML<\/Code>/, body.slice(0, 100));
    assert.doesNotMatch(answer.text, /lol|root:/);
  }
  const prototype =
    '<Delete><__proto__><x>1</x></__proto__><constructor/><Object><Key>k</Key><__proto__>1</__proto__></Object></Delete>';
  assert.equal((await post(prototype)).status, 200);
  assert.deepEqual(seen.at(-1)!['Delete'], { Objects: [{ Key: 'k' }] });
});

test('XML bodies of a megabyte are parsed in time that grows with their size', async (t) => {
  const service = testService('s3', { DeleteObjects: async () => ({}) });
  const send = await serve(t, service);
  const timed = async (body: string): Promise<number> => {
    const start = performance.now();
    await send({ path: '/bucket/', body });
    return performance.now() - start;
  };
  await timed('<Delete/>');
  const many = [
    `<Delete>${'<Object><Key>k</Key></Object>'.repeat(30_000)}</Delete>`,
    `<Delete>${'&amp;'.repeat(200_000)}</Delete>`,
    `<Delete ${'a="b" '.repeat(150_000)}/>`,
    `<Delete>${'<!---->'.repeat(140_000)}</Delete>`,
    `<Delete>${'<![CDATA[]]>'.repeat(80_000)}</Delete>`,
    `<Delete><Object><Key>${' '.repeat(1_000_000)}</Key></Object></Delete>`,
    `${' '.repeat(1_000_000)}<Delete/>`,
    `<Delete>${'<a/>'.repeat(250_000)}</Delete>`,
    '<'.repeat(1_000_000),
  ];
  for (const body of many) {
    const took = await timed(body);
    assert.ok(took < 10_000, `${body.slice(0, 30)}... took ${Math.round(took)} ms`);
  }
});

test('REST: bad parameters are refused in the words of the protocol', async (t) => {
  const seen: Record<string, unknown>[] = [];
  const service = testService('s3', {
    ListObjectsV2: noting(seen),
    GetObject: async () => ({}),
  });
  const send = await serve(t, service);
  for (const value of ['abc', '0x10', '1e', 'Infinity', 'NaN', '-', '1_000']) {
    const answer = await send({ method: 'GET', path: `/bucket/?max-keys=${value}` });
    assert.equal(answer.status, 400, value);
    assert.match(answer.text, /<Code>InvalidArgument<\/Code>/, value);
  }
  assert.equal((await send({ method: 'GET', path: '/bucket/?max-keys=7&prefix=a%2Bb%26' })).status, 200);
  assert.deepEqual(seen, [{ Bucket: 'bucket', MaxKeys: 7, Prefix: 'a+b&' }]);
  const malformed = await send({ method: 'GET', path: '/bucket/k%ZZ' });
  assert.equal(malformed.status, 400);
});

test('S9: no value reaches the caller as a header of its own', async (t) => {
  const evil = 'a\r\nx-evil: 1\r\n\r\n<html>\0\x7f\x85\u2028ü';
  const service = testService('s3', {
    GetObject: async () => ({
      ContentDisposition: evil,
      ContentType: evil,
      CacheControl: `x${'y'.repeat(16_000)}`,
      Metadata: { 'bad name\r\nx-evil: 2': 'v', good: evil },
      Body: Buffer.from('ok'),
    }),
    HeadObject: async () => {
      throw new Fault('Evil\r\nx-evil: 3', evil, { status: 404 });
    },
  });
  const send = await serve(t, service);
  const answer = await send({ method: 'GET', path: '/bucket/key' });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['x-evil'], undefined);
  assert.equal(answer.text, 'ok');
  for (const value of Object.values(answer.headers)) assert.doesNotMatch(String(value), /[\0-\x1f\x7f]/);
  assert.equal(
    Buffer.from(answer.headers['x-amz-meta-good'] as string, 'latin1')
      .toString('utf8')
      .at(-1),
    'ü',
  );
  const failed = await send({ method: 'HEAD', path: '/bucket/key' });
  assert.equal(failed.status, 404);
  assert.equal(failed.headers['x-evil'], undefined);
});

test('header values keep their characters on the way in and out', async (t) => {
  const seen: Record<string, unknown>[] = [];
  const service = testService('s3', {
    DeleteObject: noting(seen),
    GetObject: async () => ({ ContentDisposition: String(seen[0]?.['MFA']), Body: Buffer.alloc(0) }),
  });
  const send = await serve(t, service);
  const bytes = Buffer.from('ü😀', 'utf8').toString('latin1');
  assert.equal((await send({ method: 'DELETE', path: '/bucket/key', headers: { 'x-amz-mfa': bytes } })).status, 204);
  assert.equal(seen[0]?.['MFA'], 'ü😀');
  const answer = await send({ method: 'GET', path: '/bucket/key' });
  assert.equal(answer.headers['content-disposition'], bytes);
});

test('HEAD, 204 and 304 have no body, and the connection goes on', async (t) => {
  const service = testService('s3', {
    HeadObject: async () => ({ ContentLength: 5 }),
    HeadBucket: async () => {
      throw new Fault('NoSuchBucket', 'none', { status: 404 });
    },
    DeleteObject: async () => ({}),
    GetObject: { handle: async () => ({ ETag: '"e"', Body: Buffer.from('hidden') }), status: () => 304 },
  });
  const send = await serve(t, service);
  const head = await send({ method: 'HEAD', path: '/bucket/key' });
  assert.deepEqual([head.status, head.headers['content-length'], head.text], [200, '5', '']);
  const missing = await send({ method: 'HEAD', path: '/bucket/' });
  assert.deepEqual([missing.status, missing.text], [404, '']);
  const removed = await send({ method: 'DELETE', path: '/bucket/key' });
  assert.deepEqual([removed.status, removed.headers['content-length'], removed.text], [204, undefined, '']);
  const unchanged = await send({ method: 'GET', path: '/bucket/key' });
  assert.deepEqual([unchanged.status, unchanged.headers['etag'], unchanged.text], [304, '"e"', '']);
});
