import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { createGunzip } from 'node:zlib';
import type { UsageError } from '../usage-error.ts';
import { damaged } from './manifest.ts';
import { FETCHED_ROWS, MAX_VALUES, type Rows, type Value } from './rows.ts';

/** What a file of rows may unpack to. */
export interface UnpackLimits {
  /** So much always. */
  readonly freeBytes: number;
  /** Beyond that, so many times the size of the file: rows of text come to a tenth of it, and gzip could do a thousandth. */
  readonly ratio: number;
  /** Bytes of one line: more than any column takes here. */
  readonly lineBytes: number;
}

/** Text of rows that are handed on together: some of them may be large. */
const MAX_HELD = 16 * 1024 * 1024;

const LIMITS: UnpackLimits = { freeBytes: 256 * 1024 * 1024, ratio: 150, lineBytes: 64 * 1024 * 1024 };

/**
 * Reads what `writeRows` wrote, some rows at a time.
 * @throws UsageError that names file and line, for what is no such file and for one that unpacks to more than any would
 */
export async function* readRows(path: string, limits: UnpackLimits = LIMITS): AsyncGenerator<Rows> {
  const name = basename(path);
  let table: string | undefined;
  let columns: string[] = [];
  let rows: Value[][] = [];
  let number = 0;
  let held = 0;
  for await (const line of linesIn(path, name, limits)) {
    number += 1;
    const bad = (why: string) => damaged(name, `line ${number}: ${why}`);
    const read = parsed(line, bad);
    if (!Array.isArray(read)) {
      if (table !== undefined) yield { table, columns, rows };
      ({ table, columns } = headOf(read, bad));
      rows = [];
      continue;
    }
    if (table === undefined) throw bad('a row stands before the name of its table');
    if (read.length !== columns.length) throw bad(`a row of ${table} is cut off`);
    rows.push(read.map((value) => decoded(value, bad)));
    held += line.length;
    if (rows.length * columns.length < MAX_VALUES && rows.length < FETCHED_ROWS && held < MAX_HELD) continue;
    yield { table, columns, rows };
    rows = [];
    held = 0;
  }
  if (table !== undefined) yield { table, columns, rows };
}

type Bad = (why: string) => UsageError;

function parsed(line: string, bad: Bad): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw bad((error as Error).message.slice(0, 200));
  }
}

function headOf(read: unknown, bad: Bad): { table: string; columns: string[] } {
  const { table, columns } = (read ?? {}) as { table?: unknown; columns?: unknown };
  const isName = (value: unknown): value is string => typeof value === 'string' && /^\w{1,100}$/.test(value);
  if (!isName(table)) throw bad('it is neither a row nor the name of a table');
  const isList = Array.isArray(columns) && columns.length > 0 && columns.every(isName);
  if (!isList || new Set(columns).size < columns.length) throw bad(`${table} has no list of columns`);
  return { table, columns };
}

function decoded(value: unknown, bad: Bad): Value {
  if (value === null || typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value)))
    return value;
  const bytes = (value as { base64?: unknown }).base64;
  if (typeof bytes === 'string') return Buffer.from(bytes, 'base64');
  throw bad('a value is neither text, number, bytes nor null');
}

/** Lines of a gzipped file, ended by `\n` alone, as they are unpacked. @throws UsageError */
async function* linesIn(path: string, name: string, limits: UnpackLimits): AsyncGenerator<string> {
  const maxBytes = Math.max(limits.freeBytes, (await stat(path)).size * limits.ratio);
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let unpackedBytes = 0;
  // Pieces of one line: joined once it ends, so that a long one costs its length and not its square.
  let begun: string[] = [];
  let begunLength = 0;
  for await (const chunk of unpacked(path, name)) {
    unpackedBytes += chunk.length;
    if (unpackedBytes > maxBytes) throw damaged(name, `it unpacks to more than ${limits.ratio} times its size`);
    const [first = '', ...others] = text(decoder, chunk, name).split('\n');
    begun.push(first);
    begunLength += first.length;
    if (begunLength > limits.lineBytes) throw damaged(name, `a line is longer than ${limits.lineBytes} bytes`);
    if (others.length === 0) continue;
    yield begun.join('');
    begun = [others.pop()!];
    begunLength = begun[0]!.length;
    yield* others;
  }
  const rest = begun.join('') + text(decoder, undefined, name);
  if (rest !== '') yield rest;
}

function text(decoder: TextDecoder, chunk: Buffer | undefined, name: string): string {
  try {
    return decoder.decode(chunk, { stream: chunk !== undefined });
  } catch {
    throw damaged(name, 'it is no UTF-8');
  }
}

async function* unpacked(path: string, name: string): AsyncGenerator<Buffer> {
  const file = createReadStream(path);
  const unzip = createGunzip();
  file.on('error', (error) => unzip.destroy(error));
  try {
    yield* file.pipe(unzip);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw code?.startsWith('Z_') === true ? damaged(name, `it is no gzip file that is whole (${message})`) : error;
  } finally {
    file.destroy();
    unzip.destroy();
  }
}
