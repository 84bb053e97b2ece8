import { BlockList, isIP } from 'node:net';
import {
  compileArnPattern,
  compileTokens,
  type Pattern,
  STAR,
  splitArn,
  type Token,
  tokenize,
  type VariableResolver,
} from './wildcard.ts';

/** One value of a policy, ready to be compared; undefined when it names a variable that has no value. */
export type Comparison = (value: string, resolve: VariableResolver) => boolean | undefined;

export interface Operator {
  /** Makes the comparison for one policy value. */
  compile(policyValue: string, variables: boolean): Comparison;
  /** `...Not...`: the condition holds when no policy value compares equal, and when the key is absent. */
  readonly negated: boolean;
  /** False for a policy value that IAM refuses to store. */
  isValid?(policyValue: string): boolean;
}

function fold(token: Token): Token {
  if (typeof token === 'string') return token.toLowerCase();
  return typeof token === 'symbol' ? token : { key: token.key, fallback: token.fallback?.toLowerCase() };
}

const fromPattern =
  (pattern: Pattern): Comparison =>
  (value, resolve) =>
    pattern.matches(value, resolve);

function text(wildcards: boolean, ignoreCase: boolean): Operator['compile'] {
  return (policyValue, variables) => {
    const tokens = tokenize(policyValue, { variables, wildcards });
    if (!ignoreCase) return fromPattern(compileTokens(tokens));
    // Values of variables take part in the comparison too, so both sides are folded when they are known.
    const folded = compileTokens(tokens.map(fold));
    return (value, resolve) => folded.matches(value.toLowerCase(), (key) => resolve(key)?.toLowerCase());
  };
}

const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;

const parseNumber = (value: string) => (NUMBER.test(value.trim()) ? Number(value) : Number.NaN);

const ISO_DATE =
  /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[Tt](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?)?)?)?(?:[Zz]|([+-])(\d{2})(?::?(\d{2}))?)?$/;

/** Epoch milliseconds of an ISO 8601 date (W3C profile) or of whole epoch seconds; NaN for anything else. */
export function parseDate(value: string): number {
  if (/^-?\d{5,}$/.test(value)) return Number(value) * 1000;
  const match = ISO_DATE.exec(value);
  if (match === null) return Number.NaN;
  const [, year, month = '01', day = '01', hour = '00', minute = '00', second = '00', fraction = ''] = match;
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.padEnd(3, '0').slice(0, 3)}Z`);
  const offset = (Number(match[9] ?? 0) * 60 + Number(match[10] ?? 0)) * 60_000;
  return match[8] === '-' ? ms + offset : ms - offset;
}

const MAX_EPOCH = 2n ** 63n;

function isStorableDate(value: string): boolean {
  if (/^-?\d+$/.test(value)) return BigInt(value) < MAX_EPOCH && BigInt(value) >= -MAX_EPOCH;
  return !Number.isNaN(parseDate(value));
}

type Compare = (value: number, policy: number) => boolean;

function ordered(parse: (value: string) => number, compare: Compare): Operator['compile'] {
  return (policyValue) => {
    const limit = parse(policyValue);
    // NaN compares false with everything: a value that is no number (or date) never matches.
    return (value) => compare(parse(value), limit);
  };
}

function bool(policyValue: string, variables: boolean): Comparison {
  return text(false, true)(policyValue, variables);
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

function binary(policyValue: string): Comparison {
  const bytes = Buffer.from(policyValue, 'base64');
  return (value) => BASE64.test(value) && BASE64.test(policyValue) && bytes.equals(Buffer.from(value, 'base64'));
}

/** An address or a block in CIDR notation, version 4 or 6. Anything else matches nothing. */
function ipAddress(policyValue: string): Comparison {
  const [address = '', prefix, ...more] = policyValue.split('/');
  const version = isIP(address);
  const widest = version === 6 ? 128 : 32;
  const bits = prefix === undefined ? widest : Number(/^\d{1,3}$/.test(prefix) ? prefix : Number.NaN);
  const isBlock = version !== 0 && more.length === 0 && bits <= widest;
  if (!isBlock) return () => false;
  const block = new BlockList();
  block.addSubnet(address, bits, version === 6 ? 'ipv6' : 'ipv4');
  return (value) => {
    const given = isIP(value);
    return given !== 0 && block.check(value, given === 6 ? 'ipv6' : 'ipv4');
  };
}

function arnLike(policyValue: string, variables: boolean): Comparison {
  const tokens = tokenize(policyValue, { variables, wildcards: true });
  // A lone star is no ARN pattern for the other elements, but IAM takes it here as any ARN.
  const pattern = compileArnPattern(tokens);
  const anyArn = tokens.length === 1 && tokens[0] === STAR;
  return (value, resolve) => {
    if (splitArn(value) === undefined || !value.startsWith('arn:')) return false;
    return anyArn || pattern.matches(value, resolve);
  };
}

function both(name: string, positive: string, negative: string, compile: Operator['compile']): [string, Operator][] {
  return [
    [`${name}${positive}`, { compile, negated: false }],
    [`${name}${negative}`, { compile, negated: true }],
  ];
}

function comparisons(
  name: 'Numeric' | 'Date',
  parse: (value: string) => number,
  isValid?: (value: string) => boolean,
): [string, Operator][] {
  const operator = (compare: Compare, negated = false): Operator => ({
    compile: ordered(parse, compare),
    negated,
    ...(isValid ? { isValid } : {}),
  });
  return [
    [`${name}Equals`, operator((a, b) => a === b)],
    [`${name}NotEquals`, operator((a, b) => a === b, true)],
    [`${name}LessThan`, operator((a, b) => a < b)],
    [`${name}LessThanEquals`, operator((a, b) => a <= b)],
    [`${name}GreaterThan`, operator((a, b) => a > b)],
    [`${name}GreaterThanEquals`, operator((a, b) => a >= b)],
  ];
}

/**
 * Every operator that compares values (`Null` only asks whether the key is there). Source: IAM User Guide, "IAM JSON
 * policy elements: Condition operators". Numbers, dates, addresses and binary values take no variables.
 */
export const OPERATORS: ReadonlyMap<string, Operator> = new Map([
  ...both('String', 'Equals', 'NotEquals', text(false, false)),
  ...both('String', 'EqualsIgnoreCase', 'NotEqualsIgnoreCase', text(false, true)),
  ...both('String', 'Like', 'NotLike', text(true, false)),
  ...comparisons('Numeric', parseNumber),
  ...comparisons('Date', parseDate, isStorableDate),
  ['Bool', { compile: bool, negated: false }],
  ['BinaryEquals', { compile: binary, negated: false }],
  ...both('', 'IpAddress', 'NotIpAddress', ipAddress),
  ...both('Arn', 'Equals', 'NotEquals', arnLike),
  ...both('Arn', 'Like', 'NotLike', arnLike),
]);
