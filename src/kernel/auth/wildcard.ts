/**
 * Patterns of IAM policies: `*` for any run of characters, `?` for one, `${key}` for a value of the request. Matching
 * never backtracks over more than one run: the cost is bounded by pattern length times text length, for any input.
 */

/** Gives the value of a policy variable by its lower-case key; undefined when the request has no single value for it. */
export type VariableResolver = (key: string) => string | undefined;

export const STAR = Symbol('*');
export const ANY = Symbol('?');

export interface Variable {
  readonly key: string;
  /** From `${key, 'default'}`. */
  readonly fallback?: string | undefined;
}

/** Literal text, a wildcard or a variable. */
export type Token = string | typeof STAR | typeof ANY | Variable;

const VARIABLE = /^\s*([^\s,'{}]+)\s*(?:,\s*'([^']*)'\s*)?$/;

/**
 * Splits a pattern into tokens. `${*}`, `${?}` and `${$}` are the characters themselves.
 * @param variables false for policy version 2008-10-17, which knows none: `${` is plain text there.
 * @param wildcards false for operators such as StringEquals, where `*` and `?` are plain text.
 */
export function tokenize(text: string, options: { variables: boolean; wildcards: boolean }): Token[] {
  const tokens: Token[] = [];
  let literal = '';
  const flush = () => {
    if (literal !== '') tokens.push(literal);
    literal = '';
  };
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    const close = options.variables && char === '$' && text[i + 1] === '{' ? text.indexOf('}', i + 2) : -1;
    if (close > 0) {
      const inside = text.slice(i + 2, close);
      const match = VARIABLE.exec(inside);
      if (inside === '*' || inside === '?' || inside === '$') {
        literal += inside;
        i = close;
        continue;
      }
      if (match !== null) {
        flush();
        tokens.push({ key: match[1]!.toLowerCase(), fallback: match[2] });
        i = close;
        continue;
      }
    }
    if (options.wildcards && (char === '*' || char === '?')) {
      flush();
      if (char === '?') tokens.push(ANY);
      else if (tokens.at(-1) !== STAR) tokens.push(STAR);
    } else literal += char;
  }
  flush();
  return tokens;
}

function isVariable(token: Token): token is Variable {
  return typeof token === 'object';
}

/** Puts the values of the request in place of variables, as plain text: what they contain is never looked at again. */
function substitute(tokens: readonly Token[], resolve: VariableResolver): Token[] | undefined {
  const out: Token[] = [];
  for (const token of tokens) {
    if (!isVariable(token)) {
      out.push(token);
      continue;
    }
    const value = resolve(token.key) ?? token.fallback;
    if (value === undefined) return undefined;
    if (value !== '') out.push(value);
  }
  return out;
}

/** A run between two stars: plain text, or character codes with -1 for `?`. */
type Run = { readonly text: string } | { readonly codes: readonly number[] };

function lengthOf(run: Run): number {
  return 'text' in run ? run.text.length : run.codes.length;
}

function matchesAt(run: Run, text: string, at: number): boolean {
  if ('text' in run) return text.startsWith(run.text, at);
  const { codes } = run;
  if (at + codes.length > text.length) return false;
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i]!;
    if (code >= 0 && code !== text.charCodeAt(at + i)) return false;
  }
  return true;
}

function findFrom(run: Run, text: string, from: number, end: number): number {
  if ('text' in run) {
    const at = text.indexOf(run.text, from);
    return at >= 0 && at + run.text.length <= end ? at : -1;
  }
  for (let at = from; at + run.codes.length <= end; at++) if (matchesAt(run, text, at)) return at;
  return -1;
}

function toRun(tokens: readonly Token[]): Run {
  if (tokens.every((token) => typeof token === 'string')) return { text: tokens.join('') };
  const codes: number[] = [];
  for (const token of tokens) {
    if (typeof token === 'string') for (let i = 0; i < token.length; i++) codes.push(token.charCodeAt(i));
    else codes.push(-1);
  }
  return { codes };
}

type Matcher = (text: string) => boolean;

/** Compiles tokens without variables. */
function compileFixed(tokens: readonly Token[]): Matcher {
  const runs: Run[] = [];
  let current: Token[] = [];
  for (const token of tokens) {
    if (token === STAR) {
      runs.push(toRun(current));
      current = [];
    } else current.push(token);
  }
  runs.push(toRun(current));
  const first = runs[0]!;
  if (runs.length === 1) {
    const length = lengthOf(first);
    return 'text' in first
      ? (text) => text === first.text
      : (text) => text.length === length && matchesAt(first, text, 0);
  }
  const last = runs.at(-1)!;
  const inner = runs.slice(1, -1);
  const shortest = runs.reduce((sum, run) => sum + lengthOf(run), 0);
  return (text) => {
    const end = text.length - lengthOf(last);
    if (text.length < shortest || !matchesAt(first, text, 0) || !matchesAt(last, text, end)) return false;
    // Taking each run at its first place leaves the most room for those that follow, so it is never wrong.
    let at = lengthOf(first);
    for (const run of inner) {
      const found = findFrom(run, text, at, end);
      if (found < 0) return false;
      at = found + lengthOf(run);
    }
    return true;
  };
}

/** A compiled pattern. */
export interface Pattern {
  /** True when the text matches; undefined when the pattern names a variable that the request has no value for. */
  matches(text: string, resolve: VariableResolver): boolean | undefined;
}

/** Compiles tokens into a pattern; without variables nothing is left to do when matching. */
export function compileTokens(tokens: readonly Token[]): Pattern {
  if (!tokens.some(isVariable)) {
    const matcher = compileFixed(tokens);
    return { matches: matcher };
  }
  return {
    matches(text, resolve) {
      const fixed = substitute(tokens, resolve);
      return fixed === undefined ? undefined : compileFixed(fixed)(text);
    },
  };
}

/**
 * Splits tokens at the first `limit - 1` colons that stand in literal text: a colon in a variable's name or value is
 * not a separator.
 */
export function splitAtColons(tokens: readonly Token[], limit: number): Token[][] {
  const parts: Token[][] = [[]];
  for (const token of tokens) {
    if (typeof token !== 'string') {
      parts.at(-1)!.push(token);
      continue;
    }
    let rest = token;
    while (parts.length < limit && rest.includes(':')) {
      const colon = rest.indexOf(':');
      if (colon > 0) parts.at(-1)!.push(rest.slice(0, colon));
      parts.push([]);
      rest = rest.slice(colon + 1);
    }
    if (rest !== '') parts.at(-1)!.push(rest);
  }
  return parts;
}

/** How many parts an ARN has; the last one may hold colons itself. */
const ARN_PARTS = 6;

let lastText = '';
let lastParts: readonly string[] | undefined;

/** The six parts of an ARN, or undefined when the text has fewer. */
export function splitArn(text: string): readonly string[] | undefined {
  // One request's ARN is held against many patterns in a row.
  if (text !== lastText) {
    lastParts = takeApart(text);
    lastText = text;
  }
  return lastParts;
}

function takeApart(text: string): readonly string[] | undefined {
  const parts: string[] = [];
  let from = 0;
  while (parts.length < ARN_PARTS - 1) {
    const colon = text.indexOf(':', from);
    if (colon < 0) return undefined;
    parts.push(text.slice(from, colon));
    from = colon + 1;
  }
  parts.push(text.slice(from));
  return parts;
}

/**
 * A pattern over ARNs: each of the six parts is matched by itself, so that a wildcard never reaches across a colon
 * (except inside the last part). Parts left out at the end stand for `*`.
 */
export function compileArnPattern(tokens: readonly Token[]): Pattern {
  if (tokens.length === 1 && tokens[0] === STAR) return { matches: () => true };
  const split = splitAtColons(tokens, ARN_PARTS);
  if (split.length === 1) return compileTokens(tokens);
  const patterns = split.map(compileTokens);
  return {
    matches(text, resolve) {
      const parts = splitArn(text);
      if (parts === undefined) return false;
      let known: boolean | undefined = true;
      for (let i = 0; i < patterns.length; i++) {
        const result = patterns[i]!.matches(parts[i]!, resolve);
        if (result === false) return false;
        if (result === undefined) known = undefined;
      }
      return known;
    },
  };
}
