/**
 * Patterns of the `artifacts` section. Matched without regular expressions, in time linear in the path for each `*`,
 * because patterns and paths come from the same stranger and a server must not hang on them.
 *
 * `*` and `?` stay within one part of a path, `**` as a whole part stands for any number of parts, `[a-z]` and `[!a-z]`
 * for one character, `{a,b}` for alternatives. A leading dot is a character like any other.
 */
export interface Glob {
  matches(path: string): boolean;
}

const MAX_ALTERNATIVES = 100;
const MAX_NESTING = 20;

/** Compiles a pattern; a path that is equal to the pattern always matches, whatever characters it has. */
export function compileGlob(pattern: string): Glob {
  const alternatives = expandBraces(pattern).map((text) => text.split('/'));
  return {
    matches: (path) => path === pattern || alternatives.some((parts) => matchParts(parts, path.split('/'))),
  };
}

/** `a{b,c}d` -> `abd`, `acd`; nested and several pairs too. What is unbalanced or too many stays as it is. */
function expandBraces(pattern: string): string[] {
  const closing = closingBraces(pattern);
  if (closing === undefined) return [pattern];
  let done: string[] = [''];
  for (let at = 0; at < pattern.length; ) {
    const end = closing.get(at);
    const choices = end === undefined ? [pattern[at]!] : splitChoices(pattern.slice(at + 1, end)).flatMap(expandBraces);
    if (done.length * choices.length > MAX_ALTERNATIVES) return [pattern];
    done = done.flatMap((head) => choices.map((choice) => head + choice));
    at = end === undefined ? at + 1 : end + 1;
  }
  return done;
}

/** Where each opening brace is closed, found in one pass; undefined when pairs are nested too deeply. */
function closingBraces(pattern: string): Map<number, number> | undefined {
  const open: number[] = [];
  const closing = new Map<number, number>();
  for (let at = 0; at < pattern.length; at++) {
    if (pattern[at] === '{') open.push(at);
    else if (pattern[at] === '}' && open.length > 0) closing.set(open.pop()!, at);
  }
  const ends: number[] = [];
  // A brace that stays open holds nothing together, so it does not count.
  for (const at of [...closing.keys()].sort((a, b) => a - b)) {
    while (ends.length > 0 && ends.at(-1)! < at) ends.pop();
    if (ends.push(closing.get(at)!) > MAX_NESTING) return undefined;
  }
  return closing;
}

function splitChoices(text: string): string[] {
  const choices = [''];
  let depth = 0;
  for (const character of text) {
    if (character === '{') depth++;
    else if (character === '}') depth--;
    if (character === ',' && depth === 0) choices.push('');
    else choices[choices.length - 1] += character;
  }
  return choices;
}

/** As {@link matchPart}, one level up: parts in place of characters, `**` in place of `*`. */
function matchParts(pattern: readonly string[], path: readonly string[]): boolean {
  let p = 0;
  let s = 0;
  let starAt = -1;
  let starTook = 0;
  while (s < path.length) {
    if (pattern[p] === '**') {
      starAt = p++;
      starTook = s;
    } else if (p < pattern.length && matchPart(pattern[p]!, path[s]!)) {
      p++;
      s++;
    } else if (starAt !== -1) {
      p = starAt + 1;
      s = ++starTook;
    } else return false;
  }
  // `**` stands for no part at all only before others: `folder/**` is what lies in the folder.
  return p === pattern.length;
}

function matchPart(pattern: string, text: string): boolean {
  let p = 0;
  let s = 0;
  let starAt = -1;
  let starTook = 0;
  while (s < text.length) {
    const step = p < pattern.length ? matchOne(pattern, p, text[s]!) : 0;
    if (pattern[p] === '*') {
      starAt = p++;
      starTook = s;
    } else if (step > 0) {
      p += step;
      s++;
    } else if (starAt !== -1) {
      // The last star takes one character more; earlier ones need not be tried again.
      p = starAt + 1;
      s = ++starTook;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/** How many characters of the pattern at `at` match the one character; 0 when they do not. */
function matchOne(pattern: string, at: number, character: string): number {
  if (pattern[at] === '?') return 1;
  if (pattern[at] === '[') {
    const end = pattern.indexOf(']', at + 2);
    if (end !== -1) return inClass(pattern.slice(at + 1, end), character) ? end + 1 - at : 0;
  }
  return pattern[at] === character ? 1 : 0;
}

function inClass(members: string, character: string): boolean {
  const isNegated = members.startsWith('!') || members.startsWith('^');
  const list = isNegated ? members.slice(1) : members;
  let isMember = false;
  for (let at = 0; at < list.length; at++) {
    const low = list[at]!;
    if (list[at + 1] === '-' && at + 2 < list.length) {
      isMember ||= low <= character && character <= list[at + 2]!;
      at += 2;
    } else isMember ||= low === character;
  }
  return isMember !== isNegated;
}
