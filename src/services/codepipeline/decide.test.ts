import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type ActionState,
  decide,
  type ExecutionState,
  keptByRetry,
  nextDeadline,
  type PipelineState,
  type Transition,
} from './decide.ts';
import type { ActionPlan, Plan } from './plan.ts';

const NOW = 1_000_000;

const action = (name: string, runOrder = 1, more: Partial<ActionPlan> = {}): ActionPlan => ({
  name,
  runOrder,
  timeoutMs: 60_000,
  isApproval: false,
  ...more,
});

/** Source [pull] -> Build [compile, test | check (order 2)] -> Deploy [copy] */
const planFor = (mode: Plan['mode'], autoRetry?: 'FAILED_ACTIONS' | 'ALL_ACTIONS'): Plan => ({
  mode,
  stages: [
    { name: 'Source', autoRetry: undefined, actions: [action('pull')] },
    { name: 'Build', autoRetry, actions: [action('check', 2), action('compile'), action('test')] },
    { name: 'Deploy', autoRetry: undefined, actions: [action('copy')] },
  ],
});
const plan = planFor('SUPERSEDED');
const NAMES = ['Source', 'Build', 'Deploy'];

const ran = (name: string, status: ActionState['status'], more: Partial<ActionState> = {}): ActionState => ({
  id: `run-${name}`,
  name,
  status,
  isApproval: false,
  deadline: NOW + 1,
  ...more,
});

const execution = (id: string, stageIndex: number, more: Partial<ExecutionState> = {}): ExecutionState => ({
  id,
  version: 1,
  stop: undefined,
  stageIndex,
  stageName: NAMES[stageIndex]!,
  lastStageIndex: 2,
  entered: false,
  autoRetried: false,
  actions: [],
  ...more,
});
const inside = (id: string, stageIndex: number, actions: ActionState[] = [], more: Partial<ExecutionState> = {}) =>
  execution(id, stageIndex, { entered: true, actions, ...more });

const state = (executions: ExecutionState[], more: Partial<PipelineState> = {}): PipelineState => ({
  version: 1,
  closedStages: new Set(),
  executions,
  ...more,
});

/** Transitions in short: `enter a Build`, `start a compile`, `finish a Failed Build`. */
const short = (decided: readonly Transition[]): string[] =>
  decided.map((transition) => {
    const { type, executionId: id } = transition;
    const stage =
      'stageIndex' in transition && transition.stageIndex !== undefined ? NAMES[transition.stageIndex]! : '';
    if (type === 'startAction')
      return `start ${id} ${plan.stages[transition.stageIndex]!.actions[transition.actionIndex]!.name}`;
    if (type === 'timeOutAction') return `time out ${id} ${transition.actionId}`;
    if (type === 'abandonAction') return `abandon ${id} ${transition.actionId}`;
    if (type === 'retryStage') return `retry ${id} ${stage} ${transition.mode}`;
    if (type === 'finish') return `finish ${id} ${transition.status} ${stage}`.trim();
    return `${type === 'enterStage' ? 'enter' : 'leave'} ${id} ${stage}`;
  });

/** [what, state, transitions, plan] */
const table: [string, PipelineState, string[], Plan?][] = [
  ['nothing to do', state([]), []],
  ['a new execution enters the first stage', state([execution('a', 0)]), ['enter a Source']],
  ['its actions start', state([inside('a', 0)]), ['start a pull']],
  ['it waits for running actions', state([inside('a', 0, [ran('pull', 'InProgress')])]), []],
  ['a done stage is left', state([inside('a', 0, [ran('pull', 'Succeeded')])]), ['leave a Source']],
  ['actions of one run order start together', state([inside('a', 1)]), ['start a compile', 'start a test']],
  ['only those that did not start yet', state([inside('a', 1, [ran('test', 'InProgress')])]), ['start a compile']],
  [
    'the next run order waits for all of this one',
    state([inside('a', 1, [ran('compile', 'Succeeded'), ran('test', 'InProgress')])]),
    [],
  ],
  [
    'the next run order starts',
    state([inside('a', 1, [ran('compile', 'Succeeded'), ran('test', 'Succeeded')])]),
    ['start a check'],
  ],
  [
    'a failed action lets its neighbour finish',
    state([inside('a', 1, [ran('compile', 'Failed'), ran('test', 'InProgress')])]),
    [],
  ],
  [
    'a failed action fails the stage and starts nothing more',
    state([inside('a', 1, [ran('compile', 'Failed'), ran('test', 'Succeeded')])]),
    ['finish a Failed Build'],
  ],
  [
    'the last stage ends the execution',
    state([inside('a', 2, [ran('copy', 'Succeeded')])]),
    ['finish a Succeeded Deploy'],
  ],
  [
    'a rollback ends after its stage',
    state([
      inside(
        'a',
        1,
        ['compile', 'test', 'check'].map((name) => ran(name, 'Succeeded')),
        { lastStageIndex: 1 },
      ),
    ]),
    ['finish a Succeeded Build'],
  ],
  // stage locks and modes
  [
    'a held stage lets nobody in',
    state([inside('a', 1, [ran('compile', 'InProgress'), ran('test', 'InProgress')]), execution('b', 1)]),
    [],
  ],
  [
    'SUPERSEDED: the newest of those that wait goes on',
    state([execution('a', 1), execution('b', 1), execution('c', 1)]),
    ['finish a Superseded', 'finish b Superseded', 'enter c Build'],
  ],
  [
    'SUPERSEDED: also while the stage is held',
    state([
      inside('a', 1, [ran('compile', 'InProgress'), ran('test', 'InProgress')]),
      execution('b', 1),
      execution('c', 1),
    ]),
    ['finish b Superseded'],
  ],
  [
    'SUPERSEDED: executions in front of different stages do not meet',
    state([execution('a', 2), execution('b', 1), execution('c', 0)]),
    ['enter a Deploy', 'enter b Build', 'enter c Source'],
  ],
  [
    'QUEUED: the oldest goes first, none is lost',
    state([execution('a', 1), execution('b', 1)]),
    ['enter a Build'],
    planFor('QUEUED'),
  ],
  [
    'PARALLEL: all go on, whoever is inside',
    state([
      inside('a', 1, [ran('compile', 'InProgress'), ran('test', 'InProgress')]),
      execution('b', 1),
      execution('c', 1),
    ]),
    ['enter b Build', 'enter c Build'],
    planFor('PARALLEL'),
  ],
  ['a closed stage is not entered', state([execution('a', 1)], { closedStages: new Set(['Build']) }), []],
  [
    'in front of a closed stage only the newest waits',
    state([execution('a', 1), execution('b', 1)], { closedStages: new Set(['Build']) }),
    ['finish a Superseded'],
  ],
  [
    'closing does not touch what is inside',
    state([inside('a', 1, [ran('compile', 'Succeeded'), ran('test', 'Succeeded')])], {
      closedStages: new Set(['Build']),
    }),
    ['start a check'],
  ],
  // stopping
  ['stop in front of a stage', state([execution('a', 1, { stop: 'wait' })]), ['finish a Stopped']],
  ['stop and wait: running actions finish', state([inside('a', 1, [ran('test', 'InProgress')], { stop: 'wait' })]), []],
  [
    'stop and wait: nothing new starts',
    state([inside('a', 1, [ran('test', 'Succeeded')], { stop: 'wait' })]),
    ['finish a Stopped Build'],
  ],
  [
    'stop and wait: a failure is still a stop',
    state([inside('a', 1, [ran('test', 'Failed')], { stop: 'wait' })]),
    ['finish a Stopped Build'],
  ],
  [
    'stop and abandon',
    state([inside('a', 1, [ran('test', 'InProgress'), ran('compile', 'Succeeded')], { stop: 'abandon' })]),
    ['abandon a run-test'],
  ],
  [
    'stop and abandon, then end',
    state([inside('a', 1, [ran('test', 'Abandoned')], { stop: 'abandon' })]),
    ['finish a Stopped Build'],
  ],
  [
    'a stopped one is not superseded',
    state([execution('a', 1, { stop: 'wait' }), execution('b', 1)]),
    ['finish a Stopped', 'enter b Build'],
  ],
  // a replaced definition
  [
    'P7: an outdated execution in front of a stage is cancelled',
    state([execution('a', 1)], { version: 2 }),
    ['finish a Cancelled'],
  ],
  [
    'P7: an outdated one lets its actions finish',
    state([inside('a', 1, [ran('test', 'InProgress')])], { version: 2 }),
    [],
  ],
  [
    'P7: an outdated one starts nothing',
    state([inside('a', 1, [ran('compile', 'Succeeded'), ran('test', 'Succeeded')])], { version: 2 }),
    ['finish a Cancelled Build'],
  ],
  [
    'P7: an outdated approval is given up',
    state([inside('a', 1, [ran('test', 'InProgress', { isApproval: true }), ran('compile', 'InProgress')])], {
      version: 2,
    }),
    ['abandon a run-test'],
  ],
  [
    'P7: an outdated one still holds its stage',
    state([inside('a', 7, [ran('x', 'InProgress')], { stageName: 'Build' }), execution('b', 1, { version: 2 })], {
      version: 2,
    }),
    [],
  ],
  // time
  [
    'P6: a deadline that passed',
    state([inside('a', 1, [ran('test', 'InProgress', { deadline: NOW }), ran('compile', 'InProgress')])]),
    ['time out a run-test'],
  ],
  [
    'P6: a deadline that did not',
    state([inside('a', 1, [ran('test', 'InProgress', { deadline: NOW + 1 }), ran('compile', 'InProgress')])]),
    [],
  ],
  [
    'P6: a done action has no deadline',
    state([inside('a', 0, [ran('pull', 'Succeeded', { deadline: 0 })])]),
    ['leave a Source'],
  ],
  [
    'stopping does not lift the deadline',
    state([inside('a', 1, [ran('test', 'InProgress', { deadline: 0 })], { stop: 'wait' })]),
    ['time out a run-test'],
  ],
  // automatic retry
  [
    'a failed stage is retried once',
    state([inside('a', 1, [ran('test', 'Failed'), ran('compile', 'Succeeded')])]),
    ['retry a Build FAILED_ACTIONS'],
    planFor('QUEUED', 'FAILED_ACTIONS'),
  ],
  [
    'and not twice',
    state([inside('a', 1, [ran('test', 'Failed'), ran('compile', 'Succeeded')], { autoRetried: true })]),
    ['finish a Failed Build'],
    planFor('QUEUED', 'ALL_ACTIONS'),
  ],
];

describe('decide', () => {
  for (const [what, given, expected, under = plan] of table) {
    test(what, () => assert.deepEqual(short(decide(under, given, NOW)), expected));
  }
});

describe('retry', () => {
  const runs = [ran('compile', 'Succeeded'), ran('test', 'Failed'), ran('lint', 'Abandoned')];
  test('FAILED_ACTIONS keeps what succeeded', () => assert.deepEqual(keptByRetry(runs, 'FAILED_ACTIONS'), [runs[0]]));
  test('ALL_ACTIONS keeps nothing', () => assert.deepEqual(keptByRetry(runs, 'ALL_ACTIONS'), []));
  test('then only the missing ones start', () => {
    assert.deepEqual(short(decide(plan, state([inside('a', 1, keptByRetry(runs, 'FAILED_ACTIONS'))]), NOW)), [
      'start a test',
    ]);
  });
});

describe('nextDeadline', () => {
  test('none without running actions', () =>
    assert.equal(nextDeadline(state([inside('a', 0, [ran('pull', 'Failed')])])), undefined));
  test('the earliest', () => {
    const runs = [
      ran('a', 'InProgress', { deadline: 7 }),
      ran('b', 'InProgress', { deadline: 5 }),
      ran('c', 'Succeeded', { deadline: 1 }),
    ];
    assert.equal(nextDeadline(state([inside('x', 1, runs)])), 5);
  });
});
