import { diffLines, type LineChange, LineNumbers } from './line-diff.ts';

/** Lines `[start, end)` of one version, from 0. */
export interface LineRange {
  start: number;
  end: number;
}

/**
 * A stretch of a merged file: the same in all versions, changed by one side, changed by both alike, or in conflict.
 * The stretches of a file follow each other without gaps in every version.
 */
export interface MergedLines {
  kind: 'same' | 'ours' | 'theirs' | 'both' | 'conflict';
  base: LineRange;
  ours: LineRange;
  theirs: LineRange;
}

/**
 * Merges two versions of a text line by line (diff3). Changes that touch are in conflict, as in git; lines that both
 * sides begin or end a conflict with are none.
 */
export function mergeLines(base: readonly Buffer[], ours: readonly Buffer[], theirs: readonly Buffer[]): MergedLines[] {
  const numbers = new LineNumbers();
  const [b, o, t] = [numbers.of(base), numbers.of(ours), numbers.of(theirs)];
  const merged: MergedLines[] = [];
  const at = { base: 0, ours: 0, theirs: 0 };
  const add = (kind: MergedLines['kind'], lengths: { base: number; ours: number; theirs: number }) => {
    if (lengths.base + lengths.ours + lengths.theirs === 0) return;
    const take = (side: 'base' | 'ours' | 'theirs'): LineRange => {
      const start = at[side];
      at[side] += lengths[side];
      return { start, end: at[side] };
    };
    merged.push({ kind, base: take('base'), ours: take('ours'), theirs: take('theirs') });
  };
  for (const group of groups(diffLines(b, o), diffLines(b, t))) {
    const same = group.start - at.base;
    add('same', { base: same, ours: same, theirs: same });
    const lengths = {
      base: group.end - group.start,
      ours: group.end - group.start + growth(group.ours),
      theirs: group.end - group.start + growth(group.theirs),
    };
    if (group.theirs.length === 0) add('ours', lengths);
    else if (group.ours.length === 0) add('theirs', lengths);
    else addConflict(add, lengths, o.subarray(at.ours), t.subarray(at.theirs));
  }
  const rest = b.length - at.base;
  add('same', { base: rest, ours: rest, theirs: rest });
  return merged;
}

/** Changes of both sides that overlap or touch in the base, with the lines of the base that they cover. */
interface Group extends LineRange {
  ours: LineChange[];
  theirs: LineChange[];
}

function* groups(ours: readonly LineChange[], theirs: readonly LineChange[]): Generator<Group> {
  let [o, t] = [0, 0];
  while (o < ours.length || t < theirs.length) {
    const start = Math.min(ours[o]?.aStart ?? Number.POSITIVE_INFINITY, theirs[t]?.aStart ?? Number.POSITIVE_INFINITY);
    const group: Group = { start, end: start, ours: [], theirs: [] };
    const joins = (change: LineChange | undefined): change is LineChange =>
      change !== undefined && (change.aStart <= group.end || change.aStart === start);
    for (let isGrowing = true; isGrowing; ) {
      isGrowing = false;
      for (const [side, list] of [['ours', ours] as const, ['theirs', theirs] as const]) {
        const next = list[side === 'ours' ? o : t];
        if (!joins(next)) continue;
        group[side].push(next);
        group.end = Math.max(group.end, next.aEnd);
        if (side === 'ours') o += 1;
        else t += 1;
        isGrowing = true;
      }
    }
    yield group;
  }
}

function growth(changes: readonly LineChange[]): number {
  return changes.reduce((sum, { aStart, aEnd, bStart, bEnd }) => sum + (bEnd - bStart) - (aEnd - aStart), 0);
}

function addConflict(
  add: (kind: MergedLines['kind'], lengths: { base: number; ours: number; theirs: number }) => void,
  lengths: { base: number; ours: number; theirs: number },
  ours: Int32Array,
  theirs: Int32Array,
): void {
  const shorter = Math.min(lengths.ours, lengths.theirs);
  let head = 0;
  while (head < shorter && ours[head] === theirs[head]) head += 1;
  if (head === lengths.ours && head === lengths.theirs) {
    add('both', lengths);
    return;
  }
  let tail = 0;
  while (tail < shorter - head && ours[lengths.ours - 1 - tail] === theirs[lengths.theirs - 1 - tail]) tail += 1;
  add('both', { base: 0, ours: head, theirs: head });
  add('conflict', {
    base: lengths.base,
    ours: lengths.ours - head - tail,
    theirs: lengths.theirs - head - tail,
  });
  add('both', { base: 0, ours: tail, theirs: tail });
}
