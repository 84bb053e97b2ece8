import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from 'kysely';
import type { TestServer } from '../../../test/harness.ts';
import type { GitClient } from '../../git/harness.ts';
import { lockedRepository } from './git-cache.ts';
import { startWithRepository, workingCopy } from './harness.ts';
import { migrations, tables } from './tables.ts';
import { upkeep } from './upkeep.ts';

const app = { repositoryName: 'app' };
const GRACE_MS = 14 * 24 * 3_600_000;

function contextOf(server: TestServer) {
  return server.kernel.serviceContext('codecommit.amazonaws.com');
}

/** As if all that is known of tips and collections were so much older. */
async function age(server: TestServer, ms: number): Promise<void> {
  await contextOf(server).tx(async (tx) => {
    const [tips, repositories] = [sql.ref('left_at'), sql.ref('collected_at')];
    await tables(tx)
      .updateTable('codecommit_left_tips')
      .set({ left_at: sql`${tips} - ${ms}` })
      .execute();
    await tables(tx)
      .updateTable('codecommit_repositories')
      .set({ collected_at: sql`${repositories} - ${ms}` })
      .execute();
  });
}

async function repositoryOf(server: TestServer) {
  const { repositoryMetadata } = await server.root_.codecommit.getRepository(app);
  return lockedRepository(contextOf(server), repositoryMetadata!.repositoryId!);
}

async function collectionsOf(server: TestServer): Promise<number> {
  return (await (await repositoryOf(server)).state()).collections;
}

async function collect(server: TestServer): Promise<void> {
  await upkeep.reconcile((await repositoryOf(server)).id, contextOf(server));
}

/** A commit on a branch of its own that is on the server and that nothing leads to. */
async function leave(alice: GitClient, name: string): Promise<string> {
  await alice.run('checkout', '-q', '-B', name, 'main');
  await alice.commitFile(`${name}.txt`, `${name}\n`);
  await alice.run('push', '-q', 'origin', name);
  await alice.run('push', '-q', 'origin', '--delete', name);
  const id = await alice.run('rev-parse', 'HEAD');
  await alice.run('checkout', '-q', 'main');
  return id;
}

test('collection: what rows name stays, what nothing names goes when its time has come', async (t) => {
  const { server, alice: user } = await startWithRepository(t);
  const { codecommit } = user;
  const alice = await workingCopy(t, user.remote('app'));
  await alice.commitFile('a.txt', 'first\n');
  const first = await alice.run('rev-parse', 'HEAD');
  await alice.commitFile('a.txt', 'second\n');
  await alice.run('push', '-q', 'origin', 'main');
  const main = await alice.run('rev-parse', 'HEAD');

  const lost = await leave(alice, 'lost');
  const [before, after] = [await leave(alice, 'before'), await leave(alice, 'after')];
  const location = { filePath: 'after.txt', filePosition: 1, relativeFileVersion: 'AFTER' as const };
  const compared = { ...app, beforeCommitId: before, afterCommitId: after, location, content: 'hm' };
  await codecommit.postCommentForComparedCommit(compared);
  const source = await leave(alice, 'source');
  const merge = { ...app, sourceCommitSpecifier: source, destinationCommitSpecifier: main };
  const made = await codecommit.createUnreferencedMergeCommit({ ...merge, mergeOption: 'SQUASH_MERGE' });

  // A pull request whose source was rewritten twice, and whose destination went.
  await alice.run('push', '-q', 'origin', `${main}:refs/heads/target`);
  const revisions: string[] = [];
  for (const text of ['one', 'two', 'three']) {
    await alice.run('checkout', '-q', '-B', 'feature', first);
    await alice.commitFile('feature.txt', text);
    await alice.run('push', '-q', '--force', 'origin', 'feature');
    revisions.push(await alice.run('rev-parse', 'HEAD'));
    if (text !== 'one') continue;
    const target = { ...app, sourceReference: 'feature', destinationReference: 'target' };
    await codecommit.createPullRequest({ title: 'x', targets: [target] });
  }
  await alice.run('push', '-q', 'origin', '--delete', 'feature');

  await collect(server);
  assert.equal(await collectionsOf(server), 0);
  await age(server, GRACE_MS);
  const repository = await repositoryOf(server);
  assert.deepEqual(await upkeep.scan!(contextOf(server)), [repository.id]);
  await collect(server);
  assert.equal(await collectionsOf(server), 1);
  assert.deepEqual(await upkeep.scan!(contextOf(server)), []);
  const kept = [before, after, source, made.commitId!, ...revisions];
  await repository.read(async ({ objects, gitDir }) => {
    for (const id of kept) assert.ok((await objects.findInfo(id)) !== null, String(kept.indexOf(id)));
    assert.equal(await objects.findInfo(lost), null);
    assert.ok(gitDir.endsWith('.1'));
  });
  await assert.rejects(codecommit.getCommit({ ...app, commitId: lost }), { name: 'CommitIdDoesNotExistException' });
  await assert.rejects(codecommit.createBranch({ ...app, branchName: 'lost', commitId: lost }), {
    name: 'CommitDoesNotExistException',
  });

  // Not twice a day.
  await leave(alice, 'soon');
  await contextOf(server).tx(async (tx) => {
    await tables(tx).updateTable('codecommit_left_tips').set({ left_at: 0 }).execute();
  });
  await collect(server);
  assert.equal(await collectionsOf(server), 1);

  const mirror = await workingCopy(t, user.remote('app'));
  await mirror.run('fetch', '-q', 'origin', '+refs/heads/*:refs/heads/got/*');
  await mirror.run('fsck', '--full', '--strict');
  await codecommit.deleteRepository(app);
  assert.deepEqual(await tables(contextOf(server)).selectFrom('codecommit_left_tips').selectAll().execute(), []);
});

test('collection: what refused references of a push brought goes, too, and what was left before anything was noted', async (t) => {
  const { server, alice: user } = await startWithRepository(t);
  const alice = await workingCopy(t, user.remote('app'));
  await alice.commitFile('a.txt', 'first\n');
  await alice.run('push', '-q', 'origin', 'main');
  const ctx = contextOf(server);
  const repository = await repositoryOf(server);
  const has = (id: string) => repository.read(async ({ objects }) => (await objects.findInfo(id)) !== null);

  await alice.run('checkout', '-q', '-b', 'refused');
  await alice.commitFile('secret.txt', 'secret\n');
  const secret = await alice.run('rev-parse', 'HEAD');
  await alice.run('checkout', '-q', 'main');
  await alice.commitFile('b.txt', 'second\n');
  const push = await alice.attempt(['push', 'origin', 'main', `${secret}:refs/forbidden/secret`]);
  assert.match(push.stderr, /rejected.*secret/);
  assert.equal(await has(secret), true);
  const tips = async () => {
    const rows = await tables(ctx).selectFrom('codecommit_left_tips').select('object_id').execute();
    return rows.map(({ object_id }) => object_id);
  };
  assert.deepEqual(await tips(), [secret]);
  await age(server, GRACE_MS);
  await collect(server);
  assert.equal(await has(secret), false);

  const old = await leave(alice, 'old');
  await ctx.tx(async (tx) => {
    await tables(tx).deleteFrom('codecommit_left_tips').execute();
    await migrations['0013-unknown-tips']!.up(tx.db<never>() as never, 'sqlite');
  });
  await age(server, GRACE_MS);
  await collect(server);
  assert.equal(await has(old), false);
  assert.deepEqual(await tips(), []);
  assert.equal(await collectionsOf(server), 2);
});

test('collection: a call that has looked at a commit before it went does not bring it back by name', async (t) => {
  const { server, alice: user } = await startWithRepository(t);
  const { codecommit } = user;
  const alice = await workingCopy(t, user.remote('app'));
  await alice.commitFile('a.txt', 'first\n');
  await alice.run('push', '-q', 'origin', 'main');
  const main = await alice.run('rev-parse', 'HEAD');
  const repository = await repositoryOf(server);

  /** Collects once somebody holds the objects, as he looks at them; he still sees what he came for. */
  const collectUnderHands = (): void => {
    const read = repository.read.bind(repository);
    repository.read = (work) => {
      repository.read = read;
      return read(async (lease) => {
        await collect(server);
        return work(lease);
      });
    };
  };
  const calls = [
    [
      'CommitDoesNotExistException',
      (commitId: string) => codecommit.createBranch({ ...app, branchName: 'x', commitId }),
    ],
    [
      'CommitDoesNotExistException',
      (afterCommitId: string) =>
        codecommit.postCommentForComparedCommit({ ...app, beforeCommitId: main, afterCommitId, content: 'x' }),
    ],
    [
      'CommitDoesNotExistException',
      (commit: string) =>
        codecommit.createUnreferencedMergeCommit({
          ...app,
          sourceCommitSpecifier: commit,
          destinationCommitSpecifier: main,
          mergeOption: 'THREE_WAY_MERGE',
        }),
    ],
  ] as const;
  for (const [at, [name, call]] of calls.entries()) {
    const lost = await leave(alice, `lost-${at}`);
    await age(server, GRACE_MS);
    collectUnderHands();
    await assert.rejects(call(lost), { name });
    assert.equal(await collectionsOf(server), at + 1);
  }
  // What has nothing to do with it goes through.
  await leave(alice, 'lost');
  await age(server, GRACE_MS);
  collectUnderHands();
  await codecommit.createBranch({ ...app, branchName: 'kept', commitId: main });
  assert.equal(await collectionsOf(server), calls.length + 1);
  for (const id of (await repository.truth.roots()).ids) {
    assert.ok((await repository.read(({ objects }) => objects.findInfo(id))) !== null, id);
  }
});
