import type { EventDraft } from '../../kernel/context.ts';
import { pipelineArn } from './resources.ts';
import type { Pipeline } from './store.ts';
import type { ActionRow, ExecutionRow } from './tables.ts';

/** States of pipeline and stage executions as events spell them; actions have some of them, and `ABANDONED`. */
export type EventState =
  | 'STARTED'
  | 'SUCCEEDED'
  | 'RESUMED'
  | 'FAILED'
  | 'STOPPING'
  | 'STOPPED'
  | 'CANCELED'
  | 'SUPERSEDED'
  | 'ABANDONED';

/** What events tell of an execution. */
type ExecutionFacts = Pick<
  ExecutionRow,
  'id' | 'version' | 'started_at' | 'trigger_type' | 'trigger_detail' | 'stop_reason'
>;
/** What events tell of a pipeline; also there when it is being deleted. */
type PipelineFacts = Pick<Pipeline, 'account' | 'region' | 'name'>;

function draft(
  pipeline: PipelineFacts,
  what: 'Pipeline' | 'Stage' | 'Action',
  detail: Record<string, unknown>,
): EventDraft {
  return {
    source: 'aws.codepipeline',
    detailType: `CodePipeline ${what} Execution State Change`,
    resources: [pipelineArn(pipeline, pipeline.name)],
    detail,
    account: pipeline.account,
    region: pipeline.region,
  };
}

function facts(pipeline: PipelineFacts, execution: ExecutionFacts, state: EventState): Record<string, unknown> {
  return {
    pipeline: pipeline.name,
    'execution-id': execution.id,
    'start-time': new Date(execution.started_at).toISOString(),
    state,
    version: execution.version,
  };
}

/** @see https://docs.aws.amazon.com/codepipeline/latest/userguide/detect-state-changes-cloudwatch-events.html */
export function pipelineStateChange(pipeline: PipelineFacts, execution: ExecutionFacts, state: EventState): EventDraft {
  return draft(pipeline, 'Pipeline', {
    ...facts(pipeline, execution, state),
    ...(state === 'STARTED'
      ? { 'execution-trigger': { 'trigger-type': execution.trigger_type, 'trigger-detail': execution.trigger_detail } }
      : {}),
    ...(state === 'STOPPING' ? { 'stop-execution-comments': execution.stop_reason ?? '' } : {}),
  });
}

export function stageStateChange(
  pipeline: PipelineFacts,
  execution: ExecutionFacts,
  stage: string,
  state: EventState,
): EventDraft {
  return draft(pipeline, 'Stage', { ...facts(pipeline, execution, state), stage });
}

export function actionStateChange(
  pipeline: PipelineFacts,
  execution: ExecutionFacts,
  action: ActionRow,
  state: EventState,
): EventDraft {
  const { actionTypeId: type } = JSON.parse(action.declaration) as { actionTypeId: Record<string, string> };
  const result = {
    'external-execution-url': action.external_url,
    'external-execution-summary': action.error_message ?? action.summary,
    'external-execution-id': action.external_id,
    'error-code': action.error_code,
  };
  const given = Object.entries(result).filter(([, value]) => value !== null);
  return draft(pipeline, 'Action', {
    ...facts(pipeline, execution, state),
    stage: action.stage_name,
    action: action.action_name,
    'action-execution-id': action.id,
    region: pipeline.region,
    type: { owner: type['owner'], provider: type['provider'], category: type['category'], version: type['version'] },
    'input-artifacts': eventArtifacts(action.inputs),
    'output-artifacts': eventArtifacts(action.outputs),
    ...(given.length === 0 ? {} : { 'execution-result': Object.fromEntries(given) }),
  });
}

function eventArtifacts(json: string): { name: string; s3location: { bucket: string; key: string } }[] {
  return JSON.parse(json);
}
