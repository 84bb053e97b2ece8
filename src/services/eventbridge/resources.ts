import { arn } from '../../kernel/arn.ts';
import type { Context } from '../../kernel/context.ts';
import { DEFAULT_BUS } from './store.ts';

type Place = Pick<Context, 'account' | 'region'>;

/** ARN of a rule on the default bus. */
export function ruleArn({ account, region }: Place, name: string): string {
  return arn('events', region, account, `rule/${name}`);
}

/** ARN of the default bus. */
export function busArn({ account, region }: Place): string {
  return arn('events', region, account, `event-bus/${DEFAULT_BUS}`);
}
