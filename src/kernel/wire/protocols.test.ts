import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import * as codeartifactSdk from '@aws-sdk/client-codeartifact';
import * as codecommitSdk from '@aws-sdk/client-codecommit';
import * as iamSdk from '@aws-sdk/client-iam';
import * as s3Sdk from '@aws-sdk/client-s3';
import * as sqsSdk from '@aws-sdk/client-sqs';
import { startServer } from '../../../test/harness.ts';
import { defineService } from '../define-service.ts';
import { Fault, fault } from '../fault.ts';
import type { Service } from '../service.ts';
import { constraintsOf, testIdentities, testService } from '../testing/services.ts';
import { encode } from './codec.ts';

interface Serving {
  endpoint: string;
  region: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
  maxAttempts: number;
}

/** A server of one service, and what its SDK client is made with. */
async function serve(t: TestContext, service: Service): Promise<Serving> {
  const server = await startServer(t, { services: [testIdentities(), service] });
  const { accessKeyId, secretAccessKey } = server.root;
  return { endpoint: server.url, region: 'us-east-1', credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 };
}

/** What an SDK client throws. */
interface ClientError extends Error {
  $metadata: { httpStatusCode?: number; requestId?: string };
}

/** What the client makes of an error answer. */
async function refusal(call: Promise<unknown>): Promise<{ name: string; status: number | undefined; message: string }> {
  const error = await call.then(
    () => assert.fail('the call succeeded'),
    (reason: unknown) => reason as ClientError,
  );
  assert.ok(error.$metadata?.requestId, `an answer with a request id, not ${error.message}`);
  return { name: error.name, status: error.$metadata.httpStatusCode, message: error.message };
}

const AT = new Date('2026-11-21T01:02:03.456Z');

test('AWS JSON 1.1: types travel both ways', async (t) => {
  const seen: unknown[] = [];
  const service = testService('codecommit', {
    PutFile: async (input) => {
      seen.push(input);
      return { commitId: 'c1', blobId: 'b1', treeId: 't1' };
    },
    GetFile: async () => ({
      commitId: 'c1',
      blobId: 'b1',
      filePath: 'ü/\u2028.txt',
      fileMode: 'NORMAL',
      fileSize: 3,
      fileContent: Buffer.from([0, 255, 10]),
    }),
    GetRepository: async () => ({ repositoryMetadata: { repositoryName: 'r', creationDate: AT } }),
    ListRepositories: async () => ({ repositories: [] }),
    DeleteBranch: async () => ({}),
    TagResource: async (input) => {
      seen.push(input);
      return {};
    },
  });
  const client = new codecommitSdk.CodeCommit(await serve(t, service));
  const put = { repositoryName: 'r', branchName: 'main', fileContent: Buffer.from([1, 2, 254]), filePath: 'a b' };
  assert.equal((await client.putFile(put)).commitId, 'c1');
  assert.deepEqual(seen[0], { ...put, fileContent: Buffer.from([1, 2, 254]) });
  const file = await client.getFile({ repositoryName: 'r', filePath: 'x' });
  assert.deepEqual([file.filePath, file.fileSize], ['ü/\u2028.txt', 3]);
  assert.deepEqual(Buffer.from(file.fileContent!), Buffer.from([0, 255, 10]));
  const { repositoryMetadata } = await client.getRepository({ repositoryName: 'r' });
  assert.deepEqual(repositoryMetadata?.creationDate, AT);
  assert.deepEqual((await client.listRepositories({})).repositories, []);
  const tagged = { resourceArn: 'arn:x', tags: JSON.parse('{"__proto__":"p","constructor":"c"}') as never };
  await client.tagResource(tagged);
  assert.deepEqual(Object.entries((seen[1] as { tags: object }).tags), [
    ['__proto__', 'p'],
    ['constructor', 'c'],
  ]);
});

test('AWS JSON 1.1: errors carry the code and status of the model', async (t) => {
  const service = testService(
    'codecommit',
    {
      GetRepository: async ({ repositoryName }) => {
        if (repositoryName === 'bug') throw new TypeError('secret detail');
        if (repositoryName === 'denied') throw new Fault('AccessDenied', 'no');
        throw fault(codecommitSdk.RepositoryDoesNotExistException, 'r does not exist');
      },
    },
    { constraints: constraintsOf('codecommit') },
  );
  const client = new codecommitSdk.CodeCommit(await serve(t, service));
  const modelled = client.getRepository({ repositoryName: 'r' });
  await assert.rejects(modelled, codecommitSdk.RepositoryDoesNotExistException);
  assert.deepEqual(await refusal(modelled), {
    name: 'RepositoryDoesNotExistException',
    status: 400,
    message: 'r does not exist',
  });
  const denied = await refusal(client.getRepository({ repositoryName: 'denied' }));
  assert.deepEqual([denied.name, denied.status], ['AccessDeniedException', 400]);
  const bug = await refusal(client.getRepository({ repositoryName: 'bug' }));
  assert.deepEqual([bug.name, bug.status], ['InternalFailure', 500]);
  assert.doesNotMatch(bug.message, /secret/);
  const invalid = await refusal(client.getRepository({ repositoryName: 'a/b' }));
  assert.deepEqual([invalid.name, invalid.status], ['InvalidRepositoryNameException', 400]);
  const missing = await refusal(client.getRepository({ repositoryName: undefined }));
  assert.deepEqual([missing.name, missing.status], ['RepositoryNameRequiredException', 400]);
  const absent = await refusal(client.listBranches({ repositoryName: 'r' }));
  assert.deepEqual([absent.name, absent.status], ['NotImplementedException', 501]);
  assert.match(absent.message, /codecommit:ListBranches/);
});

test('AWS JSON 1.0: output, modelled error with its Query code, not implemented', async (t) => {
  const service = testService('sqs', {
    ListQueues: async () => ({ QueueUrls: ['http://q/1'] }),
    ReceiveMessage: async ({ WaitTimeSeconds, MessageAttributeNames }) => ({
      Messages: [
        {
          Body: String(WaitTimeSeconds),
          MessageAttributes: { a: { DataType: 'Binary', BinaryValue: Buffer.from('x') } },
          Attributes: { SenderId: (MessageAttributeNames as string[]).join('+') },
        },
      ],
    }),
    GetQueueUrl: async () => {
      throw fault(sqsSdk.QueueDoesNotExist, 'The specified queue does not exist.');
    },
  });
  const client = new sqsSdk.SQS({ ...(await serve(t, service)), md5: false });
  assert.deepEqual((await client.listQueues({})).QueueUrls, ['http://q/1']);
  const { Messages } = await client.receiveMessage({
    QueueUrl: 'http://q/1',
    WaitTimeSeconds: 3,
    MessageAttributeNames: ['b', 'c'],
  });
  assert.equal(Messages?.[0]?.Body, '3');
  assert.equal(Messages?.[0]?.Attributes?.SenderId, 'b+c');
  assert.deepEqual(Buffer.from(Messages![0]!.MessageAttributes!['a']!.BinaryValue!), Buffer.from('x'));
  const modelled = client.getQueueUrl({ QueueName: 'q' });
  await assert.rejects(modelled, sqsSdk.QueueDoesNotExist);
  assert.equal((await refusal(modelled)).status, 400);
  assert.equal((await refusal(client.createQueue({ QueueName: 'q' }))).status, 501);
});

test('AWS Query: lists, structures, blobs and errors', async (t) => {
  const seen: unknown[] = [];
  const service = testService(
    'iam',
    {
      CreateUser: async (input) => {
        seen.push(input);
        if (input.UserName === 'taken') throw fault(iamSdk.EntityAlreadyExistsException, 'User <taken> & co exists.');
        return { User: { Path: '/', UserName: input.UserName, UserId: 'AIDA', Arn: 'arn', CreateDate: AT } };
      },
      ListUsers: async () => ({
        Users: [{ Path: '/', UserName: `<&"'\r\n\t ü😀 `, UserId: 'U', Arn: 'a', CreateDate: AT, Tags: [] }],
        IsTruncated: false,
      }),
      SimulateCustomPolicy: async (input) => {
        seen.push(input);
        return {
          EvaluationResults: [
            {
              EvalActionName: 'a',
              EvalDecision: 'allowed',
              EvalDecisionDetails: { identity: 'allowed', boundary: 'explicitDeny' },
            },
          ],
        };
      },
      DeleteUser: async () => ({}),
    },
    { constraints: constraintsOf('iam') },
  );
  const client = new iamSdk.IAM(await serve(t, service));
  const tags = [
    { Key: 'k+1', Value: 'v=2 +@' },
    { Key: 'ü', Value: '' },
  ];
  const created = await client.createUser({ UserName: 'alice', Tags: tags });
  assert.deepEqual(seen[0], { UserName: 'alice', Tags: tags });
  assert.deepEqual(created.User?.CreateDate, new Date('2026-11-21T01:02:03Z'), 'whole seconds');
  const { Users, IsTruncated } = await client.listUsers({});
  assert.deepEqual([Users?.[0]?.UserName, IsTruncated], [`<&"'\r\n\t ü😀 `, false]);
  const context = [{ ContextKeyName: 'aws:k', ContextKeyValues: ['1', '2'], ContextKeyType: 'stringList' as const }];
  const simulation = { PolicyInputList: ['{}'], ActionNames: ['s3:*'], ContextEntries: context, MaxItems: 7 };
  const { EvaluationResults } = await client.simulateCustomPolicy(simulation);
  assert.deepEqual(seen[1], simulation);
  assert.deepEqual(EvaluationResults?.[0]?.EvalDecisionDetails, { identity: 'allowed', boundary: 'explicitDeny' });
  assert.deepEqual(Object.keys(await client.deleteUser({ UserName: 'alice' })), ['$metadata']);
  const taken = client.createUser({ UserName: 'taken' });
  await assert.rejects(taken, iamSdk.EntityAlreadyExistsException);
  assert.deepEqual(await refusal(taken), {
    name: 'EntityAlreadyExistsException',
    status: 409,
    message: 'User <taken> & co exists.',
  });
  const invalid = await refusal(client.createUser({ UserName: 'a/b' }));
  assert.deepEqual([invalid.name, invalid.status], ['ValidationError', 400]);
  const absent = await refusal(client.listRoles({}));
  assert.deepEqual([absent.name, absent.status], ['NotImplemented', 501]);
});

test('REST-JSON: query, headers, body, streams both ways, status of the model', async (t) => {
  const seen: Record<string, unknown>[] = [];
  const service = testService('codeartifact', {
    ListRepositories: async (input) => {
      seen.push(input);
      return { repositories: [{ name: 'r', createdTime: AT }], nextToken: 'n' };
    },
    CreateDomain: async (input) => {
      if (input.domain === 'taken') {
        throw fault(codeartifactSdk.ConflictException, 'taken', { resourceId: 'taken', resourceType: 'domain' });
      }
      seen.push(input);
      return { domain: { name: input.domain, createdTime: AT, repositoryCount: 1 } };
    },
    PublishPackageVersion: async (input) => {
      const chunks: Buffer[] = [];
      for await (const chunk of input.assetContent) chunks.push(chunk);
      seen.push({ ...input, assetContent: Buffer.concat(chunks).toString('utf8') });
      return { format: 'generic', package: 'p', status: 'Published' };
    },
    GetPackageVersionAsset: async () => ({
      asset: Readable.from([Buffer.from('one '), Buffer.from('two')]),
      assetName: 'a\r\nx-evil: 1',
      packageVersion: '1.0',
    }),
    DescribeDomain: async () => {
      throw fault(codeartifactSdk.ThrottlingException, 'slow down', { retryAfterSeconds: 7 });
    },
  });
  const client = new codeartifactSdk.Codeartifact(await serve(t, service));
  const listed = await client.listRepositories({ repositoryPrefix: 'a b+ü&=', maxResults: 5 });
  assert.deepEqual(seen[0], { repositoryPrefix: 'a b+ü&=', maxResults: 5 });
  assert.deepEqual([listed.repositories?.[0]?.createdTime, listed.nextToken], [AT, 'n']);
  const created = await client.createDomain({ domain: 'd', tags: [{ key: 'k', value: 'v' }] });
  assert.deepEqual(seen[1], { domain: 'd', tags: [{ key: 'k', value: 'v' }] });
  assert.equal(created.domain?.repositoryCount, 1);
  const conflict = client.createDomain({ domain: 'taken' });
  await assert.rejects(conflict, (error: codeartifactSdk.ConflictException) => {
    assert.ok(error instanceof codeartifactSdk.ConflictException);
    assert.deepEqual([error.resourceId, error.resourceType, error.message], ['taken', 'domain', 'taken']);
    return true;
  });
  assert.equal((await refusal(conflict)).status, 409);
  const body = 'content';
  const digest = 'ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73';
  const publish = {
    domain: 'd',
    repository: 'r',
    format: 'generic',
    package: 'p',
    packageVersion: '1',
    assetName: 'a',
  };
  await client.publishPackageVersion({
    ...publish,
    format: 'generic',
    assetContent: Buffer.from(body),
    assetSHA256: digest,
  });
  assert.deepEqual(seen[2], { ...publish, assetContent: body, assetSHA256: digest });
  const asset = await client.getPackageVersionAsset({ ...publish, format: 'generic', asset: 'a' });
  assert.equal(await asset.asset?.transformToString(), 'one two');
  assert.doesNotMatch(asset.assetName!, /[\r\n]/);
  const slow = client.describeDomain({ domain: 'd' });
  await assert.rejects(slow, (error: codeartifactSdk.ThrottlingException) => error.retryAfterSeconds === 7);
  assert.equal((await refusal(slow)).status, 429);
  const absent = await refusal(client.listDomains({}));
  assert.deepEqual([absent.name, absent.status], ['NotImplementedException', 501]);
});

test('REST-XML: streams, metadata, XML bodies, bodiless answers, errors', async (t) => {
  const seen: Record<string, unknown>[] = [];
  const object = {
    ContentLength: 5,
    ContentType: 'text/plain',
    ETag: '"e"',
    LastModified: new Date('2026-11-21T01:02:03Z'),
    Metadata: { a: 'ü' },
  };
  const service = testService('s3', {
    PutObject: async (input) => {
      const chunks: Buffer[] = [];
      for await (const chunk of input.Body) chunks.push(chunk);
      seen.push({ ...input, Body: Buffer.concat(chunks).toString('utf8') });
      return { ETag: '"e"' };
    },
    GetObject: async ({ Key }) => {
      if (Key === 'none') throw fault(s3Sdk.NoSuchKey, 'The specified key does not exist.', { Key });
      return { ...object, Body: Readable.from([Buffer.from('hello')]) };
    },
    HeadObject: async ({ Key }) => {
      if (Key === 'none') throw new Fault('NotFound', 'Not Found', { status: 404 });
      return object;
    },
    DeleteObject: async () => ({ DeleteMarker: true }),
    DeleteObjects: async (input) => {
      seen.push(input);
      return {
        Deleted: [{ Key: ' a<&> ' }],
        Errors: [{ Key: 'b', Code: 'AccessDenied', Message: 'no' }],
      };
    },
    PutBucketAcl: async (input) => {
      seen.push(input);
      return {};
    },
    ListObjectsV2: async () => ({
      Contents: [{ Key: 'k', Size: 2 ** 40, LastModified: AT }],
      CommonPrefixes: [{ Prefix: 'p/' }, { Prefix: 'q/' }],
      IsTruncated: true,
      KeyCount: 3,
    }),
  });
  const client = new s3Sdk.S3({ ...(await serve(t, service)), forcePathStyle: true });
  await client.putObject({
    Bucket: 'b',
    Key: 'ä b/+%2F',
    Body: 'hello',
    ContentType: 'text/plain',
    Metadata: { one: '1', 'two-x': '2' },
  });
  const { Key, Bucket, Body, Metadata } = seen[0]!;
  assert.deepEqual(
    [Key, Bucket, Body, { ...(Metadata as object) }],
    ['ä b/+%2F', 'b', 'hello', { one: '1', 'two-x': '2' }],
  );
  const got = await client.getObject({ Bucket: 'b', Key: 'k' });
  assert.equal(await got.Body?.transformToString(), 'hello');
  assert.deepEqual([got.ETag, got.ContentType, got.LastModified], ['"e"', 'text/plain', object.LastModified]);
  const head = await client.headObject({ Bucket: 'b', Key: 'k' });
  assert.equal(head.ContentLength, 5);
  assert.equal((await client.deleteObject({ Bucket: 'b', Key: 'k' })).DeleteMarker, true);
  const keys = [{ Key: ' a<&> ' }, { Key: 'b\r\n' }, { Key: '' }];
  const deleted = await client.deleteObjects({ Bucket: 'b', Delete: { Objects: keys, Quiet: true } });
  assert.deepEqual((seen[1] as { Delete: unknown }).Delete, { Objects: keys, Quiet: true });
  assert.deepEqual(deleted.Deleted, [{ Key: ' a<&> ' }]);
  assert.equal(deleted.Errors?.[0]?.Code, 'AccessDenied');
  const grantee = { Type: 'CanonicalUser' as const, ID: 'id<1>' };
  const policy = { Owner: { ID: 'o' }, Grants: [{ Grantee: grantee, Permission: 'READ' as const }] };
  await client.putBucketAcl({ Bucket: 'b', AccessControlPolicy: policy });
  assert.deepEqual((seen[2] as { AccessControlPolicy: unknown }).AccessControlPolicy, policy);
  const list = await client.listObjectsV2({ Bucket: 'b' });
  assert.deepEqual([list.Contents?.[0]?.Size, list.CommonPrefixes?.length, list.IsTruncated], [2 ** 40, 2, true]);
  const none = client.getObject({ Bucket: 'b', Key: 'none' });
  await assert.rejects(none, s3Sdk.NoSuchKey);
  assert.deepEqual(await refusal(none), {
    name: 'NoSuchKey',
    status: 404,
    message: 'The specified key does not exist.',
  });
  assert.equal((await refusal(client.headObject({ Bucket: 'b', Key: 'none' }))).status, 404);
  const absent = await refusal(client.createBucket({ Bucket: 'b' }));
  assert.deepEqual([absent.name, absent.status], ['NotImplemented', 501]);
});

test('XML has times as AWS has them: whole seconds of IAM, and of S3 always a fraction', () => {
  const [iam, s3] = [testService('iam', {}), testService('s3', {})];
  const text = (service: Service, name: string, output: Record<string, unknown>) =>
    String(encode(service, service.operationShape(name)!, output, 'id').body);
  assert.match(text(iam, 'GetUser', { User: { CreateDate: AT } }), /<CreateDate>2026-11-21T01:02:03Z</);
  const even = new Date('2026-11-21T01:02:03Z');
  for (const [at, fraction] of [
    [AT, '456'],
    [even, '000'],
  ] as const) {
    const listed = text(s3, 'ListObjectsV2', { Contents: [{ LastModified: at }] });
    assert.ok(listed.includes(`<LastModified>2026-11-21T01:02:03.${fraction}Z<`), listed);
  }
});

test('AWS Query: an output without members is written, nothing at all is not', () => {
  const service = defineService({
    name: 'iam',
    sdk: iamSdk,
    protocol: 'query',
    signingName: 'iam',
    iamPrefix: 'iam',
    eventSource: 'iam.amazonaws.com',
    xmlNamespace: 'https://iam.amazonaws.com/doc/2010-05-08/',
    families: [],
  });
  const body = (name: string) => String(encode(service, service.operationShape(name)!, {}, 'id').body);
  assert.match(body('UpdateRole'), /<UpdateRoleResult><\/UpdateRoleResult><ResponseMetadata>/);
  assert.match(body('UpdateUser'), /^<UpdateUserResponse [^>]+><ResponseMetadata>/);
});
