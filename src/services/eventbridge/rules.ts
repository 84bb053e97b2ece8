import * as sdk from '@aws-sdk/client-eventbridge';
import { requirePassRole } from '../../kernel/auth/pass-role.ts';
import { parseStrictJson } from '../../kernel/auth/policy-json.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { ConditionKeys, Operation, OperationName } from '../../kernel/service.ts';
import { deleteAllTags, putTags, requestTagKeys } from '../../kernel/tags.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { compileEventPattern } from './pattern.ts';
import { creatorKeys, ruleArn, ruleResource, SERVICE } from './resources.ts';
import { parseSchedule } from './schedule.ts';
import { nextRunOf, SCHEDULE } from './scheduling.ts';
import { DEFAULT_BUS, findRule, type RuleRow, requireDefaultBus, ruleByName, tables } from './store.ts';
import { checkTags, tagsFrom } from './tagging.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** AWS's default quota of rules on one bus. */
const MAX_RULES = 300;
const PAGE = 100;

/** Creates a rule or replaces what it says; its targets and tags stay. */
export const PutRule: Op<'PutRule'> = {
  resource: (input, ctx) => ruleResource(ctx, input.Name),
  conditions: (input, ctx) => ({
    ...creatorKeys(input, ctx),
    ...patternKeys(input.EventPattern),
    ...requestTagKeys(tagsFrom(input.Tags ?? [])),
  }),
  async handle(input, ctx) {
    const {
      Name: name,
      EventPattern: pattern,
      ScheduleExpression: schedule,
      RoleArn: roleArn,
      Tags: tags = [],
    } = input;
    requireDefaultBus(input.EventBusName);
    checkRule(input);
    checkTags(tags);
    if (roleArn !== undefined) {
      await requirePassRole(ctx, { roleArn, service: SERVICE, resource: ruleArn(ctx, name) });
    }
    const now = ctx.now().getTime();
    const timing = { schedule_expression: schedule || null, updated_at: now };
    const change = {
      ...timing,
      event_pattern: pattern || null,
      state: input.State ?? 'ENABLED',
      description: input.Description ?? null,
      role_arn: roleArn ?? null,
      next_run_at: nextRunOf(timing, now) ?? null,
    };
    const arn = ruleArn(ctx, name);
    await ctx.tx(async (tx) => {
      const existing = await findRule(tx, ctx, name);
      const id = existing?.id ?? ctx.ids.uuid();
      if (existing !== undefined) {
        await tables(tx).updateTable('eventbridge_rules').set(change).where('id', '=', id).execute();
      } else {
        await checkQuota(tx, ctx);
        const { account, region } = ctx;
        const row = { id, account, region, name, ...change, created_at: now };
        await tables(tx).insertInto('eventbridge_rules').values(row).execute();
        await putTags(tx, arn, tagsFrom(tags));
      }
      if (change.next_run_at !== null) await tx.wake(SCHEDULE, id, new Date(change.next_run_at));
    });
    return { RuleArn: arn };
  },
};

/** The values that a pattern names for the source and kind of events; what the pattern must be is checked later. */
function patternKeys(text: string | undefined): ConditionKeys {
  const pattern = text ? parseStrictJson(text) : undefined;
  if (typeof pattern !== 'object' || pattern === null) return {};
  const { source, 'detail-type': detailType } = pattern as Record<string, unknown>;
  const texts = (values: unknown) => (Array.isArray(values) ? values.filter((value) => typeof value === 'string') : []);
  const [sources, types] = [texts(source), texts(detailType)];
  return {
    ...(sources.length === 0 ? {} : { 'events:source': sources }),
    ...(types.length === 0 ? {} : { 'events:detail-type': types }),
  };
}

function checkRule(input: sdk.PutRuleCommandInput): void {
  const { EventPattern: pattern, ScheduleExpression: schedule, State: state } = input;
  if (!pattern && !schedule) {
    throw commonFault('ValidationError', 'Parameter(s) EventPattern or ScheduleExpression must be specified.');
  }
  if (pattern) compileEventPattern(pattern);
  if (schedule && parseSchedule(schedule) === undefined) {
    throw commonFault('ValidationError', 'Parameter ScheduleExpression is not valid.');
  }
  if (state === 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS') {
    throw commonFault(
      'ValidationError',
      `The rule state ${state} is not implemented by Slipway: calls are not put on the bus.`,
    );
  }
}

async function checkQuota(tx: Tx, ctx: Context): Promise<void> {
  const { count } = await tables(tx)
    .selectFrom('eventbridge_rules')
    .select((e) => e.fn.countAll<number>().as('count'))
    .where('account', '=', ctx.account)
    .where('region', '=', ctx.region)
    .executeTakeFirstOrThrow();
  if (Number(count) >= MAX_RULES) {
    throw fault(sdk.LimitExceededException, 'The requested resource exceeds the maximum number allowed.');
  }
}

export const DescribeRule: Op<'DescribeRule'> = {
  resource: (input, ctx) => ruleResource(ctx, input.Name),
  conditions: creatorKeys,
  async handle(input, ctx) {
    requireDefaultBus(input.EventBusName);
    const rule = await ruleByName(ctx, ctx, input.Name);
    return { ...ruleOf(rule), CreatedBy: rule.account };
  },
};

/** Lists the rules by name. */
export const ListRules: Op<'ListRules'> = {
  // AWS's denials name all rules, not `*`.
  resource: (_input, ctx) => ruleArn(ctx, '*'),
  async handle(input, ctx) {
    requireDefaultBus(input.EventBusName);
    const limit = input.Limit ?? PAGE;
    const prefix = input.NamePrefix ?? '';
    const scope = `ListRules ${prefix}`;
    const after = cursorOf<string>(ctx, scope, input.NextToken, invalidToken);
    const rows = await tables(ctx)
      .selectFrom('eventbridge_rules')
      .selectAll()
      .where('account', '=', ctx.account)
      .where('region', '=', ctx.region)
      .where('name', '>=', prefix)
      .where('name', '<', `${prefix}\u{10ffff}`)
      .$if(after !== undefined, (query) => query.where('name', '>', after!))
      .orderBy('name')
      .limit(limit + 1)
      .execute();
    const { items, token } = page(ctx, scope, rows, limit, ({ name }) => name);
    return { Rules: items.map(ruleOf), NextToken: token };
  },
};

/** What the service answers to a token that it did not make for this list. */
export function invalidToken() {
  return commonFault('ValidationError', 'Parameter NextToken is not valid.');
}

function ruleOf(rule: RuleRow): sdk.Rule {
  return {
    Name: rule.name,
    Arn: ruleArn(rule, rule.name),
    EventPattern: rule.event_pattern ?? undefined,
    ScheduleExpression: rule.schedule_expression ?? undefined,
    State: rule.state as sdk.RuleState,
    Description: rule.description ?? undefined,
    RoleArn: rule.role_arn ?? undefined,
    EventBusName: DEFAULT_BUS,
  };
}

export const EnableRule: Op<'EnableRule'> = {
  resource: (input, ctx) => ruleResource(ctx, input.Name),
  conditions: creatorKeys,
  async handle(input, ctx) {
    await setState(ctx, input.Name, input.EventBusName, 'ENABLED');
    return {};
  },
};

export const DisableRule: Op<'DisableRule'> = {
  resource: (input, ctx) => ruleResource(ctx, input.Name),
  conditions: creatorKeys,
  async handle(input, ctx) {
    await setState(ctx, input.Name, input.EventBusName, 'DISABLED');
    return {};
  },
};

async function setState(ctx: Context, name: string, bus: string | undefined, state: string): Promise<void> {
  requireDefaultBus(bus);
  const now = ctx.now().getTime();
  await ctx.tx(async (tx) => {
    const rule = await ruleByName(tx, ctx, name);
    const next = nextRunOf(rule, now) ?? null;
    const change = { state, next_run_at: next };
    await tables(tx).updateTable('eventbridge_rules').set(change).where('id', '=', rule.id).execute();
    if (next !== null && state === 'ENABLED') await tx.wake(SCHEDULE, rule.id, new Date(next));
  });
}

/** Deletes a rule without targets; one that does not exist is fine. */
export const DeleteRule: Op<'DeleteRule'> = {
  resource: (input, ctx) => ruleResource(ctx, input.Name),
  conditions: creatorKeys,
  async handle(input, ctx) {
    requireDefaultBus(input.EventBusName);
    await ctx.tx(async (tx) => {
      const rule = await findRule(tx, ctx, input.Name);
      if (rule === undefined) return;
      const target = await tables(tx)
        .selectFrom('eventbridge_targets')
        .select('target_id')
        .where('rule_id', '=', rule.id)
        .executeTakeFirst();
      if (target !== undefined) throw commonFault('ValidationError', "Rule can't be deleted since it has targets.");
      await tables(tx).deleteFrom('eventbridge_rules').where('id', '=', rule.id).execute();
      await deleteAllTags(tx, ruleArn(ctx, rule.name));
    });
    return {};
  },
};
