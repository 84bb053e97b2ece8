import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { lstat, mkdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { fromBuffer } from 'yauzl';
import { type TestServer, temporaryFolder } from '../../../test/harness.ts';
import type { Context } from '../../kernel/context.ts';
import { settled } from '../../kernel/testing/hand-clock.ts';
import { gitStoreOf } from './git-cache.ts';
import { startWithRepository, workingCopy } from './harness.ts';

/** What attributes in the repository would change in an archive. */
const FIRST = 'first\n$Format:%H$\n';
const BUILD = { repositoryName: 'app', action: 'codecommit:GitPull' } as const;

async function seeded(t: TestContext) {
  const { server, alice } = await startWithRepository(t);
  const copy = await workingCopy(t, alice.remote('app'));
  await copy.commitFile('first.txt', FIRST);
  const first = await copy.run('rev-parse', 'HEAD');
  await mkdir(join(copy.folder, 'bin'));
  await writeFile(join(copy.folder, 'bin', 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
  await symlink('bin/run.sh', join(copy.folder, 'link'));
  await writeFile(join(copy.folder, '.gitattributes'), '* text eol=crlf export-subst\nbin export-ignore\n');
  await copy.run('add', '-A');
  await copy.run('commit', '-q', '-m', 'everything');
  await copy.run('tag', '-a', 'v1', '-m', 'one');
  await copy.run('push', '-q', 'origin', 'main', 'main:release/1', 'v1');
  const head = await copy.run('rev-parse', 'HEAD');
  return { server, first, head, build: await asRole(server, 'codebuild', 'codecommit:GitPull') };
}

/** A context of a role that may do one thing, as a service assumes it. */
async function asRole(server: TestServer, service: string, action: string): Promise<Context> {
  const { iam } = server.root_;
  const document = (statement: object) => JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
  const principal = `${service}.amazonaws.com`;
  const RoleName = `${service}-role`;
  const trust = { Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { Service: principal } };
  const { Role } = await iam.createRole({ RoleName, AssumeRolePolicyDocument: document(trust) });
  const Resource = 'arn:aws:codecommit:us-east-1:123456789012:app';
  const PolicyDocument = document({ Effect: 'Allow', Action: action, Resource });
  await iam.putRolePolicy({ RoleName, PolicyName: 'source', PolicyDocument });
  return server.kernel.serviceContext(principal).as(Role!.Arn!, { service: principal, sessionName: 'source' });
}

test('a role with the right to pull gets the files of what its specifier names, byte for byte', async (t) => {
  const { build, first, head } = await seeded(t);
  const specifiers: [specifier: string | undefined, commitId: string][] = [
    [undefined, head],
    ['main', head],
    ['release/1', head],
    ['refs/heads/release/1', head],
    ['v1', head],
    [first, first],
  ];
  for (const [commitSpecifier, commitId] of specifiers) {
    const archive = await build.sourceArchive({ ...BUILD, commitSpecifier });
    assert.equal(archive.commitId, commitId);
    const files = await unzip(await buffer(archive.stream));
    assert.equal(files.get('first.txt')?.text, FIRST);
    assert.equal(files.has('bin/run.sh'), commitId === head);
  }
});

test('the zip keeps executable files and links, and the tar unpacks to the same', async (t) => {
  const { build } = await seeded(t);
  const files = await unzip(await buffer((await build.sourceArchive(BUILD)).stream));
  assert.equal(files.get('bin/run.sh')!.mode & 0o111, 0o111);
  assert.equal(files.get('link')!.mode & 0o170000, 0o120000);
  assert.equal(files.get('link')!.text, 'bin/run.sh');
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'a.tar'), await buffer((await build.sourceArchive({ ...BUILD, format: 'tar' })).stream));
  await promisify(execFile)('tar', ['-xf', 'a.tar'], { cwd: folder });
  assert.equal(await readFile(join(folder, 'first.txt'), 'utf8'), FIRST);
  assert.equal((await lstat(join(folder, 'bin/run.sh'))).mode & 0o111, 0o111);
  assert.equal(await readlink(join(folder, 'link')), 'bin/run.sh');
});

test('an archive that is read late is whole', async (t) => {
  const { build } = await seeded(t);
  const ended = Promise.withResolvers<void>();
  const { git } = (await gitStoreOf(build)).surroundings;
  const spawn = git.spawn.bind(git);
  t.mock.method(git, 'spawn', (...args: Parameters<typeof spawn>) => {
    const child = spawn(...args);
    // All that git writes fits into the pipe, so it ends though nobody reads.
    if (args[0][0] === 'archive') void untilGone(child).then(ended.resolve, ended.reject);
    return child;
  });
  const { stream } = await build.sourceArchive(BUILD);
  await ended.promise;
  assert.equal((await unzip(await buffer(stream))).get('first.txt')?.text, FIRST);
});

/** Resolves some turns after the process is gone: its end has reached Node by then. */
async function untilGone({ cpuMs }: { cpuMs(): Promise<number | null> }): Promise<void> {
  while ((await cpuMs()) !== null) await settled(1);
  await settled();
}

function unzip(bytes: Buffer): Promise<Map<string, { mode: number; text: string }>> {
  return new Promise((resolve, reject) => {
    fromBuffer(bytes, { lazyEntries: true }, (error, zip) => {
      if (error) return reject(error);
      const files = new Map<string, { mode: number; text: string }>();
      zip.on('entry', (entry) => {
        zip.openReadStream(entry, async (failure, stream) => {
          if (failure) return reject(failure);
          const text = (await buffer(stream)).toString();
          files.set(entry.fileName, { mode: entry.externalFileAttributes >>> 16, text });
          zip.readEntry();
        });
      });
      zip.once('end', () => resolve(files));
      zip.once('error', reject);
      zip.readEntry();
    });
  });
}

test('a role needs the very right, and both outcomes are recorded under its name', async (t) => {
  const { server, build, head } = await seeded(t);
  await (await build.sourceArchive(BUILD)).stream.resume();
  await assert.rejects(build.sourceArchive({ ...BUILD, action: 'codecommit:UploadArchive' }), {
    name: 'AccessDenied',
    message: /codebuild-role\/source is not authorized to perform: codecommit:UploadArchive on resource/,
  });
  const pipeline = await asRole(server, 'codepipeline', 'codecommit:UploadArchive');
  const archive = await pipeline.sourceArchive({ ...BUILD, action: 'codecommit:UploadArchive', commitSpecifier: head });
  assert.equal(archive.commitId, head);
  archive.stream.destroy();
  const { Events = [] } = await server.root_.cloudtrail.lookupEvents({
    LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'UploadArchive' }],
  });
  const records = Events.map((event) => JSON.parse(event.CloudTrailEvent!) as Record<string, unknown>);
  assert.deepEqual(
    records.map(({ errorCode, requestParameters }) => [errorCode, requestParameters]),
    [
      [undefined, { repositoryName: 'app', commitSpecifier: head, commitId: head }],
      ['AccessDenied', { repositoryName: 'app' }],
    ],
  );
});

test('what is not there is a fault of the repository', async (t) => {
  const { server, build } = await seeded(t);
  await server.root_.codecommit.createRepository({ repositoryName: 'empty' });
  const root = server.kernel.serviceContext('codecommit.amazonaws.com').withCaller({
    type: 'Root',
    account: '123456789012',
    arn: 'arn:aws:iam::123456789012:root',
    principalId: '123456789012',
  });
  await assert.rejects(root.sourceArchive({ ...BUILD, repositoryName: 'empty' }), {
    name: 'CommitDoesNotExistException',
  });
  await assert.rejects(root.sourceArchive({ ...BUILD, repositoryName: 'none' }), {
    name: 'RepositoryDoesNotExistException',
  });
  await assert.rejects(build.sourceArchive({ ...BUILD, commitSpecifier: 'none' }), {
    name: 'CommitDoesNotExistException',
  });
  await assert.rejects(build.sourceArchive({ ...BUILD, commitSpecifier: '--output=x' }), {
    name: 'InvalidCommitException',
  });
});
