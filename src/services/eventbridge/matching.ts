import type { BusEvent, Context, Tx } from '../../kernel/context.ts';
import type { Consumer } from '../../kernel/service.ts';
import { DELIVERY } from './delivery.ts';
import { compileEventPattern, type EventPattern, matchesEvent } from './pattern.ts';
import { type DeliveryRow, type RuleRow, tables } from './store.ts';
import { targetKindOf } from './target-kinds.ts';

/** An event as patterns and targets see it. */
export type Envelope = Record<string, unknown>;

/** @see https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html */
export function envelopeOf(event: BusEvent): Envelope {
  return {
    version: '0',
    id: event.id,
    'detail-type': event.detailType,
    source: event.source,
    account: event.account,
    time: event.time,
    region: event.region,
    resources: event.resources,
    detail: event.detail,
  };
}

/** Sources of what Slipway's own parts tell each other; rules do not see it. */
const INTERNAL = 'slipway.';

/** Compiled patterns by their text; rules change rarely and every event is held against all of them. */
const compiled = new Map<string, EventPattern>();
const MAX_COMPILED = 2_000;
/** How long a state that is to be brought up to date waits for further events of the same change. */
const GATHER_MS = 1_000;

/**
 * Rules whose deliveries are noted in one transaction. A bus has 300 of 5 targets each, and an event may be about a hundred
 * repositories: nobody else would write meanwhile. What was noted before a crash is found when the event comes again.
 */
const RULES_AT_ONCE = 20;

function compiledPattern(text: string): EventPattern {
  let pattern = compiled.get(text);
  if (pattern === undefined) {
    if (compiled.size >= MAX_COMPILED) compiled.clear();
    pattern = compileEventPattern(text);
    compiled.set(text, pattern);
  }
  return pattern;
}

/** Holds every event of the bus against the rules of its account and region and notes down the deliveries that follow. */
export const matching: Consumer = {
  name: 'eventbridge.matching',
  async handle(event, ctx) {
    if (event.source.startsWith(INTERNAL)) return;
    const rules = await tables(ctx)
      .selectFrom('eventbridge_rules')
      .selectAll()
      .where('account', '=', event.account)
      .where('region', '=', event.region)
      .where('state', '=', 'ENABLED')
      .where('event_pattern', 'is not', null)
      .execute();
    const envelope = envelopeOf(event);
    const matched = rules.filter((rule) => matchesEvent(compiledPattern(rule.event_pattern!), envelope));
    if (matched.length === 0) return;
    for (let at = 0; at < matched.length; at += RULES_AT_ONCE) {
      await ctx.tx(async (tx) => {
        for (const rule of matched.slice(at, at + RULES_AT_ONCE)) await noteDeliveries(tx, ctx, rule, envelope);
      });
    }
  },
};

/** Writes the deliveries of an event to each target of the rule. */
export async function noteDeliveries(tx: Tx, ctx: Context, rule: RuleRow, envelope: Envelope): Promise<void> {
  const targets = await tables(tx)
    .selectFrom('eventbridge_targets')
    .selectAll()
    .where('rule_id', '=', rule.id)
    .orderBy('target_id')
    .execute();
  for (const target of targets) {
    const subjects = targetKindOf(target.arn)?.subjects?.(envelope) ?? [];
    const isState = subjects.length > 0;
    for (const subject of isState ? new Set(subjects) : [String(envelope['id'])]) {
      const row: DeliveryRow = {
        id: `${subject}/${rule.id}/${target.target_id}`,
        account: rule.account,
        region: rule.region,
        rule_id: rule.id,
        rule_name: rule.name,
        target: target.target,
        event: JSON.stringify(envelope),
        ingested_at: ctx.now().getTime(),
        attempts: 0,
        status: 'WAITING',
        error: null,
      };
      await noteDelivery(tx, row, isState);
    }
  }
}

/** One that is there already is the same event come again; where the state counts, it is about to be out of date. */
async function noteDelivery(tx: Tx, row: DeliveryRow, isState: boolean): Promise<void> {
  const { id, ...anew } = row;
  await tables(tx)
    .insertInto('eventbridge_deliveries')
    .values(row)
    .onConflict((c) => (isState ? c.column('id').doUpdateSet(anew) : c.column('id').doNothing()))
    .execute();
  await tx.wake(DELIVERY, id, new Date(row.ingested_at + (isState ? GATHER_MS : 0)));
}
