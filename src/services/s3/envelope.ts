import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import type { Context } from '../../kernel/context.ts';
import type { Ids } from '../../kernel/ids.ts';

/** Seals the data keys of blobs. What is sealed opens only with the same key and for the same blob. */
export interface Envelope {
  seal(blob: string, dataKey: Buffer): string;
  /** @throws when key, blob and sealed text do not belong together */
  open(blob: string, sealed: string): Buffer;
}

/** Purpose under which data keys are sealed with the installation's key. */
const DATA_KEY_PURPOSE = 's3-data-key';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
export const WRAPPING_KEY_BYTES = 32;

/** Envelope of the installation's own key: server-side encryption with AES256. */
export function installationEnvelope({ secrets }: Pick<Context, 'secrets'>): Envelope {
  return {
    seal: (blob, key) => secrets.seal(DATA_KEY_PURPOSE, blob, key),
    open: (blob, sealed) => secrets.open(DATA_KEY_PURPOSE, blob, sealed),
  };
}

/**
 * Envelope of a key that comes from outside: from KMS, or from the customer himself.
 * @param purpose keeps keys of different origin apart
 */
export function keyEnvelope(ids: Ids, outer: Uint8Array, purpose: string): Envelope {
  const key = Buffer.from(hkdfSync('sha256', outer, '', purpose, WRAPPING_KEY_BYTES));
  return {
    seal(blob, dataKey) {
      const nonce = ids.bytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(blob));
      return Buffer.concat([nonce, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()]).toString('base64');
    },
    open(blob, sealed) {
      const bytes = Buffer.from(sealed, 'base64');
      const end = bytes.length - TAG_BYTES;
      if (end < NONCE_BYTES) throw new Error('this is no sealed data key');
      const nonce = bytes.subarray(0, NONCE_BYTES);
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
      decipher.setAAD(Buffer.from(blob)).setAuthTag(bytes.subarray(end));
      return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, end)), decipher.final()]);
    },
  };
}
