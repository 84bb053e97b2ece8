import type { Result } from './row.ts';

const HEADINGS = ['measure', 'baseline', 'slipway', 'ratio', 'target', 'met'];

/** The table as text: one line a result, columns as wide as their widest cell, notes below. */
export function printTable(results: readonly Result[]): string {
  const notes: string[] = [];
  const lines = results.map((result) => {
    const marks = (result.notes ?? []).map((note) => {
      if (!notes.includes(note)) notes.push(note);
      return `[${notes.indexOf(note) + 1}]`;
    });
    return [
      [result.measure, ...marks].join(' '),
      result.baseline,
      result.ours,
      result.ratio === undefined ? '-' : result.ratio.toFixed(2),
      result.target,
      verdict(result),
    ];
  });
  const cells = [HEADINGS, ...lines];
  const widths = HEADINGS.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)));
  const text = (line: string[]) =>
    line
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [
    text(HEADINGS),
    rule,
    ...lines.map(text),
    ...(notes.length === 0 ? [] : ['', ...notes.map((note, at) => `[${at + 1}] ${note}`)]),
  ].join('\n');
}

function verdict({ met }: Result): string {
  if (met === undefined) return 'not compared';
  return met ? 'yes' : 'NO';
}

/** `312 ms`, `8.4 ms`, `12.31 s`. */
export function milliseconds(value: number): string {
  if (value >= 10_000) return `${(value / 1000).toFixed(2)} s`;
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} ms`;
}

/** `1,234 requests/s`. */
export function perSecond(value: number, what: string): string {
  return `${value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(1)} ${what}/s`;
}

/** `83 MB`, in millions of bytes. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
