import { timingSafeEqual } from 'node:crypto';
import type { Context } from './context.ts';
import type { Fault } from './fault.ts';

const MAC_BYTES = 12;

/**
 * An opaque token for the next page. It is bound to the account, the region and `scope` (operation and its filters), so a
 * token that was changed, or comes from another list, is refused.
 */
export function nextToken(ctx: Context, scope: string, cursor: unknown): string {
  const body = Buffer.from(JSON.stringify(cursor));
  return Buffer.concat([mac(ctx, scope, body), body]).toString('base64url');
}

/** The cursor of a token made by {@link nextToken}. @param invalid makes the service's own fault for a bad token. */
export function cursorOf<T>(
  ctx: Context,
  scope: string,
  token: string | undefined,
  invalid: () => Fault,
): T | undefined {
  if (token === undefined || token === '') return undefined;
  const bytes = Buffer.from(token, 'base64url');
  const body = bytes.subarray(MAC_BYTES);
  const isWhole = bytes.length > MAC_BYTES && bytes.toString('base64url') === token;
  if (!isWhole || !timingSafeEqual(mac(ctx, scope, body), bytes.subarray(0, MAC_BYTES))) throw invalid();
  return JSON.parse(body.toString('utf8')) as T;
}

function mac(ctx: Context, scope: string, body: Buffer): Buffer {
  const text = Buffer.concat([Buffer.from(JSON.stringify([ctx.account, ctx.region, scope])), body]);
  return ctx.secrets.mac('page-token', text).subarray(0, MAC_BYTES);
}

/** Cuts `limit + 1` fetched rows into a page and the token for the next one. */
export function page<Row>(
  ctx: Context,
  scope: string,
  rows: readonly Row[],
  limit: number,
  cursor: (last: Row) => unknown,
): { items: Row[]; token: string | undefined } {
  if (rows.length <= limit) return { items: [...rows], token: undefined };
  const items = rows.slice(0, limit);
  return { items, token: nextToken(ctx, scope, cursor(items[limit - 1]!)) };
}
