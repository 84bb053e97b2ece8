import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
} from 'yaml';

/** A buildspec that cannot be used. The message stands behind `YAML_FILE_ERROR Message: ` in the log and the phase. */
export class BuildspecError extends Error {
  override readonly name = 'BuildspecError';
}

/** The parser takes about a millisecond a kilobyte, and the server waits meanwhile. */
export const MAX_YAML_BYTES = 128 * 1024;
const MAX_OPEN_BRACKETS = 1_000;
const MANY_DASHES = /^[ \t]*(?:[-?:][ \t]+){50}/m;
const MAX_ALIASES = 100;

/** A value of the file, still unread. `undefined` stands for an empty one. */
export type YamlNode = Node | undefined;

/** One `key: value` of a mapping. */
export interface YamlEntry {
  key: string;
  /** Where the key stands: `line 3, column 5`. */
  at: string;
  value: YamlNode;
}

/**
 * Reads a YAML text piece by piece, each with its place in the file for messages. Nothing is ever made into an object
 * with keys from the file, there are no tags and no merges, and every scalar is the text that stands in the file:
 * `version: 0.20` is not a number and `on` not a boolean.
 */
export class YamlReader {
  readonly root: YamlNode;
  readonly #document: Document;
  readonly #lines: LineCounter;
  #aliases = 0;

  /** @throws {BuildspecError} too large, too deep, not YAML. */
  constructor(text: string) {
    if (Buffer.byteLength(text) > MAX_YAML_BYTES) {
      throw new BuildspecError(`the file is larger than ${MAX_YAML_BYTES} bytes`);
    }
    this.#lines = new LineCounter();
    checkDepth(text);
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      schema: 'core',
      // Compares each key with each other one; `entries` looks for double ones instead.
      uniqueKeys: false,
    });
    const error = this.#document.errors[0];
    if (error !== undefined) throw new BuildspecError(`${error.message} at ${this.#place(error.pos[0])}`);
    this.root = this.#document.contents ?? undefined;
  }

  /** `line 3, column 5`, both from 1. */
  at(node: YamlNode): string {
    return this.#place(node?.range?.[0] ?? 0);
  }

  line(node: YamlNode): number {
    return this.#lines.linePos(node?.range?.[0] ?? 0).line;
  }

  /** The entries of a mapping; none when it is empty. @param what names it in the message. */
  entries(node: YamlNode, what: string): YamlEntry[] {
    const map = this.#resolve(node);
    if (isEmpty(map)) return [];
    if (!isMap(map)) throw new BuildspecError(`Expected ${what} to be a mapping at ${this.at(map)}`);
    const seen = new Set<string>();
    return map.items.map((pair) => {
      const at = this.at(pair.key as Node);
      const key = this.text(pair.key as Node, `a key of ${what}`);
      if (seen.has(key)) throw new BuildspecError(`${what} has the key ${key} twice at ${at}`);
      seen.add(key);
      return { key, at, value: (pair.value ?? undefined) as YamlNode };
    });
  }

  /** The items of a sequence; none when it is empty. */
  items(node: YamlNode, what: string): YamlNode[] {
    const list = this.#resolve(node);
    if (isEmpty(list)) return [];
    if (!isSeq(list)) throw new BuildspecError(`Expected ${what} to be a list at ${this.at(list)}`);
    return list.items.map((item) => item as YamlNode);
  }

  /** A scalar as it stands in the file; an empty one is the empty text. */
  text(node: YamlNode, what: string): string {
    const scalar = this.#resolve(node);
    if (isEmpty(scalar)) return '';
    if (isScalar(scalar)) return textOf(scalar);
    throw new BuildspecError(`Expected ${what} to be of string type at ${this.at(scalar)}`);
  }

  isScalar(node: YamlNode): boolean {
    const value = this.#resolve(node);
    return value === undefined || isScalar(value);
  }

  /** `yes`/`no` as buildspecs write it, or `true`/`false`. */
  flag(node: YamlNode, what: string): boolean {
    const word = this.text(node, what).toLowerCase();
    if (word === 'yes' || word === 'true') return true;
    if (word === 'no' || word === 'false' || word === '') return false;
    throw new BuildspecError(`Expected ${what} to be yes or no at ${this.at(node)}`);
  }

  #resolve(node: YamlNode): YamlNode {
    if (!isAlias(node)) return node;
    if (++this.#aliases > MAX_ALIASES) throw new BuildspecError(`more than ${MAX_ALIASES} aliases`);
    const target = node.resolve(this.#document);
    if (target === undefined) throw new BuildspecError(`unknown alias ${node.source} at ${this.at(node)}`);
    return this.#resolve(target);
  }

  #place(offset: number): string {
    const { line, col } = this.#lines.linePos(offset);
    return `line ${line}, column ${col}`;
  }
}

function isEmpty(node: YamlNode): boolean {
  return node === undefined || (isScalar(node) && node.value === null && (node.source ?? '') === '');
}

/** Plain scalars keep their spelling (`0x1F`, `1e3`, `~`); quoted and block ones have theirs resolved. */
function textOf(scalar: Scalar): string {
  return scalar.type === 'PLAIN' && typeof scalar.value !== 'string' ? (scalar.source ?? '') : String(scalar.value);
}

/**
 * The parser takes milliseconds a kilobyte for deep nesting. Brackets and dashes bound the depth from above without
 * parsing; those inside quotes and commands are text, so that the bounds are far above any real file.
 */
function checkDepth(text: string): void {
  let open = 0;
  for (const character of text) {
    if (character === '[' || character === '{') open++;
    else if (character === ']' || character === '}') open = Math.max(0, open - 1);
    if (open > MAX_OPEN_BRACKETS) throw new BuildspecError('the file is nested too deeply');
  }
  if (MANY_DASHES.test(text)) throw new BuildspecError('the file is nested too deeply');
}
