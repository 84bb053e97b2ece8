/** Where a bucket's events go. Source: S3 User Guide, "Amazon S3 Event Notifications". */
import type * as sdk from '@aws-sdk/client-s3';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { invalidArgument, malformedXml } from './faults.ts';
import { bucketByName } from './find-bucket.ts';
import { bucketResource } from './resources.ts';
import type { Tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const EVENTS = new Set(
  [
    'ReducedRedundancyLostObject ObjectCreated:* ObjectCreated:Put ObjectCreated:Post ObjectCreated:Copy',
    'ObjectCreated:CompleteMultipartUpload ObjectRemoved:* ObjectRemoved:Delete ObjectRemoved:DeleteMarkerCreated',
    'ObjectRestore:* ObjectRestore:Post ObjectRestore:Completed ObjectRestore:Delete Replication:*',
    'Replication:OperationFailedReplication Replication:OperationNotTracked Replication:OperationMissedThreshold',
    'Replication:OperationReplicatedAfterThreshold LifecycleTransition IntelligentTiering ObjectAcl:Put',
    'LifecycleExpiration:* LifecycleExpiration:Delete LifecycleExpiration:DeleteMarkerCreated ObjectTagging:*',
    'ObjectTagging:Put ObjectTagging:Delete',
  ]
    .join(' ')
    .split(' ')
    .map((name) => `s3:${name}`),
);

interface Destination {
  arn: string | undefined;
  kind: 'sns' | 'sqs' | 'lambda';
  events: readonly string[];
  filter: sdk.NotificationConfigurationFilter | undefined;
}

export const PutBucketNotificationConfiguration: Op<'PutBucketNotificationConfiguration'> = {
  resource: bucketResource,
  action: 's3:PutBucketNotification',
  async handle(input, ctx) {
    const { NotificationConfiguration: given } = input;
    if (given === undefined) throw malformedXml();
    const destinations = destinationsOf(given);
    for (const destination of destinations) checkDestination(destination);
    // A topic, queue or function can only be told of events when it is there: this installation has none.
    if (destinations.length > 0)
      throw invalidArgument(
        'Unable to validate the following destination configurations',
        destinations[0]!.arn,
        'The destination does not exist: Slipway delivers the events of buckets through EventBridge',
      );
    const eventbridge = given.EventBridgeConfiguration === undefined ? 0 : 1;
    await ctx.tx(async (tx) => {
      const { name } = await bucketByName(tx, input);
      await tx.db<Tables>().updateTable('s3_buckets').set({ eventbridge }).where('name', '=', name).execute();
    });
    return {};
  },
};

function destinationsOf(given: sdk.NotificationConfiguration): Destination[] {
  return [
    ...(given.TopicConfigurations ?? []).map(({ TopicArn: arn, Events: events = [], Filter: filter }) => ({
      arn,
      kind: 'sns' as const,
      events,
      filter,
    })),
    ...(given.QueueConfigurations ?? []).map(({ QueueArn: arn, Events: events = [], Filter: filter }) => ({
      arn,
      kind: 'sqs' as const,
      events,
      filter,
    })),
    ...(given.LambdaFunctionConfigurations ?? []).map(
      ({ LambdaFunctionArn: arn, Events: events = [], Filter: filter }) => ({
        arn,
        kind: 'lambda' as const,
        events,
        filter,
      }),
    ),
  ];
}

/** @throws MalformedXML, InvalidArgument */
function checkDestination({ arn, kind, events, filter }: Destination): void {
  if (arn === undefined || events.length === 0) throw malformedXml();
  const unknown = events.find((event) => !EVENTS.has(event));
  if (unknown !== undefined) throw invalidArgument('The event is not supported for notifications', 'Event', unknown);
  if (!new RegExp(`^arn:aws[a-z-]*:${kind}:[a-z0-9-]+:\\d{12}:.+$`).test(arn)) {
    throw invalidArgument('The ARN is not well formed', 'ARN', arn);
  }
  const names = (filter?.Key?.FilterRules ?? []).map(({ Name }) => Name?.toLowerCase());
  if (names.some((name) => name !== 'prefix' && name !== 'suffix')) {
    throw invalidArgument('filter rule name must be either prefix or suffix', 'FilterRule.Name');
  }
  if (new Set(names).size < names.length) {
    throw invalidArgument('Cannot specify more than one prefix or suffix rule in a filter.', 'FilterRule');
  }
}

export const GetBucketNotificationConfiguration: Op<'GetBucketNotificationConfiguration'> = {
  resource: bucketResource,
  action: 's3:GetBucketNotification',
  async handle(input, ctx) {
    const { eventbridge } = await bucketByName(ctx, input);
    return eventbridge === 1 ? { EventBridgeConfiguration: {} } : {};
  },
};
