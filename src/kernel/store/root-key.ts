import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArn } from '../arn.ts';
import type { Config } from '../config.ts';
import { systemIds } from '../ids.ts';
import { loadRootKey, ROOT_KEY_BYTES } from '../secrets.ts';
import { readOrMake, replaceFile, syncFolder } from './durable-file.ts';

/** Bound to the wrapped root key, so that the external KMS shows what it is asked for and opens nothing else by it. */
const CONTEXT = { 'slipway:purpose': 'root-key' };

type RootKeySettings = Pick<Config, 'data' | 'rootKey' | 'rootKmsKey' | 'rootKmsEndpoint'>;

/** A root key that an external KMS has wrapped. */
interface WrappedKey {
  /** ARN of the key that opens it. */
  readonly keyArn: string;
  /** Base64. */
  readonly ciphertext: string;
}

/**
 * The installation's root key, from where the settings say: the environment, a file that only an external KMS can open,
 * or else a file of mode 0600 in the data folder. Made on first start.
 * @throws Error in an operator's words where it cannot be had, or is not the one that the data was sealed with
 */
export async function openRootKey(settings: RootKeySettings): Promise<Buffer> {
  await requireKeyOfData(settings);
  const key = await readRootKey(settings);
  await holdToData(settings.data, key);
  return key;
}

function readRootKey(settings: RootKeySettings): Promise<Buffer> | Buffer {
  if (settings.rootKey !== '') return Buffer.from(settings.rootKey, 'base64');
  if (settings.rootKmsKey !== '') return externalRootKey(settings);
  return loadRootKey(plainPath(settings.data));
}

const plainPath = (data: string) => join(data, 'root.key');
const wrappedPath = (data: string) => join(data, 'root.key.wrapped');

/** A key is made for new data only. */
async function requireKeyOfData({ data, rootKey, rootKmsKey }: RootKeySettings): Promise<void> {
  if (rootKey !== '' || rootKmsKey !== '') return;
  const isSealed = (await readIfThere(join(data, 'root.key.check'))) !== undefined;
  if (!isSealed || (await readIfThere(plainPath(data))) !== undefined) return;
  throw new Error(
    `The root key is not the one that the data in ${data} was sealed with: there is none. Put its root.key back.`,
  );
}

/** Another key would open nothing of the data, and what it sealed would be lost to the right one: better not to start. */
async function holdToData(data: string, key: Buffer): Promise<void> {
  const mark = createHmac('sha256', key).update('slipway root key').digest();
  const text = await readOrMake(join(data, 'root.key.check'), () => `${mark.toString('base64')}\n`);
  const kept = Buffer.from(text.trim(), 'base64');
  if (kept.length === mark.length && timingSafeEqual(kept, mark)) return;
  throw new Error(`The root key is not the one that the data in ${data} was sealed with.`);
}

async function externalRootKey({ data, rootKmsKey, rootKmsEndpoint }: RootKeySettings): Promise<Buffer> {
  const kms = await openKms(rootKmsKey, rootKmsEndpoint);
  try {
    const found = await findWrapped(data);
    const key = found === undefined ? await firstKey(data) : await kms.unwrap(found);
    if (found?.keyArn !== rootKmsKey) await writeWrapped(data, await kms.wrap(key));
    // A key that stood in a plain file before is kept wrapped only, once that is on the disk.
    await rm(plainPath(data), { force: true });
    await syncFolder(data);
    return key;
  } finally {
    kms.close();
  }
}

async function findWrapped(data: string): Promise<WrappedKey | undefined> {
  const text = await readIfThere(wrappedPath(data));
  return text === undefined ? undefined : (JSON.parse(text) as WrappedKey);
}

async function firstKey(data: string): Promise<Buffer> {
  const plain = await readIfThere(plainPath(data));
  return plain === undefined ? systemIds.bytes(ROOT_KEY_BYTES) : Buffer.from(plain.trim(), 'base64');
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Writes the wrapped key whole or not at all; a former one, of another external key, is replaced. */
async function writeWrapped(data: string, wrapped: WrappedKey): Promise<void> {
  await replaceFile(wrappedPath(data), `${JSON.stringify(wrapped)}\n`);
}

/** An external KMS: AWS's own, or anything that speaks its API. Credentials are the SDK's, such as from the environment. */
async function openKms(keyArn: string, endpoint: string) {
  // Loaded only where it is used: it would take its time at every start.
  const { DecryptCommand, EncryptCommand, KMSClient } = await import('@aws-sdk/client-kms');
  const region = parseArn(keyArn)!.region;
  const client = new KMSClient({ region, ...(endpoint === '' ? {} : { endpoint }) });
  const ask = async <T>(what: string, call: () => Promise<T>): Promise<T> => {
    try {
      return await call();
    } catch (error) {
      const { name, message } = error as Error;
      throw new Error(`The external KMS did not ${what} the root key with ${keyArn}: ${name}: ${message}`, {
        cause: error,
      });
    }
  };
  return {
    async wrap(key: Buffer): Promise<WrappedKey> {
      const command = new EncryptCommand({ KeyId: keyArn, Plaintext: key, EncryptionContext: CONTEXT });
      const { CiphertextBlob } = await ask('wrap', () => client.send(command));
      return { keyArn, ciphertext: Buffer.from(CiphertextBlob!).toString('base64') };
    },
    async unwrap(wrapped: WrappedKey): Promise<Buffer> {
      const CiphertextBlob = Buffer.from(wrapped.ciphertext, 'base64');
      const command = new DecryptCommand({ KeyId: wrapped.keyArn, CiphertextBlob, EncryptionContext: CONTEXT });
      const { Plaintext } = await ask('open', () => client.send(command));
      return Buffer.from(Plaintext!);
    },
    close: () => client.destroy(),
  };
}
