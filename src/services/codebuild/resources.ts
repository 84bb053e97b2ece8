import { arn, parseArn } from '../../kernel/arn.ts';

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

/**
 * Name of the project in a project's name or ARN, and in a build's id or ARN. An ARN of another place names nothing here,
 * so it stays as it is, which no project is called.
 */
export function projectNameOf(place: Place, text: string): string {
  const named = nameInArn(place, text) ?? text;
  return parseArn(named) === undefined ? named.split(':')[0]! : named;
}

/** `<project>:<uuid>` of a build's id or ARN; an ARN of another place stays as it is, as above. */
export function buildIdOf(place: Place, text: string): string {
  return nameInArn(place, text) ?? text;
}

/** What IAM evaluates for a name, an id or an ARN: the project, where the ARN says that it is. */
export function projectArnOf(place: Place, text: string): string {
  const named = placeOf(text) ?? place;
  return projectArn(named, projectNameOf(named, text));
}

function placeOf(text: string): Place | undefined {
  const parsed = parseArn(text);
  return parsed?.service === 'codebuild' ? parsed : undefined;
}

function nameInArn({ account, region }: Place, text: string): string | undefined {
  const parsed = parseArn(text);
  if (parsed?.service !== 'codebuild' || parsed.account !== account || parsed.region !== region) return undefined;
  return parsed.resource.replace(/^(project|build)\//, '');
}
