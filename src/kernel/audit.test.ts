import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CloudTrail } from '@aws-sdk/client-cloudtrail';
import { sql } from 'kysely';
import { startServer, type TestServer } from '../../test/harness.ts';
import { cloudtrail } from '../services/cloudtrail/service.ts';
import type { AuditTable } from './store/kernel-tables.ts';
import { testFolder } from './testing/databases.ts';
import { eventually } from './testing/eventually.ts';
import { ledger } from './testing/ledger.ts';
import { startElsewhere } from './testing/other-process.ts';
import { type SigningKeys, send, sendSigned } from './testing/raw-http.ts';
import { constraintsOf, testIdentities, testService } from './testing/services.ts';

const ALICE = { accessKeyId: 'AKIAALICE', secretAccessKey: 'alice-canary-secret' };

async function recorded(server: TestServer): Promise<AuditTable[]> {
  await server.kernel.audit.flush();
  return (await server.kernel.database.reader
    .selectFrom('kernel_audit')
    .selectAll()
    .orderBy('at')
    .orderBy('id')
    .execute()) as AuditTable[];
}

function call(server: { url: string }, keys: SigningKeys, operation: string, input: object) {
  const headers = { 'x-amz-target': `CodeCommit_20150413.${operation}` };
  return sendSigned(server.url, 'codecommit', keys, { headers, body: JSON.stringify(input) });
}

function serve(t: TestContext): Promise<TestServer> {
  return startServer(t, { services: [testIdentities(ALICE), ledger()] });
}

test('every call is recorded with who, what, and what came of it', async (t) => {
  const server = await serve(t);
  const outcomes: [SigningKeys, string, object, number, string | null][] = [
    [server.root, 'CreateRepository', { repositoryName: 'one' }, 200, null],
    [server.root, 'GetRepository', { repositoryName: 'one' }, 200, null],
    [server.root, 'GetRepository', { repositoryName: 'two' }, 400, 'RepositoryDoesNotExistException'],
    [server.root, 'DeleteRepository', { repositoryName: 'two' }, 400, 'InvalidRepositoryNameException'],
    [server.root, 'GetRepository', { repositoryName: 'a/b' }, 400, 'InvalidRepositoryNameException'],
    [server.root, 'GetRepository', {}, 400, 'RepositoryNameRequiredException'],
    [server.root, 'GetRepository', { repositoryName: 7 }, 400, 'SerializationException'],
    [server.root, 'ListBranches', { repositoryName: 'one' }, 501, 'NotImplementedException'],
    [ALICE, 'CreateRepository', { repositoryName: 'three' }, 400, 'AccessDeniedException'],
  ];
  for (const [keys, operation, input, status] of outcomes) {
    assert.equal((await call(server, keys, operation, input)).status, status, operation);
  }
  const rows = await recorded(server);
  const found = rows.map(({ event_name, error_code, access_key_id }) =>
    [access_key_id, event_name, error_code].join(' '),
  );
  const expected = outcomes.map(([keys, operation, , , code]) => [keys.accessKeyId, operation, code].join(' '));
  assert.deepEqual(found.sort(), expected.sort());
  const records = rows.map(({ record }) => JSON.parse(record) as Record<string, unknown>);
  const created = records.find(
    ({ eventName, errorCode }) => eventName === 'CreateRepository' && errorCode === undefined,
  )!;
  const arn = 'arn:aws:codecommit:us-east-1:123456789012:one';
  assert.deepEqual(
    { ...created, eventID: '', requestID: '', eventTime: '', userIdentity: '' },
    {
      eventVersion: '1.11',
      userIdentity: '',
      eventTime: '',
      eventSource: 'codecommit.amazonaws.com',
      eventName: 'CreateRepository',
      awsRegion: 'us-east-1',
      sourceIPAddress: '127.0.0.1',
      userAgent: '',
      requestParameters: { repositoryName: 'one' },
      responseElements: { repositoryMetadata: { repositoryName: 'one', arn } },
      requestID: '',
      eventID: '',
      readOnly: false,
      resources: [{ ARN: arn, accountId: '123456789012' }],
      eventType: 'AwsApiCall',
      managementEvent: true,
      recipientAccountId: '123456789012',
      eventCategory: 'Management',
    },
  );
  const denied = records.find(({ errorCode }) => errorCode === 'AccessDeniedException')!;
  assert.match(String(denied['errorMessage']), /is not authorized to perform: codecommit:CreateRepository/);
  assert.equal((denied['userIdentity'] as { userName?: string }).userName, 'akiaalice');
});

test('a change that was rolled back leaves no success in the trail, and one that stands does at once', async (t) => {
  let fail = false;
  const server = await startServer(t, {
    services: [
      testIdentities(),
      ledger({
        async inTransaction() {
          if (fail) throw new Error('broken');
        },
      }),
    ],
  });
  assert.equal((await call(server, server.root, 'CreateRepository', { repositoryName: 'good' })).status, 200);
  // No flush here: the row came with the change.
  const rows = (await server.kernel.database.reader.selectFrom('kernel_audit').selectAll().execute()) as AuditTable[];
  assert.deepEqual(
    rows.map(({ event_name, error_code }) => [event_name, error_code]),
    [['CreateRepository', null]],
  );
  fail = true;
  assert.equal((await call(server, server.root, 'CreateRepository', { repositoryName: 'bad' })).status, 500);
  const after = await recorded(server);
  assert.deepEqual(after.map(({ error_code }) => error_code).sort(), ['InternalFailure', null]);
});

test('the record of a change is there after kill -9 right behind the answer', async (t) => {
  const data = await testFolder(t);
  const other = await startElsewhere(t, data, '{}');
  for (const name of ['one', 'two', 'three']) {
    assert.equal((await call(other, other.root, 'CreateRepository', { repositoryName: name })).status, 200);
  }
  await other.kill();
  const server = await startServer(t, { services: [testIdentities(), ledger()], settings: { data, databaseUrl: '' } });
  const rows = await recorded(server);
  const names = rows.map(
    ({ record }) =>
      (JSON.parse(record) as { requestParameters: { repositoryName: string } }).requestParameters.repositoryName,
  );
  assert.deepEqual(names, ['one', 'two', 'three']);
  assert.equal((await call(server, server.root, 'GetRepository', { repositoryName: 'three' })).status, 200);
});

test('X3: secrets are not in the trail, nor anywhere in the data folder', async (t) => {
  const canary = (name: string) => `canary-${name}-5f1e0c`;
  const data = await testFolder(t);
  const iam = testService('iam', {
    CreateLoginProfile: async () => ({ LoginProfile: { UserName: 'u', CreateDate: new Date(0) } }),
    ChangePassword: async () => ({}),
    CreateAccessKey: async () => ({
      AccessKey: { UserName: 'u', AccessKeyId: 'AKIAX', Status: 'Active', SecretAccessKey: canary('secret-key') },
    }),
    CreateServiceSpecificCredential: async () => ({
      ServiceSpecificCredential: {
        CreateDate: new Date(0),
        ServiceName: 's',
        ServiceUserName: 'u',
        ServicePassword: canary('service-password'),
        ServiceSpecificCredentialId: 'i',
        UserName: 'u',
        Status: 'Active',
      },
    }),
    UploadServerCertificate: async () => ({}),
  });
  const tagged = testService('sqs', { CreateQueue: async () => ({}) });
  const server = await startServer(t, { services: [testIdentities(ALICE), iam, tagged], settings: { data } });
  const form = (body: Record<string, string>) =>
    sendSigned(server.url, 'iam', server.root, {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(body).toString(),
    });
  const answers = [
    await form({ Action: 'CreateLoginProfile', UserName: 'u', Password: canary('password') }),
    await form({ Action: 'ChangePassword', OldPassword: canary('old'), NewPassword: canary('new') }),
    await form({ Action: 'CreateAccessKey', UserName: 'u' }),
    await form({ Action: 'CreateServiceSpecificCredential', UserName: 'u', ServiceName: 's' }),
    await form({
      Action: 'UploadServerCertificate',
      ServerCertificateName: 'c',
      CertificateBody: 'b',
      PrivateKey: canary('private-key'),
    }),
    await sendSigned(server.url, 'sqs', server.root, {
      headers: { 'x-amz-target': 'AmazonSQS.CreateQueue' },
      body: JSON.stringify({ QueueName: 'q', Attributes: { OAuthToken: canary('map-value'), Plain: 'shown' } }),
    }),
  ];
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200, 200, 200, 200],
  );
  assert.ok(answers[2]!.text.includes(canary('secret-key')), 'the caller gets it');
  const rows = await recorded(server);
  assert.equal(rows.length, 6);
  const trail = rows.map(({ record }) => record).join('\n');
  assert.match(trail, /HIDDEN_DUE_TO_SECURITY_REASONS/);
  assert.match(trail, /"Plain":"shown"/);
  assert.doesNotMatch(trail, /canary-/);
  const files = await readdir(data, { recursive: true, withFileTypes: true });
  for (const file of files.filter((entry) => entry.isFile())) {
    const bytes = await readFile(join(file.parentPath, file.name));
    assert.ok(!bytes.includes('canary-'), `${file.name} holds a secret`);
  }
});

test('X3: a secret that is not valid is not quoted back into the trail', async (t) => {
  const iam = testService('iam', { CreateLoginProfile: async () => ({}) }, { constraints: constraintsOf('iam') });
  const server = await startServer(t, { services: [testIdentities(), iam] });
  const long = `canary-${'x'.repeat(200)}`;
  const answer = await sendSigned(server.url, 'iam', server.root, {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `Action=CreateLoginProfile&UserName=u&Password=${long}`,
  });
  assert.equal(answer.status, 400);
  assert.doesNotMatch(answer.text, /canary-/);
  assert.doesNotMatch((await recorded(server)).map(({ record }) => record).join(), /canary-/);
});

test('while the trail cannot be written what is stored stays readable, nothing changes, and each read has its row later', async (t) => {
  if (process.env['TEST_POSTGRES_URL']) return void t.diagnostic('the full disk of this test is an SQLite one');
  const server = await serve(t);
  const { database } = server.kernel;
  const limit = (pages: number) =>
    database.transaction((tx) => sql`pragma max_page_count = ${sql.lit(pages)}`.execute(tx));
  assert.equal((await call(server, server.root, 'CreateRepository', { repositoryName: 'one' })).status, 200);
  await server.kernel.audit.flush();
  await limit(1);
  const reads = 200;
  for (let at = 0; at < reads; at++) {
    assert.equal((await call(server, server.root, 'GetRepository', { repositoryName: 'one' })).status, 200);
  }
  await limit(1_000_000);
  const rows = await recorded(server);
  assert.equal(rows.filter(({ event_name }) => event_name === 'GetRepository').length, reads);
});

test('large parameters are named by their size, and unknown callers leave little', async (t) => {
  const s3 = testService('s3', { DeleteObjects: async () => ({}) });
  const server = await startServer(t, { services: [testIdentities(), s3] });
  const objects = `<Delete>${'<Object><Key>0123456789</Key></Object>'.repeat(10_000)}</Delete>`;
  await sendSigned(server.url, 's3', server.root, { path: '/bucket/', body: objects });
  await send(server.url, { path: '/bucket/', body: objects });
  const rows = await recorded(server);
  assert.equal(rows.length, 2);
  for (const { record } of rows) {
    assert.ok(record.length < 3_000);
    assert.match(record, /"requestParameters":\{"omitted":"\d+ characters"\}/);
  }
});

test('what a transaction records is written although a timer was started inside it', async (t) => {
  const server = await serve(t);
  const ctx = server.kernel.serviceContext('codecommit.amazonaws.com');
  const event = { eventSource: 'codecommit.amazonaws.com', readOnly: false, resources: [] };
  await ctx.tx(async (tx) => {
    ctx.record({ ...event, eventName: 'Loose' });
    await tx.record({ ...event, eventName: 'Bound' });
  });
  await eventually(async () => {
    const rows = (await server.kernel.database.reader.selectFrom('kernel_audit').select('event_name').execute()) as {
      event_name: string;
    }[];
    return rows.length === 2;
  });
  const rolledBack = ctx.tx(async (tx) => {
    await tx.record({ ...event, eventName: 'Never' });
    throw new Error('no');
  });
  await assert.rejects(rolledBack);
  assert.deepEqual((await recorded(server)).map(({ event_name }) => event_name).sort(), ['Bound', 'Loose']);
});

test('LookupEvents shows the caller his own calls at once', async (t) => {
  const server = await startServer(t, { services: [testIdentities(), ledger(), cloudtrail] });
  await call(server, server.root, 'GetRepository', { repositoryName: 'mine' });
  const client = new CloudTrail({
    endpoint: server.url,
    region: 'us-east-1',
    credentials: server.root,
    maxAttempts: 1,
  });
  const { Events } = await client.lookupEvents({
    LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'GetRepository' }],
  });
  assert.equal(Events?.length, 1);
});
