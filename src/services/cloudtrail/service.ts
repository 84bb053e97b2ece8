import * as sdk from '@aws-sdk/client-cloudtrail';
import { defineService } from '../../kernel/define-service.ts';
import constraints from './constraints.generated.json' with { type: 'json' };
import * as events from './events.ts';
import { retention } from './retention.ts';

/** CloudTrail: what was called, by whom, and what came of it. */
export const cloudtrail = defineService({
  name: 'cloudtrail',
  sdk,
  protocol: 'json-1.1',
  signingName: 'cloudtrail',
  iamPrefix: 'cloudtrail',
  eventSource: 'cloudtrail.amazonaws.com',
  targetPrefix: 'CloudTrail_20131101',
  constraints,
  families: [events],
  reconcilers: [retention],
});
