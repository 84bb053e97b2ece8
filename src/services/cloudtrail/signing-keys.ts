import { createHash, createPrivateKey, createSign, generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import * as sdk from '@aws-sdk/client-cloudtrail';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { type SigningKeyRow, type TrailRow, tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const PURPOSE = 'cloudtrail.signing-key';
const DAY_MS = 86_400_000;
/** A new key is made when the present one has signed for so long. */
const SIGNS_FOR_MS = 90 * DAY_MS;
/** Readers ask for the keys of a range of time: a key counts a while longer than it signs. */
const VALID_FOR_MS = SIGNS_FOR_MS + 30 * DAY_MS;

/** Signs digests of a region. */
export interface SigningKey {
  /** MD5 of the public key, hex: how digests name it. */
  readonly fingerprint: string;
  /** SHA-256 with RSA (PKCS#1 v1.5), hex. */
  sign(text: string): string;
}

/** The region's present key; made when there is none. */
export async function signingKey(ctx: Context, region: string): Promise<SigningKey> {
  const now = ctx.now().getTime();
  const row = (await presentKey(ctx, region, now)) ?? (await makeKey(ctx, region, now));
  const der = Buffer.from(ctx.secrets.open(PURPOSE, row.fingerprint, row.private_key).toString(), 'base64');
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return {
    fingerprint: row.fingerprint,
    sign: (text) => createSign('RSA-SHA256').update(text).sign(key, 'hex'),
  };
}

/**
 * Sees to it that a trail that is about to log has a key: whoever validates its files asks for the keys first, also in the
 * hour before the first digest.
 */
export async function prepareKey(ctx: Context, trail: Pick<TrailRow, 'validation' | 'home_region'>): Promise<void> {
  if (trail.validation === 0) return;
  const now = ctx.now().getTime();
  if ((await presentKey(ctx, trail.home_region, now)) === undefined) await makeKey(ctx, trail.home_region, now);
}

function presentKey(ctx: Context, region: string, now: number): Promise<SigningKeyRow | undefined> {
  return tables(ctx)
    .selectFrom('cloudtrail_signing_keys')
    .selectAll()
    .where('region', '=', region)
    .where('valid_from', '>', now - SIGNS_FOR_MS)
    .orderBy('valid_from')
    .orderBy('fingerprint')
    .executeTakeFirst();
}

async function makeKey(ctx: Context, region: string, now: number): Promise<SigningKeyRow> {
  const pair = await promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'pkcs1', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  });
  const fingerprint = createHash('md5').update(pair.publicKey).digest('hex');
  const row: SigningKeyRow = {
    fingerprint,
    region,
    public_key: pair.publicKey.toString('base64'),
    private_key: ctx.secrets.seal(PURPOSE, fingerprint, pair.privateKey.toString('base64')),
    // Readers ask from the beginning of what they check, which may lie before the first digest.
    valid_from: now - DAY_MS,
    valid_to: now + VALID_FOR_MS,
  };
  await ctx.tx((tx) => tables(tx).insertInto('cloudtrail_signing_keys').values(row).execute());
  return row;
}

/** Public keys that were valid within a time: what `aws cloudtrail validate-logs` checks digests by. */
export const ListPublicKeys: Op<'ListPublicKeys'> = {
  resource: () => '*',
  async handle({ StartTime: start, EndTime: end }, ctx) {
    const now = ctx.now().getTime();
    const [from, to] = [start?.getTime() ?? now, end?.getTime() ?? now];
    if (from > to) throw fault(sdk.InvalidTimeRangeException, 'The start time must be before the end time.');
    const rows = await tables(ctx)
      .selectFrom('cloudtrail_signing_keys')
      .selectAll()
      .where('region', '=', ctx.region)
      .where('valid_from', '<=', to)
      .where('valid_to', '>=', from)
      .orderBy('valid_from')
      .execute();
    return {
      PublicKeyList: rows.map((row) => ({
        Value: Buffer.from(row.public_key, 'base64'),
        ValidityStartTime: new Date(Number(row.valid_from)),
        ValidityEndTime: new Date(Number(row.valid_to)),
        Fingerprint: row.fingerprint,
      })),
    };
  },
};
