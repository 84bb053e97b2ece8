import { type Cidr, cidrContains, parseCidr, parseIp } from './cidr.ts';
import { JsonTextError, type JsonTokens, type Token } from './json-tokens.ts';
import { Wildcard } from './wildcard.ts';

/** What an event can hold at the end of a path. */
export type Leaf = string | number | boolean | null;

/** One entry of a field's list in a pattern: `absent` matches where the event has no such field. */
export type ValuePattern = { readonly kind: 'absent' } | { readonly kind: 'value'; matches(leaf: Leaf): boolean };

const ONE_KEY = 'Only one key allowed in match expression';
const MIXED_LIST = 'Inside anything but list, either all values are number or string, mixed type is not supported';

const value = (matches: (leaf: Leaf) => boolean): ValuePattern => ({ kind: 'value', matches });
const text = (matches: (leaf: string) => boolean): ValuePattern =>
  value((leaf) => typeof leaf === 'string' && matches(leaf));

/** The pattern for a plain value of the list, `undefined` where the token is none. Equal addresses match however written. */
export function exactPattern(tokens: JsonTokens, token: Token): ValuePattern | undefined {
  switch (token.type) {
    case 'string':
      return exactText(tokens.textOf(token));
    case 'number': {
      const number = Number(token.text);
      return value((leaf) => leaf === number);
    }
    case 'true':
    case 'false':
    case 'null': {
      const literal = token.type === 'null' ? null : token.type === 'true';
      return value((leaf) => leaf === literal);
    }
    default:
      return undefined;
  }
}

function exactText(expected: string): ValuePattern {
  const address = parseIp(expected);
  if (address === undefined) return text((leaf) => leaf === expected);
  return text((leaf) => {
    const other = parseIp(leaf);
    return other !== undefined && other.width === address.width && other.value === address.value;
  });
}

/** Reads `{"prefix": ...}` and its like; the opening brace is already read. */
export function matchExpression(tokens: JsonTokens): ValuePattern {
  const name = tokens.next();
  if (name.type !== 'field') tokens.fail('Match expression name not found');
  switch (name.text) {
    case 'exactly': {
      const expected = stringValue(tokens, 'exact match pattern must be a string');
      return closed(tokens, exactText(expected));
    }
    case 'prefix':
      return affix(tokens, 'prefix', 'Prefix', (leaf, part) => leaf.startsWith(part));
    case 'suffix':
      return affix(tokens, 'suffix', 'Suffix', (leaf, part) => leaf.endsWith(part));
    case 'equals-ignore-case': {
      const expected = stringValue(tokens, 'equals-ignore-case match pattern must be a string').toLowerCase();
      return closed(
        tokens,
        text((leaf) => leaf.toLowerCase() === expected),
      );
    }
    case 'wildcard': {
      const wildcard = compileWildcard(tokens, stringValue(tokens, 'wildcard match pattern must be a string'));
      return closed(
        tokens,
        text((leaf) => wildcard.matches(leaf)),
      );
    }
    case 'cidr': {
      const range = compileCidr(stringValue(tokens, 'prefix match pattern must be a string'));
      return closed(
        tokens,
        text((leaf) => cidrContains(range, leaf)),
      );
    }
    case 'numeric':
      return numeric(tokens);
    case 'exists':
      return exists(tokens);
    case 'anything-but':
      return anythingBut(tokens);
    default:
      return tokens.fail(`Unrecognized match type ${name.text}`);
  }
}

function stringValue(tokens: JsonTokens, otherwise: string): string {
  const token = tokens.next();
  if (token.type !== 'string') tokens.fail(otherwise);
  return tokens.textOf(token);
}

function closed(tokens: JsonTokens, pattern: ValuePattern, otherwise = ONE_KEY): ValuePattern {
  if (tokens.next().type !== 'object-end') tokens.fail(otherwise);
  return pattern;
}

function affix(
  tokens: JsonTokens,
  kind: 'prefix' | 'suffix',
  title: 'Prefix' | 'Suffix',
  test: (leaf: string, part: string) => boolean,
): ValuePattern {
  const token = tokens.next();
  if (token.type !== 'object-start') {
    if (token.type !== 'string') tokens.fail(`${kind} match pattern must be a string`);
    const part = tokens.textOf(token);
    return closed(
      tokens,
      text((leaf) => test(leaf, part)),
    );
  }
  const operator = tokens.next();
  if (operator.type !== 'field') tokens.fail(`${title} expression name not found`);
  if (operator.text !== 'equals-ignore-case') tokens.fail(`Unsupported ${kind} pattern: ${operator.text}`);
  const part = stringValue(tokens, 'equals-ignore-case match pattern must be a string').toLowerCase();
  const pattern = text((leaf) => test(leaf.toLowerCase(), part));
  return closed(tokens, closed(tokens, pattern));
}

function compileWildcard(tokens: JsonTokens, pattern: string): Wildcard {
  const wildcard = Wildcard.compile(pattern);
  return wildcard instanceof Wildcard ? wildcard : tokens.fail(wildcard.reason);
}

/** Address ranges are refused without a place, as the service does. */
function compileCidr(range: string): Cidr {
  const cidr = parseCidr(range);
  if ('reason' in cidr) throw new JsonTextError(cidr.reason);
  return cidr;
}

function exists(tokens: JsonTokens): ValuePattern {
  const token = tokens.next();
  if (token.type === 'true')
    return closed(
      tokens,
      value(() => true),
    );
  if (token.type === 'false') return closed(tokens, { kind: 'absent' });
  return tokens.fail('exists match pattern must be either true or false.');
}

type Comparison = (number: number) => boolean;

function numeric(tokens: JsonTokens): ValuePattern {
  if (tokens.next().type !== 'array-start') tokens.fail('Value of numeric must be an array.');
  const compare = comparison(tokens);
  const pattern = value((leaf) => typeof leaf === 'number' && compare(leaf));
  return closed(tokens, pattern, 'Too many elements in numeric expression');
}

function comparison(tokens: JsonTokens): Comparison {
  const first = tokens.next();
  if (first.type !== 'string') tokens.fail(`Invalid member in numeric match: ${memberText(first)}`);
  const operator = tokens.textOf(first);
  const bound = bounds(operator);
  if (bound === undefined) tokens.fail(`Unrecognized numeric range operator: ${operator}`);
  const limit = numberValue(
    tokens,
    operator === '=' ? 'Value of equals must be numeric' : `Value of ${operator} must be numeric`,
  );
  const next = tokens.next();
  if (next.type === 'array-end') return (number) => bound(number, limit);
  if (operator !== '>' && operator !== '>=') tokens.fail('Too many elements in numeric expression');
  return upperBound(tokens, next, (number) => bound(number, limit));
}

function upperBound(tokens: JsonTokens, token: Token, above: Comparison): Comparison {
  if (token.type !== 'string') tokens.fail(`Bad value in numeric range: ${memberText(token)}`);
  const operator = tokens.textOf(token);
  const bound = operator === '<' || operator === '<=' ? bounds(operator) : undefined;
  if (bound === undefined) tokens.fail(`Bad numeric range operator: ${operator}`);
  const limit = numberValue(tokens, `Value of ${operator} must be numeric`);
  if (tokens.next().type !== 'array-end') tokens.fail('Too many terms in numeric range expression');
  return (number) => above(number) && bound(number, limit);
}

function bounds(operator: string): ((number: number, limit: number) => boolean) | undefined {
  switch (operator) {
    case '=':
      return (number, limit) => number === limit;
    case '<':
      return (number, limit) => number < limit;
    case '<=':
      return (number, limit) => number <= limit;
    case '>':
      return (number, limit) => number > limit;
    case '>=':
      return (number, limit) => number >= limit;
    default:
      return undefined;
  }
}

function memberText(token: Token): string {
  switch (token.type) {
    case 'array-end':
      return ']';
    case 'array-start':
      return '[';
    case 'object-start':
      return '{';
    default:
      return token.text;
  }
}

function numberValue(tokens: JsonTokens, otherwise: string): number {
  const token = tokens.next();
  if (token.type !== 'number') tokens.fail(otherwise);
  if (!isComparable(token.text)) tokens.fail(`Cannot compare number : ${token.text}`);
  return Number(token.text);
}

/** True where the written decimal is exactly what a double gives back, so that comparing doubles cannot lie. */
export function isComparable(written: string): boolean {
  const number = Number(written);
  return Number.isFinite(number) && decimal(written) === decimal(String(number));
}

/** A decimal in one spelling: sign, digits without outer zeros, power of ten. */
function decimal(written: string): string {
  const match = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:e([-+]?[0-9]+))?$/i.exec(written)!;
  const [, sign, whole, fraction = '', exponent = '0'] = match;
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '0';
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`;
}

type Exclusion = 'equals-ignore-case' | 'prefix' | 'suffix' | 'wildcard';

function anythingBut(tokens: JsonTokens): ValuePattern {
  const token = tokens.next();
  if (token.type === 'object-start') return anythingButMatching(tokens);
  checkAnythingButValue(tokens, token);
  const excluded = token.type === 'array-start' ? excludedList(tokens) : [excludedSingle(tokens, token)];
  const pattern = value((leaf) => !excluded.includes(leaf as string | number));
  return closed(tokens, pattern, 'Too many elements in numeric expression');
}

function checkAnythingButValue(tokens: JsonTokens, token: Token): void {
  if (token.type === 'array-start' || token.type === 'string' || token.type === 'number') return;
  tokens.fail('Value of anything-but must be an array or single string/number value.');
}

function excludedSingle(tokens: JsonTokens, token: Token): string | number {
  if (token.type === 'string') return tokens.textOf(token);
  if (!isComparable(token.text)) throw new JsonTextError(`Cannot compare number : ${token.text}`);
  return Number(token.text);
}

function excludedList(tokens: JsonTokens): (string | number)[] {
  const excluded = inList(tokens, () => {
    const values: (string | number)[] = [];
    for (let token = tokens.next(); token.type !== 'array-end'; token = tokens.next()) {
      if (token.type !== 'string' && token.type !== 'number') {
        tokens.fail('Inside anything but list, start|null|boolean is not supported.');
      }
      if (token.type === 'number' && !isComparable(token.text)) {
        throw new JsonTextError(`Cannot compare number : ${token.text}`);
      }
      values.push(token.type === 'string' ? tokens.textOf(token) : Number(token.text));
    }
    return values;
  });
  if (new Set(excluded.map((entry) => typeof entry)).size !== 1) tokens.fail(MIXED_LIST);
  return excluded;
}

/** The service reports what goes wrong inside such a list with its place twice. */
function inList<T>(tokens: JsonTokens, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof JsonTextError) throw new JsonTextError(`${error.message}\n${tokens.where()}`);
    throw error;
  }
}

function anythingButMatching(tokens: JsonTokens): ValuePattern {
  const name = tokens.next();
  if (name.type !== 'field') tokens.fail('Anything-But expression name not found');
  const kind = name.text;
  if (!isExclusion(kind)) tokens.fail(`Unsupported anything-but pattern: ${kind}`);
  const token = tokens.next();
  checkAnythingButValue(tokens, token);
  const excluded = token.type === 'array-start' ? excludedTexts(tokens, kind) : [excludedText(tokens, kind, token)];
  const tests = excluded.map((entry) => exclusionTest(tokens, kind, entry));
  const pattern = value((leaf) => typeof leaf !== 'string' || !tests.some((test) => test(leaf)));
  const otherwise = 'Too many elements in numeric expression';
  return closed(tokens, closed(tokens, pattern, otherwise), otherwise);
}

function isExclusion(kind: string): kind is Exclusion {
  return kind === 'equals-ignore-case' || kind === 'prefix' || kind === 'suffix' || kind === 'wildcard';
}

function excludedTexts(tokens: JsonTokens, kind: Exclusion): string[] {
  return inList(tokens, () => {
    const texts: string[] = [];
    for (let token = tokens.next(); token.type !== 'array-end'; token = tokens.next()) {
      texts.push(excludedText(tokens, kind, token));
    }
    return texts;
  });
}

function excludedText(tokens: JsonTokens, kind: Exclusion, token: Token): string {
  if (token.type === 'string') {
    const excluded = tokens.textOf(token);
    if (excluded === '' && (kind === 'prefix' || kind === 'suffix')) tokens.fail('Null prefix/suffix not allowed');
    return excluded;
  }
  if (kind === 'equals-ignore-case') {
    tokens.fail('Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.');
  }
  return tokens.fail(
    kind === 'wildcard' ? 'wildcard match pattern must be a string' : 'prefix/suffix match pattern must be a string',
  );
}

function exclusionTest(tokens: JsonTokens, kind: Exclusion, excluded: string): (leaf: string) => boolean {
  switch (kind) {
    case 'prefix':
      return (leaf) => leaf.startsWith(excluded);
    case 'suffix':
      return (leaf) => leaf.endsWith(excluded);
    case 'equals-ignore-case': {
      const lower = excluded.toLowerCase();
      return (leaf) => leaf.toLowerCase() === lower;
    }
    case 'wildcard': {
      const wildcard = compileWildcard(tokens, excluded);
      return (leaf) => wildcard.matches(leaf);
    }
  }
}
