import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { SegmentTable } from './tables.ts';

/** One event of a stream. Its place is (at, sequence): time first, then the order in which it came. */
export interface StoredEvent {
  /** Epoch milliseconds. */
  at: number;
  sequence: number;
  message: string;
  ingestedAt: number;
}

/** A place in a stream, between events. */
export interface Place {
  at: number;
  sequence: number;
}

/** What AWS counts for an event beside its message. */
export const EVENT_OVERHEAD_BYTES = 26;
const COMPRESS_FROM_BYTES = 512;
const MAX_SEGMENT_EVENTS = 10_000;
const MAX_SEGMENT_BYTES = 1024 * 1024;

/** Negative, zero or positive as `a` stands before, at or after `b`. */
export function comparePlaces(a: Place, b: Place): number {
  return a.at - b.at || a.sequence - b.sequence;
}

type Line = [at: number, sequence: number, message: string, ingestedAt: number];

/** Packs ordered events into rows of bounded size. */
export function packSegments(
  ids: { stream_id: string; group_id: string },
  events: readonly StoredEvent[],
): SegmentTable[] {
  const rows: SegmentTable[] = [];
  let lines: Line[] = [];
  let bytes = 0;
  const close = () => {
    if (lines.length > 0) rows.push(rowOf(ids, lines));
    lines = [];
    bytes = 0;
  };
  for (const { at, sequence, message, ingestedAt } of events) {
    if (lines.length === MAX_SEGMENT_EVENTS || bytes + message.length > MAX_SEGMENT_BYTES) close();
    lines.push([at, sequence, message, ingestedAt]);
    bytes += message.length;
  }
  close();
  return rows;
}

function rowOf(ids: { stream_id: string; group_id: string }, lines: readonly Line[]): SegmentTable {
  const plain = Buffer.from(JSON.stringify(lines));
  const first = lines[0]!;
  const last = lines.at(-1)!;
  return {
    ...ids,
    first_at: first[0],
    first_sequence: first[1],
    last_at: last[0],
    last_sequence: last[1],
    events: lines.length,
    bytes: plain.length,
    ingested_at: last[3],
    body: plain.length < COMPRESS_FROM_BYTES ? plain : zstdCompressSync(plain),
  };
}

/** The events of a row, in order. */
export function unpackSegment(row: Pick<SegmentTable, 'body' | 'bytes'>): StoredEvent[] {
  const plain = row.bytes < COMPRESS_FROM_BYTES ? Buffer.from(row.body) : zstdDecompressSync(row.body);
  const lines = JSON.parse(plain.toString('utf8')) as Line[];
  return lines.map(([at, sequence, message, ingestedAt]) => ({ at, sequence, message, ingestedAt }));
}
