import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import type { BusEvent } from '../../kernel/context.ts';
import type { Service } from '../../kernel/service.ts';
import { services } from '../../services.ts';
import { gitUser, startWithRepository } from './harness.ts';
import { Histories } from './merge-harness.ts';
import { codecommit as definition } from './service.ts';

const app = { repositoryName: 'app' };
const sides = { ...app, sourceCommitSpecifier: 'feature', destinationCommitSpecifier: 'main' };
const ROUNDS = Number(process.env['RACE_ROUNDS'] ?? 3);

test('a push, a commit and merges at the same tip: one wins, the others are told, and nothing is lost', async (t) => {
  const { alice } = await startWithRepository(t);
  const { codecommit } = alice;
  const histories = await Histories.start(t, alice.remote('app'));
  const { git } = histories;
  let tip = await histories.commit('main', [], { a: '0' });
  await histories.push();
  const won: string[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const feature = await histories.commit('feature', [tip], { a: '0', [`feature${round}`]: 'x' });
    const pushed = await histories.commit('pushed', [tip], { a: '0', [`pushed${round}`]: 'x' });
    await git.run('push', '-q', '--force', 'origin', 'feature');
    const put = {
      ...app,
      branchName: 'main',
      parentCommitId: tip,
      filePath: `put${round}`,
      fileContent: Buffer.from('x'),
    };
    const [push, ...calls] = await Promise.all([
      git.attempt(['push', '-q', 'origin', `${pushed}:refs/heads/main`]),
      ...[
        codecommit.putFile(put),
        codecommit.mergeBranchesByThreeWay(sides),
        codecommit.mergeBranchesBySquash(sides),
        codecommit.mergeBranchesByFastForward(sides),
      ].map((call) =>
        call.then(
          ({ commitId }) => commitId!,
          (error: Error) => error,
        ),
      ),
    ]);
    const { branch } = await codecommit.getBranch({ ...app, branchName: 'main' });
    const made = [...calls.filter((one) => typeof one === 'string'), ...(push!.status === 0 ? [pushed] : [])];
    const [putResult, ...merges] = calls;
    if (typeof putResult !== 'string') assert.equal(putResult!.name, 'ParentCommitIdOutdatedException');
    for (const merge of merges) {
      // A merge may come after another one has won and be made on top of it.
      if (typeof merge !== 'string') {
        assert.ok(
          ['ConcurrentReferenceUpdateException', 'ManualMergeRequiredException'].includes(merge!.name),
          merge!.name,
        );
      }
    }
    if (push!.status !== 0) assert.match(push!.stderr, /fetch first|non-fast-forward|rejected/);
    assert.ok(made.length >= 1);
    await git.run('fetch', '-q', 'origin', '+refs/heads/main:refs/heads/main');
    // Every answer that said "made" is in the history of the tip, and the tip before it, too.
    for (const id of [...made, tip]) await git.run('merge-base', '--is-ancestor', id, branch!.commitId!);
    if (made.includes(feature)) won.push('forward');
    tip = branch!.commitId!;
  }
  await git.run('fsck', '--strict');
});

/** A consumer that hands out the events of repositories as they come. */
function witness(count: number) {
  const seen: BusEvent[] = [];
  const { promise, resolve } = Promise.withResolvers<BusEvent[]>();
  const handle = async (event: BusEvent) => {
    if (event.detailType !== 'CodeCommit Repository State Change') return;
    seen.push(event);
    if (seen.length === count) resolve(seen);
  };
  const service: Service = {
    ...definition,
    consumers: [...(definition.consumers ?? []), { name: 'test.witness', handle }],
  };
  return { service, all: promise };
}

test('the event of a merge says what was merged and how, and a policy may keep a branch from it', async (t) => {
  const { service, all } = witness(5);
  const server = await startServer(t, { services: services.map((one) => (one.name === 'codecommit' ? service : one)) });
  const alice = await gitUser(server, 'alice');
  const { codecommit } = alice;
  const { repositoryMetadata } = await codecommit.createRepository(app);
  const histories = await Histories.start(t, alice.remote('app'));
  const base = await histories.commit('main', [], { a: '1' });
  const main = await histories.commit('main', [base], { a: '1', b: '1' });
  const feature = await histories.commit('feature', [base], { a: '2' });
  await histories.push();
  const options = { conflictDetailLevel: 'LINE_LEVEL', conflictResolutionStrategy: 'AUTOMERGE' } as const;
  const squash = { ...sides, ...options, mergeOption: 'SQUASH_MERGE' } as const;

  const guarded = await server.user('bob', {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: 'codecommit:*', Resource: '*' },
      {
        Effect: 'Deny',
        Action: ['codecommit:MergeBranchesBy*'],
        Resource: '*',
        Condition: {
          StringEqualsIfExists: { 'codecommit:References': ['refs/heads/main'] },
          Null: { 'codecommit:References': 'false' },
        },
      },
    ],
  });
  const denied = { name: 'AccessDeniedException' };
  await assert.rejects(guarded.codecommit.mergeBranchesByThreeWay(sides), denied);
  await assert.rejects(
    guarded.codecommit.mergeBranchesBySquash({ ...sides, destinationCommitSpecifier: 'HEAD' }),
    denied,
  );
  await assert.rejects(
    guarded.codecommit.mergeBranchesByFastForward({ ...sides, destinationCommitSpecifier: main, targetBranch: 'main' }),
    denied,
  );

  const { commitId: loose } = await guarded.codecommit.createUnreferencedMergeCommit(squash);
  const asked = await codecommit.getMergeCommit({ ...sides, ...options });
  assert.deepEqual([asked.mergedCommitId, asked.baseCommitId], [loose, base]);
  const { commitId: three } = await codecommit.mergeBranchesByThreeWay({ ...sides, ...options });
  const { commitId: forward } = await codecommit.mergeBranchesByFastForward({
    ...app,
    sourceCommitSpecifier: 'main',
    destinationCommitSpecifier: 'feature',
  });
  assert.equal(forward, three);
  const after = await codecommit.getMergeCommit({
    ...app,
    sourceCommitSpecifier: feature,
    destinationCommitSpecifier: 'main',
  });
  assert.deepEqual([after.mergedCommitId, after.destinationCommitId], [three, three]);

  const events = (await all).slice(2).map(({ detail }) => detail);
  const repository = { repositoryName: 'app', repositoryId: repositoryMetadata!.repositoryId };
  const merged = {
    baseCommitId: base,
    sourceCommitId: feature,
    destinationCommitId: main,
    conflictDetailsLevel: 'LINE_LEVEL',
    conflictResolutionStrategy: 'AUTOMERGE',
  };
  const reference = (name: string) => ({
    referenceType: 'branch',
    referenceName: name,
    referenceFullName: `refs/heads/${name}`,
  });
  const by = (name: string) => ({ callerUserArn: `arn:aws:iam::123456789012:user/${name}` });
  assert.deepEqual(events, [
    {
      event: 'unreferencedMergeCommitCreated',
      ...repository,
      commitId: loose,
      ...merged,
      mergeOption: 'SQUASH_MERGE',
      ...by('bob'),
    },
    {
      event: 'referenceUpdated',
      ...repository,
      ...reference('main'),
      commitId: three,
      oldCommitId: main,
      ...merged,
      mergeOption: 'THREE_WAY_MERGE',
      ...by('alice'),
    },
    {
      event: 'referenceUpdated',
      ...repository,
      ...reference('feature'),
      commitId: three,
      oldCommitId: feature,
      baseCommitId: feature,
      sourceCommitId: three,
      destinationCommitId: feature,
      mergeOption: 'FAST_FORWARD_MERGE',
      conflictDetailsLevel: 'FILE_LEVEL',
      conflictResolutionStrategy: 'NONE',
      ...by('alice'),
    },
  ]);
});
