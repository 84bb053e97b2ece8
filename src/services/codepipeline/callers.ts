import { arn } from '../../kernel/arn.ts';
import type { Context } from '../../kernel/context.ts';

/** Whom the API shows as the one who did something. */
export function callerArn({ caller }: Context): string {
  switch (caller.type) {
    case 'AWSService':
      return caller.service;
    case 'Anonymous':
      return 'anonymous';
    case 'WebIdentityUser':
    case 'SAMLUser':
      return caller.principalId;
    default:
      return caller.arn;
  }
}

/** What started an execution by the API: a rule of EventBridge, which works as a role, or whoever called. */
export function startTrigger(ctx: Context): { type: string; detail: string } {
  const { caller } = ctx;
  if (caller.type === 'AssumedRole' && caller.invokedBy === 'events.amazonaws.com') {
    // The session of a rule's role carries the rule's name.
    return { type: 'CloudWatchEvent', detail: arn('events', ctx.region, ctx.account, `rule/${caller.sessionName}`) };
  }
  return { type: 'StartPipelineExecution', detail: callerArn(ctx) };
}
