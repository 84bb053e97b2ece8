import type * as sdk from '@aws-sdk/client-codecommit';
import { branchOf, commitOf, idOf, type Json, oneOf, personOf, refuse, textOf, timeOf } from './import-bundle.ts';
import type { PullRequestEventRow } from './review-tables.ts';
import type { RepositoryRow } from './tables.ts';

export const STATUSES = ['OPEN', 'CLOSED'] as const;
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

type Read = (value: unknown, what: string, repository: RepositoryRow) => unknown;
type Members = Readonly<Record<string, Read>>;

/** The repository may have another name here. */
const nameHere: Read = (_value, _what, { name }) => name;
const ruleName: Read = (value, what) => textOf(value, what, 100, 1);
const ruleContent: Read = (value, what) => textOf(value, what, 3_000, 1);
const one =
  <T extends string>(...known: readonly T[]): Read =>
  (value, what) =>
    oneOf(value, known, what);

/** What an event may tell, and how each of it is read. Source: CodeCommit API reference, PullRequestEvent. */
const METADATA: Readonly<Record<string, Members>> = {
  pullRequestCreatedEventMetadata: {
    repositoryName: nameHere,
    sourceCommitId: commitOf,
    destinationCommitId: commitOf,
    mergeBase: commitOf,
  },
  pullRequestStatusChangedEventMetadata: { pullRequestStatus: one(...STATUSES) },
  pullRequestSourceReferenceUpdatedEventMetadata: {
    repositoryName: nameHere,
    beforeCommitId: commitOf,
    afterCommitId: commitOf,
    mergeBase: commitOf,
  },
  pullRequestMergedStateChangedEventMetadata: {
    repositoryName: nameHere,
    destinationReference: branchOf,
    mergeMetadata: (value) => mergeOf(value),
  },
  approvalRuleEventMetadata: { approvalRuleName: ruleName, approvalRuleId: idOf, approvalRuleContent: ruleContent },
  approvalStateChangedEventMetadata: { revisionId: idOf, approvalStatus: one('APPROVE', 'REVOKE') },
  approvalRuleOverriddenEventMetadata: { revisionId: idOf, overrideStatus: one('OVERRIDE', 'REVOKE') },
};

/** A merge, or that there was none. @throws ValidationError */
export function mergeOf(given: unknown): sdk.MergeMetadata {
  const { isMerged, mergedBy, mergeCommitId, mergeOption } = (given ?? {}) as Json<sdk.MergeMetadata>;
  if (isMerged !== true) return { isMerged: false };
  return {
    isMerged,
    mergedBy: personOf(mergedBy, 'mergedBy'),
    // A pull request that was closed by a push to its destination has neither.
    ...(mergeCommitId === undefined ? {} : { mergeCommitId: commitOf(mergeCommitId, 'mergeCommitId') }),
    ...(mergeOption === undefined ? {} : { mergeOption: oneOf(mergeOption, MERGES, 'mergeOption') }),
  };
}

/** Rows of the history, the oldest event first. @throws ValidationError */
export function eventRows(
  repository: RepositoryRow,
  id: string,
  given: readonly Json<sdk.PullRequestEvent>[],
): PullRequestEventRow[] {
  const rows = given.map((event) => ({
    pull_request: id,
    sequence: 0,
    type: oneOf(event.pullRequestEventType, EVENT_TYPES, 'pullRequestEventType') as string,
    actor_arn: personOf(event.actorArn, 'actorArn'),
    at: timeOf(event.eventDate, 'eventDate'),
    metadata: JSON.stringify(metadataOf(event, repository)),
  }));
  rows.sort((a, b) => a.at - b.at);
  return rows.map((row, at) => ({ ...row, sequence: at + 1 }));
}

function metadataOf(event: object, repository: RepositoryRow): Record<string, unknown> {
  const known = Object.entries(event).filter(([name, value]) => Object.hasOwn(METADATA, name) && value !== null);
  return Object.fromEntries(known.map(([name, value]) => [name, membersOf(name, value, repository)]));
}

function membersOf(name: string, given: unknown, repository: RepositoryRow): Record<string, unknown> {
  if (typeof given !== 'object' || given === null) return refuse(`${name} is no structure`);
  const present = Object.entries(METADATA[name]!).filter(([member]) => Object.hasOwn(given, member));
  const memberOf = (member: string) => (given as Record<string, unknown>)[member];
  return Object.fromEntries(
    present
      .filter(([member]) => memberOf(member) !== null)
      .map(([member, read]) => [member, read(memberOf(member), `${member} of an event`, repository)]),
  );
}
