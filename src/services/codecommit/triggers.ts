import type * as sdk from '@aws-sdk/client-codecommit';
import type { Context } from '../../kernel/context.ts';
import { isFault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { ofRepository } from './resources.ts';
import { BRANCHES, findRef, repositoryByName } from './store.ts';
import type { RepositoryRow } from './tables.ts';
import { triggerTables } from './trigger-tables.ts';
import { sendToDestination, type TriggerReference, triggerMessages } from './triggers-messages.ts';
import { checkTriggers, type StoredTrigger } from './triggers-rules.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Replaces all triggers of a repository; an empty list removes them. */
export const PutRepositoryTriggers: Op<'PutRepositoryTriggers'> = {
  resource: ofRepository,
  async handle({ repositoryName, triggers }, ctx) {
    const checked = checkTriggers(ctx, triggers);
    const configurationId = ctx.ids.uuid();
    await ctx.tx(async (tx) => {
      const repository = await repositoryByName(tx, ctx, repositoryName);
      const set = { configuration_id: configurationId, triggers: JSON.stringify(checked) };
      await triggerTables(tx)
        .insertInto('codecommit_trigger_sets')
        .values({ repository_id: repository.id, ...set })
        .onConflict((c) => c.column('repository_id').doUpdateSet(set))
        .execute();
    });
    return { configurationId };
  },
};

export const GetRepositoryTriggers: Op<'GetRepositoryTriggers'> = {
  resource: ofRepository,
  async handle({ repositoryName }, ctx) {
    const repository = await repositoryByName(ctx, ctx, repositoryName);
    const set = await triggerTables(ctx)
      .selectFrom('codecommit_trigger_sets')
      .selectAll()
      .where('repository_id', '=', repository.id)
      .executeTakeFirst();
    if (set === undefined) return { triggers: [] };
    return { configurationId: set.configuration_id, triggers: JSON.parse(set.triggers) as sdk.RepositoryTrigger[] };
  },
};

/** Sends a message to the destinations of the given triggers, which need not be the stored ones. */
export const TestRepositoryTriggers: Op<'TestRepositoryTriggers'> = {
  resource: ofRepository,
  async handle({ repositoryName, triggers }, ctx) {
    const checked = checkTriggers(ctx, triggers);
    const repository = await repositoryByName(ctx, ctx, repositoryName);
    const successfulExecutions: string[] = [];
    const failedExecutions: sdk.RepositoryTriggerExecutionFailure[] = [];
    for (const trigger of checked) {
      const failureMessage = await failureOf(ctx, repository, trigger);
      if (failureMessage === undefined) successfulExecutions.push(trigger.name);
      else failedExecutions.push({ trigger: trigger.name, failureMessage });
    }
    return { successfulExecutions, failedExecutions };
  },
};

/** Tries one trigger. Answers why it failed, if it did. */
async function failureOf(ctx: Context, repository: RepositoryRow, trigger: StoredTrigger): Promise<string | undefined> {
  const eventId = ctx.ids.uuid();
  const [message] = triggerMessages({
    repository,
    trigger,
    caller: ctx.caller,
    at: ctx.now(),
    eventId,
    configurationId: eventId,
    eventName: 'TriggerEventTest',
    references: [await sampleReference(ctx, repository, trigger)],
  });
  try {
    await sendToDestination(ctx, {
      account: repository.account,
      region: repository.region,
      repository_name: repository.name,
      destination_arn: trigger.destinationArn,
      message: message!,
    });
    return undefined;
  } catch (error) {
    if (!isFault(error)) throw error;
    return `${error.name}: ${error.message}`;
  }
}

/** The last commit of a branch that the trigger is for, or one that was made up where there is none. */
async function sampleReference(
  ctx: Context,
  repository: RepositoryRow,
  { branches }: StoredTrigger,
): Promise<TriggerReference> {
  const names = branches.length > 0 ? branches.map((name) => `${BRANCHES}${name}`) : [repository.head];
  for (const name of names) {
    const ref = name === null ? undefined : await findRef(ctx, repository.id, name);
    if (ref !== undefined) return { commit: ref.object_id, ref: ref.name };
  }
  return { commit: Buffer.from(ctx.ids.bytes(20)).toString('hex'), ref: names[0] ?? `${BRANCHES}main` };
}
