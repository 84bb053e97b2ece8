import type * as sdk from '@aws-sdk/client-eventbridge';
import { arn } from '../../kernel/arn.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { busArn, busResource } from './resources.ts';
import { DEFAULT_BUS, requireDefaultBus } from './store.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

export const DescribeEventBus: Op<'DescribeEventBus'> = {
  resource: (_, ctx) => busResource(ctx),
  async handle(input, ctx) {
    requireDefaultBus(input.Name);
    return { Name: DEFAULT_BUS, Arn: busArn(ctx) };
  },
};

export const ListEventBuses: Op<'ListEventBuses'> = {
  resource: (_input, ctx) => arn('events', ctx.region, ctx.account, 'event-bus/*'),
  async handle(input, ctx) {
    const shown = DEFAULT_BUS.startsWith(input.NamePrefix ?? '');
    return { EventBuses: shown ? [{ Name: DEFAULT_BUS, Arn: busArn(ctx) }] : [] };
  },
};
