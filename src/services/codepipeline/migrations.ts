import type { AnyTransaction } from '../../kernel/store/database.ts';
import type { Migrations } from '../../kernel/store/migrate.ts';

/** Column types in short: `!` is not null. */
const TYPES = { text: 'text', 'text!': 'text', int: 'integer', 'int!': 'integer', 'big!': 'bigint' } as const;

type Columns = Readonly<Record<string, keyof typeof TYPES>>;

async function createTable(db: AnyTransaction, name: string, columns: Columns, key: readonly string[]): Promise<void> {
  let table = db.schema.createTable(name);
  for (const [column, type] of Object.entries(columns)) {
    table = table.addColumn(column, TYPES[type], (c) => (type.endsWith('!') ? c.notNull() : c));
  }
  await table.addPrimaryKeyConstraint(`${name}_key`, key as never).execute();
}

async function createIndex(
  db: AnyTransaction,
  table: string,
  columns: readonly string[],
  unique = false,
): Promise<void> {
  const index = db.schema
    .createIndex(`${table}_${columns.join('_')}`)
    .on(table)
    .columns([...columns]);
  await (unique ? index.unique() : index).execute();
}

export const migrations: Migrations = {
  '0001-pipelines': {
    async up(db) {
      await createTable(
        db,
        'codepipeline_pipelines',
        {
          id: 'text!',
          account: 'text!',
          region: 'text!',
          name: 'text!',
          version: 'int!',
          counter: 'big!',
          created_at: 'big!',
          updated_at: 'big!',
        },
        ['id'],
      );
      await createIndex(db, 'codepipeline_pipelines', ['account', 'region', 'name'], true);
      await createTable(
        db,
        'codepipeline_definitions',
        { pipeline_id: 'text!', version: 'int!', declaration: 'text!' },
        ['pipeline_id', 'version'],
      );
      await createTable(
        db,
        'codepipeline_sources',
        {
          pipeline_id: 'text!',
          action_name: 'text!',
          account: 'text!',
          region: 'text!',
          provider: 'text!',
          location: 'text!',
          reference: 'text!',
          detects: 'int!',
        },
        ['pipeline_id', 'action_name'],
      );
      await createIndex(db, 'codepipeline_sources', ['account', 'region', 'provider', 'location']);
      await createTable(
        db,
        'codepipeline_source_changes',
        {
          event_id: 'text!',
          pipeline_id: 'text!',
          action_name: 'text!',
          revision_type: 'text!',
          revision: 'text!',
          seen_at: 'big!',
        },
        ['event_id', 'pipeline_id', 'action_name'],
      );
      await createIndex(db, 'codepipeline_source_changes', ['seen_at']);
      await createTable(
        db,
        'codepipeline_transitions',
        {
          pipeline_id: 'text!',
          stage_name: 'text!',
          enabled: 'int!',
          reason: 'text',
          changed_by: 'text!',
          changed_at: 'big!',
        },
        ['pipeline_id', 'stage_name'],
      );
    },
  },
  '0002-executions': {
    async up(db) {
      await createTable(
        db,
        'codepipeline_executions',
        {
          id: 'text!',
          pipeline_id: 'text!',
          version: 'int!',
          sequence: 'big!',
          status: 'text!',
          status_summary: 'text',
          active: 'int!',
          mode: 'text!',
          type: 'text!',
          rollback_target: 'text',
          trigger_type: 'text!',
          trigger_detail: 'text!',
          variables: 'text!',
          source_revisions: 'text!',
          stop: 'text',
          stop_reason: 'text',
          stage_index: 'int!',
          stage_name: 'text!',
          last_stage_index: 'int!',
          entered: 'int!',
          auto_retried: 'int!',
          client_token: 'text',
          started_at: 'big!',
          updated_at: 'big!',
        },
        ['id'],
      );
      await createIndex(db, 'codepipeline_executions', ['pipeline_id', 'sequence'], true);
      await createIndex(db, 'codepipeline_executions', ['pipeline_id', 'client_token'], true);
      await createIndex(db, 'codepipeline_executions', ['active', 'pipeline_id', 'sequence']);
      await createTable(
        db,
        'codepipeline_stage_executions',
        {
          execution_id: 'text!',
          stage_name: 'text!',
          pipeline_id: 'text!',
          stage_index: 'int!',
          status: 'text!',
          entry: 'big!',
          auto_retries: 'int!',
          manual_retries: 'int!',
          last_retry: 'text',
          started_at: 'big!',
          updated_at: 'big!',
        },
        ['execution_id', 'stage_name'],
      );
      await createIndex(db, 'codepipeline_stage_executions', ['pipeline_id', 'stage_name', 'entry']);
      await createTable(
        db,
        'codepipeline_action_executions',
        {
          id: 'text!',
          account: 'text!',
          region: 'text!',
          pipeline_id: 'text!',
          pipeline_name: 'text!',
          execution_id: 'text!',
          version: 'int!',
          stage_name: 'text!',
          stage_index: 'int!',
          action_name: 'text!',
          category: 'text!',
          provider: 'text!',
          status: 'text!',
          current: 'int!',
          queued: 'int!',
          cancelling: 'int!',
          attempts: 'int!',
          sequence: 'big!',
          deadline: 'big!',
          token: 'text',
          updated_by: 'text',
          pipeline_role_arn: 'text!',
          declaration: 'text!',
          resolved: 'text',
          inputs: 'text!',
          outputs: 'text!',
          variables: 'text',
          revision: 'text',
          external_id: 'text',
          external_url: 'text',
          summary: 'text',
          error_code: 'text',
          error_message: 'text',
          started_at: 'big!',
          updated_at: 'big!',
        },
        ['id'],
      );
      await createIndex(db, 'codepipeline_action_executions', ['pipeline_id', 'sequence']);
      await createIndex(db, 'codepipeline_action_executions', ['execution_id', 'sequence']);
      await createIndex(db, 'codepipeline_action_executions', ['pipeline_id', 'stage_name', 'action_name', 'sequence']);
      await createIndex(db, 'codepipeline_action_executions', ['external_id']);
      await createIndex(db, 'codepipeline_action_executions', ['queued', 'cancelling']);
      await createTable(
        db,
        'codepipeline_artifacts',
        {
          execution_id: 'text!',
          name: 'text!',
          bucket: 'text!',
          object_key: 'text!',
          etag: 'text!',
          size: 'big!',
          sha256: 'text',
        },
        ['execution_id', 'name'],
      );
    },
  },
};
