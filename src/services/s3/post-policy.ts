/** POST policies: what a signed form may hold. Pure. Source: S3 API reference, "POST Policy". */
import type { Fault } from '../../kernel/fault.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { s3Fault } from './faults.ts';

type Condition =
  | { kind: 'eq' | 'starts-with'; name: string; value: string }
  | { kind: 'content-length-range'; min: number; max: number };

export interface PostPolicy {
  /** Epoch milliseconds. */
  expiresAt: number;
  conditions: readonly Condition[];
}

/** Fields that are the signature itself, the policy and the content: no condition is about them. */
const FREE_FIELDS = new Set(['x-amz-signature', 'file', 'policy']);
const MAX_CONDITIONS = 1_000;

/** @param text base64, as signed. @throws InvalidPolicyDocument */
export function readPostPolicy(text: string): PostPolicy {
  const bytes = Buffer.from(text, 'base64');
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) throw invalidPolicy('Invalid JSON.');
    throw error;
  }
  if (typeof document !== 'object' || document === null) throw invalidPolicy('Invalid JSON.');
  const { expiration, conditions, ...more } = document as Record<string, unknown>;
  const unexpected = Object.keys(more)[0];
  if (unexpected !== undefined) throw invalidPolicy(`Unexpected: '${unexpected.slice(0, 100)}'.`);
  if (expiration === undefined) throw invalidPolicy('Policy missing expiration.');
  if (!Array.isArray(conditions)) throw invalidPolicy('Policy missing conditions.');
  const isTime = typeof expiration === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(expiration);
  const expiresAt = isTime ? Date.parse(expiration) : Number.NaN;
  if (Number.isNaN(expiresAt)) throw invalidPolicy(`Invalid 'expiration' value: '${String(expiration).slice(0, 100)}'`);
  if (conditions.length > MAX_CONDITIONS) throw invalidPolicy('Too many conditions.');
  return { expiresAt, conditions: conditions.flatMap(readCondition) };
}

function readCondition(given: unknown): Condition[] {
  if (Array.isArray(given)) return [readList(given)];
  if (typeof given !== 'object' || given === null) throw invalidPolicy('Invalid Condition.');
  return Object.entries(given).map(([name, value]): Condition => {
    if (typeof value !== 'string') throw invalidPolicy('Invalid Simple-Condition: value must be a string.');
    return { kind: 'eq', name: name.toLowerCase(), value };
  });
}

function readList(given: readonly unknown[]): Condition {
  const kind = String(given[0]).toLowerCase();
  if (given.length !== 3) throw invalidPolicy(`Invalid Condition: wrong number of arguments to ${kind.slice(0, 50)}.`);
  if (kind === 'content-length-range') {
    const [min, max] = [Number(given[1]), Number(given[2])];
    if (!Number.isSafeInteger(min) || !Number.isSafeInteger(max) || min < 0 || max < min) {
      throw invalidPolicy('Invalid content-length-range.');
    }
    return { kind, min, max };
  }
  const [, name, value] = given;
  if ((kind !== 'eq' && kind !== 'starts-with') || typeof name !== 'string' || typeof value !== 'string') {
    throw invalidPolicy(`Invalid Condition: unknown operation '${kind.slice(0, 50)}'.`);
  }
  if (!name.startsWith('$')) throw invalidPolicy('Invalid Condition: the field must begin with $.');
  return { kind, name: name.slice(1).toLowerCase(), value };
}

function invalidPolicy(what: string): Fault {
  return s3Fault('InvalidPolicyDocument', 400, `Invalid Policy: ${what}`);
}

/** What an upload may weigh, in bytes. */
export interface LengthRange {
  min: number;
  max: number;
}

/**
 * Holds a form against its policy: every condition must be met and every field must have one.
 * @param fields by lower-case name, the bucket among them. @throws AccessDenied
 */
export function checkPostPolicy(policy: PostPolicy, fields: ReadonlyMap<string, string>, now: number): LengthRange {
  if (now >= policy.expiresAt) throw denied('Policy expired.');
  const covered = new Set<string>();
  let range: LengthRange = { min: 0, max: Number.POSITIVE_INFINITY };
  for (const condition of policy.conditions) {
    if (condition.kind === 'content-length-range') {
      range = { min: Math.max(range.min, condition.min), max: Math.min(range.max, condition.max) };
      continue;
    }
    covered.add(condition.name);
    if (meets(condition, fields.get(condition.name) ?? '')) continue;
    throw denied(`Policy Condition failed: ${JSON.stringify([condition.kind, `$${condition.name}`, condition.value])}`);
  }
  const extra = [...fields.keys()].filter(
    (name) => !covered.has(name) && !FREE_FIELDS.has(name) && !name.startsWith('x-ignore-'),
  );
  if (extra.length > 0) throw denied(`Extra input fields: ${extra.join(', ')}`);
  return range;
}

function meets({ kind, name, value }: { kind: 'eq' | 'starts-with'; name: string; value: string }, actual: string) {
  if (kind === 'eq') return actual === value;
  // A list of content types is one of which each must fit.
  if (name === 'content-type') return actual.split(',').every((type) => type.trimStart().startsWith(value));
  return actual.startsWith(value);
}

function denied(what: string): Fault {
  return commonFault('AccessDenied', `Invalid according to Policy: ${what}`);
}
