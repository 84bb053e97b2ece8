import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { CodeCommit } from '@aws-sdk/client-codecommit';
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { IAM } from '@aws-sdk/client-iam';
import { S3 } from '@aws-sdk/client-s3';
import { GitClient } from '../../src/git/harness.ts';
import { gitUser, workingCopy } from '../../src/services/codecommit/harness.ts';
import { startServer, temporaryFolder } from '../harness.ts';
import { startServerProcess } from '../server-process.ts';

const ACCOUNT = '123456789012';
const ROLE = `arn:aws:iam::${ACCOUNT}:role/backup`;
const KEY = `daily/${ACCOUNT}/us-east-1/app`;
const app = { repositoryName: 'app' };
const Bucket = 'backups';
/** As docs/backup.md has it. */
const PATTERN = JSON.stringify({
  source: ['aws.codecommit'],
  'detail-type': [{ prefix: 'CodeCommit Repository' }, { prefix: 'CodeCommit Pull' }, { prefix: 'CodeCommit Comment' }],
});
const policy = (...Statement: object[]) => JSON.stringify({ Version: '2012-10-17', Statement });
const TRUST = policy({ Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' }, Action: 'sts:AssumeRole' });
const MAY = policy(
  {
    Effect: 'Allow',
    Action: ['codecommit:GitPull', 'codecommit:Get*', 'codecommit:List*', 'codecommit:Describe*'],
    Resource: '*',
  },
  {
    Effect: 'Allow',
    Action: ['s3:PutObject', 's3:AbortMultipartUpload'],
    Resource: `arn:aws:s3:::${Bucket}/*`,
    Condition: { StringEquals: { 's3:ResourceAccount': '123456789012' } },
  },
);

interface Parts {
  codecommit: CodeCommit;
  events: EventBridge;
  iam: IAM;
  s3: S3;
}

/** The rule of docs/backup.md, and the repository `app`. */
async function setUp({ codecommit, events, iam, s3 }: Parts): Promise<void> {
  await s3.createBucket({ Bucket });
  await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
  await iam.createRole({ RoleName: 'backup', AssumeRolePolicyDocument: TRUST });
  await iam.putRolePolicy({ RoleName: 'backup', PolicyName: 'backup', PolicyDocument: MAY });
  await events.putRule({ Name: 'backup', EventPattern: PATTERN });
  await events.putTargets({
    Rule: 'backup',
    Targets: [{ Id: 'bucket', Arn: `arn:aws:s3:::${Bucket}/daily`, RoleArn: ROLE }],
  });
  await codecommit.createRepository(app);
}

async function stored(s3: S3, ending: 'json' | 'bundle', key = KEY): Promise<Buffer> {
  const { Body } = await s3.getObject({ Bucket, Key: `${key}.${ending}` });
  return Buffer.from(await Body!.transformToByteArray());
}

interface Metadata {
  references: Record<string, string>;
  bundle: { bytes: number; sha256: string } | null;
  pullRequests: { title: string; pullRequestStatus: string; approvalRules: object[]; pullRequestEvents: object[] }[];
  comments: { content: string; pullRequestId?: string; reactions: object[] }[];
  approvalRuleTemplates: { approvalRuleTemplateName: string }[];
  tags: Record<string, string>;
}

/** Waits until the metadata in the bucket is as wanted. */
async function backupWith(s3: S3, wanted: (metadata: Metadata) => boolean, key = KEY): Promise<Metadata> {
  for (const end = performance.now() + 30_000; ; await wait(20)) {
    const metadata = await stored(s3, 'json', key).then(
      (bytes) => JSON.parse(bytes.toString()) as Metadata,
      (error: Error) => {
        if (error.name !== 'NoSuchKey') throw error;
        return undefined;
      },
    );
    if (metadata !== undefined && wanted(metadata)) return metadata;
    if (performance.now() > end) throw new Error(`waited for a backup; the last one is ${JSON.stringify(metadata)}`);
  }
}

/** References of a repository as `git` lists them. */
async function referencesOf(client: GitClient, address: string): Promise<Record<string, string>> {
  const lines = (await client.run('ls-remote', address)).split('\n').map((line) => line.split('\t'));
  return Object.fromEntries(
    lines.filter(([, name]) => name !== 'HEAD' && !name!.endsWith('^{}')).map(([id, name]) => [name, id]),
  );
}

test('backup on change', async (t) => {
  const server = await startServer(t);
  const { codecommit, iam, events, s3, cloudtrail } = server.root_;
  const alice = await gitUser(server, 'alice');
  await setUp(server.root_);
  const copy = await workingCopy(t, alice.remote('app'));

  await t.test('a push is in the bucket as a bundle that git clones, with the same references', async () => {
    await copy.commitFile('a', 'a\n');
    await copy.run('tag', '-a', 'v1', '-m', 'one');
    await copy.run('branch', 'feature/x');
    await copy.run('notes', 'add', '-m', 'a note');
    await copy.run('push', '-q', 'origin', 'main', 'v1', 'feature/x', 'refs/notes/commits');
    const references = await referencesOf(copy, alice.remote('app'));
    assert.equal(Object.keys(references).length, 4);
    const metadata = await backupWith(s3, (found) => Object.keys(found.references).length === 4);
    assert.deepEqual(metadata.references, references);
    const bundle = await stored(s3, 'bundle');
    assert.equal(metadata.bundle!.bytes, bundle.length);
    assert.equal(metadata.bundle!.sha256, createHash('sha256').update(bundle).digest('hex'));
    const folder = await temporaryFolder(t);
    const [file, clone] = [join(folder, 'app.bundle'), join(folder, 'app.git')];
    await writeFile(file, bundle);
    await copy.run('bundle', 'verify', '-q', file);
    await copy.run('clone', '-q', '--mirror', file, clone);
    assert.deepEqual(await referencesOf(copy, clone), references);
    await new GitClient(clone).run('fsck', '--full', '--strict');
    await codecommit.createRepository({ repositoryName: 'again' });
    await new GitClient(clone).run('push', '-q', '--mirror', alice.remote('again'));
    assert.deepEqual(await referencesOf(copy, alice.remote('again')), references);
    await copy.run('clone', '-q', file, join(folder, 'work'));
    assert.equal(await new GitClient(join(folder, 'work')).run('branch', '--show-current'), 'main');
  });

  await t.test('what git does not keep is beside it', async () => {
    const content = JSON.stringify({
      Version: '2018-11-08',
      Statements: [{ Type: 'Approvers', NumberOfApprovalsNeeded: 1 }],
    });
    const template = { approvalRuleTemplateName: 'two eyes' };
    await codecommit.createApprovalRuleTemplate({ ...template, approvalRuleTemplateContent: content });
    await codecommit.associateApprovalRuleTemplateWithRepository({ ...app, ...template });
    await codecommit.tagResource({ resourceArn: `arn:aws:codecommit:us-east-1:${ACCOUNT}:app`, tags: { team: 'a' } });
    const main = await copy.run('rev-parse', 'HEAD');
    await codecommit.createBranch({ ...app, branchName: 'change', commitId: main });
    const file = { ...app, branchName: 'change', filePath: 'b', fileContent: Buffer.from('b'), parentCommitId: main };
    const { commitId } = await codecommit.putFile(file);
    const targets = [{ ...app, sourceReference: 'change' }];
    const { pullRequest } = await codecommit.createPullRequest({ title: 'Change b', targets });
    const posted = await codecommit.postCommentForPullRequest({
      ...{ ...app, pullRequestId: pullRequest!.pullRequestId, beforeCommitId: main, afterCommitId: commitId },
      ...{ content: 'Why?', location: { filePath: 'b', filePosition: 1, relativeFileVersion: 'AFTER' } },
    });
    await codecommit.putCommentReaction({ commentId: posted.comment!.commentId, reactionValue: ':ship:' });
    const found = await backupWith(s3, ({ comments }) => comments[0]?.reactions.length === 1);
    assert.equal(found.comments[0]!.content, 'Why?');
    assert.equal(found.comments[0]!.pullRequestId, pullRequest!.pullRequestId);
    assert.equal(found.pullRequests[0]!.title, 'Change b');
    assert.equal(found.pullRequests[0]!.approvalRules.length, 1);
    assert.equal(found.pullRequests[0]!.pullRequestEvents.length, 2);
    assert.equal(found.approvalRuleTemplates[0]!.approvalRuleTemplateName, 'two eyes');
    assert.deepEqual(found.tags, { team: 'a' });
  });

  await t.test('of fifty changes at once all are there, in far fewer backups', async () => {
    const versions = async () => (await s3.listObjectVersions({ Bucket, Prefix: `${KEY}.json` })).Versions!.length;
    const before = await versions();
    const { branch } = await codecommit.getBranch({ ...app, branchName: 'main' });
    const names = Array.from({ length: 50 }, (_, n) => `many-${n}`);
    const commitId = branch!.commitId!;
    await Promise.all(names.map((branchName) => codecommit.createBranch({ ...app, branchName, commitId })));
    await backupWith(s3, ({ references }) => names.every((name) => references[`refs/heads/${name}`] === commitId));
    const made = (await versions()) - before;
    assert.ok(made >= 1 && made < 15, `${made} backups`);
  });

  await t.test('a role that may not read all, or not write, is a failure that the trail shows', async () => {
    for (const denied of ['codecommit:GetCommentReactions', 's3:PutObject']) {
      const PolicyDocument = policy({ Effect: 'Deny', Action: denied, Resource: '*' });
      await iam.putRolePolicy({ RoleName: 'backup', PolicyName: 'denied', PolicyDocument });
      const branchName = denied.replace(':', '-');
      const { branch } = await codecommit.getBranch({ ...app, branchName: 'main' });
      const since = new Date();
      await codecommit.createBranch({ ...app, branchName, commitId: branch!.commitId! });
      for (const end = performance.now() + 30_000; ; await wait(20)) {
        const { Events = [] } = await cloudtrail.lookupEvents({
          LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'InvokeTarget' }],
          StartTime: new Date(since.getTime() - 1000),
        });
        if (Events.some(({ CloudTrailEvent: text }) => text!.includes(denied))) break;
        assert.ok(performance.now() < end, `no failure for ${denied}`);
      }
      assert.equal(
        (JSON.parse((await stored(s3, 'json')).toString()) as Metadata).references[`refs/heads/${branchName}`],
        undefined,
      );
    }
    await iam.deleteRolePolicy({ RoleName: 'backup', PolicyName: 'denied' });
    await codecommit.deleteBranch({ ...app, branchName: 's3-PutObject' });
    await backupWith(s3, ({ references }) => 'refs/heads/codecommit-GetCommentReactions' in references);
  });

  await t.test('a bundle that is larger than a part of an upload is whole, and memory does not hold it', async () => {
    await codecommit.createRepository({ repositoryName: 'large' });
    const large = await workingCopy(t, alice.remote('large'));
    // Nothing that can be compressed.
    await large.commitFile('large', randomBytes(12_000_000).toString('base64'));
    await large.run('push', '-q', 'origin', 'main');
    const key = `daily/${ACCOUNT}/us-east-1/large`;
    const { bundle } = await backupWith(s3, ({ references }) => 'refs/heads/main' in references, key);
    assert.match((await s3.headObject({ Bucket, Key: `${key}.bundle` })).ETag!, /-\d+"$/);
    const bytes = await stored(s3, 'bundle', key);
    assert.equal(bundle!.sha256, createHash('sha256').update(bytes).digest('hex'));
    const file = join(await temporaryFolder(t), 'large.bundle');
    await writeFile(file, bytes);
    await large.run('fetch', '-q', file, 'main');
    assert.equal(await large.run('rev-parse', 'FETCH_HEAD'), await large.run('rev-parse', 'main'));
  });

  await t.test('a bucket as a target wants a role that may be passed, and takes no input', async () => {
    const put = (who: EventBridge, more: object) =>
      who.putTargets({ Rule: 'backup', Targets: [{ Id: 'b', Arn: `arn:aws:s3:::${Bucket}`, ...more }] });
    await assert.rejects(put(events, {}), { name: 'ValidationException', message: /RoleArn is required/ });
    await assert.rejects(put(events, { RoleArn: ROLE, Input: '{}' }), {
      name: 'ValidationException',
      message: /no input/,
    });
    const bob = await server.user('bob', JSON.parse(policy({ Effect: 'Allow', Action: 'events:*', Resource: '*' })));
    await assert.rejects(put(bob.events, { RoleArn: ROLE }), {
      name: 'AccessDeniedException',
      message: /iam:PassRole/,
    });
  });
});

test('a server that is killed after a change makes the backup when it is there again', async (t) => {
  const server = await startServerProcess(t, join(await temporaryFolder(t), 'slipway'));
  const config = { endpoint: server.url, region: 'us-east-1', credentials: server.keys, forcePathStyle: true };
  const [codecommit, events, iam, s3] = [
    new CodeCommit(config),
    new EventBridge(config),
    new IAM(config),
    new S3(config),
  ];
  t.after(() => {
    for (const client of [codecommit, events, iam, s3]) client.destroy();
  });
  await setUp({ codecommit, events, iam, s3 });
  const file = { ...app, branchName: 'main', filePath: 'a', fileContent: Buffer.from('a') };
  const { commitId } = await codecommit.putFile(file);
  await server.kill();
  await server.start();
  await backupWith(s3, ({ references }) => references['refs/heads/main'] === commitId);
  assert.ok((await stored(s3, 'bundle')).includes(`${commitId} refs/heads/main`));
});
