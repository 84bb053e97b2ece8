import { InvalidEventPatternException } from '@aws-sdk/client-eventbridge';
import { fault } from '../../kernel/fault.ts';
import { JsonTextError, JsonTokens } from './json-tokens.ts';
import { type Field, fieldsOf, satisfiesAny } from './matching-fields.ts';
import { exactPattern, matchExpression, type ValuePattern } from './pattern-values.ts';

/** A pattern ready to match: fields of one alternative all match, one alternative (`$or`) suffices. */
export interface EventPattern {
  readonly fields: readonly Field[];
  /** How many alternatives there are. */
  readonly count: number;
}

type Alternative = Map<string, readonly ValuePattern[]>;

/** `$or` multiplies; EventBridge takes no more combinations than this. */
const MAX_ALTERNATIVES = 1000;

/** Words that would be match operators if they stood in a list; EventBridge refuses them as fields inside `$or`. */
const RESERVED_IN_OR = new Set([
  ...['exactly', 'equals-ignore-case', 'prefix', 'suffix', 'anything-but', 'exists', 'wildcard', 'numeric', 'cidr'],
  ...['=', '<', '<=', '>', '>=', 'regex', 'not-wildcard', 'not-equals-ignore-case'],
  ...['date-after', 'date-on-or-after', 'date-before', 'date-on-or-before', 'in-date-range'],
  ...['ip-address-in-range', 'ip-address-not-in-range'],
]);

/**
 * Compiles an event pattern.
 * @throws InvalidEventPatternException with the reason and its place in the text.
 * @see https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
 */
export function compileEventPattern(text: string): EventPattern {
  try {
    const tokens = new JsonTokens(text);
    if (tokens.next().type !== 'object-start') tokens.fail('Filter is not an object');
    const alternatives = readObject(tokens, [], '', false);
    tokens.next();
    return { fields: fieldsOf(alternatives), count: alternatives.length };
  } catch (error) {
    if (!(error instanceof JsonTextError)) throw error;
    throw fault(InvalidEventPatternException, `Event pattern is not valid. Reason: ${error.message}`);
  }
}

/** Reads an object's fields into every alternative; the opening brace is already read. */
function readObject(tokens: JsonTokens, alternatives: Alternative[], prefix: string, inOr: boolean): Alternative[] {
  let current = alternatives;
  let empty = true;
  for (let field = tokens.next(); field.type !== 'object-end'; field = tokens.next()) {
    empty = false;
    const name = field.text;
    if (name === '$or') {
      current = readOr(tokens, current, prefix);
      continue;
    }
    if (inOr && RESERVED_IN_OR.has(name)) {
      tokens.fail(`${name} is Ruler reserved fieldName which cannot be used inside $or.`);
    }
    const start = tokens.next();
    if (start.type === 'object-start') current = readObject(tokens, current, `${prefix}${name}.`, inOr);
    else if (start.type === 'array-start') current = withField(current, `${prefix}${name}`, readValues(tokens));
    else tokens.fail(`"${name}" must be an object or an array`);
  }
  if (empty) tokens.fail('Empty objects are not allowed');
  return current;
}

function withField(alternatives: Alternative[], path: string, values: ValuePattern[]): Alternative[] {
  const all = alternatives.length === 0 ? [new Map<string, readonly ValuePattern[]>()] : alternatives;
  for (const alternative of all) alternative.set(path, values);
  return all;
}

function readOr(tokens: JsonTokens, alternatives: Alternative[], prefix: string): Alternative[] {
  if (tokens.next().type !== 'array-start') tokens.fail('It must be an Array followed with $or.');
  const combined: Alternative[] = [];
  let branches = 0;
  for (let token = tokens.next(); token.type !== 'array-end'; token = tokens.next()) {
    if (token.type !== 'object-start') tokens.fail('Only JSON object is allowed in array of $or relationship.');
    branches += 1;
    const copies = alternatives.map((alternative) => new Map(alternative));
    combined.push(...readObject(tokens, copies, prefix, true));
    if (combined.length > MAX_ALTERNATIVES) {
      tokens.fail(`Rule is too complex - $or gives more than ${MAX_ALTERNATIVES} combinations`);
    }
  }
  if (branches < 2) tokens.fail('There must have at least 2 Objects in $or relationship.');
  return combined;
}

function readValues(tokens: JsonTokens): ValuePattern[] {
  const values: ValuePattern[] = [];
  for (let token = tokens.next(); token.type !== 'array-end'; token = tokens.next()) {
    const pattern = token.type === 'object-start' ? matchExpression(tokens) : exactPattern(tokens, token);
    if (pattern === undefined) tokens.fail('Match value must be String, number, true, false, or null');
    values.push(pattern);
  }
  if (values.length === 0) tokens.fail('Empty arrays are not allowed');
  return values;
}

/**
 * True when the event satisfies the pattern. Fields below one array of objects must be satisfied by the same element;
 * keys may be nested or joined by dots.
 */
export function matchesEvent(pattern: EventPattern, event: unknown): boolean {
  return satisfiesAny(pattern.fields, pattern.count, event);
}
