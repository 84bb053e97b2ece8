import * as sdk from '@aws-sdk/client-codecommit';
import { shortNameProblem } from '../../git/ref-name.ts';
import { parseArn } from '../../kernel/arn.ts';
import { fault } from '../../kernel/fault.ts';
import type { Place } from './resources.ts';

/** AWS's quotas. Source: CodeCommit User Guide, "Quotas in AWS CodeCommit". */
const MAX_TRIGGERS = 10;
const MAX_NAME_CHARACTERS = 100;
const MAX_DATA_CHARACTERS = 1_000;
const MAX_BRANCHES = 10;

/** A trigger that was checked, as it is stored and shown. */
export interface StoredTrigger {
  name: string;
  destinationArn: string;
  customData?: string;
  branches: string[];
  events: sdk.RepositoryTriggerEventEnum[];
}

/**
 * Holds triggers against AWS's rules.
 * @param place where the repository is: destinations must be in the same region.
 * @throws MaximumRepositoryTriggersExceededException, InvalidRepositoryTrigger...Exception, MaximumBranchesExceededException,
 *   RepositoryTrigger...RequiredException
 */
export function checkTriggers(place: Place, triggers: readonly sdk.RepositoryTrigger[]): StoredTrigger[] {
  if (triggers.length > MAX_TRIGGERS) {
    throw fault(
      sdk.MaximumRepositoryTriggersExceededException,
      `A repository can have at most ${MAX_TRIGGERS} triggers.`,
    );
  }
  const names = new Set<string>();
  return triggers.map((trigger) => {
    const { customData } = trigger;
    // The constraint table has seen to it that they are there.
    const [name, destinationArn, events] = [trigger.name!, trigger.destinationArn!, trigger.events!];
    checkName(name, names);
    checkDestination(place, destinationArn);
    if (customData !== undefined && customData.length > MAX_DATA_CHARACTERS) {
      throw fault(
        sdk.InvalidRepositoryTriggerCustomDataException,
        `The custom data of trigger ${name} has more than ${MAX_DATA_CHARACTERS} characters.`,
      );
    }
    return {
      name,
      destinationArn,
      ...(customData === undefined ? {} : { customData }),
      branches: checkedBranches(name, trigger.branches),
      events: checkedEvents(name, events),
    };
  });
}

function checkName(name: string, known: Set<string>): void {
  if (name === '') throw fault(sdk.RepositoryTriggerNameRequiredException, 'A name for the trigger is required.');
  const invalid = (why: string) =>
    fault(sdk.InvalidRepositoryTriggerNameException, `${name.slice(0, 100)} is not a valid trigger name: ${why}`);
  if (name.length > MAX_NAME_CHARACTERS) throw invalid(`it has more than ${MAX_NAME_CHARACTERS} characters.`);
  if (!/^[\w.-]+$/.test(name)) throw invalid('only letters, numbers, periods, underscores and dashes are allowed.');
  if (known.has(name)) throw invalid('another trigger has the same name.');
  known.add(name);
}

function checkDestination({ region }: Place, destinationArn: string): void {
  if (destinationArn === '') {
    throw fault(sdk.RepositoryTriggerDestinationArnRequiredException, 'A destination ARN for the trigger is required.');
  }
  const arn = parseArn(destinationArn);
  const isTopic = arn?.service === 'sns' && /^[\w-]{1,256}(\.fifo)?$/.test(arn.resource);
  const isFunction = arn?.service === 'lambda' && /^function:[\w-]{1,64}(:[\w$-]{1,128})?$/.test(arn.resource);
  if (arn === undefined || !(isTopic || isFunction) || !/^\d{12}$/.test(arn.account)) {
    throw fault(
      sdk.InvalidRepositoryTriggerDestinationArnException,
      `${destinationArn.slice(0, 200)} is not the ARN of an Amazon SNS topic or an AWS Lambda function.`,
    );
  }
  if (arn.region !== region) {
    throw fault(
      sdk.InvalidRepositoryTriggerRegionException,
      `The destination ${destinationArn.slice(0, 200)} is not in the region of the repository, ${region}.`,
    );
  }
}

function checkedBranches(name: string, branches: readonly string[] | undefined): string[] {
  if (branches === undefined) {
    throw fault(
      sdk.RepositoryTriggerBranchNameListRequiredException,
      `A list of branches is required for trigger ${name}; an empty one stands for all.`,
    );
  }
  if (branches.length > MAX_BRANCHES) {
    throw fault(sdk.MaximumBranchesExceededException, `A trigger can name at most ${MAX_BRANCHES} branches.`);
  }
  for (const branch of branches) {
    const problem = shortNameProblem(branch);
    if (problem === null) continue;
    throw fault(
      sdk.InvalidRepositoryTriggerBranchNameException,
      `${branch} is not a valid branch name for trigger ${name}: ${problem}`,
    );
  }
  return [...branches];
}

function checkedEvents(
  name: string,
  events: readonly sdk.RepositoryTriggerEventEnum[],
): sdk.RepositoryTriggerEventEnum[] {
  if (events.length === 0) {
    throw fault(sdk.RepositoryTriggerEventsListRequiredException, `An event is required for trigger ${name}.`);
  }
  if (new Set(events).size < events.length || (events.includes('all') && events.length > 1)) {
    throw fault(
      sdk.InvalidRepositoryTriggerEventsException,
      `The events of trigger ${name} are not valid: each once, and "all" alone.`,
    );
  }
  return [...events];
}
