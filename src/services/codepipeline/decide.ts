import type { StageRetryMode } from '@aws-sdk/client-codepipeline';
import type { ActionPlan, Plan, StagePlan } from './plan.ts';

/** Everything of a pipeline that decides what happens next: its unfinished executions, oldest first. */
export interface PipelineState {
  /** Version of the definition in force; executions of another one are cancelled. */
  readonly version: number;
  /** Names of the stages that nothing may enter. */
  readonly closedStages: ReadonlySet<string>;
  readonly executions: readonly ExecutionState[];
}

export interface ExecutionState {
  readonly id: string;
  readonly version: number;
  /** Set when a stop was asked for. */
  readonly stop: 'wait' | 'abandon' | undefined;
  /** The stage that it is in or waits to enter, by its place and name in the execution's own version. */
  readonly stageIndex: number;
  readonly stageName: string;
  /** The stage after which it has succeeded: the last one, or the only one of a rollback. */
  readonly lastStageIndex: number;
  /** False while it waits in front of the stage. */
  readonly entered: boolean;
  /** True when the stage was already retried by itself. */
  readonly autoRetried: boolean;
  /** Latest run of each action of the stage that was started. */
  readonly actions: readonly ActionState[];
}

export interface ActionState {
  readonly id: string;
  readonly name: string;
  readonly status: 'InProgress' | 'Succeeded' | 'Failed' | 'Abandoned';
  /** Waits for a person. */
  readonly isApproval: boolean;
  /** Epoch milliseconds at which it fails by timeout. */
  readonly deadline: number;
}

export type FinalStatus = 'Succeeded' | 'Failed' | 'Stopped' | 'Superseded' | 'Cancelled';

export type Transition =
  | { readonly type: 'enterStage'; readonly executionId: string; readonly stageIndex: number }
  | {
      readonly type: 'startAction';
      readonly executionId: string;
      readonly stageIndex: number;
      readonly actionIndex: number;
    }
  | { readonly type: 'timeOutAction'; readonly executionId: string; readonly actionId: string }
  | { readonly type: 'abandonAction'; readonly executionId: string; readonly actionId: string }
  | {
      readonly type: 'retryStage';
      readonly executionId: string;
      readonly stageIndex: number;
      readonly mode: StageRetryMode;
    }
  | { readonly type: 'leaveStage'; readonly executionId: string; readonly stageIndex: number }
  | {
      readonly type: 'finish';
      readonly executionId: string;
      readonly status: FinalStatus;
      /** The stage that ends with the execution; `undefined` when it waited in front of one. */
      readonly stageIndex: number | undefined;
    };

/**
 * What must happen now. Pure: the same state and time give the same answer, and none of the transitions depends on
 * another one of the list. Apply them all, then ask again until the list is empty.
 *
 * Rules, as CodePipeline documents them: a stage holds one execution (any number in PARALLEL mode); of the executions
 * that wait for a stage only the newest goes on in SUPERSEDED mode, in QUEUED mode the oldest goes first; actions of
 * one run order run together and a failed one lets its neighbours finish.
 * @param now epoch milliseconds.
 * @see https://docs.aws.amazon.com/codepipeline/latest/userguide/concepts-how-it-works.html
 */
export function decide(plan: Plan, state: PipelineState, now: number): Transition[] {
  const within = state.executions.filter((execution) => execution.entered);
  const leaving = state.executions.filter((execution) => !execution.entered && isLeaving(state, execution));
  const waiting = state.executions.filter((execution) => !execution.entered && !isLeaving(state, execution));
  return [
    ...within.flatMap((execution) => decideWithin(plan, state, execution, now)),
    ...leaving.map((execution) => finish(execution, execution.stop === undefined ? 'Cancelled' : 'Stopped')),
    ...decideWaiting(plan, state, waiting),
  ];
}

/** The earliest time at which `decide` may answer differently though nothing happened, or `undefined`. */
export function nextDeadline(state: PipelineState): number | undefined {
  const deadlines = state.executions.flatMap(({ actions }) => running(actions).map((action) => action.deadline));
  return deadlines.length === 0 ? undefined : Math.min(...deadlines);
}

/** True when nothing new may start for the execution: it was stopped, or its definition was replaced. */
function isLeaving(state: PipelineState, execution: ExecutionState): boolean {
  return execution.stop !== undefined || execution.version !== state.version;
}

function finish(execution: ExecutionState, status: FinalStatus): Transition {
  const stageIndex = execution.entered ? execution.stageIndex : undefined;
  return { type: 'finish', executionId: execution.id, status, stageIndex };
}

function running(actions: readonly ActionState[]): ActionState[] {
  return actions.filter(({ status }) => status === 'InProgress');
}

function decideWithin(plan: Plan, state: PipelineState, execution: ExecutionState, now: number): Transition[] {
  if (isLeaving(state, execution)) return decideLeaving(execution, now);
  const stage = plan.stages[execution.stageIndex]!;
  const late = timeOuts(execution, now);
  return late.length > 0 ? late : decideStage(stage, execution);
}

/** The way out: give up what may be given up, wait for the rest, end. Nobody can approve for a replaced definition. */
function decideLeaving(execution: ExecutionState, now: number): Transition[] {
  const open = running(execution.actions);
  if (open.length === 0) return [finish(execution, execution.stop === undefined ? 'Cancelled' : 'Stopped')];
  const givenUp = open.filter(({ isApproval }) =>
    execution.stop === undefined ? isApproval : execution.stop === 'abandon',
  );
  if (givenUp.length === 0) return timeOuts(execution, now);
  return givenUp.map(({ id }) => ({ type: 'abandonAction', executionId: execution.id, actionId: id }));
}

function timeOuts(execution: ExecutionState, now: number): Transition[] {
  return running(execution.actions)
    .filter(({ deadline }) => deadline <= now)
    .map(({ id }) => ({ type: 'timeOutAction', executionId: execution.id, actionId: id }));
}

/** Start the first run order that is not done; leave the stage when all are, fail it when one failed and none runs. */
function decideStage(stage: StagePlan, execution: ExecutionState): Transition[] {
  const byName = new Map(execution.actions.map((action) => [action.name, action]));
  for (const group of runOrders(stage)) {
    const runs = group.map((action) => byName.get(action.name));
    if (runs.every((run) => run?.status === 'Succeeded')) continue;
    if (runs.some((run) => run?.status === 'Failed' || run?.status === 'Abandoned')) {
      return runs.some((run) => run?.status === 'InProgress') ? [] : failStage(stage, execution);
    }
    return group
      .filter((action) => !byName.has(action.name))
      .map((action) => ({
        type: 'startAction',
        executionId: execution.id,
        stageIndex: execution.stageIndex,
        actionIndex: stage.actions.indexOf(action),
      }));
  }
  const { id: executionId, stageIndex } = execution;
  if (stageIndex >= execution.lastStageIndex) return [finish(execution, 'Succeeded')];
  return [{ type: 'leaveStage', executionId, stageIndex }];
}

function failStage(stage: StagePlan, execution: ExecutionState): Transition[] {
  if (stage.autoRetry === undefined || execution.autoRetried) return [finish(execution, 'Failed')];
  const { id: executionId, stageIndex } = execution;
  return [{ type: 'retryStage', executionId, stageIndex, mode: stage.autoRetry }];
}

/** The stage's actions by run order, lowest first. */
export function runOrders(stage: StagePlan): ActionPlan[][] {
  const groups = new Map<number, ActionPlan[]>();
  for (const action of stage.actions) groups.set(action.runOrder, [...(groups.get(action.runOrder) ?? []), action]);
  return [...groups].sort(([a], [b]) => a - b).map(([, actions]) => actions);
}

/** In front of each stage: supersede, then let in as many as the stage takes. */
function decideWaiting(plan: Plan, state: PipelineState, waiting: readonly ExecutionState[]): Transition[] {
  const byStage = Map.groupBy(waiting, ({ stageIndex }) => stageIndex);
  return [...byStage].flatMap(([stageIndex, queue]) => {
    const superseded = plan.mode === 'SUPERSEDED' ? queue.slice(0, -1) : [];
    const { name } = plan.stages[stageIndex]!;
    const isClosed = state.closedStages.has(name);
    const isHeld =
      plan.mode !== 'PARALLEL' && state.executions.some((other) => other.entered && other.stageName === name);
    const admitted = isClosed || isHeld ? [] : admit(plan, queue);
    return [
      ...superseded.map((execution) => finish(execution, 'Superseded')),
      ...admitted.map(({ id }): Transition => ({ type: 'enterStage', executionId: id, stageIndex })),
    ];
  });
}

function admit(plan: Plan, queue: readonly ExecutionState[]): readonly ExecutionState[] {
  switch (plan.mode) {
    case 'PARALLEL':
      return queue;
    case 'QUEUED':
      return queue.slice(0, 1);
    default:
      return queue.slice(-1);
  }
}

/**
 * The runs that a retry of a stage keeps: those that succeeded, or none. Runs behind a failed run order never started.
 * @see https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_RetryStageExecution.html
 */
export function keptByRetry(actions: readonly ActionState[], mode: StageRetryMode): ActionState[] {
  return mode === 'ALL_ACTIONS' ? [] : actions.filter(({ status }) => status === 'Succeeded');
}
