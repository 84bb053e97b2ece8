/**
 * A pattern with `*` for any run of characters, `\*` and `\\` for themselves; matching takes time linear in pattern
 * plus text whatever both contain, so no event can stall the bus.
 */
export class Wildcard {
  readonly #first: string;
  readonly #middle: { readonly text: string; readonly failure: Int32Array }[];
  /** Absent where the pattern has no `*`: the text must then equal `#first`. */
  readonly #last: string | undefined;

  private constructor(parts: string[]) {
    this.#first = parts[0]!;
    this.#last = parts.length > 1 ? parts.at(-1)! : undefined;
    this.#middle = parts.slice(1, -1).map((text) => ({ text, failure: failureTable(text) }));
  }

  /** @returns the pattern, or why it is refused, with positions counted in bytes from the opening quote. */
  static compile(pattern: string): Wildcard | { reason: string } {
    const parts = [''];
    let byte = 1;
    for (let i = 0; i < pattern.length; i += 1) {
      const char = pattern[i]!;
      const next = pattern[i + 1];
      if (char === '*') {
        if (next === '*') return { reason: `Consecutive wildcard characters at pos ${byte}` };
        parts.push('');
      } else if (char === '\\') {
        if (next !== '*' && next !== '\\') return { reason: `Invalid escape character at pos ${byte}` };
        parts[parts.length - 1] += next;
        i += 1;
        byte += 1;
      } else {
        parts[parts.length - 1] += char;
      }
      byte += utf8Length(char);
    }
    return new Wildcard(parts);
  }

  matches(text: string): boolean {
    if (this.#last === undefined) return text === this.#first;
    const end = text.length - this.#last.length;
    if (end < this.#first.length || !text.startsWith(this.#first) || !text.endsWith(this.#last)) return false;
    let at = this.#first.length;
    for (const part of this.#middle) {
      at = find(text, part, at, end);
      if (at < 0) return false;
    }
    return true;
  }
}

/** UTF-8 bytes that one UTF-16 unit adds: half of a surrogate pair is half of four. */
function utf8Length(unit: string): number {
  const code = unit.charCodeAt(0);
  if (code < 0x80) return 1;
  if (code < 0x800 || (code >= 0xd800 && code <= 0xdfff)) return 2;
  return 3;
}

/** Knuth-Morris-Pratt: for each prefix the length of its longest proper border. */
function failureTable(text: string): Int32Array {
  const failure = new Int32Array(text.length);
  for (let i = 1, border = 0; i < text.length; i += 1) {
    while (border > 0 && text[i] !== text[border]) border = failure[border - 1]!;
    if (text[i] === text[border]) border += 1;
    failure[i] = border;
  }
  return failure;
}

/** @returns the index behind the first occurrence of `part` within `[from, end)`, or -1. */
function find(text: string, part: { text: string; failure: Int32Array }, from: number, end: number): number {
  const { length } = part.text;
  if (length === 0) return from;
  for (let i = from, matched = 0; i < end; i += 1) {
    while (matched > 0 && text[i] !== part.text[matched]) matched = part.failure[matched - 1]!;
    if (text[i] === part.text[matched]) matched += 1;
    if (matched === length) return i + 1;
  }
  return -1;
}
