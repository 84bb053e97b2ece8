import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { type RawRequest, sendSigned } from '../testing/raw-http.ts';
import { testIdentities, testService } from '../testing/services.ts';

const JSON_1_1 = 'application/x-amz-json-1.1';
const FORM = 'application/x-www-form-urlencoded';

/** What clients of services that are not there ask for, and the type of the answer that they understand. */
const ABSENT: [service: string, request: RawRequest, type: string][] = [
  ['ecr', { body: '{}', headers: { 'content-type': JSON_1_1, 'x-amz-target': 'Ecr_V1.ListImages' } }, JSON_1_1],
  ['sns', { body: 'Action=ListTopics&Version=2010-03-31', headers: { 'content-type': FORM } }, 'text/xml'],
  ['lambda', { method: 'GET', path: '/2015-03-31/functions/' }, 'application/json'],
];

test('a service that is not there says so, by name and as its clients read it', async (t) => {
  const server = await startServer(t, { services: [testIdentities(), testService('codecommit', {})] });
  for (const [service, request, type] of ABSENT) {
    const answer = await sendSigned(server.url, service, server.root, request);
    assert.deepEqual([answer.status, answer.headers['content-type']], [501, type], service);
    assert.match(answer.text, new RegExp(`The service ${service} is not implemented by Slipway\\.`));
  }
});

test('an unknown target of a service that is there is an unknown operation', async (t) => {
  const server = await startServer(t, { services: [testIdentities(), testService('codecommit', {})] });
  const headers = { 'content-type': JSON_1_1, 'x-amz-target': 'CodeCommit_2099.ListBranches' };
  const answer = await sendSigned(server.url, 'codecommit', server.root, { body: '{}', headers });
  assert.deepEqual([answer.status, JSON.parse(answer.text).__type], [400, 'UnknownOperationException']);
});
