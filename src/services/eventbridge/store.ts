import * as sdk from '@aws-sdk/client-eventbridge';
import type { Kysely } from 'kysely';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Migrations } from '../../kernel/store/migrate.ts';

export interface RuleRow {
  id: string;
  account: string;
  region: string;
  name: string;
  /** JSON text as the caller gave it. */
  event_pattern: string | null;
  schedule_expression: string | null;
  state: string;
  description: string | null;
  role_arn: string | null;
  /** Of a scheduled rule: when it runs next. */
  next_run_at: number | null;
  created_at: number;
  updated_at: number;
}

export interface TargetRow {
  rule_id: string;
  target_id: string;
  arn: string;
  /** The whole `Target` as JSON. */
  target: string;
}

/** One event on its way to one target. The row goes when the target took it and stays, marked failed, when it never will. */
export interface DeliveryRow {
  /** `<event>/<rule>/<target>`: an event that arrives again finds its row. Or `<resource>/<rule>/<target>`, see TargetKind. */
  id: string;
  account: string;
  region: string;
  rule_id: string;
  rule_name: string;
  /** The whole `Target` as it was when the event matched, as JSON. */
  target: string;
  /** The event as targets see it, as JSON. */
  event: string;
  ingested_at: number;
  attempts: number;
  /** `WAITING` or `FAILED`. */
  status: string;
  error: string | null;
}

export interface EventBridgeTables {
  eventbridge_rules: RuleRow;
  eventbridge_targets: TargetRow;
  eventbridge_deliveries: DeliveryRow;
}

export const migrations: Migrations = {
  '0001-rules': {
    async up(db) {
      await db.schema
        .createTable('eventbridge_rules')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('event_pattern', 'text')
        .addColumn('schedule_expression', 'text')
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('description', 'text')
        .addColumn('role_arn', 'text')
        .addColumn('next_run_at', 'bigint')
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('updated_at', 'bigint', (c) => c.notNull())
        .addUniqueConstraint('eventbridge_rules_name', ['account', 'region', 'name'])
        .execute();
      await db.schema
        .createTable('eventbridge_targets')
        .addColumn('rule_id', 'text', (c) => c.notNull())
        .addColumn('target_id', 'text', (c) => c.notNull())
        .addColumn('arn', 'text', (c) => c.notNull())
        .addColumn('target', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('eventbridge_targets_key', ['rule_id', 'target_id'])
        .execute();
      await db.schema.createIndex('eventbridge_targets_arn').on('eventbridge_targets').column('arn').execute();
      await db.schema
        .createTable('eventbridge_deliveries')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('rule_id', 'text', (c) => c.notNull())
        .addColumn('rule_name', 'text', (c) => c.notNull())
        .addColumn('target', 'text', (c) => c.notNull())
        .addColumn('event', 'text', (c) => c.notNull())
        .addColumn('ingested_at', 'bigint', (c) => c.notNull())
        .addColumn('attempts', 'integer', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('error', 'text')
        .execute();
      await db.schema
        .createIndex('eventbridge_deliveries_status')
        .on('eventbridge_deliveries')
        .columns(['status', 'ingested_at'])
        .execute();
    },
  },
};

/** The only bus so far; every account and region has it. */
export const DEFAULT_BUS = 'default';

/** This service's tables, outside or inside a transaction. */
export function tables(source: Context | Tx): Kysely<EventBridgeTables> {
  return source.db<EventBridgeTables>();
}

/** @throws ResourceNotFoundException unless the name or ARN is that of the default bus */
export function requireDefaultBus(busNameOrArn: string | undefined): void {
  const name = busNameOrArn?.replace(/^arn:[^/]*:event-bus\//, '') ?? DEFAULT_BUS;
  if (name !== DEFAULT_BUS) throw fault(sdk.ResourceNotFoundException, `Event bus ${name} does not exist.`);
}

/** The rule of that name in the caller's account and region, if there is one. */
export function findRule(source: Context | Tx, ctx: Context, name: string): Promise<RuleRow | undefined> {
  return tables(source)
    .selectFrom('eventbridge_rules')
    .selectAll()
    .where('account', '=', ctx.account)
    .where('region', '=', ctx.region)
    .where('name', '=', name)
    .executeTakeFirst();
}

/** @throws ResourceNotFoundException */
export async function ruleByName(source: Context | Tx, ctx: Context, name: string): Promise<RuleRow> {
  const rule = await findRule(source, ctx, name);
  if (rule === undefined) {
    throw fault(sdk.ResourceNotFoundException, `Rule ${name} does not exist on EventBus ${DEFAULT_BUS}.`);
  }
  return rule;
}
