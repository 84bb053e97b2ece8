import * as sdk from '@aws-sdk/client-cloudtrail';
import { defineService } from '../../kernel/define-service.ts';
import { bus } from './bus.ts';
import constraints from './constraints.generated.json' with { type: 'json' };
import { delivery } from './delivery.ts';
import * as events from './events.ts';
import * as logging from './logging.ts';
import { retention } from './retention.ts';
import * as selectors from './selectors.ts';
import * as signingKeys from './signing-keys.ts';
import { migrations } from './tables.ts';
import * as tagging from './tagging.ts';
import * as trails from './trails.ts';

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
  families: [events, logging, selectors, signingKeys, tagging, trails],
  reconcilers: [retention, delivery, bus],
  migrations,
});
