import * as sdk from '@aws-sdk/client-eventbridge';
import { parseArn } from '../../kernel/arn.ts';
import { requirePassRole } from '../../kernel/auth/pass-role.ts';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { creatorKeys, ruleArn, ruleResource, SERVICE } from './resources.ts';
import { invalidToken } from './rules.ts';
import { requireDefaultBus, ruleByName, tables } from './store.ts';
import { targetInputProblem } from './target-input.ts';
import { targetKindOf } from './target-kinds.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** AWS's quota of targets of one rule. */
const MAX_TARGETS = 5;
/** How many entries one request may carry. */
const MAX_ENTRIES = 10;
const PAGE = 100;
/** What this server does with a target; anything else of it would be lost silently. */
const UNDERSTOOD = new Set(['Id', 'Arn', 'RoleArn', 'Input', 'InputPath', 'InputTransformer', 'RetryPolicy']);

/** Adds targets to a rule or replaces those with the same id. */
export const PutTargets: Op<'PutTargets'> = {
  resource: (input, ctx) => ruleResource(ctx, input.Rule),
  conditions: (input, ctx) => ({
    ...creatorKeys(input, ctx),
    'events:TargetArn': input.Targets.map(({ Arn }) => Arn!),
  }),
  async handle(input, ctx) {
    const { Rule: name, Targets: targets } = input;
    requireDefaultBus(input.EventBusName);
    if (targets.length > MAX_ENTRIES) throw limitExceeded();
    for (const target of targets) checkTarget(target);
    for (const roleArn of new Set(targets.flatMap(({ RoleArn }) => RoleArn ?? []))) {
      await requirePassRole(ctx, { roleArn, service: SERVICE, resource: ruleArn(ctx, name) });
    }
    await ctx.tx(async (tx) => {
      const rule = await ruleByName(tx, ctx, name);
      for (const target of targets) {
        const row = { rule_id: rule.id, target_id: target.Id!, arn: target.Arn!, target: JSON.stringify(target) };
        await tables(tx)
          .insertInto('eventbridge_targets')
          .values(row)
          .onConflict((c) => c.columns(['rule_id', 'target_id']).doUpdateSet({ arn: row.arn, target: row.target }))
          .execute();
      }
      const rows = await tables(tx)
        .selectFrom('eventbridge_targets')
        .select('target_id')
        .where('rule_id', '=', rule.id)
        .execute();
      if (rows.length > MAX_TARGETS) throw limitExceeded();
    });
    return { FailedEntryCount: 0, FailedEntries: [] };
  },
};

function limitExceeded() {
  return fault(sdk.LimitExceededException, 'The requested resource exceeds the maximum number allowed.');
}

function checkTarget(target: sdk.Target): void {
  const invalid = (message: string) => commonFault('ValidationError', message);
  const { Id: id, Arn: arn, RoleArn: roleArn } = target;
  if (parseArn(arn!) === undefined) {
    throw invalid(`Parameter ${arn} is not valid. Reason: Provided Arn is not in correct format.`);
  }
  const kind = targetKindOf(arn!);
  if (kind === undefined) throw invalid(`Target ${id}: targets of the kind ${arn} are not implemented by Slipway.`);
  if (kind.needsRole && roleArn === undefined) throw invalid(`RoleArn is required for target ${arn}.`);
  const unknown = Object.entries(target).find(([key, value]) => value !== undefined && !UNDERSTOOD.has(key));
  if (unknown !== undefined) throw invalid(`Target ${id}: ${unknown[0]} is not implemented by Slipway.`);
  const { Input, InputPath, InputTransformer } = target;
  if (!kind.takesInput && [Input, InputPath, InputTransformer].some((setting) => setting !== undefined)) {
    throw invalid(`Target ${id}: a target of the kind ${arn} takes no input.`);
  }
  const problem = targetInputProblem(target);
  if (problem !== undefined) throw invalid(problem);
}

export const RemoveTargets: Op<'RemoveTargets'> = {
  resource: (input, ctx) => ruleResource(ctx, input.Rule),
  conditions: creatorKeys,
  async handle(input, ctx) {
    requireDefaultBus(input.EventBusName);
    await ctx.tx(async (tx) => {
      const rule = await ruleByName(tx, ctx, input.Rule);
      await tables(tx)
        .deleteFrom('eventbridge_targets')
        .where('rule_id', '=', rule.id)
        .where('target_id', 'in', [...input.Ids])
        .execute();
    });
    return { FailedEntryCount: 0, FailedEntries: [] };
  },
};

export const ListTargetsByRule: Op<'ListTargetsByRule'> = {
  resource: (input, ctx) => ruleResource(ctx, input.Rule),
  conditions: creatorKeys,
  async handle(input, ctx) {
    requireDefaultBus(input.EventBusName);
    const rule = await ruleByName(ctx, ctx, input.Rule);
    const limit = input.Limit ?? PAGE;
    const scope = `ListTargetsByRule ${rule.id}`;
    const after = cursorOf<string>(ctx, scope, input.NextToken, invalidToken);
    const rows = await tables(ctx)
      .selectFrom('eventbridge_targets')
      .selectAll()
      .where('rule_id', '=', rule.id)
      .$if(after !== undefined, (query) => query.where('target_id', '>', after!))
      .orderBy('target_id')
      .limit(limit + 1)
      .execute();
    const { items, token } = page(ctx, scope, rows, limit, ({ target_id }) => target_id);
    return { Targets: items.map(({ target }) => JSON.parse(target) as sdk.Target), NextToken: token };
  },
};

export const ListRuleNamesByTarget: Op<'ListRuleNamesByTarget'> = {
  resource: () => '*',
  async handle(input, ctx) {
    requireDefaultBus(input.EventBusName);
    const limit = input.Limit ?? PAGE;
    const scope = `ListRuleNamesByTarget ${input.TargetArn}`;
    const after = cursorOf<string>(ctx, scope, input.NextToken, invalidToken);
    const rows = await ruleNamesByTarget(ctx, input.TargetArn, after, limit + 1);
    const { items, token } = page(ctx, scope, rows, limit, ({ name }) => name);
    return { RuleNames: items.map(({ name }) => name), NextToken: token };
  },
};

function ruleNamesByTarget(ctx: Context, arn: string, after: string | undefined, limit: number) {
  return tables(ctx)
    .selectFrom('eventbridge_targets')
    .innerJoin('eventbridge_rules', 'eventbridge_rules.id', 'eventbridge_targets.rule_id')
    .select('eventbridge_rules.name')
    .distinct()
    .where('eventbridge_targets.arn', '=', arn)
    .where('eventbridge_rules.account', '=', ctx.account)
    .where('eventbridge_rules.region', '=', ctx.region)
    .$if(after !== undefined, (query) => query.where('eventbridge_rules.name', '>', after!))
    .orderBy('eventbridge_rules.name')
    .limit(limit)
    .execute();
}
