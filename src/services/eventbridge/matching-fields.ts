import type { Leaf, ValuePattern } from './pattern-values.ts';

/** A set of alternatives of a pattern: one bit each. Never changed once it is shared. */
type Bits = Uint32Array;

/** A field of a pattern, and the alternatives that ask for it. */
export interface Field {
  /** Names joined by dots: `detail.state`. */
  readonly path: string;
  readonly values: readonly ValuePattern[];
  readonly askedBy: Bits;
}

/** The fields that may be satisfied below one place of an event, with what can be known of them ahead. */
interface Wanted {
  readonly entries: readonly Entry[];
  /** The alternatives that ask for none of these fields: they are satisfied whatever stands at the place. */
  readonly indifferent: Bits;
  /** By each key that leads towards a field. Made when first needed. */
  byKey?: ReadonlyMap<string, Wanted>;
}

interface Entry {
  /** Path from here; `undefined` means: the value here. */
  readonly rest: string | undefined;
  readonly values: readonly ValuePattern[];
  readonly askedBy: Bits;
}

type Json = Readonly<Record<string, unknown>>;

/** The distinct fields of a pattern's alternatives; alternatives share the lists of values that they have in common. */
export function fieldsOf(alternatives: readonly ReadonlyMap<string, readonly ValuePattern[]>[]): Field[] {
  const words = Math.ceil(alternatives.length / 32);
  const fields = new Map<string, Map<readonly ValuePattern[], Bits>>();
  alternatives.forEach((alternative, at) => {
    for (const [path, values] of alternative) {
      const ofPath = fields.get(path) ?? new Map<readonly ValuePattern[], Bits>();
      fields.set(path, ofPath);
      const askedBy = ofPath.get(values) ?? new Uint32Array(words);
      ofPath.set(values, askedBy);
      askedBy[at >>> 5]! |= 1 << (at & 31);
    }
  });
  return [...fields].flatMap(([path, ofPath]) => [...ofPath].map(([values, askedBy]) => ({ path, values, askedBy })));
}

/**
 * True when an event satisfies all fields of one of `count` alternatives. All alternatives go through the event
 * together: a short pattern has a thousand of them, and a walk for each would stop the server for seconds.
 */
export function satisfiesAny(fields: readonly Field[], count: number, event: unknown): boolean {
  const all = new Uint32Array(Math.ceil(count / 32)).fill(0xffff_ffff);
  if (count % 32 !== 0) all[all.length - 1] = 2 ** (count % 32) - 1;
  const entries = fields
    .filter(({ path, values }) => !isSatisfiedByAbsence(values, event, path))
    .map(({ path, values, askedBy }) => ({ rest: path, values, askedBy }));
  return satisfied(event, wantedOf(entries, all), all).some((word) => word !== 0);
}

function isSatisfiedByAbsence(values: readonly ValuePattern[], event: unknown, path: string): boolean {
  return values.some(({ kind }) => kind === 'absent') && !hasLeaf(event, path);
}

function wantedOf(entries: readonly Entry[], all: Bits): Wanted {
  const indifferent = all.slice();
  for (const { askedBy } of entries) remove(indifferent, askedBy);
  return { entries, indifferent };
}

/** The alternatives all of whose wanted fields hold at `node`; of an array one element must satisfy an alternative. */
function satisfied(node: unknown, wanted: Wanted, all: Bits): Bits {
  if (Array.isArray(node)) return ofArray(node, wanted, all);
  if (typeof node === 'object' && node !== null) return ofObject(node as Json, wanted, all);
  if (wanted.entries.every(({ rest }) => rest !== undefined)) return wanted.indifferent;
  const bits = all.slice();
  for (const { rest, values, askedBy } of wanted.entries) {
    if (rest !== undefined || !matchesLeaf(values, node as Leaf)) remove(bits, askedBy);
  }
  return bits;
}

function ofArray(node: readonly unknown[], wanted: Wanted, all: Bits): Bits {
  const bits = wanted.indifferent.slice();
  for (const element of node) {
    const more = satisfied(element, wanted, all);
    if (more === wanted.indifferent) continue;
    for (let at = 0; at < bits.length; at++) bits[at]! |= more[at]!;
    if (equal(bits, all)) break;
  }
  return bits;
}

function ofObject(node: Json, wanted: Wanted, all: Bits): Bits {
  const byKey = (wanted.byKey ??= keysTowards(wanted, all));
  const keys = [...byKey.keys()].filter((key) => Object.hasOwn(node, key));
  if (keys.length === 0) return wanted.indifferent;
  // `{"a.b": 1, "a": {"b": 2}}`: either may satisfy `a.b`
  if (keys.length > 1 && keys.some((key) => key.includes('.'))) return ofAmbiguousKeys(node, wanted, all);
  const bits = all.slice();
  for (const key of keys) {
    const more = satisfied(node[key], byKey.get(key)!, all);
    for (let at = 0; at < bits.length; at++) bits[at]! &= more[at]!;
  }
  const present = new Set(keys);
  for (const { rest, askedBy } of wanted.entries) {
    if (rest === undefined || !stepsInto(rest).some(({ key }) => present.has(key))) remove(bits, askedBy);
  }
  return bits;
}

/** Each field by itself: the ways to it are alternatives of their own. */
function ofAmbiguousKeys(node: Json, wanted: Wanted, all: Bits): Bits {
  const groups = new Map<string, Entry[]>();
  const bits = all.slice();
  for (const entry of wanted.entries) {
    const { rest, values, askedBy } = entry;
    const ways = rest === undefined ? [] : stepsInto(rest).filter(({ key }) => Object.hasOwn(node, key));
    if (ways.length === 1) {
      const { key, rest: below } = ways[0]!;
      groups.set(key, [...(groups.get(key) ?? []), { rest: below, values, askedBy }]);
      continue;
    }
    const holds = ways.some((way) => {
      const alone = wantedOf([{ rest: way.rest, values, askedBy }], all);
      return equal(satisfied(node[way.key], alone, all), all);
    });
    if (!holds) remove(bits, askedBy);
  }
  for (const [key, entries] of groups) {
    const more = satisfied(node[key], wantedOf(entries, all), all);
    for (let at = 0; at < bits.length; at++) bits[at]! &= more[at]!;
  }
  return bits;
}

function keysTowards({ entries }: Wanted, all: Bits): Map<string, Wanted> {
  const groups = new Map<string, Entry[]>();
  for (const { rest, values, askedBy } of entries) {
    for (const { key, rest: below } of rest === undefined ? [] : stepsInto(rest)) {
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [{ rest: below, values, askedBy }]);
      else group.push({ rest: below, values, askedBy });
    }
  }
  return new Map([...groups].map(([key, group]) => [key, wantedOf(group, all)]));
}

/** The keys that lead towards `path`: for `a.b.c` these are `a`, `a.b` and `a.b.c`. */
function stepsInto(path: string): { key: string; rest: string | undefined }[] {
  const steps: { key: string; rest: string | undefined }[] = [];
  for (let dot = path.indexOf('.'); dot >= 0; dot = path.indexOf('.', dot + 1)) {
    steps.push({ key: path.slice(0, dot), rest: path.slice(dot + 1) });
  }
  steps.push({ key: path, rest: undefined });
  return steps;
}

function matchesLeaf(values: readonly ValuePattern[], leaf: Leaf): boolean {
  return values.some((entry) => entry.kind === 'value' && entry.matches(leaf));
}

/** True when the event holds a value, not an object, anywhere at `path`. */
function hasLeaf(node: unknown, path: string | undefined): boolean {
  if (Array.isArray(node)) return node.some((element) => hasLeaf(element, path));
  if (typeof node !== 'object' || node === null) return path === undefined;
  if (path === undefined) return false;
  return stepsInto(path).some(({ key, rest }) => Object.hasOwn(node, key) && hasLeaf((node as Json)[key], rest));
}

function remove(bits: Bits, gone: Bits): void {
  for (let at = 0; at < bits.length; at++) bits[at]! &= ~gone[at]!;
}

function equal(a: Bits, b: Bits): boolean {
  return a.every((word, at) => word === b[at]);
}
