import type { Result } from './row.ts';
import { median, type Pairs, pairedRatio } from './statistics.ts';

/** A measure whose target is a ratio. */
export interface RatioTarget {
  measure: string;
  /** What the baseline is, before its figure. */
  baseline: string;
  /** Ours over the baseline's: at most this for times, at least this for rates. */
  limit: { atMost: number } | { atLeast: number };
  /** How a figure is written. */
  format: (figure: number) => string;
  notes?: string[];
}

/** The line of a measure that is judged by its ratio. Without a baseline it shows our figure and judges nothing. */
export function ratioResult({ measure, baseline, limit, format, notes }: RatioTarget, pairs: Pairs): Result {
  const [sign, bound] = 'atMost' in limit ? ['<=', limit.atMost] : ['>=', limit.atLeast];
  const line = {
    measure,
    ours: format(median(pairs.ours)),
    target: `${sign} ${bound.toFixed(2)} x`,
    notes: notes ?? [],
  };
  if (pairs.baseline.length === 0) return { ...line, baseline: 'baseline not installed' };
  const ratio = pairedRatio(pairs);
  return {
    ...line,
    baseline: `${baseline} ${format(median(pairs.baseline))}`,
    ratio,
    met: 'atMost' in limit ? ratio <= limit.atMost : ratio >= limit.atLeast,
  };
}
