import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer, type TestServer } from '../../../test/harness.ts';
import { GRACE_MS } from '../../git/upkeep.ts';
import type { Context } from '../../kernel/context.ts';
import { HandClock } from '../../kernel/testing/hand-clock.ts';
import { tables } from './tables.ts';
import { removal, upkeep } from './upkeep.ts';

const app = { repositoryName: 'app' };

function contextOf(server: TestServer): Context {
  return server.kernel.serviceContext('codecommit.amazonaws.com');
}

async function packsOf(server: TestServer, repositoryId: string): Promise<number> {
  const query = tables(contextOf(server)).selectFrom('codecommit_packs').select('id');
  return (await query.where('repository_id', '=', repositoryId).execute()).length;
}

async function blobsOf(server: TestServer, repositoryId: string): Promise<number> {
  let count = 0;
  for await (const _ of server.kernel.blobs.list(`git/${repositoryId}`)) count += 1;
  return count;
}

/** A repository with so many commits, each in a pack of its own. */
async function withCommits(server: TestServer, count: number): Promise<string> {
  const { codecommit } = server.root_;
  const { repositoryMetadata } = await codecommit.createRepository(app);
  let parentCommitId: string | undefined;
  for (let number = 0; number < count; number += 1) {
    const fileContent = Buffer.from(`${number}`);
    const made = await codecommit.putFile({
      ...app,
      branchName: 'main',
      parentCommitId,
      filePath: `f${number}`,
      fileContent,
    });
    parentCommitId = made.commitId;
  }
  return repositoryMetadata!.repositoryId!;
}

test('many packs are found and folded, for every node, and nothing is lost', async (t) => {
  const clock = new HandClock(Date.now());
  const server = await startServer(t, { clock });
  const id = await withCommits(server, 18);
  assert.equal(await packsOf(server, id), 18);
  const ctx = contextOf(server);
  assert.deepEqual(await upkeep.scan!(ctx), [id]);
  await upkeep.reconcile(id, ctx);
  const packs = await packsOf(server, id);
  assert.ok(packs <= 9, `${packs} packs`);
  assert.equal(await blobsOf(server, id), (18 + 1) * 2);
  assert.deepEqual(await upkeep.scan!(ctx), []);
  await clock.advance(GRACE_MS);
  assert.deepEqual(await upkeep.scan!(ctx), [id]);
  await upkeep.reconcile(id, ctx);
  assert.equal(await blobsOf(server, id), packs * 2);
  assert.deepEqual(await upkeep.scan!(ctx), []);
  server.root_.codecommit.config.systemClockOffset = GRACE_MS;
  const { files } = await server.root_.codecommit.getFolder({ ...app, folderPath: '/' });
  assert.equal(files!.length, 18);
  assert.equal(await upkeep.reconcile('gone', ctx), undefined);
});

test('a deleted repository leaves nothing: no row, no blob, no cache', async (t) => {
  const clock = new HandClock(Date.now());
  const server = await startServer(t, { clock });
  const id = await withCommits(server, 2);
  const caches = join(server.config.data, 'cache', 'git', 'repositories');
  assert.deepEqual(await readdir(caches), [id]);
  assert.equal(await blobsOf(server, id), 4);
  await server.root_.codecommit.deleteRepository(app);
  const ctx = contextOf(server);
  const first = await removal.reconcile(id, ctx);
  assert.equal(first!.againAt.getTime() > clock.now().getTime(), true);
  assert.equal(await blobsOf(server, id), 0);
  assert.deepEqual(await readdir(caches), []);
  assert.equal(await packsOf(server, id), 0);
  await server.root_.codecommit.createRepository(app);
  await assert.rejects(server.root_.codecommit.getBranch({ ...app, branchName: 'main' }), {
    name: 'BranchDoesNotExistException',
  });
  // A push that was under way may still have written its pack.
  await server.kernel.blobs.put(`git/${id}/late.pack`, Buffer.from('late'));
  await clock.advance(3_600_000);
  assert.equal(await removal.reconcile(id, ctx), undefined);
  assert.equal(await blobsOf(server, id), 0);
  assert.deepEqual(await removal.scan!(ctx), []);
});
