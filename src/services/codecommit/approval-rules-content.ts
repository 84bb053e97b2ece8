/** What approval rules say and when they are satisfied. Pure: no database, no clock. */
import { createHash } from 'node:crypto';
import { compileTokens, tokenize } from '../../kernel/auth/wildcard.ts';
import { BRANCHES } from './store.ts';

/** Who has to approve, and how many of them. */
export interface ApprovalStatement {
  needed: number;
  /** Members of the pool; undefined where anybody counts. */
  pool: readonly string[] | undefined;
}

/** The content of an approval rule or template. Source: CodeCommit User Guide, "Create an approval rule template". */
export interface ApprovalContent {
  /** Full names, with `*` for any run of characters; undefined for every branch. */
  destinations: readonly string[] | undefined;
  statements: readonly ApprovalStatement[];
}

const VERSION = '2018-11-08';
/** Limits of CodeCommit User Guide, "Quotas". */
const MAX_POOL = 50;
const MAX_DESTINATIONS = 100;
/** More approvals than a pull request can have would never come. */
export const MAX_APPROVALS = 200;

/** Content that AWS would refuse; the message says why. */
export class BadContent extends Error {}

/** @throws BadContent */
export function parseContent(text: string): ApprovalContent {
  const content = objectOf(parseJson(text), 'the content');
  allowMembers(content, ['Version', 'DestinationReferences', 'Statements'], 'the content');
  if (content['Version'] !== VERSION) throw new BadContent(`Version must be ${VERSION}`);
  const statements = content['Statements'];
  if (!Array.isArray(statements) || statements.length === 0)
    throw new BadContent('Statements must be a list of one or more');
  return {
    destinations: destinationsOf(content['DestinationReferences']),
    statements: statements.map(statementOf),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new BadContent('it is not JSON');
  }
}

function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new BadContent(`${what} must be an object`);
}

function allowMembers(value: Record<string, unknown>, known: readonly string[], what: string): void {
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new BadContent(`${what} has no member ${unknown.slice(0, 100)}`);
}

function textsOf(value: unknown, most: number, what: string): string[] | undefined {
  if (value === undefined) return undefined;
  const isTexts = Array.isArray(value) && value.every((one) => typeof one === 'string' && one !== '');
  if (!isTexts) throw new BadContent(`${what} must be a list of texts`);
  if (value.length > most) throw new BadContent(`${what} can have at most ${most} members`);
  return value.length === 0 ? undefined : (value as string[]);
}

function destinationsOf(value: unknown): string[] | undefined {
  return textsOf(value, MAX_DESTINATIONS, 'DestinationReferences')?.map((name) => {
    const full = name.startsWith('refs/') ? name : `${BRANCHES}${name}`;
    if (!full.startsWith(BRANCHES) || full.length === BRANCHES.length) {
      throw new BadContent(`${name.slice(0, 100)} is not the name of a branch`);
    }
    if (full[BRANCHES.length] === '*') throw new BadContent('the name of a branch cannot start with a wildcard');
    return full;
  });
}

function statementOf(value: unknown): ApprovalStatement {
  const statement = objectOf(value, 'a statement');
  allowMembers(statement, ['Type', 'NumberOfApprovalsNeeded', 'ApprovalPoolMembers'], 'a statement');
  if (statement['Type'] !== 'Approvers') throw new BadContent('Type must be Approvers');
  const needed = statement['NumberOfApprovalsNeeded'];
  if (typeof needed !== 'number' || !Number.isInteger(needed) || needed < 1 || needed > MAX_APPROVALS) {
    throw new BadContent(`NumberOfApprovalsNeeded must be a whole number from 1 to ${MAX_APPROVALS}`);
  }
  const pool = textsOf(statement['ApprovalPoolMembers'], MAX_POOL, 'ApprovalPoolMembers');
  for (const member of pool ?? []) requireMember(member);
  return { needed, pool };
}

const SHORT_MEMBER = /^CodeCommitApprovers:(\d{12}):(.+)$/;
const ARN_MEMBER = /^arn:[a-z-]+:(iam|sts)::(\d{12}):(.+)$/;

function requireMember(member: string): void {
  if (SHORT_MEMBER.test(member) || ARN_MEMBER.test(member)) return;
  throw new BadContent(
    `${member.slice(0, 200)} is neither CodeCommitApprovers:ACCOUNT:NAME nor the ARN of a user, role session or federated user`,
  );
}

/** Whether a rule of that content is made for pull requests into a branch. @param reference full name. */
export function appliesTo({ destinations }: ApprovalContent, reference: string): boolean {
  return destinations === undefined || destinations.some((pattern) => matches(pattern, reference));
}

/**
 * Whether the approvals are enough. Each approver counts once in each statement; those of other accounts never count.
 * @param approvers ARNs. @param account of the repository.
 */
export function isSatisfied(content: ApprovalContent, approvers: Iterable<string>, account: string): boolean {
  const own = [...new Set(approvers)].filter((arn) => arn.split(':')[4] === account);
  return content.statements.every(({ needed, pool }) => {
    const counted = pool === undefined ? own : own.filter((arn) => pool.some((member) => isMember(member, arn)));
    return counted.length >= needed;
  });
}

/** Whether a member of a pool, which may hold wildcards, stands for an approver. */
export function isMember(member: string, arn: string): boolean {
  const [, , service, , account, ...rest] = arn.split(':');
  const resource = rest.join(':');
  const short = SHORT_MEMBER.exec(member);
  if (short !== null) {
    const [, memberAccount, name] = short as unknown as [string, string, string];
    return memberAccount === account && namesOf(resource).some((one) => matches(name, one));
  }
  const full = ARN_MEMBER.exec(member);
  if (full === null) return false;
  const [, memberService, memberAccount, pattern] = full as unknown as [string, string, string, string];
  if (memberService !== service || memberAccount !== account) return false;
  // A role without a session stands for all of its sessions.
  const isRole = /^assumed-role\/[^/]+$/.test(pattern);
  return matches(pattern, resource) || (isRole && matches(`${pattern}/*`, resource));
}

/** How a pool may name whoever stands behind the last part of an ARN: a user's name, or role and session. */
function namesOf(resource: string): string[] {
  const slash = resource.indexOf('/');
  const [kind, name] = slash < 0 ? [resource, resource] : [resource.slice(0, slash), resource.slice(slash + 1)];
  if (kind !== 'user' || !name.includes('/')) return [name];
  return [name, name.slice(name.lastIndexOf('/') + 1)];
}

/** `*` is any run of characters; nothing else is special. */
function matches(pattern: string, text: string): boolean {
  if (pattern.includes('?')) return false;
  const tokens = tokenize(pattern, { variables: false, wildcards: true });
  return compileTokens(tokens).matches(text, () => undefined) === true;
}

/** Lower-case hexadecimal SHA-256, as `ruleContentSha256` shows it. */
export function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
