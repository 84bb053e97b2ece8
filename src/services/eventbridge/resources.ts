import { arn } from '../../kernel/arn.ts';
import type { Context } from '../../kernel/context.ts';
import type { ConditionKeys, ResourceRef } from '../../kernel/service.ts';
import { taggedResource } from '../../kernel/tags.ts';
import { DEFAULT_BUS } from './store.ts';

/** This service as trust policies and audit records name it. */
export const SERVICE = 'events.amazonaws.com';

type Place = Pick<Context, 'account' | 'region'>;

/** ARN of a rule on the default bus. */
export function ruleArn({ account, region }: Place, name: string): string {
  return arn('events', region, account, `rule/${name}`);
}

/** ARN of the default bus. */
export function busArn({ account, region }: Place): string {
  return arn('events', region, account, `event-bus/${DEFAULT_BUS}`);
}

/** What IAM evaluates for a rule, and for the bus. */
export function ruleResource(ctx: Context, name: string): ResourceRef {
  return taggedResource(ctx, ruleArn(ctx, name));
}

export function busResource(ctx: Context): ResourceRef {
  return taggedResource(ctx, busArn(ctx));
}

/** Who made a rule: they are seen in the account that made them alone. */
export function creatorKeys(_input: unknown, { account }: Place): ConditionKeys {
  return { 'events:creatorAccount': account };
}

/** The same of what a call on tags names; a bus was made by nobody. */
export function creatorKeysOf({ ResourceARN: given }: { ResourceARN: string }, place: Place): ConditionKeys {
  return given.startsWith(ruleArn(place, '')) ? creatorKeys(given, place) : {};
}
