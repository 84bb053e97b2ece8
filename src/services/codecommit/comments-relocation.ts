import { countLines, diffLines, LineNumbers, linesOf, MAX_COMPARED_LINES } from '../../git/line-diff.ts';
import type { ObjectReader } from '../../git/objects.ts';
import { type Comparison, findBlob, type Place, textOf } from './comments-locations.ts';

/** Moves comments that were made on older commits to where their lines are in the commits that are compared now. */
export class Relocation {
  readonly #objects: ObjectReader;
  readonly #comparison: Comparison;
  /** Of two blobs, where each line of the first is in the second; from 0, -1 for a line that is gone. */
  readonly #moves = new Map<string, Promise<Int32Array | null>>();

  constructor(objects: ObjectReader, comparison: Comparison) {
    this.#objects = objects;
    this.#comparison = comparison;
  }

  /** The place in the comparison of now; undefined where the line, or the file, is not there any more. */
  async find(place: Place): Promise<Place | undefined> {
    const { path, position, version } = place;
    if (path === null) return undefined;
    const beforeBlob = await findBlob(this.#objects, this.#comparison.before, path);
    const afterBlob = await findBlob(this.#objects, this.#comparison.after, path);
    const moved = { ...place, beforeBlob, afterBlob };
    const [old, now] = version === 'BEFORE' ? [place.beforeBlob, beforeBlob] : [place.afterBlob, afterBlob];
    if (position === null) return (version === null ? (beforeBlob ?? afterBlob) : now) === null ? undefined : moved;
    if (old === null || now === null) return undefined;
    if (old === now) return moved;
    const key = `${old} ${now}`;
    let moves = this.#moves.get(key);
    if (moves === undefined) {
      moves = this.#compare(old, now);
      this.#moves.set(key, moves);
    }
    const line = (await moves)?.[position - 1] ?? -1;
    return line < 0 ? undefined : { ...moved, position: line + 1 };
  }

  async #compare(old: string, now: string): Promise<Int32Array | null> {
    const [oldText, nowText] = [await textOf(this.#objects, old), await textOf(this.#objects, now)];
    if (oldText === null || nowText === null) return null;
    if (countLines(oldText) > MAX_COMPARED_LINES || countLines(nowText) > MAX_COMPARED_LINES) return null;
    return lineMoves(oldText, nowText);
  }
}

/** Where each line of the old text is in the new one; from 0, -1 for one that was changed or removed. */
export function lineMoves(oldText: Uint8Array, nowText: Uint8Array): Int32Array {
  const numbers = new LineNumbers();
  const [old, now] = [numbers.of(linesOf(oldText)), numbers.of(linesOf(nowText))];
  const moves = new Int32Array(old.length).fill(-1);
  let [from, to] = [0, 0];
  for (const { aStart, aEnd, bStart, bEnd } of [
    ...diffLines(old, now),
    { aStart: old.length, aEnd: old.length, bStart: now.length, bEnd: now.length },
  ]) {
    for (let line = from; line < aStart; line += 1) moves[line] = to + line - from;
    if (bStart - to !== aStart - from) throw new Error('unchanged lines must be as many on both sides');
    [from, to] = [aEnd, bEnd];
  }
  return moves;
}
