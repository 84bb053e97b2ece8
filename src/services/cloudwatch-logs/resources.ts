import * as sdk from '@aws-sdk/client-cloudwatch-logs';
import { arn, parseArn } from '../../kernel/arn.ts';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { ResourceRef } from '../../kernel/service.ts';
import { taggedResource } from '../../kernel/tags.ts';

/** ARN that tags and `arn` members name a group by. */
export function groupArn(ctx: Context, name: string): string {
  return arn('logs', ctx.region, ctx.account, `log-group:${name}`);
}

/** What IAM evaluates for calls on a group: the form of a stream without a name, as AWS's own messages show it. */
export function groupResource(
  input: { logGroupName?: string; logGroupIdentifier?: string },
  ctx: Context,
): ResourceRef {
  return streamResource({ ...input, logStreamName: '' }, ctx);
}

/** What IAM evaluates for calls on a stream; it carries the tags of its group. */
export function streamResource(
  input: { logGroupName?: string; logGroupIdentifier?: string; logStreamName?: string },
  ctx: Context,
): ResourceRef {
  const group = groupNameOf(ctx, input);
  return taggedResource(ctx, streamArn(ctx, group, input.logStreamName ?? ''), groupArn(ctx, group));
}

export function streamArn(ctx: Context, group: string, stream: string): string {
  return arn('logs', ctx.region, ctx.account, `log-group:${group}:log-stream:${stream}`);
}

/** Calls that list groups are allowed on all of them or on none. */
export function anyGroupResource(_input: unknown, ctx: Context): string {
  return arn('logs', ctx.region, ctx.account, 'log-group::log-stream:');
}

/** Name of the group that a call is about: given as a name or as an ARN, one of the two. @throws InvalidParameterException */
export function groupNameOf(
  ctx: Context,
  { logGroupName, logGroupIdentifier }: { logGroupName?: string; logGroupIdentifier?: string },
): string {
  if (logGroupName !== undefined && logGroupIdentifier !== undefined) {
    throw fault(sdk.InvalidParameterException, 'LogGroup name and LogGroup identifier cannot both be given.');
  }
  const given = logGroupName ?? logGroupIdentifier;
  if (given === undefined) throw fault(sdk.InvalidParameterException, 'A log group name or identifier must be given.');
  return given.startsWith('arn:') ? groupNameOfArn(ctx, given) : given;
}

/**
 * Name of the group in an ARN, with or without `:*` at its end.
 * @throws InvalidParameterException, and ResourceNotFoundException for a group of another account or Region, which is not
 * the caller's own of that name
 */
export function groupNameOfArn(ctx: Context, text: string): string {
  const parsed = parseArn(text);
  const match = /^log-group:([^:*]+)(:\*)?$/.exec(parsed?.resource ?? '');
  if (match === null) throw fault(sdk.InvalidParameterException, `${text} is not the ARN of a log group.`);
  if (parsed?.account !== ctx.account || parsed.region !== ctx.region) {
    throw fault(sdk.ResourceNotFoundException, 'The specified log group does not exist.');
  }
  return match[1]!;
}
