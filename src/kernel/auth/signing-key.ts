import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';

/** How many derived keys are kept: one per access key, day, region and service in use. */
const CACHE_SIZE = 20_000;

interface CachedKey {
  secret: string;
  key: KeyObject;
}

const cache = new Map<string, CachedKey>();

function hmac(key: string | Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

/**
 * The SigV4 signing key (AWS General Reference, "Derive a signing key"), cached. The cached entry holds only while the
 * secret is the one it was derived from, so a replaced secret never verifies with the old key.
 * @param date day of the credential scope, `YYYYMMDD`.
 */
export function signingKey(
  accessKeyId: string,
  secret: string,
  date: string,
  region: string,
  service: string,
): KeyObject {
  const id = `${accessKeyId}/${date}/${region}/${service}`;
  const cached = cache.get(id);
  if (cached?.secret === secret) return cached.key;
  const derived = hmac(hmac(hmac(hmac(`AWS4${secret}`, date), region), service), 'aws4_request');
  const key = createSecretKey(derived);
  // Insertion order is age: the oldest goes, and a day's keys leave by themselves when the day is over.
  cache.delete(id);
  if (cache.size >= CACHE_SIZE) cache.delete(cache.keys().next().value!);
  cache.set(id, { secret, key });
  return key;
}
