import { arn } from '../../kernel/arn.ts';
import type { Context } from '../../kernel/context.ts';

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
