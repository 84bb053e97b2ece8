import type { Context } from '../../kernel/context.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import { commonFault } from '../../kernel/wire/errors.ts';

const DEFAULT_ITEMS = 100;

interface Paging {
  Marker?: string | undefined;
  MaxItems?: number | undefined;
}

/** What every list of IAM answers beside its items. */
export interface Truncation {
  IsTruncated: boolean;
  Marker: string | undefined;
}

/**
 * One page of a list: fetches one row more than asked for and makes the marker of the last row's key.
 * @param scope the operation and whatever narrows its list, so that a marker works for that list only.
 * @throws ValidationError for a marker that is not this list's
 */
export async function listPage<Row>(
  ctx: Context,
  scope: string,
  input: Paging,
  fetch: (after: string | undefined, limit: number) => Promise<Row[]>,
  keyOf: (row: Row) => string,
): Promise<{ items: Row[] } & { truncation: Truncation }> {
  const limit = input.MaxItems ?? DEFAULT_ITEMS;
  const after = cursorOf<string>(ctx, scope, input.Marker, () => commonFault('ValidationError', 'Invalid Marker.'));
  const { items, token } = page(ctx, scope, await fetch(after, limit + 1), limit, keyOf);
  return { items, truncation: { IsTruncated: token !== undefined, Marker: token } };
}

/** The same for lists that are short by a quota and sorted in memory. */
export function slicePage<Row>(
  ctx: Context,
  scope: string,
  input: Paging,
  rows: readonly Row[],
  keyOf: (row: Row) => string,
): Promise<{ items: Row[] } & { truncation: Truncation }> {
  const fetch = async (after: string | undefined, limit: number) =>
    rows.filter((row) => after === undefined || keyOf(row) > after).slice(0, limit);
  return listPage(ctx, scope, input, fetch, keyOf);
}
