import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { tables } from './tables.ts';

test('a repository is made, described, renamed and deleted; its id and tags stay with it', async (t) => {
  const server = await startServer(t);
  const { codecommit } = server.root_;
  const { repositoryMetadata: made } = await codecommit.createRepository({
    repositoryName: 'My.App_1',
    repositoryDescription: 'the <b>app</b>',
    tags: { team: 'blue' },
  });
  assert.match(made!.repositoryId!, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  assert.equal(made!.Arn, 'arn:aws:codecommit:us-east-1:123456789012:My.App_1');
  assert.equal(made!.cloneUrlHttp, `${server.url}/v1/repos/My.App_1`);
  assert.match(made!.cloneUrlSsh!, /^ssh:\/\/127\.0\.0\.1:\d+\/v1\/repos\/My\.App_1$/);
  assert.equal(made!.accountId, '123456789012');
  assert.ok(made!.creationDate instanceof Date);
  assert.equal(made!.defaultBranch, undefined);
  await codecommit.updateRepositoryDescription({ repositoryName: 'My.App_1', repositoryDescription: 'other' });
  await codecommit.updateRepositoryName({ oldName: 'My.App_1', newName: 'renamed' });
  const { repositoryMetadata: now } = await codecommit.getRepository({ repositoryName: 'renamed' });
  assert.equal(now!.repositoryId, made!.repositoryId);
  assert.equal(now!.repositoryDescription, 'other');
  assert.deepEqual((await codecommit.listTagsForResource({ resourceArn: now!.Arn! })).tags, { team: 'blue' });
  await codecommit.updateRepositoryDescription({ repositoryName: 'renamed' });
  const { repositoryMetadata: bare } = await codecommit.getRepository({ repositoryName: 'renamed' });
  assert.equal(bare!.repositoryDescription, undefined);
  await assert.rejects(codecommit.getRepository({ repositoryName: 'My.App_1' }), {
    name: 'RepositoryDoesNotExistException',
  });
  assert.equal((await codecommit.deleteRepository({ repositoryName: 'renamed' })).repositoryId, made!.repositoryId);
  assert.equal((await codecommit.deleteRepository({ repositoryName: 'renamed' })).repositoryId, undefined);
  await codecommit.createRepository({ repositoryName: 'renamed' });
  assert.deepEqual((await codecommit.listTagsForResource({ resourceArn: now!.Arn! })).tags, {});
});

test('each mistake with a repository has its own fault', async (t) => {
  const { codecommit } = (await startServer(t)).root_;
  await codecommit.createRepository({ repositoryName: 'app' });
  const repositoryName = 'app';
  const arn = 'arn:aws:codecommit:us-east-1:123456789012:app';
  const cases: [fault: string, call: () => Promise<unknown>][] = [
    ['RepositoryNameExistsException', () => codecommit.createRepository({ repositoryName })],
    ['RepositoryNameRequiredException', () => codecommit.createRepository({} as never)],
    ['RepositoryNameRequiredException', () => codecommit.updateRepositoryName({ oldName: 'app' } as never)],
    ['InvalidRepositoryNameException', () => codecommit.createRepository({ repositoryName: 'a b' })],
    ['InvalidRepositoryNameException', () => codecommit.createRepository({ repositoryName: 'app.git' })],
    ['InvalidRepositoryNameException', () => codecommit.updateRepositoryName({ oldName: 'app', newName: 'x.git' })],
    ['InvalidRepositoryNameException', () => codecommit.updateRepositoryName({ oldName: 'app', newName: 'x/y' })],
    [
      'InvalidRepositoryDescriptionException',
      () => codecommit.createRepository({ repositoryName: 'b', repositoryDescription: 'x'.repeat(1001) }),
    ],
    ['RepositoryNameExistsException', () => codecommit.updateRepositoryName({ oldName: 'app', newName: 'app' })],
    ['RepositoryDoesNotExistException', () => codecommit.updateRepositoryName({ oldName: 'none', newName: 'b' })],
    ['RepositoryDoesNotExistException', () => codecommit.updateRepositoryDescription({ repositoryName: 'none' })],
    ['RepositoryNamesRequiredException', () => codecommit.batchGetRepositories({} as never)],
    ['InvalidRepositoryNameException', () => codecommit.batchGetRepositories({ repositoryNames: ['a b'] })],
    [
      'MaximumRepositoryNamesExceededException',
      () => codecommit.batchGetRepositories({ repositoryNames: Array.from({ length: 101 }, (_, n) => `r${n}`) }),
    ],
    ['InvalidContinuationTokenException', () => codecommit.listRepositories({ nextToken: 'abc' })],
    ['InvalidSortByException', () => codecommit.listRepositories({ sortBy: 'size' as never })],
    ['InvalidOrderException', () => codecommit.listRepositories({ order: 'up' as never })],
    [
      'TooManyTagsException',
      () =>
        codecommit.tagResource({
          resourceArn: arn,
          tags: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`k${n}`, 'v'])),
        }),
    ],
    ['InvalidSystemTagUsageException', () => codecommit.tagResource({ resourceArn: arn, tags: { 'aws:x': 'v' } })],
    ['InvalidTagsMapException', () => codecommit.tagResource({ resourceArn: arn, tags: { 'a\u0007': 'v' } })],
    ['InvalidTagsMapException', () => codecommit.tagResource({ resourceArn: arn, tags: { a: 'v'.repeat(257) } })],
    ['TagsMapRequiredException', () => codecommit.tagResource({ resourceArn: arn } as never)],
    ['TagKeysListRequiredException', () => codecommit.untagResource({ resourceArn: arn } as never)],
    ['ResourceArnRequiredException', () => codecommit.listTagsForResource({} as never)],
    ['InvalidResourceArnException', () => codecommit.listTagsForResource({ resourceArn: 'app' })],
    [
      'InvalidResourceArnException',
      () => codecommit.listTagsForResource({ resourceArn: arn.replace('us-east-1', 'eu-west-1') }),
    ],
    [
      'InvalidResourceArnException',
      () => codecommit.tagResource({ resourceArn: arn.replace('arn:aws:', 'arn:aws-cn:'), tags: { a: 'b' } }),
    ],
    ['RepositoryDoesNotExistException', () => codecommit.listTagsForResource({ resourceArn: `${arn}x` })],
  ];
  for (const [name, call] of cases) await assert.rejects(call, { name }, `${name}: ${call}`);
});

test('G2: names that climb, hide or collide are refused or stay apart, and never reach the disk', async (t) => {
  const server = await startServer(t);
  const { codecommit } = server.root_;
  const refused = [
    '..',
    '.',
    '...',
    'a/../../b',
    '%2e%2e%2f',
    '..%5c',
    'x.git',
    'x.GIT',
    'аpp',
    'x'.repeat(101),
    'a\0b',
    '',
    '-o x',
  ];
  for (const repositoryName of refused) {
    await assert.rejects(codecommit.createRepository({ repositoryName }), /InvalidRepositoryName/, repositoryName);
  }
  const twins = ['app', 'App', 'APP', '-oX', '..app', '__proto__'];
  const ids = new Set<string>();
  for (const repositoryName of twins) {
    const { repositoryMetadata } = await codecommit.createRepository({ repositoryName });
    ids.add(repositoryMetadata!.repositoryId!);
    await codecommit.putFile({
      repositoryName,
      branchName: 'main',
      filePath: 'name',
      fileContent: Buffer.from(repositoryName),
    });
  }
  assert.equal(ids.size, twins.length);
  for (const repositoryName of twins) {
    const { fileContent } = await codecommit.getFile({ repositoryName, filePath: 'name' });
    assert.equal(Buffer.from(fileContent!).toString(), repositoryName);
  }
  const folders = await readdir(join(server.config.data, 'cache', 'git', 'repositories'));
  assert.deepEqual(folders.toSorted(), [...ids].toSorted());
});

test('many repositories are listed in each order, page by page, and fetched together', async (t) => {
  const server = await startServer(t);
  const { codecommit } = server.root_;
  for (const repositoryName of ['b', 'c', 'a']) await codecommit.createRepository({ repositoryName });
  await codecommit.updateRepositoryDescription({ repositoryName: 'b', repositoryDescription: 'changed last' });
  const names = async (input: Parameters<typeof codecommit.listRepositories>[0]) =>
    (await codecommit.listRepositories(input)).repositories!.map(({ repositoryName }) => repositoryName);
  assert.deepEqual(await names({}), ['a', 'b', 'c']);
  assert.deepEqual(await names({ order: 'descending' }), ['c', 'b', 'a']);
  assert.equal((await names({ sortBy: 'lastModifiedDate', order: 'descending' }))[0], 'b');
  const batch = await codecommit.batchGetRepositories({ repositoryNames: ['a', 'none', 'c', 'a'] });
  assert.deepEqual(
    batch.repositories!.map(({ repositoryName }) => repositoryName),
    ['a', 'c'],
  );
  assert.deepEqual(batch.repositoriesNotFound, ['none']);
  assert.equal(batch.errors![0]!.errorCode, 'RepositoryDoesNotExistException');
});

test('a page holds a thousand repositories, and the pages are complete in both orders', async (t) => {
  const server = await startServer(t);
  const { codecommit } = server.root_;
  const ctx = server.kernel.serviceContext('codecommit.amazonaws.com');
  const { account, region } = ctx;
  await ctx.tx(async (tx) => {
    const rows = Array.from({ length: 1_205 }, (_, n) => ({
      id: `id-${n}`,
      account,
      region,
      name: `r${n}`,
      description: null,
      head: null,
      generation: 0,
      collections: 0,
      mentions: 0,
      collected_at: null,
      created_at: 0,
      modified_at: Math.floor(n / 700),
    }));
    for (let at = 0; at < rows.length; at += 200) {
      await tables(tx)
        .insertInto('codecommit_repositories')
        .values(rows.slice(at, at + 200))
        .execute();
    }
  });
  for (const sortBy of ['repositoryName', 'lastModifiedDate'] as const) {
    for (const order of ['ascending', 'descending'] as const) {
      const first = await codecommit.listRepositories({ sortBy, order });
      const second = await codecommit.listRepositories({ sortBy, order, nextToken: first.nextToken });
      assert.equal(first.repositories!.length, 1_000);
      assert.equal(second.nextToken, undefined);
      const ids = [...first.repositories!, ...second.repositories!].map(({ repositoryId }) => repositoryId);
      assert.equal(new Set(ids).size, 1_205);
      const other = order === 'ascending' ? 'descending' : 'ascending';
      await assert.rejects(codecommit.listRepositories({ sortBy, order: other, nextToken: first.nextToken }), {
        name: 'InvalidContinuationTokenException',
      });
    }
  }
});

test('repositories of two regions are strangers', async (t) => {
  const server = await startServer(t);
  const there = server.clients(server.root, 'eu-west-1').codecommit;
  const here = server.root_.codecommit;
  const { repositoryMetadata } = await there.createRepository({ repositoryName: 'app' });
  assert.equal(repositoryMetadata!.Arn, 'arn:aws:codecommit:eu-west-1:123456789012:app');
  await assert.rejects(here.getRepository({ repositoryName: 'app' }), { name: 'RepositoryDoesNotExistException' });
  await here.createRepository({ repositoryName: 'app' });
  await here.deleteRepository({ repositoryName: 'app' });
  await there.getRepository({ repositoryName: 'app' });
});

test('policies see the repository and its tags', async (t) => {
  const server = await startServer(t);
  const { codecommit } = server.root_;
  await codecommit.createRepository({ repositoryName: 'blue', tags: { team: 'blue' } });
  await codecommit.createRepository({ repositoryName: 'red', tags: { team: 'red' } });
  const bob = await server.user('bob', {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Action: 'codecommit:*',
        Resource: 'arn:aws:codecommit:us-east-1:123456789012:*',
        Condition: { StringEquals: { 'aws:ResourceTag/team': 'blue' } },
      },
      {
        Effect: 'Allow',
        Action: ['codecommit:CreateRepository', 'codecommit:TagResource'],
        Resource: '*',
        Condition: { StringEquals: { 'aws:RequestTag/team': 'blue' } },
      },
    ],
  });
  await bob.codecommit.getRepository({ repositoryName: 'blue' });
  await assert.rejects(bob.codecommit.getRepository({ repositoryName: 'red' }), { name: 'AccessDeniedException' });
  await assert.rejects(bob.codecommit.batchGetRepositories({ repositoryNames: ['blue', 'red'] }), {
    name: 'AccessDeniedException',
  });
  await assert.rejects(bob.codecommit.createRepository({ repositoryName: 'mine' }), { name: 'AccessDeniedException' });
  await bob.codecommit.createRepository({ repositoryName: 'mine', tags: { team: 'blue' } });
});
