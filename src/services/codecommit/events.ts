/**
 * Every event that CodeCommit sends to the bus. Names and fields are AWS's; the sentences in `notificationBody` are our own.
 * Source: CodeCommit User Guide, "Monitoring CodeCommit events in Amazon EventBridge".
 */
import type * as sdk from '@aws-sdk/client-codecommit';
import type { RefUpdate } from '../../git/truth.ts';
import type { Caller } from '../../kernel/auth/identity.ts';
import type { EventDraft } from '../../kernel/context.ts';
import { knownId } from './import-ids.ts';
import { type Place, repositoryArn } from './resources.ts';
import type { ApprovalRuleRow, ApprovalTemplateRow, CommentRow, PullRequestRow } from './review-tables.ts';
import { BRANCHES, TAGS } from './store.ts';
import type { RepositoryRow } from './tables.ts';

/** Object ids on both sides of a moved reference; of an annotated tag, the commit that it leads to. */
export interface MovedRef extends Pick<RefUpdate, 'name' | 'forced'> {
  before: string | null;
  after: string | null;
}

/** What the event of a merge tells beside the moved reference. */
export interface MergeFacts {
  baseCommitId?: string | undefined;
  sourceCommitId: string;
  destinationCommitId: string;
  mergeOption: sdk.MergeOptionTypeEnum;
  conflictDetailsLevel?: sdk.ConflictDetailLevelTypeEnum | undefined;
  conflictResolutionStrategy?: sdk.ConflictResolutionStrategyTypeEnum | undefined;
}

/** The event of a reference that was created, moved or deleted; undefined for what is neither branch nor tag. */
export function repositoryStateChange(
  repository: RepositoryRow,
  ref: MovedRef,
  caller: Caller,
  merge?: MergeFacts,
): EventDraft | undefined {
  const referenceType = ref.name.startsWith(BRANCHES) ? 'branch' : ref.name.startsWith(TAGS) ? 'tag' : undefined;
  if (referenceType === undefined) return undefined;
  return repositoryEvent(repository, 'CodeCommit Repository State Change', {
    event: referenceEventName(ref),
    repositoryName: repository.name,
    repositoryId: repository.id,
    referenceType,
    referenceName: ref.name.slice(referenceType === 'branch' ? BRANCHES.length : TAGS.length),
    referenceFullName: ref.name,
    ...(ref.after === null ? {} : { commitId: ref.after }),
    ...(ref.before === null ? {} : { oldCommitId: ref.before }),
    ...present(merge ?? {}),
    ...('arn' in caller ? { callerUserArn: caller.arn } : {}),
  });
}

function referenceEventName({ before, after }: MovedRef): string {
  if (after === null) return 'referenceDeleted';
  return before === null ? 'referenceCreated' : 'referenceUpdated';
}

/** The event of a merge commit that no reference points at. */
export function unreferencedMergeCommitCreated(
  repository: RepositoryRow,
  commitId: string,
  merge: MergeFacts,
  caller: Caller,
): EventDraft {
  return repositoryEvent(repository, 'CodeCommit Repository State Change', {
    event: 'unreferencedMergeCommitCreated',
    repositoryName: repository.name,
    repositoryId: repository.id,
    commitId,
    ...present(merge),
    ...('arn' in caller ? { callerUserArn: caller.arn } : {}),
  });
}

/** What happened to a pull request, with the fields that only this event has. */
export type PullRequestChange =
  | { event: 'pullRequestCreated' | 'pullRequestSourceBranchUpdated' | 'pullRequestStatusChanged' }
  | { event: 'pullRequestMergeStatusUpdated'; mergeOption: sdk.MergeOptionTypeEnum }
  | {
      event: 'pullRequestApprovalRuleCreated' | 'pullRequestApprovalRuleUpdated' | 'pullRequestApprovalRuleDeleted';
      rule: ApprovalRuleRow;
    }
  | { event: 'pullRequestApprovalRuleOverridden'; overrideStatus: sdk.OverrideStatus }
  | { event: 'pullRequestApprovalStateChanged'; approvalStatus: sdk.ApprovalState };

/** @param pullRequest as it is after the change. */
export function pullRequestStateChange(
  repository: RepositoryRow,
  pullRequest: PullRequestRow,
  change: PullRequestChange,
  caller: Caller,
): EventDraft {
  const number = String(pullRequest.number);
  return repositoryEvent(repository, 'CodeCommit Pull Request State Change', {
    event: change.event,
    ...changeFields(change),
    author: pullRequest.author_arn,
    ...callerFields(caller),
    creationDate: javaDate(pullRequest.created_at),
    ...(pullRequest.description === null ? {} : { description: pullRequest.description }),
    destinationCommit: pullRequest.destination_commit,
    destinationReference: pullRequest.destination_reference,
    isMerged: pullRequest.is_merged === 1 ? 'True' : 'False',
    lastModifiedDate: javaDate(pullRequest.activity_at),
    notificationBody: notification(repository.name, caller, `pull request ${number}: ${happened(change, pullRequest)}`),
    pullRequestId: number,
    pullRequestStatus: pullRequest.status === 'OPEN' ? 'Open' : 'Closed',
    repositoryNames: [repository.name],
    revisionId: pullRequest.revision_id,
    sourceCommit: pullRequest.source_commit,
    sourceReference: pullRequest.source_reference,
    title: pullRequest.title,
  });
}

function changeFields(change: PullRequestChange): Record<string, string> {
  if ('rule' in change) {
    const { content_sha256, id, name } = change.rule;
    return { approvalRuleContentSha256: content_sha256, approvalRuleId: knownId(id), approvalRuleName: name };
  }
  const { event: _, ...fields } = change;
  return fields;
}

function happened(change: PullRequestChange, { title, source_reference }: PullRequestRow): string {
  switch (change.event) {
    case 'pullRequestCreated':
      return `created, with the title ${title}`;
    case 'pullRequestSourceBranchUpdated':
      return `the source branch ${source_reference.slice(BRANCHES.length)} has new commits`;
    case 'pullRequestStatusChanged':
      return 'closed';
    case 'pullRequestMergeStatusUpdated':
      return 'merged';
    case 'pullRequestApprovalRuleOverridden':
      return `override of the approval rules: ${change.overrideStatus}`;
    case 'pullRequestApprovalStateChanged':
      return `approval: ${change.approvalStatus}`;
    default:
      return `approval rule ${change.event.slice('pullRequestApprovalRule'.length).toLowerCase()}: ${change.rule.name}`;
  }
}

/** The event of a comment on a pull request, or on the comparison of two commits. */
export function commentChange(
  repository: RepositoryRow,
  comment: CommentRow,
  pullRequestId: string | undefined,
  change: 'Created' | 'Updated',
  caller: Caller,
): EventDraft {
  const about = pullRequestId === undefined ? 'Commit' : 'PullRequest';
  const where = pullRequestId === undefined ? '' : ` on pull request ${pullRequestId}`;
  const verb = change === 'Created' ? 'made' : 'edited';
  return repositoryEvent(
    repository,
    pullRequestId === undefined ? 'CodeCommit Comment on Commit' : 'CodeCommit Comment on Pull Request',
    {
      event: `commentOn${about}${change}`,
      ...(comment.before_commit === null ? {} : { beforeCommitId: comment.before_commit }),
      afterCommitId: comment.after_commit,
      commentId: knownId(comment.id),
      ...(comment.in_reply_to === null ? {} : { inReplyTo: knownId(comment.in_reply_to) }),
      ...(pullRequestId === undefined ? {} : { pullRequestId }),
      ...callerFields(caller),
      notificationBody: notification(repository.name, caller, `comment ${knownId(comment.id)} ${verb}${where}`),
      repositoryId: repository.id,
      repositoryName: repository.name,
    },
  );
}

/** A reaction in the three forms in which AWS shows it. */
export interface ReactionForms {
  emoji: string;
  shortCode: string;
  unicode: string;
}

/** @param reaction undefined where it was taken back: the lists are empty then. */
export function reactionChange(
  repository: RepositoryRow,
  commentId: string,
  reaction: ReactionForms | undefined,
  change: 'Created' | 'Updated',
  caller: Caller,
): EventDraft {
  const shown = reaction === undefined ? 'taken back' : reaction.shortCode;
  return repositoryEvent(repository, 'CodeCommit Comment Reaction Change', {
    event: `commentReaction${change}`,
    ...callerFields(caller),
    commentId,
    notificationBody: notification(repository.name, caller, `reaction to comment ${commentId}: ${shown}`),
    reactionEmojis: reaction === undefined ? [] : [reaction.emoji],
    reactionShortcodes: reaction === undefined ? [] : [reaction.shortCode],
    reactionUnicodes: reaction === undefined ? [] : [reaction.unicode],
    repositoryId: repository.id,
    repositoryName: repository.name,
  });
}

export type TemplateEvent =
  | 'approvalRuleTemplateCreated'
  | 'approvalRuleTemplateUpdated'
  | 'approvalRuleTemplateDeleted'
  | 'approvalRuleTemplateAssociatedWithRepository'
  | 'approvalRuleTemplateDisassociatedFromRepository'
  | 'batchAssociateApprovalRuleTemplateWithRepositories'
  | 'batchDisassociateApprovalRuleTemplateFromRepositories';

/** @param repositories those that the change is about; they are the event's resources. */
export function templateChange(
  template: ApprovalTemplateRow,
  event: TemplateEvent,
  repositories: readonly RepositoryRow[],
  caller: Caller,
): EventDraft {
  const { account, region } = template;
  const names = repositories.map(({ name }) => name).join(', ');
  const words = event.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`);
  const about = names === '' ? '' : ` (${names})`;
  return {
    source: 'aws.codecommit',
    detailType: 'CodeCommit Approval Rule Template Change',
    resources: repositories.map((repository) => repositoryArn(repository, repository.name)),
    account,
    region,
    detail: {
      event,
      approvalRuleTemplateContentSha256: template.content_sha256,
      approvalRuleTemplateId: template.id,
      approvalRuleTemplateName: template.name,
      ...callerFields(caller),
      creationDate: javaDate(template.created_at),
      lastModifiedDate: javaDate(template.modified_at),
      notificationBody: `Account ${account}, ${actor(caller)}: ${words}, ${template.name}${about}.`,
      repositories: Object.fromEntries(repositories.map(({ name, id }) => [name, id])),
    },
  };
}

function repositoryEvent(
  repository: Place & { name: string },
  detailType: string,
  detail: Record<string, unknown>,
): EventDraft {
  const { account, region, name } = repository;
  return {
    source: 'aws.codecommit',
    detailType,
    resources: [repositoryArn(repository, name)],
    account,
    region,
    detail,
  };
}

/** The caller, and what his session's tags say about him. Source: CodeCommit User Guide, "Using tags to provide identity information". */
function callerFields(caller: Caller): Record<string, string> {
  const fields: Record<string, string> = { callerUserArn: actor(caller) };
  if (caller.type !== 'AssumedRole') return fields;
  const { displayName, emailAddress } = caller.sessionTags ?? {};
  if (displayName !== undefined) fields['displayName'] = displayName;
  if (emailAddress !== undefined) fields['emailAddress'] = emailAddress;
  return fields;
}

/** ARN of who acts; a part of this installation has only a name. */
export function actor(caller: Caller): string {
  if ('arn' in caller) return caller.arn;
  return caller.type === 'AWSService' ? caller.service : 'anonymous';
}

function notification(repositoryName: string, caller: Caller, what: string): string {
  return `Repository ${repositoryName}, ${actor(caller)}: ${what}.`;
}

function present(facts: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A time as these events write it: `Wed Nov 06 19:02:14 UTC 2019`. */
function javaDate(atMs: number): string {
  const date = new Date(Number(atMs));
  const day = String(date.getUTCDate()).padStart(2, '0');
  const time = date.toISOString().slice(11, 19);
  return `${DAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${day} ${time} UTC ${date.getUTCFullYear()}`;
}
