/**
 * Lists keys in byte order with common prefixes, without reading what lies under a common prefix: once a prefix is known,
 * the next look starts behind it. The cost follows the length of the answer, not that of the bucket.
 */

/** Where a look starts: at a key, or after one, or after one row of a key. */
export interface From {
  key: Buffer;
  /** Start at the key itself. */
  inclusive: boolean;
  /** Start after this row of the key (a version's place, an upload's id), before the next key. */
  after?: number | string | undefined;
}

export interface ListOptions<Row> {
  prefix: string;
  delimiter: string | undefined;
  from: From | undefined;
  max: number;
  /** Rows from a place on, keys below `end`, in order. */
  fetch(from: From, end: Buffer | undefined, limit: number): Promise<Row[]>;
}

export interface Listed<Row> {
  rows: Row[];
  /** Common prefixes, as text. */
  prefixes: string[];
  truncated: boolean;
  /** The last entry of a truncated list: a row, or a common prefix. */
  last: Row | string | undefined;
}

/** First looks after a prefix was skipped are small: likely the next prefix follows at once. */
const SMALL_LOOK = 4;

/** The first byte string behind everything that starts with `bytes`; undefined when there is none. */
export function behind(bytes: Buffer): Buffer | undefined {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0xff) end--;
  if (end === 0) return undefined;
  const next = Buffer.from(bytes.subarray(0, end));
  next[end - 1]! += 1;
  return next;
}

/** The common prefix that a key falls under, if any. */
export function commonPrefix(key: Buffer, prefixBytes: number, delimiter: Buffer | undefined): Buffer | undefined {
  if (delimiter === undefined) return undefined;
  const at = key.indexOf(delimiter, prefixBytes);
  return at === -1 ? undefined : key.subarray(0, at + delimiter.length);
}

/** Lists up to `max` entries, keys and common prefixes together. */
export async function listKeys<Row extends { key: Uint8Array; place?: number; id?: string }>(
  options: ListOptions<Row>,
): Promise<Listed<Row>> {
  const { max, fetch } = options;
  const prefix = Buffer.from(options.prefix);
  const delimiter = options.delimiter ? Buffer.from(options.delimiter) : undefined;
  const end = behind(prefix);
  const found: Listed<Row> = { rows: [], prefixes: [], truncated: false, last: undefined };
  if (max === 0) return found;
  let from = startOf(options.from, prefix, delimiter);
  let look = max + 1;
  let count = 0;
  while (from !== undefined) {
    const rows = await fetch(from, end, look);
    let skipped: Buffer | undefined;
    let entries = 0;
    for (const row of rows) {
      const key = bufferOf(row.key);
      if (skipped !== undefined && startsWith(key, skipped)) continue;
      if (count === max) return { ...found, truncated: true };
      skipped = commonPrefix(key, prefix.length, delimiter);
      found.last = skipped?.toString('utf8') ?? row;
      if (skipped === undefined) found.rows.push(row);
      else found.prefixes.push(skipped.toString('utf8'));
      count++;
      entries++;
    }
    if (rows.length < look) return found;
    from = skipped === undefined ? afterRow(rows.at(-1)!) : startAt(behind(skipped));
    look = Math.min(max + 1, entries * 2 < look ? SMALL_LOOK : look * 2);
  }
  return found;
}

/** The place right after a row; rows of one key are told apart by `place` or `id`. */
function afterRow(row: { key: Uint8Array; place?: number; id?: string }): From {
  return { key: bufferOf(row.key), inclusive: false, after: row.place ?? row.id };
}

function startAt(key: Buffer | undefined): From | undefined {
  return key === undefined ? undefined : { key, inclusive: true };
}

/** A marker that is itself a common prefix has been shown with all that is under it. */
function startOf(from: From | undefined, prefix: Buffer, delimiter: Buffer | undefined): From | undefined {
  if (from === undefined || Buffer.compare(from.key, prefix) < 0) return startAt(prefix);
  if (from.inclusive || from.after !== undefined || !startsWith(from.key, prefix)) return from;
  const shown = commonPrefix(from.key, prefix.length, delimiter);
  return shown?.equals(from.key) ? startAt(behind(shown)) : from;
}

function startsWith(key: Buffer, prefix: Buffer): boolean {
  return key.length >= prefix.length && key.compare(prefix, 0, prefix.length, 0, prefix.length) === 0;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
