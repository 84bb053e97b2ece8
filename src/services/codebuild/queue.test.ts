import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { RunSpec } from '../../executors/executor.ts';
import { FakeExecutor, type FakePlan } from '../../executors/fake.ts';
import type { Clock } from '../../kernel/clock.ts';
import { eventually } from '../../kernel/testing/eventually.ts';
import { HandClock } from '../../kernel/testing/hand-clock.ts';
import { services } from '../../services.ts';
import { buildCommands, phaseOf, reportSteps, startBuildServer } from './fixtures.ts';

/** What a script with nothing to do says. */
const REPORTS = [
  ...['install', 'pre_build', 'build', 'post_build'].flatMap((phase) => [`enter ${phase}`, `leave ${phase} SUCCEEDED`]),
  'done',
];
const SPEC = buildCommands('true');
const numberOf = (spec: RunSpec) => Number(spec.environment['CODEBUILD_BUILD_NUMBER']);

/** An executor whose runs end when the test says so. */
function gated() {
  const gates = new Map<number, () => void>();
  const started: number[] = [];
  let executor: FakeExecutor | undefined;
  const open = async (ctx: { clock: Clock }) => {
    executor = new FakeExecutor(
      {
        ...ctx.clock,
        now: () => ctx.clock.now(),
        monotonicMs: () => ctx.clock.monotonicMs(),
        // The last step of a plan waits for its gate.
        after: (delayMs, run) => {
          if (delayMs >= 1_000_000) return ctx.clock.after(delayMs, run);
          gates.set(delayMs, run);
          return { cancel: () => void gates.delete(delayMs) };
        },
      },
      (spec) => {
        started.push(numberOf(spec));
        return { steps: [{ afterMs: numberOf(spec) }, ...reportSteps(spec, ...REPORTS)] };
      },
    );
    return executor;
  };
  return {
    open,
    started,
    finish(number: number) {
      gates.get(number)?.();
      gates.delete(number);
    },
  };
}

test('builds run in the order in which they were started, as many at once as the server is set to', async (t) => {
  const gate = gated();
  const { project, clients, ended } = await startBuildServer(t, services, gate.open, {
    settings: { maxConcurrentBuilds: 2 },
  });
  await project('app', SPEC);
  const ids: string[] = [];
  for (let at = 0; at < 6; at++) ids.push((await clients.codebuild.startBuild({ projectName: 'app' })).build!.id!);
  await eventually(() => gate.started.length === 2);
  const { builds = [] } = await clients.codebuild.batchGetBuilds({ ids });
  assert.deepEqual(builds.map(({ currentPhase }) => currentPhase).slice(2), ['QUEUED', 'QUEUED', 'QUEUED', 'QUEUED']);
  for (const next of [2, 1, 3, 4, 5, 6]) {
    gate.finish(next);
    const done = await ended(ids[next - 1]!);
    assert.equal(done.buildStatus, 'SUCCEEDED');
    await eventually(() => gate.started.length >= Math.min(6, 2 + [2, 1, 3, 4, 5, 6].indexOf(next) + 1));
  }
  // The first two were taken at once; which of them reaches its first command first is their own affair.
  assert.deepEqual(gate.started.slice(0, 2).sort(), [1, 2]);
  assert.deepEqual(gate.started.slice(2), [3, 4, 5, 6]);
});

test('a project with a limit of builds refuses more, and does not queue them', async (t) => {
  const gate = gated();
  const { project, clients, ended } = await startBuildServer(t, services, gate.open);
  await project('app', SPEC, { concurrentBuildLimit: 1 });
  const { build } = await clients.codebuild.startBuild({ projectName: 'app' });
  await assert.rejects(clients.codebuild.startBuild({ projectName: 'app' }), { name: 'AccountLimitExceededException' });
  await eventually(() => gate.started.length === 1);
  gate.finish(1);
  await ended(build!.id!);
  const { build: next } = await clients.codebuild.startBuild({ projectName: 'app' });
  await eventually(() => gate.started.length === 2);
  gate.finish(next!.buildNumber!);
  await ended(next!.id!);
});

test('a build that waits is stopped at once, and never runs', async (t) => {
  const gate = gated();
  const { project, clients, ended } = await startBuildServer(t, services, gate.open, {
    settings: { maxConcurrentBuilds: 1 },
  });
  await project('app', SPEC);
  const first = (await clients.codebuild.startBuild({ projectName: 'app' })).build!;
  const second = (await clients.codebuild.startBuild({ projectName: 'app' })).build!;
  const { build } = await clients.codebuild.stopBuild({ id: second.id! });
  assert.equal(build?.buildStatus, 'STOPPED');
  assert.equal(phaseOf(build!, 'QUEUED')?.phaseStatus, 'STOPPED');
  await eventually(() => gate.started.length === 1);
  gate.finish(1);
  await ended(first.id!);
  assert.deepEqual(gate.started, [1]);
});

/** Builds with a clock that stands still: nothing passes by itself. */
async function withHandClock(t: TestContext, plan: (spec: RunSpec) => FakePlan, maxConcurrentBuilds = 20) {
  const clock = new HandClock(Date.now());
  const server = await startBuildServer(t, services, async () => new FakeExecutor(clock, plan), {
    clock,
    settings: { maxConcurrentBuilds },
  });
  const { codebuild } = server.clients;
  return {
    ...server,
    advance: (ms: number) => clock.advance(ms),
    async look(id: string) {
      // Requests are signed with the server's time; each answer's header sets the client back to the real one.
      codebuild.config.systemClockOffset = clock.now().getTime() - Date.now();
      return (await codebuild.batchGetBuilds({ ids: [id] })).builds![0]!;
    },
  };
}

test('P6: a build that waits for longer than its project allows times out', async (t) => {
  const { advance, look, project, clients } = await withHandClock(t, () => ({ end: 'hang' }), 1);
  await project('app', SPEC, { queuedTimeoutInMinutes: 5, timeoutInMinutes: 60 });
  await clients.codebuild.startBuild({ projectName: 'app' });
  const id = (await clients.codebuild.startBuild({ projectName: 'app' })).build!.id!;
  await advance(4 * 60_000);
  assert.equal((await look(id)).buildStatus, 'IN_PROGRESS');
  await advance(61_000);
  await eventually(async () => {
    // A queue on PostgreSQL looks by itself every second.
    await advance(1_000);
    return (await look(id)).buildComplete === true;
  });
  const build = await look(id);
  assert.equal(build.buildStatus, 'TIMED_OUT');
  assert.equal(phaseOf(build, 'QUEUED')?.contexts?.[0]?.statusCode, 'BUILD_TIMED_OUT');
});

test('P6: a build that runs for longer than its project allows times out', async (t) => {
  const { advance, look, project, clients } = await withHandClock(t, (spec) => ({
    steps: reportSteps(spec, 'enter install'),
    end: 'hang',
  }));
  await project('app', SPEC, { timeoutInMinutes: 5 });
  const id = (await clients.codebuild.startBuild({ projectName: 'app' })).build!.id!;
  await eventually(async () => {
    // What a build has come to is written a moment later.
    await advance(100);
    return (await look(id)).currentPhase === 'INSTALL';
  });
  await advance(4 * 60_000);
  assert.equal((await look(id)).buildStatus, 'IN_PROGRESS');
  await advance(61_000);
  await eventually(async () => {
    // A queue on PostgreSQL looks by itself every second.
    await advance(1_000);
    return (await look(id)).buildComplete === true;
  });
  const build = await look(id);
  assert.equal(build.buildStatus, 'TIMED_OUT');
  assert.deepEqual(phaseOf(build, 'INSTALL')?.contexts, [
    { statusCode: 'BUILD_TIMED_OUT', message: 'Build has timed out.' },
  ]);
});

const ENDS: [what: string, plan: (spec: RunSpec) => FakePlan, phase: string, message: RegExp][] = [
  [
    'is lost',
    (spec) => ({ steps: reportSteps(spec, 'enter install'), end: { kind: 'lost', reason: 'node gone' } }),
    'INSTALL',
    /node gone/,
  ],
  ['cannot be started', () => ({ startError: 'no such image' }), 'INSTALL', /could not be started: no such image/],
  ['ends without a word', () => ({ end: { kind: 'exited', code: 71 } }), 'INSTALL', /exit status 71/],
  [
    'ends in the middle',
    (spec) => ({ steps: reportSteps(spec, ...REPORTS.slice(0, 5)), end: { kind: 'killed', signal: 'SIGSEGV' } }),
    'BUILD',
    /signal SIGSEGV/,
  ],
  [
    'says that it is done but fails',
    (spec) => ({ steps: reportSteps(spec, ...REPORTS), end: { kind: 'exited', code: 137 } }),
    'UPLOAD_ARTIFACTS',
    /exit status 137/,
  ],
];
for (const [what, plan, phase, message] of ENDS) {
  test(`a run that ${what} fails its build`, async (t) => {
    const { project, build } = await startBuildServer(t, services, async (ctx) => new FakeExecutor(ctx.clock, plan));
    await project('app', SPEC);
    const failed = await build('app');
    assert.equal(failed.buildStatus, 'FAILED');
    assert.equal(phaseOf(failed, phase)?.phaseStatus, 'FAILED');
    assert.match(phaseOf(failed, phase)!.contexts![0]!.message!, message);
  });
}

test('without an executor builds fail and say so', async (t) => {
  const { project, build } = await startBuildServer(t, services, async () => {
    throw new Error('no container runtime answers');
  });
  await project('app', SPEC);
  const failed = await build('app');
  assert.equal(failed.buildStatus, 'FAULT');
  assert.match(phaseOf(failed, 'PROVISIONING')!.contexts![0]!.message!, /no container runtime answers/);
});

test('lists are paged, newest first or oldest first, and a token of one list is of no use in another', async (t) => {
  const { project, clients, ended } = await startBuildServer(
    t,
    services,
    async (ctx) => new FakeExecutor(ctx.clock, (spec) => ({ steps: reportSteps(spec, ...REPORTS) })),
  );
  const { codebuild } = clients;
  await project('app', SPEC);
  await project('other', SPEC);
  const ids: string[] = [];
  for (let at = 0; at < 105; at++) ids.push((await codebuild.startBuild({ projectName: 'app' })).build!.id!);
  ids.push((await codebuild.startBuild({ projectName: 'other' })).build!.id!);
  await Promise.all(ids.map(ended));
  const first = await codebuild.listBuilds({});
  assert.deepEqual(first.ids, ids.toReversed().slice(0, 100));
  const second = await codebuild.listBuilds({ nextToken: first.nextToken });
  assert.deepEqual(second.ids, ids.toReversed().slice(100));
  assert.equal(second.nextToken, undefined);
  const ascending = await codebuild.listBuildsForProject({ projectName: 'app', sortOrder: 'ASCENDING' });
  assert.deepEqual(ascending.ids, ids.slice(0, 100));
  for (const nextToken of [first.nextToken, `${ascending.nextToken}x`, 'x']) {
    await assert.rejects(codebuild.listBuildsForProject({ projectName: 'app', sortOrder: 'ASCENDING', nextToken }), {
      name: 'InvalidInputException',
    });
  }
  await assert.rejects(codebuild.listBuildsForProject({ projectName: 'none' }), { name: 'ResourceNotFoundException' });
});
