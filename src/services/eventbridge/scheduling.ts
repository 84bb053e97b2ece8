import type { Context, Tx } from '../../kernel/context.ts';
import type { Reconciler } from '../../kernel/service.ts';
import { type Envelope, noteDeliveries } from './matching.ts';
import { ruleArn } from './resources.ts';
import { nextRun, parseSchedule } from './schedule.ts';
import { type RuleRow, tables } from './store.ts';

export const SCHEDULE = 'eventbridge.schedule';

/** Runs scheduled rules: at the time, once, however often the clock jumps; runs that were missed are not made up for. */
export const scheduling: Reconciler = {
  name: SCHEDULE,
  async reconcile(key, ctx) {
    const againAt = await ctx.tx(async (tx) => {
      const rule = await tables(tx)
        .selectFrom('eventbridge_rules')
        .selectAll()
        .where('id', '=', key)
        .where('state', '=', 'ENABLED')
        .executeTakeFirst();
      if (rule === undefined || rule.schedule_expression === null || rule.next_run_at === null) return undefined;
      const now = ctx.now().getTime();
      if (rule.next_run_at > now) return rule.next_run_at;
      const own = ctx.asService('events.amazonaws.com', rule.account, rule.region);
      await noteDeliveries(tx, own, rule, scheduledEvent(rule, ctx));
      return setNextRun(tx, rule, now);
    });
    return againAt === undefined ? undefined : { againAt: new Date(againAt) };
  },
  async scan(ctx) {
    const rows = await tables(ctx)
      .selectFrom('eventbridge_rules')
      .select('id')
      .where('next_run_at', 'is not', null)
      .where('state', '=', 'ENABLED')
      .execute();
    return rows.map(({ id }) => id);
  },
};

/** Notes when the rule runs next. @returns that time, `undefined` when it never does */
async function setNextRun(tx: Tx, rule: RuleRow, now: number): Promise<number | undefined> {
  const next = nextRunOf(rule, now);
  await tables(tx)
    .updateTable('eventbridge_rules')
    .set({ next_run_at: next ?? null })
    .where('id', '=', rule.id)
    .execute();
  return next;
}

/** When a rule runs next, `undefined` for one without a schedule or whose schedule is over. */
export function nextRunOf(
  { schedule_expression: expression, updated_at }: Pick<RuleRow, 'schedule_expression' | 'updated_at'>,
  now: number,
): number | undefined {
  const schedule = expression === null ? undefined : parseSchedule(expression);
  return schedule === undefined ? undefined : nextRun(schedule, updated_at, now);
}

function scheduledEvent(rule: RuleRow, ctx: Context): Envelope {
  return {
    version: '0',
    id: ctx.ids.uuid(),
    'detail-type': 'Scheduled Event',
    source: 'aws.events',
    account: rule.account,
    time: new Date(rule.next_run_at!).toISOString().replace(/\.\d{3}Z$/, 'Z'),
    region: rule.region,
    resources: [ruleArn(rule, rule.name)],
    detail: {},
  };
}
