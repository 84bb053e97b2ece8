import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { ZipFile } from 'yazl';
import type { Clients } from '../../../test/harness.ts';
import { services } from '../../services.ts';
import { buildCommands, phaseOf, setRolePolicy, startBuildServer } from './fixtures.ts';
import { repositoryNameOf, splitLocation } from './sources.ts';
import { unzip } from './unzip.ts';
import { targetOf } from './upload.ts';

async function zipped(files: Record<string, string>): Promise<Buffer> {
  const zip = new ZipFile();
  for (const [name, content] of Object.entries(files)) {
    zip.addBuffer(Buffer.from(content), name, { mode: name.endsWith('.sh') ? 0o100755 : 0o100644 });
  }
  zip.end();
  return buffer(zip.outputStream as NodeJS.ReadableStream);
}

/** Files of a zip object: path -> content. */
async function unzipped({ s3 }: Clients, Bucket: string, Key: string): Promise<string[]> {
  const { Body } = await s3.getObject({ Bucket, Key });
  const folder = await mkdtemp(join(tmpdir(), 'slipway-unzipped-'));
  await writeFile(join(folder, 'a.zip'), await Body!.transformToByteArray());
  await mkdir(join(folder, 'out'));
  await unzip(join(folder, 'a.zip'), join(folder, 'out'));
  const entries = await readdir(join(folder, 'out'), { recursive: true, withFileTypes: true });
  await rm(folder, { recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, 'out').length + 1))
    .sort();
}

const SPEC = `version: 0.2
phases:
  build:
    commands: [./make.sh, mkdir -p dist/sub, echo app > dist/app.js, echo x > dist/sub/x.txt]
artifacts:
  base-directory: dist
  files: ['**/*']
  name: release-$CODEBUILD_BUILD_NUMBER
`;

test('S3 in, S3 out: a zip, named, with the build in its metadata', async (t) => {
  const { project, build, log, clients } = await startBuildServer(t, services);
  await clients.s3.createBucket({ Bucket: 'inbox' });
  await clients.s3.createBucket({ Bucket: 'outbox' });
  const Body = await zipped({ 'buildspec.yml': SPEC, 'make.sh': '#!/bin/sh\necho made by "$0"\n' });
  await clients.s3.putObject({ Bucket: 'inbox', Key: 'sources/app.zip', Body });
  await project('app', '', {
    source: { type: 'S3', location: 'inbox/sources/app.zip' },
    artifacts: {
      type: 'S3',
      location: 'outbox',
      path: 'builds',
      namespaceType: 'BUILD_ID',
      name: 'app.zip',
      packaging: 'ZIP',
    },
  });
  const done = await build('app');
  assert.equal(done.buildStatus, 'SUCCEEDED', JSON.stringify(done.phases));
  assert.match(await log(done), /^made by \.\/make\.sh$/m);
  const key = `builds/${done.id!.split(':')[1]}/app.zip`;
  assert.equal(done.artifacts?.location, `arn:aws:s3:::outbox/${key}`);
  assert.deepEqual(await unzipped(clients, 'outbox', key), ['app.js', 'sub/x.txt']);
  const { Metadata, ETag } = await clients.s3.headObject({ Bucket: 'outbox', Key: key });
  assert.equal(Metadata?.['codebuild-buildarn'], done.arn);
  assert.equal(ETag, `"${done.artifacts?.md5sum}"`);
  assert.match(done.artifacts!.sha256sum!, /^[0-9a-f]{64}$/);
  const named = await build('app', {
    artifactsOverride: { type: 'S3', location: 'outbox', packaging: 'NONE', overrideArtifactName: true },
  });
  assert.equal(named.artifacts?.location, 'arn:aws:s3:::outbox/release-2');
  const { Contents = [] } = await clients.s3.listObjectsV2({ Bucket: 'outbox', Prefix: 'release-2/' });
  assert.deepEqual(
    Contents.map(({ Key }) => Key),
    ['release-2/app.js', 'release-2/sub/x.txt'],
  );
});

test('a folder in S3 is a source; a version of an object too', async (t) => {
  const { project, build, log, clients } = await startBuildServer(t, services);
  await clients.s3.createBucket({ Bucket: 'inbox' });
  await clients.s3.putBucketVersioning({ Bucket: 'inbox', VersioningConfiguration: { Status: 'Enabled' } });
  await clients.s3.putObject({ Bucket: 'inbox', Key: 'src/buildspec.yml', Body: buildCommands('cat deep/er/file') });
  await clients.s3.putObject({ Bucket: 'inbox', Key: 'src/deep/er/file', Body: 'from a folder' });
  await project('folder', '', { source: { type: 'S3', location: 'arn:aws:s3:::inbox/src/' } });
  assert.match(await log(await build('folder')), /^from a folder$/m);
  const old = await clients.s3.putObject({
    Bucket: 'inbox',
    Key: 'a.zip',
    Body: await zipped({ 'buildspec.yml': buildCommands('echo old $CODEBUILD_SOURCE_VERSION') }),
  });
  await clients.s3.putObject({
    Bucket: 'inbox',
    Key: 'a.zip',
    Body: await zipped({ 'buildspec.yml': buildCommands('echo new') }),
  });
  await project('zip', '', { source: { type: 'S3', location: 'inbox/a.zip' } });
  assert.match(await log(await build('zip')), /^new$/m);
  assert.match(
    await log(await build('zip', { sourceVersion: old.VersionId })),
    new RegExp(`^old ${old.VersionId}$`, 'm'),
  );
});

test('sources that cannot be had fail DOWNLOAD_SOURCE and say why', async (t) => {
  const { project, build, clients } = await startBuildServer(t, services);
  await clients.s3.createBucket({ Bucket: 'inbox' });
  await clients.s3.putObject({ Bucket: 'inbox', Key: 'text.zip', Body: 'this is no zip archive' });
  await project('app', '', { source: { type: 'S3', location: 'inbox/none.zip' } });
  const cases: [Parameters<typeof build>[1], RegExp][] = [
    [{}, /^NoSuchKey: /],
    [{ sourceLocationOverride: 'nowhere/x.zip' }, /^NoSuchBucket: /],
    [{ sourceLocationOverride: 'inbox/text.zip' }, /not a zip archive/],
  ];
  for (const [more, message] of cases) {
    const [context] = phaseOf(await build('app', more), 'DOWNLOAD_SOURCE')!.contexts!;
    assert.equal(context?.statusCode, 'CLIENT_ERROR');
    assert.match(context!.message!, message);
  }
  const policy = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'logs:*', Resource: '*' }] };
  await setRolePolicy(clients, policy);
  const denied = phaseOf(await build('app', { sourceLocationOverride: 'inbox/text.zip' }), 'DOWNLOAD_SOURCE');
  assert.match(denied!.contexts![0]!.message!, /^AccessDenied: .*s3:GetObject/);
});

test('artifacts that cannot be made or stored fail UPLOAD_ARTIFACTS', async (t) => {
  const { project, build, clients } = await startBuildServer(t, services);
  await clients.s3.createBucket({ Bucket: 'outbox' });
  const artifacts = { type: 'S3' as const, location: 'outbox', packaging: 'ZIP' as const };
  await project('app', `${buildCommands('echo x > file')}artifacts: {files: [nothing]}`, { artifacts });
  const nothing = phaseOf(await build('app'), 'UPLOAD_ARTIFACTS');
  assert.deepEqual(nothing?.contexts, [{ statusCode: 'CLIENT_ERROR', message: 'no matching artifact paths found' }]);
  const found = `${buildCommands('echo x > file')}artifacts: {files: [file]}`;
  const noBucket = await build('app', {
    buildspecOverride: found,
    artifactsOverride: { ...artifacts, location: 'nowhere' },
  });
  assert.match(phaseOf(noBucket, 'UPLOAD_ARTIFACTS')!.contexts![0]!.message!, /^NoSuchBucket/);
  const failedToo = await build('app', {
    buildspecOverride: `${buildCommands('echo x > file', 'false')}artifacts: {files: [file]}`,
  });
  assert.equal(failedToo.buildStatus, 'FAILED');
  assert.equal(failedToo.artifacts?.location, 'arn:aws:s3:::outbox/app', 'uploaded although BUILD failed');
  const policy = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'logs:*', Resource: '*' }] };
  await setRolePolicy(clients, policy);
  const denied = phaseOf(await build('app', { buildspecOverride: found }), 'UPLOAD_ARTIFACTS');
  assert.match(denied!.contexts![0]!.message!, /^AccessDenied: .*s3:PutObject/);
});

test('a pipeline gives sources and takes artifacts, several of each', async (t) => {
  const { project, build, log, clients } = await startBuildServer(t, services);
  await clients.s3.createBucket({ Bucket: 'store' });
  const spec = `version: 0.2
phases:
  build:
    commands:
      - cat "$CODEBUILD_SRC_DIR/main.txt" "$CODEBUILD_SRC_DIR_Second/other.txt"
      - echo "$CODEBUILD_SOURCE_VERSION"; echo "$CODEBUILD_RESOLVED_SOURCE_VERSION"
      - echo one > one; echo two > two
artifacts:
  files: [one]
  secondary-artifacts:
    Two: {files: [two]}
`;
  await clients.s3.putObject({
    Bucket: 'store',
    Key: 'p/Src/1',
    Body: await zipped({ 'buildspec.yml': spec, 'main.txt': 'main\n' }),
  });
  await clients.s3.putObject({ Bucket: 'store', Key: 'p/Src/2', Body: await zipped({ 'other.txt': 'other\n' }) });
  await project('app', '', { source: { type: 'CODEPIPELINE' }, artifacts: { type: 'CODEPIPELINE' } });
  const one = { type: 'CODEPIPELINE' as const, location: 'store', name: 'p/One/1', packaging: 'ZIP' as const };
  const two = { ...one, name: 'p/Two/1' };
  const input = {
    sourceTypeOverride: 'CODEPIPELINE' as const,
    sourceLocationOverride: 'store/p/Src/1',
    sourceVersion: '0123456789012345678901234567890123456789',
    secondarySourcesOverride: [
      { type: 'CODEPIPELINE' as const, location: 'store/p/Src/2', sourceIdentifier: 'Second' },
    ],
    artifactsOverride: one,
  };
  const done = await build('app', {
    ...input,
    secondaryArtifactsOverride: [
      { ...one, artifactIdentifier: 'One' },
      { ...two, artifactIdentifier: 'Two' },
    ],
  });
  assert.equal(done.buildStatus, 'SUCCEEDED', JSON.stringify(done.phases));
  assert.equal(done.resolvedSourceVersion, input.sourceVersion);
  const text = await log(done);
  assert.match(text, /^main\nother\n/m);
  assert.match(text, /^arn:aws:s3:::store\/p\/Src\/1\n0123456789/m);
  assert.deepEqual(await unzipped(clients, 'store', 'p/One/1'), ['one']);
  assert.deepEqual(await unzipped(clients, 'store', 'p/Two/1'), ['two']);
  assert.equal(done.secondaryArtifacts?.[1]?.location, 'arn:aws:s3:::store/p/Two/1');
  const noArtifacts = await build('app', { ...input, artifactsOverride: { type: 'NO_ARTIFACTS' } });
  assert.equal(noArtifacts.buildStatus, 'SUCCEEDED');
  const unknown = await build('app', {
    ...input,
    secondaryArtifactsOverride: [{ ...two, artifactIdentifier: 'Three', name: 'p/Three/1' }],
  });
  assert.match(phaseOf(unknown, 'UPLOAD_ARTIFACTS')!.contexts![0]!.message!, /secondary artifact of the name Three/);
});

test('CodeCommit in: a clone with its history, at the branch, tag or commit that was asked for', async (t) => {
  const { project, build, log, clients } = await startBuildServer(t, services);
  const { codecommit } = clients;
  const repositoryName = 'app';
  await codecommit.createRepository({ repositoryName });
  const spec = buildCommands(
    'git rev-parse HEAD',
    'git log --oneline | wc -l',
    'git status --short',
    'cat file.txt; ./run.sh',
  );
  const first = await codecommit.createCommit({
    repositoryName,
    branchName: 'main',
    putFiles: [
      { filePath: 'buildspec.yml', fileContent: Buffer.from(spec) },
      { filePath: 'file.txt', fileContent: Buffer.from('one\n') },
      { filePath: 'run.sh', fileContent: Buffer.from('#!/bin/sh\necho ran\n'), fileMode: 'EXECUTABLE' },
    ],
  });
  await codecommit.createBranch({ repositoryName, branchName: 'old', commitId: first.commitId! });
  const second = await codecommit.createCommit({
    repositoryName,
    branchName: 'main',
    parentCommitId: first.commitId,
    putFiles: [{ filePath: 'file.txt', fileContent: Buffer.from('two\n') }],
  });
  const location = 'https://git-codecommit.us-east-1.amazonaws.com/v1/repos/app';
  await project('app', '', { source: { type: 'CODECOMMIT', location } });
  const cases: [sourceVersion: string | undefined, commit: string, commits: number, content: string][] = [
    [undefined, second.commitId!, 2, 'two'],
    ['main', second.commitId!, 2, 'two'],
    ['old', first.commitId!, 1, 'one'],
    ['refs/heads/old', first.commitId!, 1, 'one'],
    [first.commitId!, first.commitId!, 1, 'one'],
  ];
  for (const [version, commit, commits, content] of cases) {
    const done = await build('app', version === undefined ? {} : { sourceVersion: version });
    assert.equal(done.buildStatus, 'SUCCEEDED', JSON.stringify(done.phases));
    assert.equal(done.resolvedSourceVersion, commit);
    const text = await log(done);
    assert.match(text, new RegExp(`^${commit}$`, 'm'));
    assert.match(text, new RegExp(`^${commits}\\n\\n.*git status.*\\n\\[Container\\].*\\n${content}\\nran$`, 'm'));
  }
  const shallow = await log(await build('app', { gitCloneDepthOverride: 1 }));
  assert.match(shallow, /^1\n\n/m);
  for (const sourceVersion of ['nowhere', '0123456789012345678901234567890123456789', 'refs/tags/none']) {
    const failed = phaseOf(await build('app', { sourceVersion }), 'DOWNLOAD_SOURCE');
    assert.equal(failed?.contexts?.[0]?.statusCode, 'CLIENT_ERROR');
    assert.match(failed!.contexts![0]!.message!, /^reference not found for primary source and source version /);
  }
  const gone = await build('app', { sourceLocationOverride: location.replace('app', 'gone') });
  assert.match(phaseOf(gone, 'DOWNLOAD_SOURCE')!.contexts![0]!.message!, /git clone failed/);
  const policy = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'logs:*', Resource: '*' }] };
  await setRolePolicy(clients, policy);
  const denied = phaseOf(await build('app'), 'DOWNLOAD_SOURCE');
  assert.match(
    denied!.contexts![0]!.message!,
    /^AccessDenied: User: arn:aws:sts::123456789012:assumed-role\/build\/\S+ is not authorized to perform: codecommit:GitPull on resource: arn:aws:codecommit:us-east-1:123456789012:app/,
  );
});

const LOCATIONS: [location: string, bucket: string, key: string][] = [
  ['bucket/key.zip', 'bucket', 'key.zip'],
  ['bucket/a/b.zip', 'bucket', 'a/b.zip'],
  ['arn:aws:s3:::bucket/a/', 'bucket', 'a/'],
  ['bucket', 'bucket', ''],
];
for (const [location, bucket, key] of LOCATIONS) {
  test(`the location ${location}`, () => assert.deepEqual(splitLocation(location), { bucket, key }));
}

for (const location of [
  'app',
  'https://git-codecommit.us-east-1.amazonaws.com/v1/repos/app',
  'http://127.0.0.1:4566/v1/repos/app/',
  'https://git-codecommit.us-east-1.amazonaws.com/v1/repos/app.git',
]) {
  test(`the repository of ${location}`, () => assert.equal(repositoryNameOf(location), 'app'));
}

const TARGETS: [asked: Parameters<typeof targetOf>[0], key: string][] = [
  [{ type: 'S3', location: 'b' }, 'project'],
  [{ type: 'S3', location: 'b', name: 'n.zip' }, 'n.zip'],
  [{ type: 'S3', location: 'b', path: '/p/', name: 'n.zip' }, 'p/n.zip'],
  [{ type: 'S3', location: 'b', path: 'p', namespaceType: 'BUILD_ID', name: 'n.zip' }, 'p/uuid/n.zip'],
  [{ type: 'S3', location: 'b', path: 'p', namespaceType: 'BUILD_ID', name: '/' }, 'p/uuid'],
  [{ type: 'S3', location: 'b', name: 'n.zip', overrideArtifactName: true }, 'from/spec'],
  [{ type: 'CODEPIPELINE', location: 'b', name: 'pipe/Art/key', path: 'ignored' }, 'pipe/Art/key'],
];
for (const [asked, key] of TARGETS) {
  test(`artifacts ${JSON.stringify(asked)} go to ${key}`, () =>
    assert.deepEqual(targetOf(asked, { name: 'from/spec', prefix: undefined, project: 'project', buildUuid: 'uuid' }), {
      bucket: 'b',
      key,
    }));
}
