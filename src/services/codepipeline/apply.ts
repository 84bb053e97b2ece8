import { type ActionState, type ExecutionState, keptByRetry, type PipelineState, type Transition } from './decide.ts';
import type { Plan } from './plan.ts';

/** A transition applied to the state, as the tables hold it afterwards. Pure. */
export function applyTransition(
  plan: Plan,
  state: PipelineState,
  transition: Transition,
  started: { actionId: string; now: number },
): PipelineState {
  const executions = state.executions.flatMap((execution) =>
    execution.id === transition.executionId ? applyToExecution(plan, execution, transition, started) : [execution],
  );
  return { ...state, executions };
}

function applyToExecution(
  plan: Plan,
  execution: ExecutionState,
  transition: Transition,
  started: { actionId: string; now: number },
): ExecutionState[] {
  switch (transition.type) {
    case 'enterStage':
      return [{ ...execution, entered: true }];
    case 'startAction': {
      const action = plan.stages[transition.stageIndex]!.actions[transition.actionIndex]!;
      const run: ActionState = {
        id: started.actionId,
        name: action.name,
        status: 'InProgress',
        isApproval: action.isApproval,
        deadline: started.now + action.timeoutMs,
      };
      return [{ ...execution, actions: [...execution.actions, run] }];
    }
    case 'timeOutAction':
      return [withStatus(execution, transition.actionId, 'Failed')];
    case 'abandonAction':
      return [withStatus(execution, transition.actionId, 'Abandoned')];
    case 'retryStage':
      return [{ ...execution, autoRetried: true, actions: keptByRetry(execution.actions, transition.mode) }];
    case 'leaveStage': {
      const stageIndex = execution.stageIndex + 1;
      const stageName = plan.stages[stageIndex]!.name;
      return [{ ...execution, stageIndex, stageName, entered: false, autoRetried: false, actions: [] }];
    }
    case 'finish':
      return [];
  }
}

/** The execution with one action's run ended; a run that ended before stays as it ended. */
export function withStatus(execution: ExecutionState, actionId: string, status: ActionState['status']): ExecutionState {
  const actions = execution.actions.map((action) =>
    action.id === actionId && action.status === 'InProgress' ? { ...action, status } : action,
  );
  return { ...execution, actions };
}
