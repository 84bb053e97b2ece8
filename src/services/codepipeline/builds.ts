import type { BusEvent } from '../../kernel/context.ts';
import type { Consumer } from '../../kernel/service.ts';
import { ACTION } from './reconciler-names.ts';
import { tables } from './store.ts';

/** The end of a build wakes the action that waits for it. */
export const buildEnds: Consumer = {
  name: 'codepipeline.build-ends',
  async handle(event, ctx) {
    const buildId = endedBuildOf(event);
    if (buildId === undefined) return;
    const waiting = await tables(ctx)
      .selectFrom('codepipeline_action_executions')
      .select('id')
      .where('external_id', '=', buildId)
      .where('account', '=', event.account)
      .where('region', '=', event.region)
      .where('status', '=', 'InProgress')
      .execute();
    if (waiting.length === 0) return;
    await ctx.tx(async (tx) => {
      for (const { id } of waiting) await tx.wake(ACTION, id);
    });
  },
};

/** `project:uuid` of a build that is over. */
function endedBuildOf(event: BusEvent): string | undefined {
  if (event.source !== 'aws.codebuild' || event.detailType !== 'CodeBuild Build State Change') return undefined;
  if (event.detail['build-status'] === 'IN_PROGRESS') return undefined;
  return /:build\/(.+)$/.exec(String(event.detail['build-id']))?.[1];
}
