import { createHash } from 'node:crypto';
import type * as sdk from '@aws-sdk/client-codecommit';
import { BadContent, parseContent } from './approval-rules-content.ts';
import {
  branchOf,
  commitOf,
  idOf,
  type Json,
  lineOf,
  listOf,
  numberOf,
  oneOf,
  optionalText,
  type PullRequestBundle,
  pathOf,
  personOf,
  refuse,
  textOf,
  timeOf,
} from './import-bundle.ts';
import { eventRows, mergeOf, STATUSES } from './import-events.ts';
import { broughtId } from './import-ids.ts';
import { reactionOf } from './reactions-values.ts';
import type {
  ApprovalRow,
  ApprovalRuleRow,
  CommentRow,
  PullRequestEventRow,
  PullRequestRow,
  ReactionRow,
  RevisionRow,
} from './review-tables.ts';
import { isCommentId } from './specifiers.ts';
import type { RepositoryRow } from './tables.ts';

/** AWS's limit of a description and of a comment. */
const MAX_CONTENT = 10_240;
const VERSIONS = ['BEFORE', 'AFTER'] as const;

/** What an imported pull request is in the tables. */
export interface ImportedRows {
  pullRequest: PullRequestRow;
  revisions: RevisionRow[];
  approvals: ApprovalRow[];
  rules: ApprovalRuleRow[];
  events: PullRequestEventRow[];
  comments: CommentRow[];
  reactions: ReactionRow[];
}

/**
 * Makes rows of what CodeCommit tells of a pull request: numbers, ids, authors and times as they were.
 * @param id inner key of the pull request
 * @param firstSequence what the first comment gets
 * @throws ValidationError for what cannot be a pull request
 */
export function rowsOf(
  repository: RepositoryRow,
  id: string,
  bundle: PullRequestBundle,
  firstSequence: number,
): ImportedRows {
  const pullRequest = pullRequestRow(repository, id, bundle.pullRequest);
  const events = eventRows(repository, id, bundle.events);
  const revisions = revisionRows(pullRequest, bundle, events);
  const comments = commentRows(repository, id, bundle.comments, firstSequence);
  return {
    pullRequest,
    events,
    revisions,
    approvals: approvalRows(id, bundle, events, revisions),
    rules: ruleRows(repository, id, bundle.pullRequest),
    comments,
    reactions: reactionRows(repository, bundle, comments),
  };
}

function pullRequestRow(repository: RepositoryRow, id: string, given: Json<sdk.PullRequest>): PullRequestRow {
  const target = listOf(given.pullRequestTargets, 'pullRequestTargets', 1)[0] ?? ({} as Json<sdk.PullRequestTarget>);
  const merge = mergeOf(target.mergeMetadata);
  return {
    id,
    account: repository.account,
    region: repository.region,
    number: numberOf(given.pullRequestId),
    repository_id: repository.id,
    title: textOf(given.title, 'title', 150, 1),
    description: optionalText(given.description, 'description', MAX_CONTENT),
    status: oneOf(given.pullRequestStatus, STATUSES, 'pullRequestStatus'),
    author_arn: personOf(given.authorArn, 'authorArn'),
    source_reference: branchOf(target.sourceReference, 'sourceReference'),
    destination_reference: branchOf(target.destinationReference, 'destinationReference'),
    source_commit: commitOf(target.sourceCommit, 'sourceCommit'),
    destination_commit: commitOf(target.destinationCommit, 'destinationCommit'),
    revision_id: idOf(given.revisionId, 'revisionId'),
    // A token is a promise to its sender, made by the service that it was sent to.
    client_request_token: null,
    request_sha256: null,
    created_at: timeOf(given.creationDate, 'creationDate'),
    activity_at: timeOf(given.lastActivityDate, 'lastActivityDate'),
    is_merged: merge.isMerged === true ? 1 : 0,
    merged_by: merge.mergedBy ?? null,
    merge_commit: merge.mergeCommitId ?? null,
    merge_option: merge.mergeOption ?? null,
  };
}

type Metadata = Partial<sdk.PullRequestEvent>;
const metadataOf = (event: PullRequestEventRow) => JSON.parse(event.metadata) as Metadata;

/** Each revision with the state of the source that it stood for: the history tells the states, other answers the ids. */
function revisionRows(
  pullRequest: PullRequestRow,
  bundle: PullRequestBundle,
  events: PullRequestEventRow[],
): RevisionRow[] {
  const rows = new Map<string, RevisionRow>();
  const overriders = new Map(bundle.revisions.map(({ revisionId, overrider }) => [revisionId, overrider]));
  let source = { commit: pullRequest.source_commit, at: pullRequest.created_at };
  const add = (revisionId: string | undefined) => {
    if (revisionId === undefined || rows.has(revisionId)) return;
    const overrider = overriders.get(revisionId);
    rows.set(revisionId, {
      pull_request: pullRequest.id,
      revision_id: idOf(revisionId, 'revisionId'),
      source_commit: source.commit,
      created_at: source.at,
      overrider: overrider === undefined ? null : personOf(overrider, 'overrider'),
    });
  };
  for (const event of events) {
    const metadata = metadataOf(event);
    const moved =
      metadata.pullRequestCreatedEventMetadata?.sourceCommitId ??
      metadata.pullRequestSourceReferenceUpdatedEventMetadata?.afterCommitId;
    if (moved !== undefined) source = { commit: commitOf(moved, 'the commit of an event'), at: event.at };
    add(metadata.approvalStateChangedEventMetadata?.revisionId);
    add(metadata.approvalRuleOverriddenEventMetadata?.revisionId);
  }
  rows.delete(pullRequest.revision_id);
  source = { commit: pullRequest.source_commit, at: source.at };
  add(pullRequest.revision_id);
  return [...rows.values()];
}

function approvalRows(
  id: string,
  bundle: PullRequestBundle,
  events: PullRequestEventRow[],
  revisions: RevisionRow[],
): ApprovalRow[] {
  const known = new Map(revisions.map((revision) => [revision.revision_id, revision]));
  const times = new Map<string, number>();
  for (const event of events) {
    const change = metadataOf(event).approvalStateChangedEventMetadata;
    if (change?.approvalStatus === 'APPROVE') times.set(`${change.revisionId} ${event.actor_arn}`, event.at);
  }
  const rows = new Map<string, ApprovalRow>();
  for (const { revisionId, approvers } of bundle.revisions) {
    const revision = known.get(revisionId);
    if (revision === undefined) continue;
    for (const arn of listOf(approvers, 'approvers', 1_000)) {
      const approved_at = times.get(`${revisionId} ${arn}`) ?? revision.created_at;
      const user_arn = personOf(arn, 'an approver');
      rows.set(`${revisionId} ${user_arn}`, { pull_request: id, revision_id: revisionId, user_arn, approved_at });
    }
  }
  return [...rows.values()];
}

/** Content that nobody could evaluate would fail every later look at whether the rules are met. @throws ValidationError */
function ruleContentOf(given: unknown): string {
  const text = textOf(given, 'approvalRuleContent', 3_000, 1);
  try {
    parseContent(text);
  } catch (error) {
    if (!(error instanceof BadContent)) throw error;
    refuse(`approvalRuleContent is not that of a rule: ${error.message}`);
  }
  return text;
}

function ruleRows(repository: RepositoryRow, id: string, given: Json<sdk.PullRequest>): ApprovalRuleRow[] {
  const rows = listOf(given.approvalRules, 'approvalRules', 1_000).map((rule) => ruleRow(repository, id, rule));
  for (const member of ['id', 'name'] as const) {
    if (new Set(rows.map((row) => row[member])).size < rows.length) refuse(`two approval rules have one ${member}`);
  }
  return rows;
}

function ruleRow(repository: RepositoryRow, id: string, rule: Json<sdk.ApprovalRule>): ApprovalRuleRow {
  const origin = rule.originApprovalRuleTemplate ?? undefined;
  const hash = rule.ruleContentSha256;
  return {
    id: broughtId(repository, idOf(rule.approvalRuleId, 'approvalRuleId')),
    pull_request: id,
    name: textOf(rule.approvalRuleName, 'approvalRuleName', 100, 1),
    content: ruleContentOf(rule.approvalRuleContent),
    content_sha256: /^[0-9a-fA-F]{64}$/.test(String(hash)) ? hash! : refuse('ruleContentSha256 is no SHA-256'),
    created_at: timeOf(rule.creationDate, 'creationDate of a rule'),
    modified_at: timeOf(rule.lastModifiedDate, 'lastModifiedDate of a rule'),
    modified_by: personOf(rule.lastModifiedUser, 'lastModifiedUser'),
    template_id: origin === undefined ? null : idOf(origin.approvalRuleTemplateId, 'approvalRuleTemplateId'),
    template_name:
      origin === undefined ? null : textOf(origin.approvalRuleTemplateName, 'approvalRuleTemplateName', 100, 1),
  };
}

/** An id that clients can ask for here: AWS's own where it has the form, else one that is made of it. */
function commentIdOf(repository: RepositoryRow, given: unknown): string {
  const text = textOf(given, 'commentId', 500, 1);
  if (isCommentId(text)) return broughtId(repository, text);
  const hex = createHash('sha256').update(text).digest('hex');
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)];
  return broughtId(repository, parts.join('-'));
}

function commentRows(
  repository: RepositoryRow,
  id: string,
  groups: PullRequestBundle['comments'],
  firstSequence: number,
): CommentRow[] {
  const rows: CommentRow[] = [];
  for (const group of groups) {
    const place = firstSequence + rows.length;
    const where = placeColumns(group);
    for (const comment of listOf(group.comments, 'comments', 100_000)) {
      rows.push({
        id: commentIdOf(repository, comment.commentId),
        repository_id: repository.id,
        pull_request: id,
        ...where,
        in_reply_to: comment.inReplyTo === undefined ? null : commentIdOf(repository, comment.inReplyTo),
        sequence: firstSequence + rows.length,
        place,
        content: comment.deleted === true ? null : textOf(comment.content, 'content of a comment', MAX_CONTENT),
        author_arn: personOf(comment.authorArn, 'authorArn of a comment'),
        client_request_token: null,
        request_sha256: null,
        created_at: timeOf(comment.creationDate, 'creationDate of a comment'),
        modified_at: timeOf(comment.lastModifiedDate, 'lastModifiedDate of a comment'),
      });
    }
  }
  if (new Set(rows.map((row) => row.id)).size < rows.length) refuse('two comments have one commentId');
  return rows;
}

/** Where the comments of a group stand. */
function placeColumns(group: PullRequestBundle['comments'][number]) {
  const { location } = group;
  const optional = <T>(value: unknown, what: string, read: (value: unknown, what: string) => T): T | null =>
    value === undefined || value === null ? null : read(value, what);
  return {
    before_commit: optional(group.beforeCommitId, 'beforeCommitId', commitOf),
    after_commit: commitOf(group.afterCommitId, 'afterCommitId'),
    before_blob: optional(group.beforeBlobId, 'beforeBlobId', commitOf),
    after_blob: optional(group.afterBlobId, 'afterBlobId', commitOf),
    file_path: optional(location?.filePath, 'filePath', pathOf),
    file_position: optional(location?.filePosition, 'filePosition', lineOf),
    file_version: optional(location?.relativeFileVersion, 'relativeFileVersion', (value, what) =>
      oneOf(value, VERSIONS, what),
    ),
  };
}

function reactionRows(
  repository: RepositoryRow,
  { reactions }: PullRequestBundle,
  comments: CommentRow[],
): ReactionRow[] {
  const times = new Map(comments.map((comment) => [comment.id, comment.created_at]));
  const rows = new Map<string, ReactionRow>();
  for (const [given, list] of Object.entries(reactions)) {
    const comment_id = commentIdOf(repository, given);
    const reacted_at = times.get(comment_id);
    if (reacted_at === undefined) continue;
    for (const { reaction, reactionUsers } of listOf(list, 'reactions', 100)) {
      const value = reaction?.shortCode ?? reaction?.emoji;
      const name = typeof value === 'string' ? reactionOf(value) : undefined;
      if (name === undefined || name === null) continue;
      for (const arn of listOf(reactionUsers, 'reactionUsers', 100_000)) {
        const user_arn = personOf(arn, 'a reaction user');
        rows.set(`${comment_id} ${user_arn}`, { comment_id, user_arn, reaction: name, reacted_at });
      }
    }
  }
  return [...rows.values()];
}
