import type * as lambda from '@aws-sdk/client-lambda';
import type * as sns from '@aws-sdk/client-sns';
import { parseArn } from '../../kernel/arn.ts';
import type { Caller } from '../../kernel/auth/identity.ts';
import type { Context } from '../../kernel/context.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { repositoryArn } from './resources.ts';
import type { RepositoryRow } from './tables.ts';
import type { TriggerDispatchRow } from './trigger-tables.ts';
import type { StoredTrigger } from './triggers-rules.ts';

/** One reference as the message tells of it; `created` and `deleted` stand there only when they are true. */
export interface TriggerReference {
  commit: string;
  created?: true;
  deleted?: true;
  ref: string;
}

/** References in one message: with the longest names it stays below the 256 KiB that SNS and Lambda take. */
const MAX_REFERENCES = 500;

/**
 * The JSON texts that a trigger's destination gets: one, or several parts where many references moved at once.
 * Source: Lambda Developer Guide, "Using AWS Lambda with AWS CodeCommit".
 */
export function triggerMessages(of: {
  repository: RepositoryRow;
  trigger: StoredTrigger;
  caller: Caller;
  at: Date;
  eventId: string;
  configurationId: string;
  eventName: 'ReferenceChanges' | 'TriggerEventTest';
  references: readonly TriggerReference[];
}): string[] {
  const { repository, trigger, caller, references } = of;
  const parts = Math.ceil(references.length / MAX_REFERENCES);
  return Array.from({ length: parts }, (_, part) => {
    const record = {
      awsRegion: repository.region,
      codecommit: { references: references.slice(part * MAX_REFERENCES, (part + 1) * MAX_REFERENCES) },
      customData: trigger.customData ?? null,
      eventId: of.eventId,
      eventName: of.eventName,
      eventPartNumber: part + 1,
      eventSource: 'aws:codecommit',
      eventSourceARN: repositoryArn(repository, repository.name),
      eventTime: of.at.toISOString().replace('Z', '+0000'),
      eventTotalParts: parts,
      eventTriggerConfigId: of.configurationId,
      eventTriggerName: trigger.name,
      eventVersion: '1.0',
      userIdentityARN: 'arn' in caller ? caller.arn : null,
    };
    return JSON.stringify({ Records: [record] });
  });
}

/** What a destination needs to know of its message. */
export type Dispatch = Pick<
  TriggerDispatchRow,
  'account' | 'region' | 'repository_name' | 'destination_arn' | 'message'
>;

/**
 * Hands a message to its topic or function, as CodeCommit itself on behalf of the repository: the destination's policy
 * decides. @throws Fault
 */
export async function sendToDestination(ctx: Context, dispatch: Dispatch): Promise<void> {
  const { account, region, repository_name: name, destination_arn: destination, message } = dispatch;
  const own = ctx.asService('codecommit.amazonaws.com', account, region, repositoryArn({ account, region }, name));
  if (parseArn(destination)!.service === 'sns') {
    await own.call<typeof sns, 'Publish'>('sns', 'Publish', {
      TopicArn: destination,
      Subject: `UPDATE: AWS CodeCommit ${region} push: ${name}`.slice(0, MAX_SUBJECT_CHARACTERS),
      Message: message,
    });
    return;
  }
  const { FunctionError: error } = await own.call<typeof lambda, 'Invoke'>('lambda', 'Invoke', {
    FunctionName: destination,
    InvocationType: 'Event',
    Payload: Buffer.from(message),
  });
  if (error !== undefined) throw commonFault('ServiceUnavailable', `The function answered ${error}.`);
}

/** SNS refuses longer subjects. */
const MAX_SUBJECT_CHARACTERS = 100;
