import { arn } from '../../kernel/arn.ts';
import type { Context } from '../../kernel/context.ts';
import type { ResourceRef } from '../../kernel/service.ts';
import { taggedResource } from '../../kernel/tags.ts';

type Place = Pick<Context, 'account' | 'region'>;

/** ARN of a pipeline, and in IAM of its stages and actions behind slashes. */
export function pipelineArn({ account, region }: Place, name: string): string {
  return arn('codepipeline', region, account, name);
}

export function stageArn(place: Place, pipelineName: string, stageName: string): string {
  return `${pipelineArn(place, pipelineName)}/${stageName}`;
}

export function actionArn(place: Place, pipelineName: string, stageName: string, actionName: string): string {
  return `${stageArn(place, pipelineName, stageName)}/${actionName}`;
}

/** What IAM evaluates for a pipeline. A stage and an action carry the tags of their pipeline. */
export function pipelineResource(ctx: Context, name: string): ResourceRef {
  return taggedResource(ctx, pipelineArn(ctx, name));
}

export function stageResource(ctx: Context, pipelineName: string, stageName: string): ResourceRef {
  return taggedResource(ctx, stageArn(ctx, pipelineName, stageName), pipelineArn(ctx, pipelineName));
}

export function actionResource(ctx: Context, pipelineName: string, stageName: string, actionName: string): ResourceRef {
  return taggedResource(ctx, actionArn(ctx, pipelineName, stageName, actionName), pipelineArn(ctx, pipelineName));
}
