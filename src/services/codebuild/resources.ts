import { arn } from '../../kernel/arn.ts';
import type { Context } from '../../kernel/context.ts';

/** ARN of a project: what IAM evaluates for everything about it and its builds. */
export function projectArn(ctx: Context, name: string): string {
  return arn('codebuild', ctx.region, ctx.account, `project/${name}`);
}

/** ARN of a build. @param id `<project>:<uuid>` */
export function buildArn(ctx: Context, id: string): string {
  return arn('codebuild', ctx.region, ctx.account, `build/${id}`);
}

/** Name of the project in a project's name or ARN, and in a build's id or ARN. */
export function projectNameOf(text: string): string {
  const resource = text.startsWith('arn:') ? text.split(':').slice(5).join(':') : text;
  return resource.replace(/^(project|build)\//, '').split(':')[0]!;
}
