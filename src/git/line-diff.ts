/** Lines `[aStart, aEnd)` of the old text became lines `[bStart, bEnd)` of the young one. Lines count from 0. */
export interface LineChange {
  aStart: number;
  aEnd: number;
  bStart: number;
  bEnd: number;
}

const NEWLINE = 0x0a;
/**
 * Lines of a text that are looked at one by one. Each of them is an object: the six million line ends that fit into the
 * largest file would take gigabytes, and nobody else would be served meanwhile.
 */
export const MAX_COMPARED_LINES = 100_000;
/** Edits that the exact search looks for before it calls a stretch of lines replaced: it costs the square of them. */
const MAX_EDITS = 1_000;
/** Steps of one comparison before what is left is called replaced: half a second or so, however the texts were made up. */
const MAX_STEPS = 30_000_000;

/** What is left of a comparison's steps. */
interface Budget {
  steps: number;
}

/** How many lines a text has. */
export function countLines(text: Buffer): number {
  let lines = 0;
  for (let at = text.indexOf(NEWLINE); at >= 0; at = text.indexOf(NEWLINE, at + 1)) lines += 1;
  return text.length > 0 && text.at(-1) !== NEWLINE ? lines + 1 : lines;
}

/** A text as lines, each with its line end; the last one may have none. */
export function linesOf(text: Uint8Array): Buffer[] {
  const bytes = Buffer.from(text.buffer, text.byteOffset, text.byteLength);
  const lines: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, at);
    const next = end < 0 ? bytes.length : end + 1;
    lines.push(bytes.subarray(at, next));
    at = next;
  }
  return lines;
}

/** Gives equal lines equal numbers, over all texts that go through one of these. */
export class LineNumbers {
  readonly #numbers = new Map<string, number>();

  of(lines: readonly Buffer[]): Int32Array {
    const numbers = new Int32Array(lines.length);
    for (const [at, line] of lines.entries()) {
      const key = line.toString('latin1');
      let number = this.#numbers.get(key);
      if (number === undefined) {
        number = this.#numbers.size;
        this.#numbers.set(key, number);
      }
      numbers[at] = number;
    }
    return numbers;
  }
}

/**
 * The changes that make `b` of `a`, in ascending order, never touching each other. Lines that both have once each hold
 * the comparison together (patience); between them the shortest edit is searched (Myers), up to a bound.
 */
export function diffLines(a: Int32Array, b: Int32Array): LineChange[] {
  const changes: LineChange[] = [];
  const open: LineChange[] = [{ aStart: 0, aEnd: a.length, bStart: 0, bEnd: b.length }];
  const budget: Budget = { steps: MAX_STEPS };
  // A stack instead of a recursion, in reverse, so that changes come out in order.
  for (let range = open.pop(); range !== undefined; range = open.pop()) {
    const trimmed = trim(a, b, range);
    if (trimmed.aStart === trimmed.aEnd && trimmed.bStart === trimmed.bEnd) continue;
    if (trimmed.aStart === trimmed.aEnd || trimmed.bStart === trimmed.bEnd || budget.steps <= 0) {
      push(changes, trimmed);
      continue;
    }
    // Looking a line up costs several steps of the search below.
    budget.steps -= 8 * (trimmed.aEnd - trimmed.aStart + trimmed.bEnd - trimmed.bStart);
    const anchors = anchorsOf(a, b, trimmed);
    if (anchors.length === 0) for (const change of shortestEdit(a, b, trimmed, budget)) push(changes, change);
    else open.push(...between(trimmed, anchors).reverse());
  }
  return changes;
}

function push(changes: LineChange[], change: LineChange): void {
  const last = changes.at(-1);
  if (last !== undefined && last.aEnd === change.aStart && last.bEnd === change.bStart) {
    last.aEnd = change.aEnd;
    last.bEnd = change.bEnd;
  } else changes.push({ ...change });
}

function trim(a: Int32Array, b: Int32Array, range: LineChange): LineChange {
  let { aStart, aEnd, bStart, bEnd } = range;
  while (aStart < aEnd && bStart < bEnd && a[aStart] === b[bStart]) {
    aStart += 1;
    bStart += 1;
  }
  while (aStart < aEnd && bStart < bEnd && a[aEnd - 1] === b[bEnd - 1]) {
    aEnd -= 1;
    bEnd -= 1;
  }
  return { aStart, aEnd, bStart, bEnd };
}

/** Pairs of equal lines, ascending on both sides, each of which stands once on either side of the range. */
function anchorsOf(a: Int32Array, b: Int32Array, range: LineChange): [number, number][] {
  const inA = onceIn(a, range.aStart, range.aEnd);
  const inB = onceIn(b, range.bStart, range.bEnd);
  const pairs: [number, number][] = [];
  for (const [line, at] of inA) {
    const other = inB.get(line);
    if (at >= 0 && other !== undefined && other >= 0) pairs.push([at, other]);
  }
  return longestAscending(pairs.sort(([x], [y]) => x - y));
}

/** Where each line stands; -1 for those that stand there more than once. */
function onceIn(lines: Int32Array, start: number, end: number): Map<number, number> {
  const places = new Map<number, number>();
  for (let at = start; at < end; at += 1) {
    const line = lines[at]!;
    places.set(line, places.has(line) ? -1 : at);
  }
  return places;
}

/** The longest run of pairs that ascends on the right side, too (patience sorting). */
function longestAscending(pairs: readonly [number, number][]): [number, number][] {
  const tops: number[] = [];
  const before = new Int32Array(pairs.length).fill(-1);
  for (const [index, [, right]] of pairs.entries()) {
    let [low, high] = [0, tops.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (pairs[tops[middle]!]![1] < right) low = middle + 1;
      else high = middle;
    }
    if (low > 0) before[index] = tops[low - 1]!;
    tops[low] = index;
  }
  const run: [number, number][] = [];
  for (let index = tops.at(-1) ?? -1; index >= 0; index = before[index]!) run.push(pairs[index]!);
  return run.reverse();
}

function between(range: LineChange, anchors: readonly [number, number][]): LineChange[] {
  const ranges: LineChange[] = [];
  let [aStart, bStart] = [range.aStart, range.bStart];
  for (const [aAt, bAt] of anchors) {
    ranges.push({ aStart, aEnd: aAt, bStart, bEnd: bAt });
    [aStart, bStart] = [aAt + 1, bAt + 1];
  }
  ranges.push({ aStart, aEnd: range.aEnd, bStart, bEnd: range.bEnd });
  return ranges;
}

/** Myers, "An O(ND) Difference Algorithm and Its Variations", the greedy form; beyond the bound all is replaced. */
function shortestEdit(a: Int32Array, b: Int32Array, range: LineChange, budget: Budget): LineChange[] {
  const { aStart, aEnd, bStart, bEnd } = range;
  const [width, height] = [aEnd - aStart, bEnd - bStart];
  const most = Math.min(width + height, MAX_EDITS);
  const reach = new Int32Array(2 * most + 3);
  const middle = most + 1;
  const trace: Int32Array[] = [];
  for (let edits = 0; edits <= most && budget.steps > 0; edits += 1) {
    budget.steps -= 2 * edits + 1;
    trace.push(reach.slice(middle - edits - 1, middle + edits + 2));
    for (let k = -edits; k <= edits; k += 2) {
      const isDown = k === -edits || (k !== edits && reach[middle + k - 1]! < reach[middle + k + 1]!);
      let x = isDown ? reach[middle + k + 1]! : reach[middle + k - 1]! + 1;
      while (x < width && x - k < height && a[aStart + x] === b[bStart + x - k]) x += 1;
      reach[middle + k] = x;
      if (x >= width && x - k >= height) return backtrack(trace, range);
    }
  }
  return [range];
}

function backtrack(trace: readonly Int32Array[], { aStart, aEnd, bStart, bEnd }: LineChange): LineChange[] {
  const changes: LineChange[] = [];
  let [x, y] = [aEnd - aStart, bEnd - bStart];
  for (let edits = trace.length - 1; edits > 0; edits -= 1) {
    const reach = trace[edits]!;
    const at = (k: number) => reach[k + edits + 1]!;
    const k = x - y;
    const isDown = k === -edits || (k !== edits && at(k - 1) < at(k + 1));
    const fromX = at(isDown ? k + 1 : k - 1);
    const fromY = fromX - (isDown ? k + 1 : k - 1);
    const [toX, toY] = isDown ? [fromX, fromY + 1] : [fromX + 1, fromY];
    changes.push({ aStart: aStart + fromX, aEnd: aStart + toX, bStart: bStart + fromY, bEnd: bStart + toY });
    [x, y] = [fromX, fromY];
  }
  return changes.reverse();
}
