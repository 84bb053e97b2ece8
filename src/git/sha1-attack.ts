import { CONDITIONS, type Condition, DISTURBANCES, EARLY_STEP, LATE_STEP } from './sha1-disturbances.ts';

const BLOCK_BYTES = 64;
const STEPS = 80;
const LENGTH_BYTES = 8;
const START = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];

// One set for all: nothing here waits in the middle of a message.
const expanded = new Int32Array(STEPS);
const changed = new Int32Array(STEPS);
const chain = new Int32Array(5);
const state = new Int32Array(5);
const early = new Int32Array(5);
const late = new Int32Array(5);
const end = new Int32Array(5);

/** Conditions of several disturbances; with the first of them nearly all disturbances are ruled out. */
const SHARED = CONDITIONS.slice(0, 24).map(packed);
/** The others, for each disturbance. */
const OWN = DISTURBANCES.map((_, at) =>
  CONDITIONS.slice(SHARED.length)
    .filter(({ mask }) => ((mask >>> at) & 1) === 1)
    .map(packed),
);

/** Numbers alone, of one shape, which the engine reads fastest. */
function packed({ word, bit, otherWord, otherBit, parity, mask }: Condition): Condition {
  return { word, bit, otherWord, otherBit, parity, mask };
}

/**
 * True when a message was made to collide with another one under SHA-1, by any of the known attacks; git refuses such objects
 * by the same test ("SHA-1 appears to be part of a collision attack"). For each block and each way of attack the other block
 * is computed, and whether both lead to the same hash. By chance that does not happen.
 * @param pieces the message, in order
 */
export function isCollisionAttack(pieces: readonly Uint8Array[]): boolean {
  const message = padded(pieces);
  chain.set(START);
  for (let at = 0; at < message.length; at += BLOCK_BYTES) if (isAttackedBlock(message, at)) return true;
  return false;
}

/** The message, a bit, zeros, and the number of its bits (FIPS 180-4). */
function padded(pieces: readonly Uint8Array[]): Buffer {
  const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const message = Buffer.alloc(Math.ceil((size + 1 + LENGTH_BYTES) / BLOCK_BYTES) * BLOCK_BYTES);
  let at = 0;
  for (const piece of pieces) {
    message.set(piece, at);
    at += piece.length;
  }
  message[at] = 0x80;
  message.writeBigUInt64BE(BigInt(size) * 8n, message.length - LENGTH_BYTES);
  return message;
}

function isAttackedBlock(message: Buffer, at: number): boolean {
  for (let t = 0; t < 16; t++) expanded[t] = message.readInt32BE(at + t * 4);
  for (let t = 16; t < STEPS; t++) {
    const word = expanded[t - 3]! ^ expanded[t - 8]! ^ expanded[t - 14]! ^ expanded[t - 16]!;
    expanded[t] = (word << 1) | (word >>> 31);
  }
  compress();
  for (let possible = possibleDisturbances(); possible !== 0; possible &= possible - 1) {
    const { difference, step } = DISTURBANCES[31 - Math.clz32(possible & -possible)]!;
    for (let t = 0; t < STEPS; t++) changed[t] = expanded[t]! ^ difference[t]!;
    if (leadsToSameChain(step, step === EARLY_STEP ? early : late)) return true;
  }
  return false;
}

/** One bit for each disturbance that no condition rules out; mostly none is left. */
function possibleDisturbances(): number {
  let possible = -1;
  for (let at = 0; at < SHARED.length; at++) if (!holds(SHARED[at]!)) possible &= ~SHARED[at]!.mask;
  for (let rest = possible; rest !== 0; rest &= rest - 1) {
    const disturbance = 31 - Math.clz32(rest & -rest);
    if (!OWN[disturbance]!.every(holds)) possible &= ~(1 << disturbance);
  }
  return possible;
}

function holds(condition: Condition): boolean {
  const bits = (expanded[condition.word]! >>> condition.bit) ^ (expanded[condition.otherWord]! >>> condition.otherBit);
  return (bits & 1) === condition.parity;
}

/** Takes the block into the chain, and keeps the states before two steps. */
function compress(): void {
  state.set(chain);
  forward(expanded, 0, EARLY_STEP);
  early.set(state);
  forward(expanded, EARLY_STEP, LATE_STEP);
  late.set(state);
  forward(expanded, LATE_STEP, STEPS);
  for (let at = 0; at < chain.length; at++) chain[at]! += state[at]!;
}

/** Computes the other block from the common state in both directions, and holds the end against ours. */
function leadsToSameChain(step: number, common: Int32Array): boolean {
  state.set(common);
  forward(changed, step, STEPS);
  end.set(state);
  state.set(common);
  backward(changed, step);
  for (let at = 0; at < chain.length; at++) if (((state[at]! + end[at]!) | 0) !== chain[at]) return false;
  return true;
}

/** Takes `state` from before one step to before another. A loop for each of the four kinds of steps: it is twice as fast. */
function forward(words: Int32Array, from: number, to: number): void {
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  let t = from;
  for (; t < 20 && t < to; t++) {
    const next = (((a << 5) | (a >>> 27)) + ((b & c) | (~b & d)) + e + words[t]! + 0x5a827999) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  for (; t < 40 && t < to; t++) {
    const next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + words[t]! + 0x6ed9eba1) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  for (; t < 60 && t < to; t++) {
    const next = (((a << 5) | (a >>> 27)) + ((b & c) | (b & d) | (c & d)) + e + words[t]! - 0x70e44324) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  for (; t < to; t++) {
    const next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + words[t]! - 0x359d3e2a) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  keep(a, b, c, d, e);
}

/** Takes `state` from before a step back to the beginning. Rare enough for one loop. */
function backward(words: Int32Array, from: number): void {
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  for (let t = from - 1; t >= 0; t--) {
    const after = a;
    a = b;
    b = (c << 2) | (c >>> 30);
    c = d;
    d = e;
    e = (after - ((a << 5) | (a >>> 27)) - mixed(t, b, c, d) - words[t]!) | 0;
  }
  keep(a, b, c, d, e);
}

/** A step's function and constant. */
function mixed(t: number, b: number, c: number, d: number): number {
  if (t < 20) return ((b & c) | (~b & d)) + 0x5a827999;
  if (t < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (t < 60) return ((b & c) | (b & d) | (c & d)) - 0x70e44324;
  return (b ^ c ^ d) - 0x359d3e2a;
}

function keep(a: number, b: number, c: number, d: number, e: number): void {
  state[0] = a;
  state[1] = b;
  state[2] = c;
  state[3] = d;
  state[4] = e;
}
