import type { RepositoryRow } from './tables.ts';

/** Stands in no id of AWS. */
const AT = '@';

/**
 * How an id that was made elsewhere is stored: with the account and Region that it was brought into. So two accounts may
 * import the same history, and none learns from it what another one has.
 */
export function broughtId({ account, region }: Pick<RepositoryRow, 'account' | 'region'>, id: string): string {
  return `${id}${AT}${account}/${region}`;
}

/** The id that clients know, of one that was made here or elsewhere. */
export function knownId(stored: string): string {
  const at = stored.indexOf(AT);
  return at < 0 ? stored : stored.slice(0, at);
}
