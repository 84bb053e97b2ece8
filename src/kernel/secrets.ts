import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto';
import { systemIds } from './ids.ts';
import { readOrMake } from './store/durable-file.ts';

/** Bytes of a root key. */
export const ROOT_KEY_BYTES = 32;
const KEY_BYTES = ROOT_KEY_BYTES;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Keeps small secrets unreadable in the database, and signs what clients carry for us. All keys come from the installation's root key. */
export class Secrets {
  readonly #root: Buffer;
  readonly #derived = new Map<string, Buffer>();

  constructor(root: Buffer) {
    if (root.length !== KEY_BYTES) throw new Error(`the root key must have ${KEY_BYTES} bytes`);
    this.#root = root;
  }

  #key(purpose: string): Buffer {
    let key = this.#derived.get(purpose);
    if (key === undefined) {
      key = Buffer.from(hkdfSync('sha256', this.#root, '', purpose, KEY_BYTES));
      this.#derived.set(purpose, key);
    }
    return key;
  }

  /** Encrypts (AES-256-GCM). The text opens only with the same purpose and `bound` value, such as the row's own id. */
  seal(purpose: string, bound: string, plain: string | Uint8Array): string {
    const nonce = systemIds.bytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key(purpose), nonce).setAAD(Buffer.from(bound));
    return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64');
  }

  /** Opens what {@link seal} made. @throws when it was changed or moved */
  open(purpose: string, bound: string, sealed: string): Buffer {
    const bytes = Buffer.from(sealed, 'base64');
    if (bytes.length < NONCE_BYTES + TAG_BYTES) throw new Error('this is no sealed text');
    const end = bytes.length - TAG_BYTES;
    const nonce = bytes.subarray(0, NONCE_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', this.#key(purpose), nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(bound)).setAuthTag(bytes.subarray(end));
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, end)), decipher.final()]);
  }

  /** A keyed digest (HMAC-SHA-256) that only this installation can make. */
  mac(purpose: string, text: string | Uint8Array): Buffer {
    return createHmac('sha256', this.#key(purpose)).update(text).digest();
  }
}

/** Reads the installation's root key, or makes it on first start: a file of mode 0600. */
export async function loadRootKey(path: string): Promise<Buffer> {
  const text = await readOrMake(path, () => `${systemIds.bytes(KEY_BYTES).toString('base64')}\n`);
  return Buffer.from(text.trim(), 'base64');
}
