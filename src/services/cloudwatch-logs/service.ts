import * as sdk from '@aws-sdk/client-cloudwatch-logs';
import { defineService } from '../../kernel/define-service.ts';
import constraints from './constraints.generated.json' with { type: 'json' };
import * as filterEvents from './filter-events.ts';
import * as getEvents from './get-events.ts';
import * as groups from './groups.ts';
import * as putEvents from './put-events.ts';
import { retention } from './retention.ts';
import * as streams from './streams.ts';
import { migrations } from './tables.ts';
import * as tagging from './tagging.ts';

/** A batch of 1 MiB, with every character escaped. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;

/** CloudWatch Logs: where builds write, and what people read while they run. */
export const cloudwatchLogs = defineService({
  name: 'cloudwatch-logs',
  sdk,
  protocol: 'json-1.1',
  signingName: 'logs',
  iamPrefix: 'logs',
  eventSource: 'logs.amazonaws.com',
  targetPrefix: 'Logs_20140328',
  constraints,
  families: [groups, streams, putEvents, getEvents, filterEvents, tagging],
  reconcilers: [retention],
  migrations,
  maxBodyBytes: MAX_BODY_BYTES,
});
