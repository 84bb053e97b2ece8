import type * as sdk from '@aws-sdk/client-codecommit';
import { refNameProblem } from '../../git/ref-name.ts';
import { isFault } from '../../kernel/fault.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { filePathOf } from './rules.ts';
import { BRANCHES } from './store.ts';

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

/** Bytes of one: some 1,500 comments of the greatest length, or tens of thousands of usual ones. */
export const MAX_BUNDLE_BYTES = 16 * 1024 * 1024;
/**
 * The highest number: an account that makes a thousand pull requests a day has it after 27 years. Later ones count on from
 * the highest, so a number out of thin air would be there for ever.
 */
const MAX_NUMBER = 10_000_000;
/** Lines of a file; clients take a position for a 32-bit number. */
const MAX_LINE = 2 ** 31 - 1;
/** The last millisecond that ISO 8601 has four digits of a year for. */
const MAX_TIME = Date.UTC(10_000, 0) - 1;

/** @throws ValidationError that says what is wrong */
export function refuse(what: string): never {
  throw commonFault('ValidationError', `The pull request cannot be imported: ${what}.`);
}

/** @throws ValidationError unless it is text of no more than so many characters and no fewer than asked for */
export function textOf(value: unknown, what: string, maxCharacters: number, minCharacters = 0): string {
  const isText = typeof value === 'string' && value.isWellFormed() && !value.includes('\u0000');
  const length = isText ? [...value].length : 0;
  if (isText && length >= minCharacters && length <= maxCharacters) return value;
  return refuse(`${what} is no text of ${minCharacters} to ${maxCharacters} characters`);
}

/** Absent is null. */
export function optionalText(value: unknown, what: string, maxCharacters: number): string | null {
  return value === undefined || value === null ? null : textOf(value, what, maxCharacters);
}

/** An id of AWS or of this server: of a revision, a rule, a template. @throws ValidationError */
export function idOf(value: unknown, what: string): string {
  return typeof value === 'string' && /^[\w:-]{1,200}$/.test(value) ? value : refuse(`${what} is no id`);
}

/** Epoch milliseconds. @throws ValidationError */
export function timeOf(value: unknown, what: string): number {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return ms >= 0 && ms <= MAX_TIME ? ms : refuse(`${what} is no time`);
}

/** The number that users know. @throws ValidationError */
export function numberOf(pullRequestId: unknown): number {
  const number = typeof pullRequestId === 'string' && /^[1-9]\d{0,14}$/.test(pullRequestId) ? Number(pullRequestId) : 0;
  if (number >= 1 && number <= MAX_NUMBER) return number;
  return refuse(`pullRequestId is no number from 1 to ${MAX_NUMBER}`);
}

/** 40 hexadecimal digits. @throws ValidationError */
export function commitOf(value: unknown, what: string): string {
  return typeof value === 'string' && /^[0-9a-f]{40}$/.test(value) ? value : refuse(`${what} is no object id`);
}

/** Full name of a branch. @throws ValidationError */
export function branchOf(value: unknown, what: string): string {
  const isBranch = typeof value === 'string' && value.startsWith(BRANCHES) && refNameProblem(value) === null;
  return isBranch ? value : refuse(`${what} is no full name of a branch`);
}

/** @throws ValidationError unless it is the path of a file */
export function pathOf(value: unknown, what: string): string {
  try {
    if (typeof value === 'string' && value.isWellFormed()) return filePathOf(value);
  } catch (error) {
    if (!isFault(error)) throw error;
  }
  return refuse(`${what} is no path of a file`);
}

/** A line, from 1; 0 is the first one, too. @throws ValidationError */
export function lineOf(value: unknown, what: string): number {
  const isLine = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_LINE;
  return isLine ? Math.max(value, 1) : refuse(`${what} is no line of a file`);
}

/** The ARN of whoever did something. Any account's: history stays as it was. @throws ValidationError */
export function personOf(value: unknown, what: string): string {
  return typeof value === 'string' && /^arn:[\w-]{1,30}:(iam|sts)::\d{12}:[\x21-\x7e]{1,1500}$/.test(value)
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
