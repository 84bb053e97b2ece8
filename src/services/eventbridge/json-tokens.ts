/** A JSON text that cannot be read; the message carries what was expected and where, as EventBridge words it. */
export class JsonTextError extends Error {
  override readonly name = 'JsonTextError';
}

export type TokenType =
  | 'object-start'
  | 'object-end'
  | 'array-start'
  | 'array-end'
  | 'field'
  | 'string'
  | 'number'
  | 'true'
  | 'false'
  | 'null'
  | 'end';

export interface Token {
  readonly type: TokenType;
  /** Field name, string value, or the literal as written. */
  readonly text: string;
}

/** How much of the source an error message quotes. */
const MAX_QUOTED_SOURCE = 500;
/** Nesting beyond this is refused before it can exhaust the stack. */
const MAX_DEPTH = 500;
const EXPECTED_VALUE = "was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;
const WORD = /[A-Za-z0-9_$]+/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

/**
 * Reads strict JSON (RFC 8259) one token at a time and knows where it stands, because EventBridge tells the caller of
 * a bad pattern the line and column. Like the service's own reader it is one value ahead of a field name, and a
 * string counts as read up to its opening quote until `textOf` was asked for.
 */
export class JsonTokens {
  readonly #source: string;
  #at = 0;
  /** Where the last string began, while its text was not asked for. */
  #unreadStringAt = -1;
  #ahead: Token | undefined;
  readonly #open: { kind: '{' | '['; at: number; entries: number }[] = [];
  #done = false;

  constructor(source: string) {
    this.#source = source;
  }

  /** The next token; `end` after the last one. */
  next(): Token {
    const ahead = this.#ahead;
    if (ahead !== undefined) {
      this.#ahead = undefined;
      return ahead;
    }
    this.#unreadStringAt = -1;
    this.#skipSpace();
    const container = this.#open.at(-1);
    if (container === undefined) return this.#root();
    if (this.#at >= this.#source.length) this.#unclosed(container);
    return container.kind === '{' ? this.#inObject(container) : this.#inArray(container);
  }

  /** The token's text; from now on an error points behind the string instead of at its first character. */
  textOf(token: Token): string {
    this.#unreadStringAt = -1;
    return token.text;
  }

  /** Refuses the text with `message` and the place reached so far. */
  fail(message: string): never {
    throw new JsonTextError(`${message}\n${this.#where(this.#reached())}`);
  }

  /** The place reached so far, as error messages spell it. */
  where(): string {
    return this.#where(this.#reached());
  }

  #reached(): number {
    return this.#unreadStringAt >= 0 ? this.#unreadStringAt + 1 : this.#at;
  }

  #where(at: number): string {
    const before = this.#source.slice(0, at).split('\n');
    const rest = this.#source.length - MAX_QUOTED_SOURCE;
    const quoted =
      rest > 0 ? `"${this.#source.slice(0, MAX_QUOTED_SOURCE)}"[truncated ${rest} chars]` : `"${this.#source}"`;
    return ` at [Source: (String)${quoted}; line: ${before.length}, column: ${before.at(-1)!.length + 1}]`;
  }

  #refuse(message: string, at = this.#at): never {
    throw new JsonTextError(`${message}\n${this.#where(at)}`);
  }

  #root(): Token {
    if (this.#at >= this.#source.length) {
      if (!this.#done) this.#refuse('No content to map due to end-of-input');
      return { type: 'end', text: '' };
    }
    if (this.#done) this.#unexpected(EXPECTED_VALUE);
    this.#done = true;
    return this.#value();
  }

  #inObject(object: { entries: number }): Token {
    if (this.#source[this.#at] === '}') return this.#close('object-end');
    this.#separate(object, 'Object');
    if (this.#source[this.#at] !== '"') this.#unexpected('was expecting double-quote to start field name');
    const name = this.#string();
    this.#skipSpace();
    if (this.#source[this.#at] !== ':') {
      if (this.#at >= this.#source.length) this.#unclosed(this.#open.at(-1)!);
      this.#unexpected('was expecting a colon to separate field name and value');
    }
    this.#at += 1;
    this.#skipSpace();
    this.#ahead = this.#value();
    return { type: 'field', text: name };
  }

  #inArray(array: { entries: number }): Token {
    if (this.#source[this.#at] === ']') return this.#close('array-end');
    this.#separate(array, 'Array');
    return this.#value();
  }

  #separate(container: { entries: number }, kind: 'Object' | 'Array'): void {
    if (container.entries > 0) {
      if (this.#source[this.#at] !== ',') this.#unexpected(`was expecting comma to separate ${kind} entries`);
      this.#at += 1;
      this.#skipSpace();
      if (this.#at >= this.#source.length) this.#unclosed(this.#open.at(-1)!);
    }
    container.entries += 1;
  }

  #close(type: 'object-end' | 'array-end'): Token {
    this.#open.pop();
    this.#at += 1;
    return { type, text: '' };
  }

  #value(): Token {
    const char = this.#source[this.#at];
    if (char === undefined) this.#refuse('Unexpected end-of-input within/between Object entries');
    if (char === '{' || char === '[') {
      if (this.#open.length >= MAX_DEPTH) this.#refuse(`Document nesting depth exceeds ${MAX_DEPTH}`);
      this.#open.push({ kind: char, at: this.#at, entries: 0 });
      this.#at += 1;
      return { type: char === '{' ? 'object-start' : 'array-start', text: '' };
    }
    if (char === '"') {
      const start = this.#at;
      const text = this.#string();
      this.#unreadStringAt = start;
      return { type: 'string', text };
    }
    if (char === '-' || (char >= '0' && char <= '9')) return this.#number();
    return this.#word();
  }

  #number(): Token {
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(this.#source);
    if (match === null) this.#refuse('Invalid numeric value');
    this.#at = NUMBER.lastIndex;
    const after = this.#source[this.#at];
    if (after !== undefined && /[0-9A-Za-z.]/.test(after))
      this.#unexpected('Expected space separating root-level values');
    return { type: 'number', text: match[0] };
  }

  #word(): Token {
    WORD.lastIndex = this.#at;
    const match = WORD.exec(this.#source);
    if (match === null)
      this.#unexpected(
        "expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
      );
    const word = match[0];
    this.#at = WORD.lastIndex;
    if (word === 'true' || word === 'false' || word === 'null') return { type: word, text: word };
    this.#refuse(`Unrecognized token '${word}': ${EXPECTED_VALUE}`);
  }

  /** Reads a string from its opening quote to behind its closing one. */
  #string(): string {
    const { length } = this.#source;
    let text = '';
    let from = this.#at + 1;
    for (let i = from; i < length; i += 1) {
      const char = this.#source[i]!;
      if (char === '"') {
        this.#at = i + 1;
        return text + this.#source.slice(from, i);
      }
      if (char < ' ') {
        this.#refuse(
          `Illegal unquoted character (CTRL-CHAR, code ${char.charCodeAt(0)}): has to be escaped using backslash to be included in string value`,
          i + 1,
        );
      }
      if (char === '\\') {
        const escaped = this.#escape(i);
        text += this.#source.slice(from, i) + escaped.text;
        i = escaped.last;
        from = i + 1;
      }
    }
    this.#refuse('Unexpected end-of-input in VALUE_STRING', length);
  }

  #escape(at: number): { text: string; last: number } {
    const code = this.#source[at + 1];
    if (code === 'u') {
      const hex = this.#source.slice(at + 2, at + 6);
      if (!/^[0-9A-Fa-f]{4}$/.test(hex))
        this.#refuse('Unexpected character: expected a hex-digit for character escape sequence', at + 2);
      return { text: String.fromCharCode(Number.parseInt(hex, 16)), last: at + 5 };
    }
    const text = code === undefined ? undefined : ESCAPES[code];
    if (text === undefined)
      this.#refuse(`Unrecognized character escape '${code ?? ''}' (code ${code?.charCodeAt(0) ?? -1})`, at + 2);
    return { text, last: at + 1 };
  }

  #skipSpace(): void {
    for (;;) {
      const char = this.#source[this.#at];
      if (char !== ' ' && char !== '\n' && char !== '\r' && char !== '\t') return;
      this.#at += 1;
    }
  }

  #unexpected(expected: string): never {
    const char = this.#source[this.#at]!;
    this.#refuse(`Unexpected character ('${char}' (code ${char.charCodeAt(0)})): ${expected}`);
  }

  #unclosed(container: { kind: '{' | '['; at: number }): never {
    const kind = container.kind === '{' ? 'Object' : 'Array';
    const start = this.#where(container.at).slice(' at '.length);
    this.#refuse(
      `Unexpected end-of-input: expected close marker for ${kind} (start marker at ${start})`,
      this.#source.length,
    );
  }
}
