import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RawRequest, send, sendSigned, signedHeaders } from '../../src/kernel/testing/raw-http.ts';
import { services } from '../../src/services.ts';
import { startServer } from '../harness.ts';

const JSON_TYPE = 'application/x-amz-json-1.1';
const TARGET = 'CodeCommit_20150413';

function codecommit(operation: string, input: object, path = '/', method = 'POST'): RawRequest {
  const headers = { 'content-type': JSON_TYPE, 'x-amz-target': `${TARGET}.${operation}` };
  return { method, path, headers, body: JSON.stringify(input) };
}

test('I12: there is one way in, and no other spelling of it goes round the policy', async (t) => {
  const server = await startServer(t);
  const { keys } = await server.user('nobody', {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 'ec2:*', Resource: '*' }],
  });
  await server.root_.codecommit.createRepository({ repositoryName: 'secret', repositoryDescription: 'canary-0815' });
  await server.root_.s3.createBucket({ Bucket: 'secret' });
  await server.root_.s3.putObject({ Bucket: 'secret', Key: 'key', Body: 'canary-0815' });
  const input = { repositoryName: 'secret' };
  const paths = [
    '/',
    '//',
    '/./',
    '/x/..',
    '/;x.jsp',
    '/index.html',
    '/%2e/',
    '/codecommit',
    '/?Action=GetRepository',
    '/?X-Amz-Target=x',
  ];
  const methods = ['POST', 'GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'];
  const overrides: Record<string, string>[] = [
    {},
    { 'x-http-method-override': 'GET' },
    { 'x-original-url': '/v1/repos/secret' },
    { 'x-rewrite-url': '/' },
    { 'x-forwarded-user': 'root' },
    { 'x-amzn-principal': 'arn:aws:iam::123456789012:root' },
    { 'x-forwarded-for': '127.0.0.1' },
  ];
  for (const path of paths) {
    for (const method of methods) {
      for (const more of overrides) {
        const request = codecommit('GetRepository', input, path, method);
        const answer = await sendSigned(server.url, 'codecommit', keys, {
          ...request,
          headers: { ...request.headers, ...more },
        });
        assert.ok(answer.status >= 400 && answer.status < 500, `${method} ${path}: ${answer.status} ${answer.text}`);
        assert.doesNotMatch(answer.text, /canary/);
      }
    }
  }
  const targets = [
    'codecommit_20150413.GetRepository',
    `${TARGET}.getRepository`,
    `${TARGET}.GetRepository `,
    `${TARGET}..GetRepository`,
    `${TARGET}.constructor`,
    `${TARGET}.__proto__`,
    'IAM.GetUser',
    `x.${TARGET}.GetRepository`,
  ];
  for (const target of targets) {
    const request = {
      method: 'POST',
      headers: { 'content-type': JSON_TYPE, 'x-amz-target': target },
      body: JSON.stringify(input),
    };
    const answer = await sendSigned(server.url, 'codecommit', keys, request);
    assert.ok(answer.status >= 400 && answer.status < 500, `${target}: ${answer.status}`);
    assert.doesNotMatch(answer.text, /canary/);
  }
  const spellings = [
    '/secret/key',
    '//secret/key',
    '/secret//key',
    '/secret/./key',
    '/secret/x/../key',
    '/%73ecret/key',
    '/secret/key?',
    '/secret/%6bey',
    '/secret/key;x',
    '/secret%2fkey',
    '/Secret/key',
  ];
  for (const path of spellings) {
    for (const method of ['GET', 'HEAD']) {
      const answer = await sendSigned(server.url, 's3', keys, { method, path }).catch(() => undefined);
      assert.ok(answer === undefined || answer.status >= 400, `${method} ${path}: ${answer?.status}`);
      assert.doesNotMatch(answer?.text ?? '', /canary/);
    }
  }
});

test('I12: every operation names what IAM is asked; what names nothing is listed here', () => {
  const unasked = services.flatMap((service) =>
    [...service.operations]
      .filter(([, operation]) => operation.action === null)
      .map(([name]) => `${service.name}:${name}`),
  );
  const known = [
    'sts:GetCallerIdentity', // tells a caller who he is
    'sts:GetSessionToken', // for himself
    's3:DeleteObjects', // asks for each key by itself
  ];
  assert.deepEqual(
    unasked.filter((name) => !known.includes(name)),
    [],
  );
  for (const service of services) {
    for (const [name, operation] of service.operations)
      assert.equal(typeof operation.resource, 'function', `${service.name}:${name}`);
  }
});

test('S5: the same signed request twice is taken twice, as AWS does, and each time recorded; a token makes it count once', async (t) => {
  const server = await startServer(t);
  const { iam, cloudtrail, codecommit: client } = server.root_;
  await client.createRepository({ repositoryName: 'app' });
  const { host } = new URL(server.url);
  const request = codecommit('GetRepository', { repositoryName: 'app' });
  const headers = signedHeaders(request, host, 'codecommit', server.root);
  for (let n = 0; n < 2; n++) assert.equal((await send(server.url, { ...request, headers })).status, 200);
  const create = codecommit('CreateRepository', { repositoryName: 'once' });
  const signed = signedHeaders(create, host, 'codecommit', server.root);
  assert.equal((await send(server.url, { ...create, headers: signed })).status, 200);
  const again = await send(server.url, { ...create, headers: signed });
  assert.match(again.text, /RepositoryNameExistsException/);
  const { Events } = await cloudtrail.lookupEvents({
    LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'GetRepository' }],
  });
  assert.equal(Events!.length, 2);
  assert.notEqual(Events![0]!.EventId, Events![1]!.EventId);
  assert.ok(iam);
});

test('S8: a session token belongs to its key, whole, and to no other', async (t) => {
  const server = await startServer(t);
  const alice = await server.user('alice');
  const bob = await server.user('bob');
  const take = async ({ sts }: typeof alice) => (await sts.getSessionToken({})).Credentials!;
  const [hers, his] = [await take(alice), await take(bob)];
  const call = async (AccessKeyId: string, SecretAccessKey: string, token: string | undefined) => {
    const request = codecommit('ListRepositories', {});
    const more: Record<string, string> = token === undefined ? {} : { 'x-amz-security-token': token };
    const signing = { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey };
    const answer = await sendSigned(server.url, 'codecommit', signing, {
      ...request,
      headers: { ...request.headers, ...more },
    });
    return answer.status === 200 ? 'ok' : String(JSON.parse(answer.text).__type).replace(/^.*#/, '');
  };
  const [key, secret, token] = [hers.AccessKeyId!, hers.SecretAccessKey!, hers.SessionToken!];
  const unknown = 'UnrecognizedClientException';
  assert.equal(await call(key, secret, token), 'ok');
  assert.equal(await call(key, secret, undefined), unknown, 'without its token');
  assert.equal(await call(key, secret, his.SessionToken), unknown, 'with that of another');
  assert.equal(await call(key, secret, token.slice(0, -1)), unknown, 'cut short');
  assert.equal(await call(key, secret, `${token}A`), unknown, 'too long');
  assert.equal(await call(key, his.SecretAccessKey!, token), 'InvalidSignatureException', 'with another secret');
  const { accessKeyId, secretAccessKey } = alice.keys;
  assert.equal(await call(accessKeyId, secretAccessKey, token), unknown, 'a long-term key has none');
  await server.root_.iam.updateAccessKey({ UserName: 'alice', AccessKeyId: accessKeyId, Status: 'Inactive' });
  assert.equal(await call(accessKeyId, secretAccessKey, undefined), unknown, 'a key that was switched off');
  await server.root_.iam.deleteAccessKey({ UserName: 'alice', AccessKeyId: accessKeyId });
  assert.equal(await call(accessKeyId, secretAccessKey, undefined), unknown, 'a key that is gone');
});
