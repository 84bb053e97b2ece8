import type { ExecutionMode, PipelineDeclaration, StageRetryMode } from '@aws-sdk/client-codepipeline';
import { actionTypeOf } from './action-types.ts';

/** What the engine needs of a pipeline's definition; everything else concerns the actions' own work. */
export interface Plan {
  readonly mode: ExecutionMode;
  readonly stages: readonly StagePlan[];
}

export interface StagePlan {
  readonly name: string;
  readonly actions: readonly ActionPlan[];
  /** Set where `onFailure` asks for one automatic retry. */
  readonly autoRetry: StageRetryMode | undefined;
}

export interface ActionPlan {
  readonly name: string;
  /** Actions of one run order start together, the next run order when all of them succeeded. */
  readonly runOrder: number;
  readonly timeoutMs: number;
  /** Waits for a person, so nothing is lost when it is given up. */
  readonly isApproval: boolean;
}

/** The plan of a validated declaration. */
export function planOf(pipeline: PipelineDeclaration): Plan {
  return {
    mode: pipeline.executionMode ?? 'SUPERSEDED',
    stages: (pipeline.stages ?? []).map((stage) => ({
      name: stage.name!,
      autoRetry:
        stage.onFailure?.result === 'RETRY'
          ? (stage.onFailure.retryConfiguration?.retryMode ?? 'FAILED_ACTIONS')
          : undefined,
      actions: (stage.actions ?? []).map((action) => ({
        name: action.name!,
        runOrder: action.runOrder ?? 1,
        timeoutMs: (action.timeoutInMinutes ?? actionTypeOf(action.actionTypeId!)!.timeoutMinutes) * 60_000,
        isApproval: action.actionTypeId!.category === 'Approval',
      })),
    })),
  };
}
