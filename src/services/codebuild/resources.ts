import { arn } from '../../kernel/arn.ts';

/** Where something is: a context, or a row of a table. */
export interface Place {
  readonly account: string;
  readonly region: string;
}

/** ARN of a project: what IAM evaluates for everything about it and its builds. */
export function projectArn({ region, account }: Place, name: string): string {
  return arn('codebuild', region, account, `project/${name}`);
}

/** ARN of a build. @param id `<project>:<uuid>` */
export function buildArn({ region, account }: Place, id: string): string {
  return arn('codebuild', region, account, `build/${id}`);
}

/** ARN of the stream that a build writes its log to. */
export function logStreamArn({ region, account }: Place, group: string, stream: string): string {
  return arn('logs', region, account, `log-group:${group}:log-stream:${stream}`);
}

/** ARN of the key that S3 encrypts with by itself. */
export function defaultKeyArn({ region, account }: Place): string {
  return arn('kms', region, account, 'alias/aws/s3');
}

/** Name of the project in a project's name or ARN, and in a build's id or ARN. */
export function projectNameOf(text: string): string {
  const resource = /^arn:[^:]*:codebuild:/.test(text) ? text.split(':').slice(5).join(':') : text;
  return resource.replace(/^(project|build)\//, '').split(':')[0]!;
}
