import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recorded } from '../../src/kernel/testing/recorded.ts';
import { startServer } from '../harness.ts';
import { storedBytes } from '../stored-bytes.ts';

test('B1: what is written to a log or put into an event stands in no record of the call', async (t) => {
  const server = await startServer(t);
  const { logs, events } = server.root_;
  const stream = { logGroupName: 'group', logStreamName: 'stream' };
  await logs.createLogGroup(stream);
  await logs.createLogStream(stream);
  await logs.putLogEvents({ ...stream, logEvents: [{ timestamp: Date.now(), message: 'canary-in-a-log' }] });
  await events.putEvents({
    Entries: [{ Source: 'my.app', DetailType: 'Canary', Detail: '{"password":"canary-in-an-event"}' }],
  });
  const records = await recorded(server.kernel);
  const names = records.map(({ name }) => name);
  assert.ok(names.includes('PutLogEvents') && names.includes('PutEvents'), 'both calls are recorded');
  for (const { text } of records) assert.doesNotMatch(text, /canary-in/);
  assert.ok(
    records.some(({ text }) => text.includes('my.app')),
    'the source is no content',
  );
});

test('S10: keys, tokens and passwords stand nowhere in what is stored', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const alice = await server.user('alice');
  const { ServiceSpecificCredential: git } = await iam.createServiceSpecificCredential({
    UserName: 'alice',
    ServiceName: 'codecommit.amazonaws.com',
  });
  const { Credentials: session } = await alice.sts.getSessionToken({});
  await server.root_.cloudtrail.lookupEvents({});
  const bytes = await storedBytes(server);
  assert.ok(bytes.includes(alice.keys.accessKeyId), 'the ids are there, so the right files were read');
  for (const secret of [
    alice.keys.secretAccessKey,
    git!.ServicePassword!,
    session!.SecretAccessKey!,
    session!.SessionToken!,
  ]) {
    assert.equal(bytes.includes(secret), false);
    assert.equal(bytes.includes(Buffer.from(secret).toString('base64')), false);
  }
});
