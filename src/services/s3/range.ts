import type { ByteRange } from '../../kernel/store/blobs.ts';

/**
 * Reads a `Range` header against an object's size. Undefined means the whole object: S3 ignores what is no single byte
 * range. Source: RFC 9110, section 14.
 */
export function readRange(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d{0,19})-(\d{0,19})$/.exec(header?.trim() ?? '');
  if (match === null) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '') {
    if (last === '') return undefined;
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return undefined;
  if (start >= size) return 'unsatisfiable';
  return { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) };
}

/** `bytes=0-99` of CopySourceRange, which must lie inside the source; undefined when it does not. */
export function readCopyRange(text: string, size: number): ByteRange | undefined {
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(text);
  if (match === null) return undefined;
  const [start, end] = [Number(match[1]), Number(match[2])];
  return start <= end && end < size ? { start, end } : undefined;
}
