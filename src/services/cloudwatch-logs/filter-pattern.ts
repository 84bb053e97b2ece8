import { parseJsonPattern } from './json-pattern.ts';

/** Tells whether a message matches. */
export type MessageFilter = (message: string) => boolean;

/** Thrown for a pattern that is not one, or of a kind that is not implemented. */
export class FilterPatternError extends Error {}

const WILDCARD_RUN = /\*+/g;

/**
 * Compiles a filter pattern. Terms must all stand in the message; `?term` means at least one of these, `-term` none of
 * these; `{ ... }` looks into JSON, `[ ... ]` at space-delimited fields. Matching takes time linear in the message.
 * Source: CloudWatch Logs User Guide, "Filter pattern syntax". @throws {FilterPatternError}
 */
export function compileFilterPattern(pattern: string): MessageFilter {
  const text = pattern.trim();
  if (text === '') return () => true;
  if (/^%.*%$/s.test(text))
    throw new FilterPatternError('Regular expressions in filter patterns are not implemented by Slipway.');
  if (text.startsWith('{')) return parseJsonPattern(text);
  if (text.startsWith('[')) return parseFieldPattern(text);
  return parseTerms(text);
}

function parseTerms(text: string): MessageFilter {
  const all: string[] = [];
  const some: string[] = [];
  const none: string[] = [];
  for (const [, sign = '', quoted, plain] of text.matchAll(/([-?]?)(?:"((?:[^"\\]|\\.)*)"|(\S+))/g)) {
    const term = quoted === undefined ? plain! : quoted.replace(/\\(.)/g, '$1');
    if (quoted === undefined && term.includes('"'))
      throw new FilterPatternError(`Invalid filter pattern: a quotation mark in ${term} is not closed.`);
    (sign === '?' ? some : sign === '-' ? none : all).push(term);
  }
  return (message) => {
    // AWS ignores `?` terms when others stand beside them.
    if (all.length > 0 || none.length > 0) {
      return all.every((term) => message.includes(term)) && !none.some((term) => message.includes(term));
    }
    return some.some((term) => message.includes(term));
  };
}

const FIELD = /^(?:(\.\.\.)|([A-Za-z_]\w*)?(?:\s*(=|!=|>=|<=|>|<)\s*("(?:[^"\\]|\\.)*"|[^\s,&|]+))?)$/;

/** `[ip, user, ..., status = 4*, size > 1000]`: as many fields as the message has words; quotes and brackets hold words together. */
function parseFieldPattern(text: string): MessageFilter {
  if (!text.endsWith(']')) throw new FilterPatternError('Invalid filter pattern: ] is missing.');
  const parts = text
    .slice(1, -1)
    .split(',')
    .map((part) => part.trim());
  const fields = parts.map((part) => {
    const match = FIELD.exec(part);
    if (match === null) throw new FilterPatternError(`Invalid filter pattern: ${part} is not a field.`);
    const [, ellipsis, , operator, operand = ''] = match;
    return {
      ellipsis: ellipsis !== undefined,
      test: operator === undefined ? undefined : comparison(operator, unquote(operand)),
    };
  });
  const gap = fields.findIndex(({ ellipsis }) => ellipsis);
  if (gap !== fields.findLastIndex(({ ellipsis }) => ellipsis))
    throw new FilterPatternError('Invalid filter pattern: ... may stand once.');
  return (message) => {
    const words = splitWords(message);
    const missing = words.length - (fields.length - (gap === -1 ? 0 : 1));
    if (gap === -1 ? missing !== 0 : missing < 0) return false;
    let at = 0;
    for (const { ellipsis, test } of fields) {
      if (ellipsis) at += missing;
      else if (test !== undefined && !test(words[at++]!)) return false;
      else if (test === undefined) at++;
    }
    return true;
  };
}

const SPACE = /\s*/y;
const WORD = /\S+/y;

/** The words of a message, in one walk: what is opened and never closed is not looked for to the end at each opening sign. */
function splitWords(message: string): string[] {
  const closing: Readonly<Record<string, { sign: string; last: number }>> = {
    '"': { sign: '"', last: message.lastIndexOf('"') },
    '[': { sign: ']', last: message.lastIndexOf(']') },
  };
  const words: string[] = [];
  for (let at = 0; ; ) {
    SPACE.lastIndex = at;
    at += SPACE.exec(message)![0].length;
    if (at >= message.length) return words;
    const close = closing[message[at]!];
    if (close !== undefined && close.last > at) {
      const end = message.indexOf(close.sign, at + 1);
      words.push(message.slice(at + 1, end));
      at = end + 1;
    } else {
      WORD.lastIndex = at;
      const [word] = WORD.exec(message)!;
      words.push(word);
      at += word.length;
    }
  }
}

/** Text between quotation marks, with its escapes undone; other text as it is. */
export function unquote(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text;
}

/** A test of a field's text. Order is by number; equality takes `*` as a wildcard. */
export function comparison(operator: string, operand: string): (value: string) => boolean {
  const number = Number(operand);
  switch (operator) {
    case '=':
      return isNumber(operand) ? (value) => Number(value) === number && value.trim() !== '' : wildcard(operand);
    case '!=': {
      const equal = comparison('=', operand);
      return (value) => !equal(value);
    }
    case '>':
      return (value) => isNumber(value) && Number(value) > number;
    case '>=':
      return (value) => isNumber(value) && Number(value) >= number;
    case '<':
      return (value) => isNumber(value) && Number(value) < number;
    default:
      return (value) => isNumber(value) && Number(value) <= number;
  }
}

function isNumber(text: string): boolean {
  return text.trim() !== '' && Number.isFinite(Number(text));
}

/** `*` stands for any text. Pieces are looked for one after the other, without going back. */
export function wildcard(pattern: string): (value: string) => boolean {
  const pieces = pattern.replace(WILDCARD_RUN, '*').split('*');
  if (pieces.length === 1) return (value) => value === pattern;
  const head = pieces[0]!;
  const tail = pieces.at(-1)!;
  const middle = pieces.slice(1, -1);
  return (value) => {
    if (value.length < head.length + tail.length || !value.startsWith(head) || !value.endsWith(tail)) return false;
    let at = head.length;
    const end = value.length - tail.length;
    for (const piece of middle) {
      const found = value.indexOf(piece, at);
      if (found === -1 || found + piece.length > end) return false;
      at = found + piece.length;
    }
    return true;
  };
}
