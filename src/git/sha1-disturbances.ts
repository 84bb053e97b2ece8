/**
 * How the known attacks on SHA-1 change a message. Every one of them follows a disturbance vector: 80 words that say in which
 * step which bit of the state is disturbed; five more bits of the message, in the steps after it, take each disturbance out
 * again (a local collision). 32 vectors are cheap enough to be used.
 *
 * Source: M. Stevens, "Counter-cryptanalysis", CRYPTO 2013; M. Stevens and D. Shumow, "Speeding up detection of SHA-1 collision
 * attacks using unavoidable attack conditions", USENIX Security 2017. Tables are computed from these definitions.
 */

/** Types I and II, each with its step K and bit b. */
const VECTORS: readonly (readonly [type: 1 | 2, k: number, b: 0 | 2])[] = [
  ...[43, 44, 45, 46, 47, 48, 49, 50, 51, 52].map((k) => [1, k, 0] as const),
  ...[46, 47, 48, 49, 50, 51].map((k) => [1, k, 2] as const),
  ...[45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56].map((k) => [2, k, 0] as const),
  ...[46, 49, 50, 51].map((k) => [2, k, 2] as const),
];
const STEPS = 80;
/** Disturbances of earlier steps are corrected in the first ones. */
const BEFORE = 5;
/** Steps from whose state a block can be computed anew: in one of them no disturbance is under way, whatever the vector. */
export const EARLY_STEP = 58;
export const LATE_STEP = 65;
/** Words of the message that conditions are about: there, no attack can do without them. */
const FIRST_WORD = 35;
const LAST_WORD = 64;
/** Steps whose function is the majority of three bits: it passes a change on with its sign. */
const MAJORITY = { first: 40, last: 59 };
const SIGN_BIT = 31;

export interface Disturbance {
  /** What the two messages of a collision differ by, as 80 words. */
  difference: Int32Array;
  /** {@link EARLY_STEP} or {@link LATE_STEP}: before it the two states are the same. */
  step: number;
}

/** Two bits of the expanded message that must be equal, or must not, if the message follows one of the vectors in `mask`. */
export interface Condition {
  word: number;
  bit: number;
  otherWord: number;
  otherBit: number;
  /** 0 for equal bits, 1 for different ones. */
  parity: 0 | 1;
  /** One bit for each of {@link DISTURBANCES}. */
  mask: number;
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** The disturbances of steps -5 to 79. */
function disturbed(type: 1 | 2, k: number, b: number): Int32Array {
  const words = new Int32Array(BEFORE + STEPS);
  const at = BEFORE + k;
  if (type === 2) {
    words[at + 1] = rotate(1, (b + SIGN_BIT) % 32);
    words[at + 3] = rotate(1, (b + SIGN_BIT) % 32);
  }
  words[at + 15] = 1 << b;
  // Sixteen words make all others, by the rule that expands a message.
  for (let t = at + 16; t < words.length; t++) {
    words[t] = rotate(words[t - 3]! ^ words[t - 8]! ^ words[t - 14]! ^ words[t - 16]!, 1);
  }
  for (let t = at - 1; t >= 0; t--) {
    words[t] = rotate(words[t + 16]!, 31) ^ words[t + 13]! ^ words[t + 8]! ^ words[t + 2]!;
  }
  return words;
}

function differenceOf(words: Int32Array): Int32Array {
  return Int32Array.from({ length: STEPS }, (_, step) => {
    const t = BEFORE + step;
    const last = words[t - 3]! ^ words[t - 4]! ^ words[t - 5]!;
    return words[t]! ^ rotate(words[t - 1]!, 5) ^ words[t - 2]! ^ rotate(last, 30);
  });
}

const WORDS = VECTORS.map(([type, k, b]) => disturbed(type, k, b));

export const DISTURBANCES: readonly Disturbance[] = VECTORS.map(([type, k], at) => ({
  difference: differenceOf(WORDS[at]!),
  // The last disturbance before the quiet steps is at most in step K - 1, or K + 3 in type II, and is over five steps later.
  step: k + (type === 1 ? 5 : 9) <= EARLY_STEP ? EARLY_STEP : LATE_STEP,
}));

/** A bit of the message that belongs to a disturbance, and whether its change has the sign of the state's change. */
interface Part {
  word: number;
  bit: number;
  isOpposite: boolean;
}

/** The bits that one disturbance of step `t` changes, in the order of their steps. */
function partsOf(t: number, bit: number): (Part & { isSigned: boolean })[] {
  return [
    { word: t, bit, isOpposite: false },
    { word: t + 1, bit: (bit + 5) % 32, isOpposite: true },
    { word: t + 2, bit, isOpposite: true },
    ...[3, 4, 5].map((after) => ({ word: t + after, bit: (bit + 30) % 32, isOpposite: true })),
  ].map((part, order) => {
    const isThroughFunction = order >= 2 && order <= 4;
    const isMajority = part.word >= MAJORITY.first && part.word <= MAJORITY.last;
    // Of the topmost bit a change has no sign, and other functions turn signs as they like.
    return { ...part, isSigned: part.bit !== SIGN_BIT && (!isThroughFunction || isMajority) };
  });
}

/**
 * What must hold between bits of the message that take out the same disturbance: the signs of their changes are tied to each
 * other, and the sign of a bit's change is the bit itself.
 */
function conditionsOf(words: Int32Array, mask: number): Condition[] {
  const all: { parts: ReturnType<typeof partsOf>; isAlone: boolean }[] = [];
  for (let step = -BEFORE; step < STEPS; step++) {
    const word = words[BEFORE + step]!;
    // Of two neighbours the one may stand for both, by its carry.
    const besideOthers = word & ((word << 1) | (word >>> 1));
    for (let bit = 0; bit < 32; bit++) {
      if (((word >>> bit) & 1) === 1)
        all.push({ parts: partsOf(step, bit), isAlone: ((besideOthers >>> bit) & 1) === 0 });
    }
  }
  const uses = new Map<number, number>();
  for (const { word, bit } of all.flatMap(({ parts }) => parts)) {
    uses.set(word * 32 + bit, (uses.get(word * 32 + bit) ?? 0) + 1);
  }
  return all.flatMap(({ parts, isAlone }) => {
    if (!isAlone) return [];
    const tied = parts.filter(({ word, bit, isSigned }) => {
      const used = (beside: number) => uses.get(word * 32 + bit + beside) ?? 0;
      // A bit that two disturbances change tells of neither, and a neighbour's carry could stand for it.
      const isClear = used(0) === 1 && (bit === 0 || used(-1) === 0) && (bit === SIGN_BIT || used(1) === 0);
      return isSigned && isClear && word >= FIRST_WORD && word <= LAST_WORD;
    });
    const [first, ...others] = tied;
    return others.map((other) => ({
      word: first!.word,
      bit: first!.bit,
      otherWord: other.word,
      otherBit: other.bit,
      parity: first!.isOpposite === other.isOpposite ? (0 as const) : (1 as const),
      mask,
    }));
  });
}

/** Conditions of all vectors, each once, those of most vectors first. */
function gather(): Condition[] {
  const known = new Map<string, Condition>();
  for (const [at, words] of WORDS.entries()) {
    for (const condition of conditionsOf(words, 1 << at)) {
      const { word, bit, otherWord, otherBit, parity, mask } = condition;
      const key = [word, bit, otherWord, otherBit, parity].join(' ');
      const same = known.get(key);
      if (same === undefined) known.set(key, condition);
      else same.mask |= mask;
    }
  }
  return [...known.values()].sort((a, b) => count(b.mask) - count(a.mask));
}

function count(mask: number): number {
  let bits = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) bits += 1;
  return bits;
}

export const CONDITIONS: readonly Condition[] = gather();
