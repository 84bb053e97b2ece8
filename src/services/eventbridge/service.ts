import * as sdk from '@aws-sdk/client-eventbridge';
import { defineService } from '../../kernel/define-service.ts';
import * as buses from './buses.ts';
import constraints from './constraints.generated.json' with { type: 'json' };
import { delivery } from './delivery.ts';
import * as events from './events.ts';
import { matching } from './matching.ts';
import * as rules from './rules.ts';
import { scheduling } from './scheduling.ts';
import { migrations } from './store.ts';
import * as tagging from './tagging.ts';
import * as targets from './targets.ts';

/** EventBridge: rules that hold the bus's events against patterns and hand them to targets. */
export const eventbridge = defineService({
  name: 'eventbridge',
  sdk,
  protocol: 'json-1.1',
  signingName: 'events',
  iamPrefix: 'events',
  eventSource: 'events.amazonaws.com',
  targetPrefix: 'AWSEvents',
  constraints,
  families: [buses, events, rules, tagging, targets],
  consumers: [matching],
  reconcilers: [delivery, scheduling],
  migrations,
});
