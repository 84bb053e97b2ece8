import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { Context } from '../../kernel/context.ts';
import { findSpec, type SpecFacts } from './key-specs.ts';

const makePair = promisify(generateKeyPair) as (
  type: string,
  options: Record<string, unknown>,
) => Promise<{ privateKey: KeyObject; publicKey: KeyObject }>;

const PURPOSE = 'kms.material';

/** Material as it works: bytes of a secret key, or a private key with its public half. */
export interface Material {
  readonly id: string;
  /** Symmetric and HMAC keys. */
  readonly secret?: Buffer;
  /** Asymmetric keys. */
  readonly privateKey?: KeyObject;
  readonly publicKey?: KeyObject;
  /** Epoch milliseconds after which imported material must not be used. */
  readonly validTo?: number;
}

/** Makes new material for a spec: bytes, or the PKCS #8 form of a private key. RSA keys take up to some seconds. */
export async function generateMaterial(ctx: Context, spec: string): Promise<Buffer> {
  const facts = findSpec(spec)!;
  if (facts.kind === 'symmetric' || facts.kind === 'hmac') return ctx.ids.bytes(facts.size!);
  const { privateKey } = await generatePair(facts);
  return privateKey.export({ type: 'pkcs8', format: 'der' });
}

/** A key pair of an asymmetric spec. */
export function generatePair(facts: SpecFacts): Promise<{ privateKey: KeyObject; publicKey: KeyObject }> {
  switch (facts.kind) {
    case 'rsa':
      return makePair('rsa', { modulusLength: facts.size, publicExponent: 65_537 });
    case 'ec':
      return makePair('ec', { namedCurve: facts.curve });
    default:
      return makePair(facts.curve!, {});
  }
}

/** Name of a material: the same bytes in the same key have the same one, so that imports can be compared. */
export function materialId({ secrets }: Context, keyId: string, bytes: Buffer): string {
  return secrets.mac('kms.material-id', Buffer.concat([Buffer.from(`${keyId}/`), bytes])).toString('hex');
}

/** Seals material for its row; it opens only as the same material of the same key. */
export function sealMaterial({ secrets }: Context, keyArn: string, id: string, bytes: Buffer): string {
  return secrets.seal(PURPOSE, `${keyArn}/${id}`, bytes);
}

export function unsealMaterial({ secrets }: Context, keyArn: string, id: string, sealed: string): Buffer {
  return secrets.open(PURPOSE, `${keyArn}/${id}`, sealed);
}

/** Material ready for use. */
export function readyMaterial(spec: string, id: string, bytes: Buffer, validTo: number | null): Material {
  const facts = findSpec(spec)!;
  const expiry = validTo === null ? {} : { validTo };
  if (facts.kind === 'symmetric' || facts.kind === 'hmac') return { id, secret: bytes, ...expiry };
  const privateKey = createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' });
  return { id, privateKey, publicKey: createPublicKey(privateKey), ...expiry };
}
