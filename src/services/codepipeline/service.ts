import * as sdk from '@aws-sdk/client-codepipeline';
import { defineService } from '../../kernel/define-service.ts';
import * as actionExecutions from './action-executions.ts';
import * as actionTypes from './action-type-list.ts';
import * as approvals from './approvals.ts';
import { buildEnds } from './builds.ts';
import constraints from './constraints.generated.json' with { type: 'json' };
import { pipelines as pipelineReconciler } from './engine.ts';
import * as executions from './executions.ts';
import { migrations } from './migrations.ts';
import * as pipelineState from './pipeline-state.ts';
import * as pipelines from './pipelines.ts';
import { actions } from './runner.ts';
import { sourceChanges } from './sources.ts';
import * as stages from './stages.ts';
import * as tagging from './tagging.ts';

/** CodePipeline: takes changes through stages of actions, each done as a role. */
export const codepipeline = defineService({
  name: 'codepipeline',
  sdk,
  protocol: 'json-1.1',
  signingName: 'codepipeline',
  iamPrefix: 'codepipeline',
  eventSource: 'codepipeline.amazonaws.com',
  targetPrefix: 'CodePipeline_20150709',
  constraints,
  families: [pipelines, executions, stages, approvals, pipelineState, actionExecutions, actionTypes, tagging],
  consumers: [sourceChanges, buildEnds],
  reconcilers: [pipelineReconciler, actions],
  migrations,
});
