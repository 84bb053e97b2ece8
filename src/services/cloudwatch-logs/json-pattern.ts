import { comparison, FilterPatternError, type MessageFilter, unquote, wildcard } from './filter-pattern.ts';

type Test = (root: unknown) => boolean;

const TOKEN = /\s*(?:(&&|\|\||\(|\)|!=|>=|<=|=|>|<)|("(?:[^"\\]|\\.)*")|(\$[^\s=!<>()&|]*)|([^\s=!<>()&|]+))/y;
const MAX_DEPTH = 50;

/**
 * `{ $.level = "error" && ($.size > 10 || $.tags[0] = "a*") }`, with `IS NULL`, `IS TRUE`, `IS FALSE`, `EXISTS` and `NOT EXISTS`.
 * A message that is no JSON object never matches. @throws {FilterPatternError}
 */
export function parseJsonPattern(text: string): MessageFilter {
  if (!text.endsWith('}')) throw new FilterPatternError('Invalid filter pattern: } is missing.');
  const test = new Parser(text.slice(1, -1)).parse();
  return (message) => {
    if (!message.trimStart().startsWith('{')) return false;
    let root: unknown;
    try {
      root = JSON.parse(message);
    } catch {
      return false; // a message that only looks like JSON is text, and text does not match
    }
    return test(root);
  };
}

class Parser {
  readonly #tokens: string[] = [];
  #at = 0;

  constructor(text: string) {
    TOKEN.lastIndex = 0;
    const body = text.trimEnd();
    while (TOKEN.lastIndex < body.length) {
      const at = TOKEN.lastIndex;
      const match = TOKEN.exec(body);
      if (match === null) throw new FilterPatternError(`Invalid filter pattern at: ${body.slice(at, at + 20)}`);
      this.#tokens.push(match[1] ?? match[2] ?? match[3] ?? match[4]!);
    }
  }

  parse(): Test {
    const test = this.#either(0);
    if (this.#at < this.#tokens.length)
      throw new FilterPatternError(`Invalid filter pattern at: ${this.#tokens[this.#at]}`);
    return test;
  }

  #take(): string {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw new FilterPatternError('Invalid filter pattern: it ends too early.');
    return token;
  }

  #next(word: string): boolean {
    if (this.#tokens[this.#at]?.toUpperCase() !== word) return false;
    this.#at++;
    return true;
  }

  #either(depth: number): Test {
    const tests = [this.#both(depth)];
    while (this.#next('||')) tests.push(this.#both(depth));
    return (root) => tests.some((test) => test(root));
  }

  #both(depth: number): Test {
    const tests = [this.#one(depth)];
    while (this.#next('&&')) tests.push(this.#one(depth));
    return (root) => tests.every((test) => test(root));
  }

  #one(depth: number): Test {
    if (depth > MAX_DEPTH) throw new FilterPatternError('Invalid filter pattern: nested too deeply.');
    if (this.#next('(')) {
      const inner = this.#either(depth + 1);
      if (!this.#next(')')) throw new FilterPatternError('Invalid filter pattern: ) is missing.');
      return inner;
    }
    const select = selector(this.#take());
    if (this.#next('NOT')) {
      if (!this.#next('EXISTS')) throw new FilterPatternError('Invalid filter pattern: EXISTS is missing after NOT.');
      return (root) => select(root) === undefined;
    }
    if (this.#next('EXISTS')) return (root) => select(root) !== undefined;
    if (this.#next('IS')) {
      const word = this.#take().toUpperCase();
      const wanted = { NULL: null, TRUE: true, FALSE: false }[word];
      if (wanted === undefined) throw new FilterPatternError(`Invalid filter pattern: IS ${word}.`);
      return (root) => select(root) === wanted;
    }
    return this.#comparison(select);
  }

  #comparison(select: (root: unknown) => unknown): Test {
    const operator = this.#take();
    if (!/^(=|!=|>=|<=|>|<)$/.test(operator))
      throw new FilterPatternError(`Invalid filter pattern: ${operator} is no comparison.`);
    const operand = this.#take();
    const isText = operand.startsWith('"');
    const text = unquote(operand);
    if (operand.startsWith('%'))
      throw new FilterPatternError('Regular expressions in filter patterns are not implemented by Slipway.');
    const equals = wildcard(text);
    const compare = comparison(operator, text);
    return (root) => {
      const value = select(root);
      if (typeof value === 'string')
        return operator === '=' ? equals(value) : operator === '!=' ? !equals(value) : !isText && compare(value);
      if (typeof value === 'number') return compare(String(value));
      return operator === '!=' && value !== undefined;
    };
  }
}

/** `$.a.b[0]['c d']` as a look-up. */
function selector(path: string): (root: unknown) => unknown {
  if (!path.startsWith('$')) throw new FilterPatternError(`Invalid filter pattern: ${path} is no property selector.`);
  const steps: (string | number)[] = [];
  const STEP = /\.([^.[\]]+)|\[(\d+)\]|\['([^']*)'\]/y;
  STEP.lastIndex = 1;
  while (STEP.lastIndex < path.length) {
    const match = STEP.exec(path);
    if (match === null) throw new FilterPatternError(`Invalid filter pattern: ${path} is no property selector.`);
    steps.push(match[2] === undefined ? (match[1] ?? match[3]!) : Number(match[2]));
  }
  return (root) => {
    let at: unknown = root;
    for (const step of steps) {
      if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined;
      at = (at as Record<string | number, unknown>)[step];
    }
    return at;
  };
}
