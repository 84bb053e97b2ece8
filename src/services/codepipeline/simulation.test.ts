import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExecutionMode } from '@aws-sdk/client-codepipeline';
import fc from 'fast-check';
import { applyTransition, withStatus } from './apply.ts';
import {
  decide,
  type ExecutionState,
  type FinalStatus,
  keptByRetry,
  nextDeadline,
  type PipelineState,
} from './decide.ts';
import type { Plan, StagePlan } from './plan.ts';

/** R8: seeds at T0; a longer run sets SLIPWAY_SIMULATION_RUNS. */
const RUNS = Number(process.env['SLIPWAY_SIMULATION_RUNS'] ?? 2000);

/** What a test does to the pipeline; numbers pick among what is there. */
type Command =
  | { do: 'start' }
  | { do: 'end'; pick: number; status: 'Succeeded' | 'Failed'; times: number }
  | { do: 'stop'; pick: number; abandon: boolean }
  | { do: 'close' | 'open'; stage: number }
  | { do: 'retry'; pick: number; all: boolean }
  | { do: 'rollback'; stage: number }
  | { do: 'update' }
  | { do: 'wait'; ms: number }
  /** The node dies in the middle of its next transaction. */
  | { do: 'crash' };

const pick = fc.nat(20);
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('start' as const) }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      pick,
      status: fc.constantFrom('Succeeded' as const, 'Succeeded' as const, 'Succeeded' as const, 'Failed' as const),
      times: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stop' as const), pick, abandon: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('close' as const, 'open' as const), stage: pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('retry' as const), pick, all: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rollback' as const), stage: pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('update' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 400 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('crash' as const) }) },
);

const stages: fc.Arbitrary<StagePlan[]> = fc
  .array(
    fc.record({
      actions: fc.array(fc.record({ runOrder: fc.integer({ min: 1, max: 3 }), isApproval: fc.boolean() }), {
        minLength: 1,
        maxLength: 4,
      }),
      autoRetry: fc.constantFrom(undefined, undefined, 'FAILED_ACTIONS' as const, 'ALL_ACTIONS' as const),
    }),
    { minLength: 2, maxLength: 4 },
  )
  .map((all) =>
    all.map(({ actions, autoRetry }, index) => ({
      name: `stage${index}`,
      autoRetry,
      actions: actions.map((one, position) => ({ ...one, name: `action${position}`, timeoutMs: 1000 })),
    })),
  );

/** The engine as the service runs it: durable state, transactions that happen wholly or not at all, a fallible world. */
class World {
  readonly plan: Plan;
  state: PipelineState = { version: 1, closedStages: new Set(), executions: [] };
  now = 0;
  /** Every execution ever started, in order, and how it ended. */
  readonly ends = new Map<string, FinalStatus | undefined>();
  /** Failed or stopped executions that a retry may wake, with their last state. */
  readonly ended = new Map<string, ExecutionState>();
  /** Runs that the world was told to do; one run must be told once. */
  readonly told = new Set<string>();
  readonly autoRetries = new Set<string>();
  #crashIn = Number.POSITIVE_INFINITY;
  #serial = 0;

  constructor(plan: Plan) {
    this.plan = plan;
  }

  run(next: Command): void {
    switch (next.do) {
      case 'start':
        this.#start(0, this.plan.stages.length - 1);
        break;
      case 'rollback': {
        const stage = 1 + (next.stage % (this.plan.stages.length - 1));
        this.#start(stage, stage);
        break;
      }
      case 'end': {
        const run = [...this.told][next.pick % Math.max(this.told.size, 1)];
        for (let i = 0; i < next.times && run !== undefined; i += 1) this.end(run, next.status);
        break;
      }
      case 'stop':
        this.#stop(next);
        break;
      case 'close':
      case 'open':
        this.#gate(next.do, next.stage);
        break;
      case 'retry':
        this.#retry(next);
        break;
      case 'update':
        this.#transact((state) => ({ ...state, version: state.version + 1 }));
        break;
      case 'wait':
        this.now += next.ms;
        this.#transact((state) => state);
        break;
      case 'crash':
        this.#crashIn = 1 + (this.#serial % 3);
    }
  }

  /** A message about a run: perhaps a duplicate, perhaps about a run that was given up. */
  end(run: string, status: 'Succeeded' | 'Failed'): void {
    this.#transact((state) => ({
      ...state,
      executions: state.executions.map((execution) => withStatus(execution, run, status)),
    }));
  }

  #start(stageIndex: number, lastStageIndex: number): void {
    const id = `execution${this.ends.size}`;
    this.ends.set(id, undefined);
    this.#transact((state) => ({
      ...state,
      executions: [
        ...state.executions,
        {
          id,
          version: state.version,
          stop: undefined,
          stageIndex,
          stageName: this.plan.stages[stageIndex]!.name,
          lastStageIndex,
          entered: false,
          autoRetried: false,
          actions: [],
        },
      ],
    }));
  }

  #stop({ pick: number, abandon }: { pick: number; abandon: boolean }): void {
    const target = this.state.executions[number % Math.max(this.state.executions.length, 1)];
    if (target === undefined) return;
    this.#transact((state) => ({
      ...state,
      executions: state.executions.map((one) =>
        one.id === target.id ? { ...one, stop: abandon ? 'abandon' : 'wait' } : one,
      ),
    }));
  }

  #gate(what: 'close' | 'open', stage: number): void {
    const { name } = this.plan.stages[stage % this.plan.stages.length]!;
    this.#transact((state) => {
      const closedStages = new Set(state.closedStages);
      if (what === 'close') closedStages.add(name);
      else closedStages.delete(name);
      return { ...state, closedStages };
    });
  }

  /** As RetryStageExecution admits it: ended in a stage of this version that nobody holds. */
  #retry({ pick: number, all }: { pick: number; all: boolean }): void {
    const target = [...this.ended.values()][number % Math.max(this.ended.size, 1)];
    if (target === undefined || target.version !== this.state.version) return;
    if (
      this.plan.mode !== 'PARALLEL' &&
      this.state.executions.some((one) => one.entered && one.stageName === target.stageName)
    )
      return;
    const actions = keptByRetry(target.actions, all ? 'ALL_ACTIONS' : 'FAILED_ACTIONS');
    const order = [...this.ends.keys()];
    this.ended.delete(target.id);
    this.ends.set(target.id, undefined);
    this.#transact((state) => ({
      ...state,
      executions: [...state.executions, { ...target, stop: undefined, actions }].sort(
        (a, b) => order.indexOf(a.id) - order.indexOf(b.id),
      ),
    }));
  }

  /** Changes the state and lets the engine go as far as it can, in one transaction; a crash undoes it and it is done again. */
  #transact(change: (state: PipelineState) => PipelineState): void {
    for (;;) {
      try {
        this.#attempt(change);
        return;
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
      }
    }
  }

  #attempt(change: (state: PipelineState) => PipelineState): void {
    let state = change(this.state);
    const told: string[] = [];
    const ends = new Map<string, FinalStatus>();
    const ended = new Map<string, ExecutionState>();
    const autoRetries = new Set<string>();
    for (let round = 0; ; round += 1) {
      assert.ok(round < 1000, 'the engine does not come to rest');
      const transitions = decide(this.plan, state, this.now);
      if (transitions.length === 0) break;
      for (const transition of transitions) {
        if (--this.#crashIn <= 0) {
          this.#crashIn = Number.POSITIVE_INFINITY;
          throw new Crash();
        }
        const actionId = `run${this.#serial++}`;
        if (transition.type === 'startAction') {
          const { version } = state.executions.find(({ id }) => id === transition.executionId)!;
          assert.equal(version, state.version, 'P7: an action of a replaced definition starts');
          told.push(actionId);
        }
        if (transition.type === 'retryStage') {
          const retried = `${transition.executionId} ${transition.stageIndex}`;
          assert.ok(!this.autoRetries.has(retried) && !autoRetries.has(retried), `${retried} retries itself twice`);
          autoRetries.add(retried);
        }
        if (transition.type === 'finish') {
          const before = state.executions.find(({ id }) => id === transition.executionId)!;
          assert.ok(!ends.has(before.id) && this.ends.get(before.id) === undefined, `${before.id} ends twice`);
          ends.set(before.id, transition.status);
          if (before.entered && (transition.status === 'Failed' || transition.status === 'Stopped'))
            ended.set(before.id, before);
        }
        state = applyTransition(this.plan, state, transition, { actionId, now: this.now });
        this.#checkLocks(state);
      }
    }
    this.#checkEndedRuns(state);
    this.state = state;
    for (const run of told) this.told.add(run);
    for (const retried of autoRetries) this.autoRetries.add(retried);
    for (const [id, status] of ends) this.ends.set(id, status);
    for (const [id, last] of ended) this.ended.set(id, last);
  }

  /** P3: a stage is never held by two. */
  #checkLocks(state: PipelineState): void {
    if (this.plan.mode === 'PARALLEL') return;
    const held = state.executions.filter(({ entered }) => entered).map(({ stageName }) => stageName);
    assert.equal(new Set(held).size, held.length, `stage held twice: ${held.join(', ')}`);
  }

  /** P2: a late or repeated message changes nothing about a run that ended. */
  #checkEndedRuns(next: PipelineState): void {
    const before = new Map(
      this.state.executions.flatMap(({ actions }) => actions).map(({ id, status }) => [id, status]),
    );
    for (const { id, status } of next.executions.flatMap(({ actions }) => actions)) {
      const was = before.get(id);
      if (was !== undefined && was !== 'InProgress') assert.equal(status, was, `${id} ended twice`);
    }
  }

  /** The faults are over: open everything and let every run succeed. */
  drain(): void {
    for (let i = 0; i < this.plan.stages.length; i += 1) this.#gate('open', i);
    for (let round = 0; this.state.executions.length > 0; round += 1) {
      assert.ok(round < 2000, 'executions that never end');
      const open = this.state.executions.flatMap(({ actions }) =>
        actions.filter(({ status }) => status === 'InProgress'),
      );
      assert.ok(open.length > 0, 'stuck: nothing runs and nothing is decided');
      for (const { id } of open) this.end(id, 'Succeeded');
    }
  }
}

class Crash extends Error {}

test('R8: simulated pipelines hold their invariants through crashes, duplicates and reordering (P1-P3, P7)', () => {
  fc.assert(
    fc.property(
      fc.constantFrom<ExecutionMode>('SUPERSEDED', 'QUEUED', 'PARALLEL'),
      stages,
      fc.array(command, { maxLength: 60 }),
      (mode, all, commands) => {
        const world = new World({ mode, stages: all });
        for (const next of commands) world.run(next);
        world.drain();
        checkEnds(world, commands);
      },
    ),
    { numRuns: RUNS },
  );
});

function checkEnds(world: World, commands: Command[]): void {
  const ends = [...world.ends];
  for (const [id, status] of ends) assert.notEqual(status, undefined, `${id} never ended`);
  for (const [index, [id, status]] of ends.entries()) {
    if (status === 'Superseded') {
      assert.equal(world.plan.mode, 'SUPERSEDED', `${id} superseded in mode ${world.plan.mode}`);
      // a retried execution keeps its place in the order, so the one that superseded it was started later
      assert.ok(index < ends.length - 1, `${id} is the newest and was superseded`);
    }
    if (status === 'Stopped') assert.ok(commands.some((one) => one.do === 'stop'));
    if (status === 'Cancelled') assert.ok(commands.some((one) => one.do === 'update'));
  }
  const harmless = commands.every(
    (one) => ['start', 'crash', 'close', 'open'].includes(one.do) || (one.do === 'end' && one.status === 'Succeeded'),
  );
  if (harmless && ends.length > 0) assert.equal(ends.at(-1)![1], 'Succeeded', 'the newest must win');
  if (harmless && world.plan.mode !== 'SUPERSEDED')
    assert.ok(
      ends.every(([, status]) => status === 'Succeeded'),
      'one is lost',
    );
}

test('P6: a run that nobody ends fails at its deadline and the execution ends', () => {
  const plan: Plan = {
    mode: 'QUEUED',
    stages: ['a', 'b'].map((name) => ({
      name,
      autoRetry: undefined,
      actions: [{ name: 'x', runOrder: 1, timeoutMs: 1000, isApproval: true }],
    })),
  };
  const world = new World(plan);
  world.run({ do: 'start' });
  assert.equal(nextDeadline(world.state), 1000);
  world.run({ do: 'wait', ms: 999 });
  assert.equal(world.state.executions.length, 1);
  world.run({ do: 'wait', ms: 1 });
  assert.deepEqual([...world.ends.values()], ['Failed']);
});
