import type * as sdk from '@aws-sdk/client-codecommit';
import { commonFault } from '../../kernel/wire/errors.ts';

/**
 * One pull request with everything about it, as the answers of CodeCommit's API tell it (dates as ISO 8601 text). Sent to
 * the import route as JSON.
 */
export interface PullRequestBundle {
  /** Of `GetPullRequest`. */
  pullRequest: Json<sdk.PullRequest>;
  /** Of `DescribePullRequestEvents`. */
  events: Json<sdk.PullRequestEvent>[];
  /** Of `GetPullRequestApprovalStates` and `GetPullRequestOverrideState`, for each revision that is known. */
  revisions: { revisionId: string; approvers: string[]; overrider?: string | undefined }[];
  /** Of `GetCommentsForPullRequest`. */
  comments: Json<sdk.CommentsForPullRequest>[];
  /** Of `GetCommentReactions`, by the comment's id. */
  reactions: Record<string, Json<sdk.ReactionForComment>[]>;
}

/** A shape of the SDK as it comes out of JSON. */
export type Json<T> = T extends Date
  ? string
  : T extends (infer E)[]
    ? Json<E>[]
    : T extends object
      ? { [K in keyof T]: Json<T[K]> }
      : T;

/** More text than any member may have. */
const MAX_TEXT_CHARACTERS = 64 * 1024;

function refuse(what: string): never {
  throw commonFault('ValidationError', `The pull request cannot be imported: ${what}.`);
}

/** @throws ValidationError unless it is text of a sensible length */
export function textOf(value: unknown, what: string, maxCharacters = MAX_TEXT_CHARACTERS): string {
  if (typeof value === 'string' && value.length <= maxCharacters && !value.includes('\u0000')) return value;
  return refuse(`${what} is no text of at most ${maxCharacters} characters`);
}

/** Absent is null. */
export function optionalText(value: unknown, what: string): string | null {
  return value === undefined || value === null ? null : textOf(value, what);
}

/** Epoch milliseconds. @throws ValidationError */
export function timeOf(value: unknown, what: string): number {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isFinite(ms) && ms >= 0 ? ms : refuse(`${what} is no time`);
}

/** 40 hexadecimal digits. @throws ValidationError */
export function commitOf(value: unknown, what: string): string {
  return typeof value === 'string' && /^[0-9a-f]{40}$/.test(value) ? value : refuse(`${what} is no object id`);
}

/** The ARN of whoever did something. Any account's: history stays as it was. @throws ValidationError */
export function personOf(value: unknown, what: string): string {
  return typeof value === 'string' && /^arn:[\w-]+:(iam|sts)::\d{12}:\S{1,1500}$/.test(value)
    ? value
    : refuse(`${what} is no ARN of a principal`);
}

/** @throws ValidationError */
export function oneOf<T extends string>(value: unknown, known: readonly T[], what: string): T {
  return known.includes(value as T) ? (value as T) : refuse(`${what} is none of ${known.join(', ')}`);
}

/** @throws ValidationError unless it is a list of no more than so many */
export function listOf<T>(value: T[] | undefined, what: string, max: number): T[] {
  if (value === undefined) return [];
  // An absent member would be taken for one: no list of the API has any.
  const isList = Array.isArray(value) && value.length <= max && !value.includes(null as T);
  return isList ? value : refuse(`${what} is no list of at most ${max}`);
}

/** Reads the body of a request. @throws ValidationError for what is no pull request */
export function readBundle(text: string): PullRequestBundle {
  let given: PullRequestBundle;
  try {
    given = JSON.parse(text) as PullRequestBundle;
  } catch {
    return refuse('it is no JSON');
  }
  if (typeof given?.pullRequest !== 'object' || given.pullRequest === null) refuse('there is none');
  const reactions = given.reactions ?? {};
  if (typeof reactions !== 'object') refuse('its reactions are no map');
  return {
    pullRequest: given.pullRequest,
    events: listOf(given.events, 'events', 100_000),
    revisions: listOf(given.revisions, 'revisions', 100_000),
    comments: listOf(given.comments, 'comments', 100_000),
    reactions,
  };
}
