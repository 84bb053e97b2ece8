import { createHash } from 'node:crypto';
import type * as sdk from '@aws-sdk/client-codecommit';
import { BadContent, parseContent } from './approval-rules-content.ts';
import {
  commitOf,
  type Json,
  listOf,
  oneOf,
  optionalText,
  type PullRequestBundle,
  personOf,
  textOf,
  timeOf,
} from './import-bundle.ts';
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

const STATUSES = ['OPEN', 'CLOSED'] as const;
const MERGES = ['FAST_FORWARD_MERGE', 'SQUASH_MERGE', 'THREE_WAY_MERGE'] as const;
const EVENT_TYPES: readonly sdk.PullRequestEventType[] = [
  'PULL_REQUEST_APPROVAL_RULE_CREATED',
  'PULL_REQUEST_APPROVAL_RULE_DELETED',
  'PULL_REQUEST_APPROVAL_RULE_OVERRIDDEN',
  'PULL_REQUEST_APPROVAL_RULE_UPDATED',
  'PULL_REQUEST_APPROVAL_STATE_CHANGED',
  'PULL_REQUEST_CREATED',
  'PULL_REQUEST_MERGE_STATE_CHANGED',
  'PULL_REQUEST_SOURCE_REFERENCE_UPDATED',
  'PULL_REQUEST_STATUS_CHANGED',
];

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
    rules: listOf(bundle.pullRequest.approvalRules, 'approvalRules', 1_000).map((rule) => ruleRow(id, rule)),
    comments,
    reactions: reactionRows(bundle, comments),
  };
}

function pullRequestRow(repository: RepositoryRow, id: string, given: Json<sdk.PullRequest>): PullRequestRow {
  const target = listOf(given.pullRequestTargets, 'pullRequestTargets', 1)[0] ?? ({} as Json<sdk.PullRequestTarget>);
  const merge = target.mergeMetadata;
  const isMerged = merge?.isMerged === true;
  return {
    id,
    account: repository.account,
    region: repository.region,
    number: numberOf(given.pullRequestId),
    repository_id: repository.id,
    title: textOf(given.title, 'title', 1_000),
    description: optionalText(given.description, 'description'),
    status: oneOf(given.pullRequestStatus, STATUSES, 'pullRequestStatus'),
    author_arn: personOf(given.authorArn, 'authorArn'),
    source_reference: textOf(target.sourceReference, 'sourceReference', 1_000),
    destination_reference: textOf(target.destinationReference, 'destinationReference', 1_000),
    source_commit: commitOf(target.sourceCommit, 'sourceCommit'),
    destination_commit: commitOf(target.destinationCommit, 'destinationCommit'),
    revision_id: textOf(given.revisionId, 'revisionId', 200),
    // A token is a promise to its sender, made by the service that it was sent to.
    client_request_token: null,
    request_sha256: null,
    created_at: timeOf(given.creationDate, 'creationDate'),
    activity_at: timeOf(given.lastActivityDate, 'lastActivityDate'),
    is_merged: isMerged ? 1 : 0,
    merged_by: isMerged ? personOf(merge.mergedBy, 'mergedBy') : null,
    merge_commit: isMerged ? commitOf(merge.mergeCommitId, 'mergeCommitId') : null,
    merge_option: isMerged ? oneOf(merge.mergeOption, MERGES, 'mergeOption') : null,
  };
}

/** The number that users know. @throws ValidationError */
export function numberOf(pullRequestId: unknown): number {
  const text = textOf(pullRequestId, 'pullRequestId', 15);
  oneOf(String(/^[1-9]\d*$/.test(text)), ['true'], 'whether pullRequestId is a number');
  return Number(text);
}

function eventRows(repository: RepositoryRow, id: string, given: PullRequestBundle['events']): PullRequestEventRow[] {
  const rows = given.map((event) => {
    const { pullRequestId: _, eventDate, pullRequestEventType, actorArn, ...metadata } = event;
    return {
      pull_request: id,
      sequence: 0,
      type: oneOf(pullRequestEventType, EVENT_TYPES, 'pullRequestEventType') as string,
      actor_arn: personOf(actorArn, 'actorArn'),
      at: timeOf(eventDate, 'eventDate'),
      metadata: textOf(JSON.stringify(renamed(metadata, repository.name)), 'the metadata of an event'),
    };
  });
  rows.sort((a, b) => a.at - b.at);
  return rows.map((row, at) => ({ ...row, sequence: at + 1 }));
}

/** The repository may have another name here. */
function renamed(metadata: object, name: string): object {
  return Object.fromEntries(
    Object.entries(metadata).map(([key, value]) => {
      const hasName = typeof value === 'object' && value !== null && 'repositoryName' in value;
      return [key, hasName ? { ...value, repositoryName: name } : value];
    }),
  );
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
      revision_id: textOf(revisionId, 'revisionId', 200),
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
  return bundle.revisions.flatMap(({ revisionId, approvers }) => {
    const revision = known.get(revisionId);
    if (revision === undefined) return [];
    return [...new Set(listOf(approvers, 'approvers', 1_000))].map((arn) => {
      const approved_at = times.get(`${revisionId} ${arn}`) ?? revision.created_at;
      return { pull_request: id, revision_id: revisionId, user_arn: personOf(arn, 'an approver'), approved_at };
    });
  });
}

/** Content that nobody could evaluate would fail every later look at whether the rules are met. @throws ValidationError */
function ruleContentOf(given: unknown): string {
  const text = textOf(given, 'approvalRuleContent');
  try {
    parseContent(text);
  } catch (error) {
    if (!(error instanceof BadContent)) throw error;
    oneOf('false', ['true'], 'whether approvalRuleContent is that of a rule');
  }
  return text;
}

function ruleRow(id: string, rule: Json<sdk.ApprovalRule>): ApprovalRuleRow {
  const origin = rule.originApprovalRuleTemplate;
  return {
    id: textOf(rule.approvalRuleId, 'approvalRuleId', 200),
    pull_request: id,
    name: textOf(rule.approvalRuleName, 'approvalRuleName', 100),
    content: ruleContentOf(rule.approvalRuleContent),
    content_sha256: textOf(rule.ruleContentSha256, 'ruleContentSha256', 200),
    created_at: timeOf(rule.creationDate, 'creationDate of a rule'),
    modified_at: timeOf(rule.lastModifiedDate, 'lastModifiedDate of a rule'),
    modified_by: personOf(rule.lastModifiedUser, 'lastModifiedUser'),
    template_id: optionalText(origin?.approvalRuleTemplateId, 'approvalRuleTemplateId'),
    template_name: optionalText(origin?.approvalRuleTemplateName, 'approvalRuleTemplateName'),
  };
}

/** An id that clients can ask for here: AWS's own where it has the form, else one that is made of it. */
function commentIdOf(given: unknown): string {
  const text = textOf(given, 'commentId', 500);
  if (isCommentId(text)) return text;
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
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
    const { location } = group;
    const optionalCommit = (value: unknown, what: string) => (value === undefined ? null : commitOf(value, what));
    for (const comment of listOf(group.comments, 'comments', 100_000)) {
      rows.push({
        id: commentIdOf(comment.commentId),
        repository_id: repository.id,
        pull_request: id,
        before_commit: optionalCommit(group.beforeCommitId, 'beforeCommitId'),
        after_commit: commitOf(group.afterCommitId, 'afterCommitId'),
        before_blob: optionalCommit(group.beforeBlobId, 'beforeBlobId'),
        after_blob: optionalCommit(group.afterBlobId, 'afterBlobId'),
        file_path: optionalText(location?.filePath, 'filePath'),
        file_position: location?.filePosition === undefined ? null : Math.trunc(Number(location.filePosition)) || 1,
        file_version: optionalText(location?.relativeFileVersion, 'relativeFileVersion'),
        in_reply_to: comment.inReplyTo === undefined ? null : commentIdOf(comment.inReplyTo),
        sequence: firstSequence + rows.length,
        place,
        content: comment.deleted === true ? null : textOf(comment.content, 'content of a comment'),
        author_arn: personOf(comment.authorArn, 'authorArn of a comment'),
        client_request_token: null,
        request_sha256: null,
        created_at: timeOf(comment.creationDate, 'creationDate of a comment'),
        modified_at: timeOf(comment.lastModifiedDate, 'lastModifiedDate of a comment'),
      });
    }
  }
  return rows;
}

function reactionRows({ reactions }: PullRequestBundle, comments: CommentRow[]): ReactionRow[] {
  const times = new Map(comments.map((comment) => [comment.id, comment.created_at]));
  const rows = new Map<string, ReactionRow>();
  for (const [given, list] of Object.entries(reactions)) {
    const comment_id = commentIdOf(given);
    const reacted_at = times.get(comment_id);
    if (reacted_at === undefined) continue;
    for (const { reaction, reactionUsers } of listOf(list, 'reactions', 100)) {
      const name = reactionOf(reaction?.shortCode ?? reaction?.emoji ?? '');
      if (name === undefined || name === null) continue;
      for (const arn of listOf(reactionUsers, 'reactionUsers', 100_000)) {
        const user_arn = personOf(arn, 'a reaction user');
        rows.set(`${comment_id} ${user_arn}`, { comment_id, user_arn, reaction: name, reacted_at });
      }
    }
  }
  return [...rows.values()];
}
