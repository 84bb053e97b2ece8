import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { withoutAws as skip, aws as typed } from '../../../test/aws-cli.ts';
import { type Keys, startServer, type TestServer, temporaryFolder } from '../../../test/harness.ts';

const HELPER = '!f() { test "$1" != get || aws codecommit credential-helper --ignore-host-check get; }; f';
const run = promisify(execFile);

interface Shell {
  folder: string;
  git(...args: string[]): Promise<string>;
  aws(...args: string[]): Promise<Record<string, unknown>>;
  awsFailure(...args: string[]): Promise<string>;
}

/** A folder in which git asks `aws` for its passwords, with those keys in the environment. */
async function shell(t: TestContext, server: TestServer, keys: Keys): Promise<Shell> {
  const folder = await temporaryFolder(t);
  const env = {
    ...server.env(keys),
    HOME: process.env['HOME'] ?? folder,
    GIT_CONFIG_GLOBAL: join(folder, '.gitconfig'),
    AWS_CONFIG_FILE: join(folder, 'aws-config'),
    AWS_SHARED_CREDENTIALS_FILE: join(folder, 'aws-credentials'),
  };
  const git = async (...args: string[]) => {
    const { stdout, stderr } = await run('git', args, { cwd: folder, env });
    assert.doesNotMatch(stderr, /Unknown options/, 'the helper is asked for what it does not know');
    return stdout.trim();
  };
  const codecommit = (args: string[]) => typed(['codecommit', ...args, '--output', 'json'], env, folder);
  await git('config', '--global', 'credential.helper', HELPER);
  await git('config', '--global', 'credential.UseHttpPath', 'true');
  await git('config', '--global', 'user.name', 'Ada');
  await git('config', '--global', 'user.email', 'ada@example.com');
  return {
    folder,
    git,
    aws: async (...args) => {
      const { stdout } = await codecommit(args);
      return stdout === '' ? {} : (JSON.parse(stdout) as Record<string, unknown>);
    },
    awsFailure: async (...args) => {
      const { stderr } = await codecommit(args).then(
        () => assert.fail(`aws ${args.join(' ')} did not fail`),
        (error: { stderr: string }) => error,
      );
      return stderr;
    },
  };
}

test('aws codecommit credential-helper signs passwords for clone and push', { skip }, async (t) => {
  const server = await startServer(t);
  const { codecommit } = server.root_;
  const { repositoryMetadata } = await codecommit.createRepository({ repositoryName: 'My-App' });
  const alice = await server.user('alice', {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: ['codecommit:GitPull', 'codecommit:GitPush'], Resource: repositoryMetadata!.Arn },
    ],
  });
  const { git, folder } = await shell(t, server, alice.keys);
  await git('clone', '-q', repositoryMetadata!.cloneUrlHttp!, 'copy');
  await writeFile(join(folder, 'copy', 'a.txt'), 'hello\n');
  await git('-C', 'copy', 'checkout', '-q', '-b', 'main');
  await git('-C', 'copy', 'add', '.');
  await git('-C', 'copy', 'commit', '-q', '-m', 'first');
  await git('-C', 'copy', 'push', '-q', 'origin', 'main');
  const { branch } = await codecommit.getBranch({ repositoryName: 'My-App', branchName: 'main' });
  assert.equal(branch!.commitId, await git('-C', 'copy', 'rev-parse', 'HEAD'));
});

test('credential-helper works with the keys of a role session', { skip }, async (t) => {
  const server = await startServer(t);
  const { codecommit, iam } = server.root_;
  const { repositoryMetadata } = await codecommit.createRepository({ repositoryName: 'app' });
  await codecommit.putFile({
    repositoryName: 'app',
    branchName: 'main',
    filePath: 'a.txt',
    fileContent: Buffer.from('hello\n'),
  });
  const document = (statement: object) => JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
  const trust = { Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { AWS: 'arn:aws:iam::123456789012:root' } };
  await iam.createRole({ RoleName: 'reader', AssumeRolePolicyDocument: document(trust) });
  const pull = { Effect: 'Allow', Action: 'codecommit:GitPull', Resource: repositoryMetadata!.Arn };
  await iam.putRolePolicy({ RoleName: 'reader', PolicyName: 'pull', PolicyDocument: document(pull) });
  const bob = await server.user('bob');
  const { Credentials: made } = await bob.sts.assumeRole({
    RoleArn: 'arn:aws:iam::123456789012:role/reader',
    RoleSessionName: 'git',
  });
  const { git, folder } = await shell(t, server, {
    accessKeyId: made!.AccessKeyId!,
    secretAccessKey: made!.SecretAccessKey!,
    sessionToken: made!.SessionToken!,
  });
  await git('clone', '-q', repositoryMetadata!.cloneUrlHttp!, 'copy');
  assert.equal(await readFile(join(folder, 'copy', 'a.txt'), 'utf8'), 'hello\n');
  await git('-C', 'copy', 'commit', '-q', '--allow-empty', '-m', 'no');
  await assert.rejects(git('-C', 'copy', 'push', 'origin', 'main'), /error: 403/);
});

test('aws codecommit makes, reads and changes a repository', { skip }, async (t) => {
  const server = await startServer(t);
  const { aws, awsFailure, folder } = await shell(t, server, server.root);
  const app = ['--repository-name', 'app'];
  const { repositoryMetadata } = await aws('create-repository', ...app, '--tags', 'team=blue');
  assert.equal((repositoryMetadata as Record<string, unknown>)['cloneUrlHttp'], `${server.url}/v1/repos/app`);
  await writeFile(join(folder, 'file'), 'hello\n');
  const main = ['--branch-name', 'main'];
  const put = ['put-file', ...app, ...main, '--file-content', 'fileb://file', '--file-path', 'a/b.txt'];
  const { commitId } = await aws(...put);
  const file = await aws('get-file', ...app, '--file-path', 'a/b.txt');
  assert.equal(Buffer.from(file['fileContent'] as string, 'base64').toString(), 'hello\n');
  const { branch } = await aws('get-branch', ...app, ...main);
  assert.deepEqual(branch, { branchName: 'main', commitId });
  const { subFolders } = await aws('get-folder', ...app, '--folder-path', '');
  assert.equal((subFolders as object[]).length, 1);
  const { tags } = await aws(
    'list-tags-for-resource',
    '--resource-arn',
    'arn:aws:codecommit:us-east-1:123456789012:app',
  );
  assert.deepEqual(tags, { team: 'blue' });
  assert.match(await awsFailure(...put), /ParentCommitIdRequiredException/);
  assert.match(await awsFailure('get-repository', '--repository-name', 'none'), /RepositoryDoesNotExistException/);
  await aws('delete-repository', ...app);
});

test('aws codecommit merges branches and tells what stands against it', { skip }, async (t) => {
  const server = await startServer(t);
  const { aws, awsFailure } = await shell(t, server, server.root);
  const app = ['--repository-name', 'app'];
  await aws('create-repository', ...app);
  const commit = (branch: string, content: string, ...parent: string[]) =>
    aws(
      'create-commit',
      ...app,
      '--branch-name',
      branch,
      ...parent,
      '--put-files',
      `filePath=f,fileContent=${content}`,
    );
  const { commitId: base } = await commit('main', 'MQ==');
  await aws('create-branch', ...app, '--branch-name', 'feature', '--commit-id', base as string);
  const parent = ['--parent-commit-id', base as string];
  await commit('main', 'Mg==', ...parent);
  const { commitId: source } = await commit('feature', 'Mw==', ...parent);
  const sides = [...app, '--source-commit-specifier', 'feature', '--destination-commit-specifier', 'main'];
  const squash = [...sides, '--merge-option', 'SQUASH_MERGE'];
  assert.equal((await aws('get-merge-conflicts', ...squash))['mergeable'], false);
  const described = await aws('batch-describe-merge-conflicts', ...squash);
  const [conflict] = described['conflicts'] as { mergeHunks: { source: { hunkContent: string } }[] }[];
  // Version 1 of the command line takes contents as they are, version 2 as base64.
  const isEither = (content: string, ...texts: string[]) =>
    assert.ok(texts.includes(Buffer.from(content, 'base64').toString()));
  isEither(conflict!.mergeHunks[0]!.source.hunkContent, 'Mw==', '3');
  assert.deepEqual((await aws('get-merge-options', ...sides))['mergeOptions'], []);
  assert.match(await awsFailure('merge-branches-by-three-way', ...sides), /ManualMergeRequiredException/);
  const replaced = 'replaceContents=[{filePath=f,replacementType=USE_NEW_CONTENT,content=NA==}]';
  const merged = await aws(
    ...['merge-branches-by-three-way', ...sides, '--conflict-resolution-strategy', 'AUTOMERGE'],
    ...['--conflict-resolution', replaced],
  );
  const { fileContent } = await aws('get-file', ...app, '--file-path', 'f');
  isEither(fileContent as string, 'NA==', '4');
  const after = await aws('get-merge-commit', ...sides);
  assert.equal(after['mergedCommitId'], merged['commitId']);
  assert.equal(after['sourceCommitId'], source);
});
