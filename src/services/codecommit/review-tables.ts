import type { Kysely } from 'kysely';
import type { Context, Tx } from '../../kernel/context.ts';
import type { Migrations } from '../../kernel/store/migrate.ts';

/** The last number that a pull request got, in one account and region. */
export interface PullRequestCounterRow {
  account: string;
  region: string;
  last: number;
}

export interface PullRequestRow {
  /** Inner key; users know the number. */
  id: string;
  account: string;
  region: string;
  number: number;
  repository_id: string;
  title: string;
  description: string | null;
  status: 'OPEN' | 'CLOSED';
  author_arn: string;
  /** Full names of branches. */
  source_reference: string;
  destination_reference: string;
  /** Tip of the source at the current revision. */
  source_commit: string;
  /** Tip of the destination when the request was made, revised or closed; while it is open, the branch itself counts. */
  destination_commit: string;
  revision_id: string;
  client_request_token: string | null;
  /** SHA-256 of what the token was used with. */
  request_sha256: string | null;
  created_at: number;
  activity_at: number;
  is_merged: number;
  merged_by: string | null;
  merge_commit: string | null;
  merge_option: string | null;
}

/** One state of the source branch that reviewers looked at. */
export interface RevisionRow {
  pull_request: string;
  revision_id: string;
  source_commit: string;
  created_at: number;
  /** Who set the approval rules aside for this revision. */
  overrider: string | null;
}

export interface ApprovalRow {
  pull_request: string;
  revision_id: string;
  user_arn: string;
  approved_at: number;
}

export interface ApprovalRuleRow {
  id: string;
  pull_request: string;
  name: string;
  content: string;
  content_sha256: string;
  created_at: number;
  modified_at: number;
  modified_by: string;
  /** The template that made it, by the name it had then. */
  template_id: string | null;
  template_name: string | null;
}

export interface PullRequestEventRow {
  pull_request: string;
  /** 1, 2, 3 ... */
  sequence: number;
  type: string;
  actor_arn: string;
  at: number;
  /** JSON of the members that this type of event has. */
  metadata: string;
}

export interface ApprovalTemplateRow {
  id: string;
  account: string;
  region: string;
  name: string;
  description: string | null;
  content: string;
  content_sha256: string;
  created_at: number;
  modified_at: number;
  modified_by: string;
}

export interface TemplateRepositoryRow {
  template_id: string;
  repository_id: string;
}

export interface CommentRow {
  id: string;
  repository_id: string;
  /** Null for a comment on the comparison of two commits. */
  pull_request: string | null;
  /** Null where the first commit of all is commented on. */
  before_commit: string | null;
  after_commit: string;
  /** Null in a version that has no such file, and without a location. */
  before_blob: string | null;
  after_blob: string | null;
  file_path: string | null;
  /** Line, from 1. */
  file_position: number | null;
  file_version: string | null;
  in_reply_to: string | null;
  /** Grows with each comment in the repository. */
  sequence: number;
  /** Sequence of the first comment at the same place: comments and replies there are shown together. */
  place: number;
  /** Null once deleted. */
  content: string | null;
  author_arn: string;
  client_request_token: string | null;
  request_sha256: string | null;
  created_at: number;
  modified_at: number;
}

export interface ReactionRow {
  comment_id: string;
  user_arn: string;
  /** `THUMBSUP` */
  reaction: string;
  reacted_at: number;
}

export interface ReviewTables {
  codecommit_pull_request_counters: PullRequestCounterRow;
  codecommit_pull_requests: PullRequestRow;
  codecommit_revisions: RevisionRow;
  codecommit_approvals: ApprovalRow;
  codecommit_approval_rules: ApprovalRuleRow;
  codecommit_pull_request_events: PullRequestEventRow;
  codecommit_approval_templates: ApprovalTemplateRow;
  codecommit_template_repositories: TemplateRepositoryRow;
  codecommit_comments: CommentRow;
  codecommit_reactions: ReactionRow;
}

/** The tables of reviews, outside or inside a transaction. */
export function reviews(source: Context | Tx): Kysely<ReviewTables> {
  return source.db<ReviewTables>();
}

export const reviewMigrations: Migrations = {
  '0101-pull-requests': {
    async up(db) {
      await db.schema
        .createTable('codecommit_pull_request_counters')
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('last', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('codecommit_pull_request_counters_key', ['account', 'region'])
        .execute();
      await db.schema
        .createTable('codecommit_pull_requests')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('number', 'bigint', (c) => c.notNull())
        .addColumn('repository_id', 'text', (c) => c.notNull())
        .addColumn('title', 'text', (c) => c.notNull())
        .addColumn('description', 'text')
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('author_arn', 'text', (c) => c.notNull())
        .addColumn('source_reference', 'text', (c) => c.notNull())
        .addColumn('destination_reference', 'text', (c) => c.notNull())
        .addColumn('source_commit', 'text', (c) => c.notNull())
        .addColumn('destination_commit', 'text', (c) => c.notNull())
        .addColumn('revision_id', 'text', (c) => c.notNull())
        .addColumn('client_request_token', 'text')
        .addColumn('request_sha256', 'text')
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('activity_at', 'bigint', (c) => c.notNull())
        .addColumn('is_merged', 'integer', (c) => c.notNull())
        .addColumn('merged_by', 'text')
        .addColumn('merge_commit', 'text')
        .addColumn('merge_option', 'text')
        .addUniqueConstraint('codecommit_pull_requests_number', ['account', 'region', 'number'])
        .execute();
      await db.schema
        .createIndex('codecommit_pull_requests_activity')
        .on('codecommit_pull_requests')
        .columns(['repository_id', 'activity_at', 'number'])
        .execute();
      await db.schema
        .createIndex('codecommit_pull_requests_source')
        .on('codecommit_pull_requests')
        .columns(['repository_id', 'status', 'source_reference'])
        .execute();
      await db.schema
        .createIndex('codecommit_pull_requests_destination')
        .on('codecommit_pull_requests')
        .columns(['repository_id', 'status', 'destination_reference'])
        .execute();
      await db.schema
        .createIndex('codecommit_pull_requests_token')
        .on('codecommit_pull_requests')
        .columns(['account', 'region', 'client_request_token'])
        .execute();
      await db.schema
        .createTable('codecommit_revisions')
        .addColumn('pull_request', 'text', (c) => c.notNull())
        .addColumn('revision_id', 'text', (c) => c.notNull())
        .addColumn('source_commit', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('overrider', 'text')
        .addPrimaryKeyConstraint('codecommit_revisions_key', ['pull_request', 'revision_id'])
        .execute();
      await db.schema
        .createTable('codecommit_pull_request_events')
        .addColumn('pull_request', 'text', (c) => c.notNull())
        .addColumn('sequence', 'bigint', (c) => c.notNull())
        .addColumn('type', 'text', (c) => c.notNull())
        .addColumn('actor_arn', 'text', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addColumn('metadata', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('codecommit_pull_request_events_key', ['pull_request', 'sequence'])
        .execute();
    },
  },
  '0102-approvals': {
    async up(db) {
      await db.schema
        .createTable('codecommit_approvals')
        .addColumn('pull_request', 'text', (c) => c.notNull())
        .addColumn('revision_id', 'text', (c) => c.notNull())
        .addColumn('user_arn', 'text', (c) => c.notNull())
        .addColumn('approved_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('codecommit_approvals_key', ['pull_request', 'revision_id', 'user_arn'])
        .execute();
      await db.schema
        .createTable('codecommit_approval_rules')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('pull_request', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('content', 'text', (c) => c.notNull())
        .addColumn('content_sha256', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('modified_at', 'bigint', (c) => c.notNull())
        .addColumn('modified_by', 'text', (c) => c.notNull())
        .addColumn('template_id', 'text')
        .addColumn('template_name', 'text')
        .addUniqueConstraint('codecommit_approval_rules_name', ['pull_request', 'name'])
        .execute();
      await db.schema
        .createTable('codecommit_approval_templates')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('description', 'text')
        .addColumn('content', 'text', (c) => c.notNull())
        .addColumn('content_sha256', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('modified_at', 'bigint', (c) => c.notNull())
        .addColumn('modified_by', 'text', (c) => c.notNull())
        .addUniqueConstraint('codecommit_approval_templates_name', ['account', 'region', 'name'])
        .execute();
      await db.schema
        .createTable('codecommit_template_repositories')
        .addColumn('template_id', 'text', (c) => c.notNull())
        .addColumn('repository_id', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('codecommit_template_repositories_key', ['template_id', 'repository_id'])
        .execute();
      await db.schema
        .createIndex('codecommit_template_repositories_repository')
        .on('codecommit_template_repositories')
        .columns(['repository_id', 'template_id'])
        .execute();
    },
  },
  '0103-comments': {
    async up(db) {
      await db.schema
        .createTable('codecommit_comments')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('repository_id', 'text', (c) => c.notNull())
        .addColumn('pull_request', 'text')
        .addColumn('before_commit', 'text')
        .addColumn('after_commit', 'text', (c) => c.notNull())
        .addColumn('before_blob', 'text')
        .addColumn('after_blob', 'text')
        .addColumn('file_path', 'text')
        .addColumn('file_position', 'bigint')
        .addColumn('file_version', 'text')
        .addColumn('in_reply_to', 'text')
        .addColumn('sequence', 'bigint', (c) => c.notNull())
        .addColumn('place', 'bigint', (c) => c.notNull())
        .addColumn('content', 'text')
        .addColumn('author_arn', 'text', (c) => c.notNull())
        .addColumn('client_request_token', 'text')
        .addColumn('request_sha256', 'text')
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('modified_at', 'bigint', (c) => c.notNull())
        .addUniqueConstraint('codecommit_comments_sequence', ['repository_id', 'sequence'])
        .execute();
      await db.schema
        .createIndex('codecommit_comments_pull_request')
        .on('codecommit_comments')
        .columns(['pull_request', 'place', 'sequence'])
        .execute();
      await db.schema
        .createIndex('codecommit_comments_comparison')
        .on('codecommit_comments')
        .columns(['repository_id', 'after_commit', 'place', 'sequence'])
        .execute();
      await db.schema
        .createIndex('codecommit_comments_token')
        .on('codecommit_comments')
        .columns(['author_arn', 'client_request_token'])
        .execute();
      await db.schema
        .createTable('codecommit_reactions')
        .addColumn('comment_id', 'text', (c) => c.notNull())
        .addColumn('user_arn', 'text', (c) => c.notNull())
        .addColumn('reaction', 'text', (c) => c.notNull())
        .addColumn('reacted_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('codecommit_reactions_key', ['comment_id', 'user_arn'])
        .execute();
    },
  },
};
