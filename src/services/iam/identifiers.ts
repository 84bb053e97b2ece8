import { BASE32, type Ids } from '../../kernel/ids.ts';

/**
 * Prefixes of unique ids. Source: IAM User Guide, "Understanding unique ID prefixes".
 */
export type IdPrefix = 'AIDA' | 'AGPA' | 'AROA' | 'ANPA' | 'AIPA' | 'ACCA' | 'APKA' | 'ASCA';

const ID_LENGTH = 17;

/** A unique id such as `AIDAJQABLZS4A3QDU576Q`. */
export function newId(ids: Ids, prefix: IdPrefix): string {
  return prefix + ids.string(ID_LENGTH, BASE32);
}

/** Bits below and above the account number in the first six bytes of a key id. */
const LOW_BITS = 7n;
const TOP_BIT = 1n << 47n;

/**
 * An access key id: `AKIA` (long-term) or `ASIA` (temporary) and 16 characters in base 32. Like AWS's, the characters
 * hold the account number, so that GetAccessKeyInfo can answer for keys that no longer exist.
 */
export function newAccessKeyId(ids: Ids, prefix: 'AKIA' | 'ASIA', account: string): string {
  const random = ids.bytes(5);
  const first = TOP_BIT | (BigInt(account) << LOW_BITS) | BigInt(random[0]! & 127);
  const rest = random.readUInt32BE(1);
  return prefix + toBase32((first << 32n) | BigInt(rest), 16);
}

function toBase32(value: bigint, length: number): string {
  let out = '';
  for (let rest = value; out.length < length; rest >>= 5n) out = BASE32[Number(rest & 31n)] + out;
  return out;
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** A secret access key: 40 characters. */
export function newSecretAccessKey(ids: Ids): string {
  return ids.string(40, BASE64);
}

/** An opaque session token. */
export function newSessionToken(ids: Ids): string {
  return ids.bytes(192).toString('base64');
}

/** A password of 44 characters, as CreateServiceSpecificCredential makes them. */
export function newServicePassword(ids: Ids): string {
  return `${ids.string(43, BASE64)}=`;
}
