/** The middle value; of an even number of values the mean of the middle two. @throws on no values */
export function median(values: readonly number[]): number {
  const sorted = ascending(values);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The smallest value that at least `share` (0 to 1) of all values do not exceed (nearest rank). @throws on no values */
export function percentile(values: readonly number[], share: number): number {
  const sorted = ascending(values);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

function ascending(values: readonly number[]): number[] {
  if (values.length === 0) throw new Error('no values to take statistics of');
  return [...values].sort((a, b) => a - b);
}

/** Two things measured in turn; no baseline where there is none on this machine. */
export interface Pairs {
  baseline: number[];
  ours: number[];
}

/**
 * Measures baseline and ours in turn, first the one, then the other, and the other way round in the next round: what
 * else the machine does then weighs on both. Each function gives its figure of one round.
 */
export async function measurePairs(
  rounds: number,
  baseline: ((round: number) => Promise<number>) | undefined,
  ours: (round: number) => Promise<number>,
): Promise<Pairs> {
  const pairs: Pairs = { baseline: [], ours: [] };
  for (let round = 0; round < rounds; round++) {
    const [first, second] = round % 2 === 0 ? (['baseline', 'ours'] as const) : (['ours', 'baseline'] as const);
    for (const side of [first, second]) {
      const figure = await (side === 'ours' ? ours : baseline)?.(round);
      if (figure !== undefined) pairs[side].push(figure);
    }
  }
  return pairs;
}

/** The median of each round's own ratio of ours to the baseline: load that comes and goes takes little part in it. */
export function pairedRatio({ baseline, ours }: Pairs): number {
  return median(ours.map((value, round) => value / baseline[round]!));
}
