import assert from 'node:assert/strict';
import { test } from 'node:test';
import type * as codecommit from '@aws-sdk/client-codecommit';
import type * as sqs from '@aws-sdk/client-sqs';
import { startServer } from '../../test/harness.ts';
import type { Context } from './context.ts';
import { Fault } from './fault.ts';
import type { Service } from './service.ts';
import { eventually } from './testing/eventually.ts';
import { ledger } from './testing/ledger.ts';
import { sendSigned } from './testing/raw-http.ts';
import { testIdentities, testService } from './testing/services.ts';

const ALICE = {
  accessKeyId: 'AKIAALICE',
  secretAccessKey: 'secret',
  policy: {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: ['sqs:*', 'codecommit:GetRepository'], Resource: '*' }],
  },
};

interface Tables {
  ledger: { name: string };
}

test('what follows a commit runs after it, not after a roll back, and cannot undo it', async (t) => {
  const seen: string[] = [];
  const server = await startServer(t, {
    services: [testIdentities(), ledger({ onEvent: async (event) => void seen.push(String(event.detail['name'])) })],
  });
  const ctx = server.kernel.serviceContext('codecommit.amazonaws.com');
  const done: string[] = [];
  await ctx.tx(async (tx) => {
    tx.afterCommit(() => {
      done.push('broken');
      throw new Error('a bug');
    });
    tx.afterCommit(() => void done.push('second'));
    await tx.db<Tables>().insertInto('ledger').values({ name: 'one' }).execute();
    await tx.emit({ source: 'aws.test', detailType: 'Entry', resources: [], detail: { name: 'one' } });
    assert.deepEqual(done, []);
  });
  assert.deepEqual(done, ['broken', 'second']);
  await eventually(() => seen.length === 1);
  const rolledBack = ctx.tx(async (tx) => {
    tx.afterCommit(() => void done.push('never'));
    throw new Fault('No', 'no');
  });
  await assert.rejects(rolledBack, { name: 'No' });
  assert.equal(done.length, 2);
});

test('effects of a transaction that ran again are those of its last run', async (t) => {
  const server = await startServer(t, { services: [testIdentities(), ledger()] });
  const ctx = server.kernel.serviceContext('codecommit.amazonaws.com');
  const done: number[] = [];
  let runs = 0;
  await ctx.tx(async (tx) => {
    const run = ++runs;
    tx.afterCommit(() => void done.push(run));
    if (run < 3) throw Object.assign(new Error('again'), { code: '40001' });
    await tx.db<Tables>().insertInto('ledger').values({ name: 'one' }).execute();
  });
  assert.deepEqual(done, [3]);
});

test('a call of another service is validated, authorised and recorded as its caller', async (t) => {
  const through = (name: string) =>
    testService('sqs', {
      SendMessage: async ({ MessageBody }: { MessageBody: string }, ctx: Context) => {
        if (name === 'write') {
          await ctx.call<typeof codecommit, 'CreateRepository'>('codecommit', 'CreateRepository', {
            repositoryName: MessageBody,
          });
        } else {
          await ctx.call<typeof codecommit, 'GetRepository'>('codecommit', 'GetRepository', {
            repositoryName: MessageBody,
          });
        }
        return {};
      },
      DeleteQueue: async (_: unknown, ctx: Context) => {
        await ctx.call<typeof sqs, 'SendMessage'>('sqs', 'SendMessage', { QueueUrl: 'q', MessageBody: 'a/b' });
        return {};
      },
    });
  const body = JSON.stringify({ QueueUrl: 'q', MessageBody: 'name' });
  const headers = { 'x-amz-target': 'AmazonSQS.SendMessage' };
  const writer = await startServer(t, { services: [testIdentities(ALICE), ledger(), through('write')] });
  const denied = await sendSigned(writer.url, 'sqs', ALICE, { headers, body });
  assert.equal((JSON.parse(denied.text) as { __type: string }).__type, 'AccessDeniedException');
  assert.match(denied.text, /codecommit:CreateRepository/);
  const allowed = await sendSigned(writer.url, 'sqs', writer.root, { headers, body });
  assert.equal(allowed.status, 200);
  await writer.kernel.audit.flush();
  const rows = await writer.kernel.database.reader
    .selectFrom('kernel_audit')
    .select(['event_name', 'error_code', 'access_key_id'])
    .execute();
  const told = rows.map(
    ({ event_name, error_code, access_key_id }) => `${event_name} ${error_code} ${access_key_id === ALICE.accessKeyId}`,
  );
  assert.deepEqual(told.sort(), [
    'CreateRepository AccessDeniedException true',
    'CreateRepository null false',
    'SendMessage AccessDeniedException true',
    'SendMessage null false',
  ]);
  const reader = await startServer(t, { services: [testIdentities(ALICE), ledger(), through('read')] });
  const missing = await sendSigned(reader.url, 'sqs', ALICE, { headers, body });
  assert.equal((JSON.parse(missing.text) as { __type: string }).__type, 'RepositoryDoesNotExistException');
  const invalid = await sendSigned(reader.url, 'sqs', reader.root, {
    headers: { 'x-amz-target': 'AmazonSQS.DeleteQueue' },
    body: '{"QueueUrl":"q"}',
  });
  assert.equal((JSON.parse(invalid.text) as { __type: string }).__type, 'InvalidRepositoryNameException');
});

test('a handler may make a second transaction; its call is recorded with the first', async (t) => {
  const twice = testService('sqs', {
    SendMessage: async ({ MessageBody }: { MessageBody: string }, ctx: Context) => {
      await ctx.tx((tx) => tx.db<Tables>().insertInto('ledger').values({ name: MessageBody }).execute());
      await ctx.tx((tx) => tx.db<Tables>().insertInto('ledger').values({ name: MessageBody }).execute());
      return {};
    },
  });
  const server = await startServer(t, { services: [testIdentities(), ledger(), twice] });
  const answer = await sendSigned(server.url, 'sqs', server.root, {
    headers: { 'x-amz-target': 'AmazonSQS.SendMessage' },
    body: '{"QueueUrl":"q","MessageBody":"name"}',
  });
  assert.equal(answer.status, 500, 'the second one breaks a key');
  await server.kernel.audit.flush();
  const rows = await server.kernel.database.reader.selectFrom('kernel_audit').select('error_code').execute();
  assert.deepEqual(
    rows.map(({ error_code }) => error_code),
    ['InternalFailure'],
  );
});

test('two reconcilers or consumers of the same name are a mistake that shows at the start', async (t) => {
  const reconcile = async () => undefined;
  const onEvent = async () => undefined;
  const start = (...services: Service[]) => startServer(t, { services: [testIdentities(), ...services] });
  await assert.rejects(
    start(ledger({ reconcile }), ledger({ reconcile }, { name: 'other', migrations: {} })),
    /same name/,
  );
  await assert.rejects(start(ledger({ onEvent }), ledger({ onEvent }, { name: 'other', migrations: {} })), /same name/);
});
