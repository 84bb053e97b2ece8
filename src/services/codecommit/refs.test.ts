import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import type { GitClient } from '../../git/harness.ts';
import type { BusEvent } from '../../kernel/context.ts';
import type { Service } from '../../kernel/service.ts';
import { services } from '../../services.ts';
import { readRepository } from './git-cache.ts';
import { gitUser, startWithRepository, workingCopy } from './harness.ts';
import { moveRefs } from './refs.ts';
import { codecommit } from './service.ts';
import type { RepositoryRow } from './tables.ts';

const app = { repositoryName: 'app' };

/** A consumer that hands out events as they come. */
class Witness {
  readonly seen: BusEvent[] = [];
  #waiting: { count: number; resolve: () => void } | undefined;

  get service(): Service {
    const handle = async (event: BusEvent) => {
      if (event.source !== 'aws.codecommit') return;
      this.seen.push(event);
      if (this.#waiting !== undefined && this.seen.length >= this.#waiting.count) this.#waiting.resolve();
    };
    return { ...codecommit, consumers: [{ name: 'test.witness', handle }] };
  }

  async until(count: number): Promise<BusEvent[]> {
    if (this.seen.length < count) await new Promise<void>((resolve) => (this.#waiting = { count, resolve }));
    return this.seen;
  }
}

test('every reference that moves is an event in AWS’s form, whether by git or by the API', async (t) => {
  const witness = new Witness();
  const all = services.map((service) => (service.name === 'codecommit' ? witness.service : service));
  const server = await startServer(t, { services: all });
  const alice = await gitUser(server, 'alice');
  const { repositoryMetadata } = await alice.codecommit.createRepository(app);
  const copy = await workingCopy(t, alice.remote('app'));
  await copy.commitFile('a.txt', '1');
  await copy.run('push', '-q', 'origin', 'main');
  const first = await copy.run('rev-parse', 'main');
  await copy.run('tag', '-a', 'v1', '-m', 'one');
  await copy.run('push', '-q', 'origin', 'v1');
  await copy.run('notes', 'add', '-m', 'a note');
  await copy.run('push', '-q', 'origin', 'refs/notes/commits');
  const put = { ...app, branchName: 'main', parentCommitId: first, filePath: 'b', fileContent: Buffer.from('b') };
  const { commitId: second } = await alice.codecommit.putFile(put);
  await alice.codecommit.createBranch({ ...app, branchName: 'team/x', commitId: first });
  await alice.codecommit.deleteBranch({ ...app, branchName: 'team/x' });
  await copy.run('push', '-q', '--force', 'origin', `${first}:main`, ':v1');
  const seen = await witness.until(7);
  const common = {
    repositoryName: 'app',
    repositoryId: repositoryMetadata!.repositoryId,
    callerUserArn: 'arn:aws:iam::123456789012:user/alice',
  };
  const main = { ...common, referenceType: 'branch', referenceName: 'main', referenceFullName: 'refs/heads/main' };
  const tag = { ...common, referenceType: 'tag', referenceName: 'v1', referenceFullName: 'refs/tags/v1' };
  const team = { ...common, referenceType: 'branch', referenceName: 'team/x', referenceFullName: 'refs/heads/team/x' };
  const moved = seen.slice(0, 5).map(({ detail }) => detail);
  assert.deepEqual(moved, [
    { event: 'referenceCreated', ...main, commitId: first },
    { event: 'referenceCreated', ...tag, commitId: first },
    { event: 'referenceUpdated', ...main, commitId: second, oldCommitId: first },
    { event: 'referenceCreated', ...team, commitId: first },
    { event: 'referenceDeleted', ...team, oldCommitId: first },
  ]);
  const last = new Set(seen.slice(5).map(({ detail }) => JSON.stringify(detail, Object.keys(detail).toSorted())));
  const sorted = (detail: object) => JSON.stringify(detail, Object.keys(detail).toSorted());
  assert.deepEqual(
    last,
    new Set([
      sorted({ event: 'referenceDeleted', ...tag, oldCommitId: first }),
      sorted({ event: 'referenceUpdated', ...main, commitId: first, oldCommitId: second }),
    ]),
  );
  for (const event of seen) {
    assert.equal(event.detailType, 'CodeCommit Repository State Change');
    assert.deepEqual(event.resources, [repositoryMetadata!.Arn]);
    assert.deepEqual([event.account, event.region], ['123456789012', 'us-east-1']);
  }
});

async function clones(t: TestContext, remote: string, count: number): Promise<GitClient[]> {
  const copies: GitClient[] = [];
  for (let number = 0; number < count; number += 1) {
    const copy = await workingCopy(t, remote);
    await copy.run('pull', '-q', 'origin', 'main');
    copies.push(copy);
  }
  return copies;
}

test('G14: of pushes to one branch at the same time one wins, and the others are told to fetch first', async (t) => {
  const { server, alice } = await startWithRepository(t);
  const seed = await workingCopy(t, alice.remote('app'));
  await seed.commitFile('seed', '0');
  await seed.run('push', '-q', 'origin', 'main');
  const copies = await clones(t, alice.remote('app'), 4);
  for (let round = 0; round < 3; round += 1) {
    const results = await Promise.all(
      copies.map(async (copy, number) => {
        await copy.run('fetch', '-q', 'origin');
        await copy.run('reset', '-q', '--hard', 'origin/main');
        await copy.commitFile(`f${number}`, `${round}`);
        return copy.attempt(['push', 'origin', 'main']);
      }),
    );
    const winners = results.filter(({ status }) => status === 0);
    assert.ok(winners.length >= 1);
    for (const { status, stderr } of results) if (status !== 0) assert.match(stderr, /fetch first|non-fast-forward/);
    const { branch } = await server.root_.codecommit.getBranch({ ...app, branchName: 'main' });
    const tips = await Promise.all(copies.map((copy) => copy.run('rev-parse', 'main')));
    assert.ok(tips.includes(branch!.commitId!));
  }
  await seed.run('pull', '-q', 'origin', 'main');
  await seed.run('fsck', '--strict');
});

test('G14: a branch and a folder of its name cannot both win', async (t) => {
  const { server, alice } = await startWithRepository(t);
  const seed = await workingCopy(t, alice.remote('app'));
  await seed.commitFile('seed', '0');
  await seed.run('push', '-q', 'origin', 'main');
  const commitId = await seed.run('rev-parse', 'main');
  const { codecommit } = server.root_;
  for (let round = 0; round < 10; round += 1) {
    const names = [`d${round}`, `d${round}/x`, `d${round}/x/y`];
    const results = await Promise.allSettled(
      names.map((branchName) => codecommit.createBranch({ ...app, branchName, commitId })),
    );
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
  }
  const conflict = await seed.attempt(['push', 'origin', 'main:main/x']);
  assert.match(conflict.stderr, /remote rejected.*exists; cannot create/);
  // One push may put a folder in the place of a branch.
  await seed.run('push', '-q', 'origin', 'main:z');
  await seed.run('push', '-q', 'origin', ':z', 'main:z/x');
});

test('the state of a repository is of one moment while pushes go on', async (t) => {
  const { alice } = await startWithRepository(t);
  const copy = await workingCopy(t, alice.remote('app'));
  await copy.commitFile('a', '0');
  await copy.run('push', '-q', 'origin', 'main');
  let isOver = false;
  const reads = (async () => {
    let count = 0;
    while (!isOver) {
      const { branch } = await alice.codecommit.getBranch({ ...app, branchName: 'main' });
      await alice.codecommit.getCommit({ ...app, commitId: branch!.commitId });
      await alice.codecommit.getFile({ ...app, filePath: 'a' });
      count += 1;
    }
    return count;
  })();
  for (let number = 1; number <= 10; number += 1) {
    await copy.commitFile('a', `${number}`);
    await copy.run('push', '-q', 'origin', 'main');
  }
  isOver = true;
  assert.ok((await reads) > 0);
});

test('a repository that is deleted under the hands of a push or a reader is gone for both', async (t) => {
  const server = await startServer(t);
  const ctx = server.kernel.serviceContext('codecommit.amazonaws.com');
  const update = { name: 'refs/heads/main', from: null, to: 'a'.repeat(40), peeled: null, forced: false };
  const refused = await moveRefs(ctx, 'gone', { updates: [update], atomic: false, pack: null, collections: null });
  assert.deepEqual([...refused], [['refs/heads/main', 'the repository was deleted']]);
  await assert.rejects(
    readRepository(ctx, { id: 'gone', name: 'app' } as RepositoryRow, async () => undefined),
    { name: 'RepositoryDoesNotExistException', message: 'app does not exist' },
  );
});
