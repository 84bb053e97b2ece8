import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startServer, type TestServer, temporaryFolder } from '../../../test/harness.ts';
import { GitClient } from '../../git/harness.ts';
import { memoryFolder } from './cache-place.ts';
import { gitStoreOf, lockedRepository } from './git-cache.ts';
import { gitUser, workingCopy } from './harness.ts';
import { findRepository } from './store.ts';
import { tables } from './tables.ts';

const app = { repositoryName: 'app' };

function contextOf(server: TestServer) {
  return server.kernel.serviceContext('codecommit.amazonaws.com');
}

/** A server with a customer managed key, the repository `app` under it, and a user who has pushed to it. */
async function withKey(t: TestContext) {
  const server = await startServer(t);
  const alice = await gitUser(server, 'alice');
  const keyId = (await server.root_.kms.createKey({})).KeyMetadata!.Arn!;
  const { repositoryMetadata } = await server.root_.codecommit.createRepository({ ...app, kmsKeyId: keyId });
  const client = await workingCopy(t, alice.remote('app'));
  await client.commitFile('a.txt', 'one');
  await client.run('push', '-q', 'origin', 'main');
  return { server, alice, client, keyId, repositoryId: repositoryMetadata!.repositoryId! };
}

async function filesBelow(folder: string): Promise<Buffer[]> {
  const files: Buffer[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) files.push(await readFile(join(entry.parentPath, entry.name)));
  }
  return files;
}

test('a pushed secret stands nowhere in the data folder, whatever becomes of it', async (t) => {
  const data = await temporaryFolder(t);
  // Runs when the server has stopped.
  t.after(async () => {
    await assert.rejects(stat(memoryFolder(data)), { code: 'ENOENT' }, 'the cache in memory goes with the server');
  });
  const server = await startServer(t, { settings: { data, gitCache: '' } });
  const alice = await gitUser(server, 'alice');
  await server.root_.codecommit.createRepository(app);
  const client = await workingCopy(t, alice.remote('app'));
  // Not compressed, so that plain text would be found.
  client.config.push('core.compression=0', 'pack.compression=0', 'core.looseCompression=0');
  const canary = 'CANARY-4711-secret-in-a-file';
  await client.commitFile('secret.txt', canary);
  await client.run('push', '-q', 'origin', 'main');
  const { commitId } = (await alice.codecommit.getBranch({ ...app, branchName: 'main' })).branch!;
  const put = { ...app, branchName: 'main', filePath: 'more.txt', fileContent: Buffer.from(`${canary}-by-the-api`) };
  await alice.codecommit.putFile({ ...put, parentCommitId: commitId! });
  for (let round = 0; round < 3; round += 1) {
    const bob = new GitClient(await temporaryFolder(t));
    await bob.run('clone', '-q', alice.remote('app'), '.');
    assert.equal(await readFile(join(bob.folder, 'secret.txt'), 'utf8'), canary);
  }
  const id = (await findRepository(contextOf(server), contextOf(server), 'app'))!.id;
  const memory = memoryFolder(data);
  const isInMemory = (await filesBelow(memory)).some((file) => file.includes(canary));
  assert.equal(isInMemory, true, 'the search finds it where it is');
  const store = await gitStoreOf(contextOf(server));
  await store.maintain(await lockedRepository(contextOf(server), id), { mostPacks: 1 });
  const search = async () => {
    for (const file of await filesBelow(data)) assert.equal(file.includes('CANARY-4711'), false);
  };
  await search();
  await server.restart();
  await search();
  const kept = await alice.codecommit.getFile({ ...app, filePath: 'secret.txt' });
  assert.equal(Buffer.from(kept.fileContent!).toString(), canary);
  assert.equal((await stat(memory)).mode & 0o777, 0o700);
});

test('a disabled key stops clones, pushes and reads within a second; enabled again it lets them through', async (t) => {
  const { server, alice, client, keyId } = await withKey(t);
  const { codecommit } = alice;
  await codecommit.getFile({ ...app, filePath: 'a.txt' });
  await client.commitFile('a.txt', 'two');
  await server.root_.kms.disableKey({ KeyId: keyId });
  const disabled = { name: 'EncryptionKeyDisabledException' };
  await assert.rejects(codecommit.getFile({ ...app, filePath: 'a.txt' }), disabled);
  const commitId = await client.run('rev-parse', 'HEAD~0');
  await assert.rejects(codecommit.getCommit({ ...app, commitId }), disabled);
  const parent = await client.run('rev-parse', 'origin/main');
  const put = { ...app, branchName: 'main', parentCommitId: parent, filePath: 'b', fileContent: Buffer.from('b') };
  await assert.rejects(codecommit.putFile(put), disabled);
  const bob = new GitClient(await temporaryFolder(t));
  for (const [git, args] of [
    [bob, ['clone', alice.remote('app'), '.']],
    [client, ['push', 'origin', 'main']],
    [client, ['fetch', 'origin']],
  ] as const) {
    const { status, stderr } = await git.attempt(args);
    assert.notEqual(status, 0);
    assert.match(stderr, /EncryptionKeyDisabledException: The encryption key is disabled/);
  }
  await assert.rejects(codecommit.createRepository({ repositoryName: 'b', kmsKeyId: keyId }), disabled);
  await server.root_.kms.enableKey({ KeyId: keyId });
  await client.run('push', '-q', 'origin', 'main');
  await bob.run('clone', '-q', alice.remote('app'), '.');
  assert.equal(await readFile(join(bob.folder, 'a.txt'), 'utf8'), 'two');
  await server.restart();
  await server.root_.kms.disableKey({ KeyId: keyId });
  await assert.rejects(codecommit.getFile({ ...app, filePath: 'a.txt' }), disabled);
});

test('metadata shows the key; another key takes over, and packs stay as they are', async (t) => {
  const { server, client, alice, keyId, repositoryId } = await withKey(t);
  const { codecommit, kms } = server.root_;
  assert.equal((await codecommit.getRepository(app)).repositoryMetadata!.kmsKeyId, keyId);
  const packs = () => Array.fromAsync(server.kernel.blobs.list(`git/${repositoryId}`));
  const before = await packs();
  const other = (await kms.createKey({})).KeyMetadata!.Arn!;
  const update = await codecommit.updateRepositoryEncryptionKey({ ...app, kmsKeyId: other });
  assert.deepEqual([update.repositoryId, update.kmsKeyId, update.originalKmsKeyId], [repositoryId, other, keyId]);
  assert.equal((await codecommit.getRepository(app)).repositoryMetadata!.kmsKeyId, other);
  assert.deepEqual(await packs(), before);
  // The former key is needed no more.
  await kms.disableKey({ KeyId: keyId });
  await server.restart();
  await client.commitFile('b.txt', 'two');
  await client.run('push', '-q', 'origin', 'main');
  const { fileContent } = await alice.codecommit.getFile({ ...app, filePath: 'a.txt' });
  assert.equal(Buffer.from(fileContent!).toString(), 'one');
  await kms.disableKey({ KeyId: other });
  await assert.rejects(codecommit.updateRepositoryEncryptionKey({ ...app, kmsKeyId: keyId }), {
    name: 'EncryptionKeyDisabledException',
  });
});

test('without a key of one’s own it is the service’s; bad ids and foreign keys are refused in AWS’s words', async (t) => {
  const server = await startServer(t);
  const { codecommit, kms } = server.root_;
  const made = (await codecommit.createRepository(app)).repositoryMetadata!;
  const { KeyMetadata } = await kms.describeKey({ KeyId: 'alias/aws/codecommit' });
  assert.equal(made.kmsKeyId, KeyMetadata!.Arn);
  const missing = 'arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555';
  const signing = (await kms.createKey({ KeySpec: 'RSA_2048', KeyUsage: 'SIGN_VERIFY' })).KeyMetadata!.Arn!;
  for (const [kmsKeyId, name] of [
    [missing, 'EncryptionKeyNotFoundException'],
    ['not a key!', 'EncryptionKeyInvalidIdException'],
    [signing, 'EncryptionKeyInvalidUsageException'],
  ] as const) {
    await assert.rejects(codecommit.createRepository({ repositoryName: 'b', kmsKeyId }), { name }, kmsKeyId);
    await assert.rejects(codecommit.updateRepositoryEncryptionKey({ ...app, kmsKeyId }), { name }, kmsKeyId);
  }
  await assert.rejects(codecommit.updateRepositoryEncryptionKey({ ...app, kmsKeyId: undefined }), {
    name: 'EncryptionKeyRequiredException',
  });
  await assert.rejects(codecommit.getRepository({ repositoryName: 'b' }), { name: 'RepositoryDoesNotExistException' });
});

test('a caller needs the key as well as the repository', async (t) => {
  const { server, keyId } = await withKey(t);
  const codecommitOnly = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 'codecommit:*', Resource: '*' }],
  };
  const eve = await gitUser(server, 'eve', codecommitOnly);
  const denied = { name: 'EncryptionKeyAccessDeniedException' };
  await assert.rejects(eve.codecommit.getFile({ ...app, filePath: 'a.txt' }), denied);
  const clone = await new GitClient(await temporaryFolder(t)).attempt(['clone', eve.remote('app'), '.']);
  assert.match(clone.stderr, /EncryptionKeyAccessDeniedException/);
  await assert.rejects(eve.codecommit.createRepository({ repositoryName: 'b', kmsKeyId: keyId }), denied);
  // The service's own key lets everybody in who may use the repository.
  await eve.codecommit.createRepository({ repositoryName: 'hers' });
  await eve.codecommit.putFile({
    repositoryName: 'hers',
    branchName: 'main',
    filePath: 'x',
    fileContent: Buffer.from('x'),
  });
});

test('a repository of a former version gets its key at its next use', async (t) => {
  const { server, alice, repositoryId } = await withKey(t);
  const ctx = contextOf(server);
  const repository = await lockedRepository(ctx, repositoryId);
  for (const pack of (await repository.state()).packs) {
    for (const part of ['pack', 'idx'] as const) {
      const plain = Buffer.concat(await Array.fromAsync(await repository.packs.get(pack, part)));
      await server.kernel.blobs.put(`git/${repositoryId}/${pack.id}.${part}`, plain);
    }
  }
  await ctx.tx(async (tx) => {
    await tables(tx).updateTable('codecommit_packs').set({ sealed: 0 }).execute();
    await tables(tx)
      .updateTable('codecommit_repositories')
      .set((e) => ({ kms_key_arn: null, data_key: null, generation: e('generation', '+', 1) }))
      .execute();
  });
  await server.restart();
  assert.equal((await server.root_.codecommit.getRepository(app)).repositoryMetadata!.kmsKeyId, undefined);
  const { fileContent } = await alice.codecommit.getFile({ ...app, filePath: 'a.txt' });
  assert.equal(Buffer.from(fileContent!).toString(), 'one');
  const { KeyMetadata } = await server.root_.kms.describeKey({ KeyId: 'alias/aws/codecommit' });
  const { repositoryMetadata } = await server.root_.codecommit.getRepository(app);
  assert.equal(repositoryMetadata!.kmsKeyId, KeyMetadata!.Arn);
  const again = contextOf(server);
  await (await gitStoreOf(again)).maintain(await lockedRepository(again, repositoryId));
  const packs = await tables(again).selectFrom('codecommit_packs').select('sealed').execute();
  assert.deepEqual(
    packs.map(({ sealed }) => Number(sealed)),
    [1],
  );
  const clone = new GitClient(await temporaryFolder(t));
  await clone.run('clone', '-q', alice.remote('app'), '.');
});

test('a bit that flipped on the disk is an error, never data', async (t) => {
  const { server, alice, repositoryId } = await withKey(t);
  const { blobs } = server.kernel;
  const key = (await Array.fromAsync(blobs.list(`git/${repositoryId}`))).find((name) => name.endsWith('.pack'))!;
  const stored = Buffer.concat(await Array.fromAsync((await blobs.get(key)) as AsyncIterable<Buffer>));
  stored[stored.length - 20]! ^= 4;
  await blobs.put(key, stored);
  await (await lockedRepository(contextOf(server), repositoryId)).removeCache();
  await assert.rejects(alice.codecommit.getFile({ ...app, filePath: 'a.txt' }), {
    name: 'EncryptionIntegrityChecksFailedException',
  });
  const clone = await new GitClient(await temporaryFolder(t)).attempt(['clone', alice.remote('app'), '.']);
  assert.notEqual(clone.status, 0);
  stored[stored.length - 20]! ^= 4;
  await blobs.put(key, stored);
  await alice.codecommit.getFile({ ...app, filePath: 'a.txt' });
});
