import { createPrivateKey, type KeyObject } from 'node:crypto';
import * as sdk from '@aws-sdk/client-kms';
import { fault } from '../../kernel/fault.ts';
import type { Key } from './key-cache.ts';
import { type SpecFacts, specOf } from './key-specs.ts';

/**
 * Holds imported material against the spec of its key, and brings it into the one form in which it is kept.
 * @throws IncorrectKeyMaterialException
 */
export function checkMaterial(key: Key, bytes: Buffer): Buffer {
  const facts = specOf(key);
  if (facts.kind === 'symmetric' || facts.kind === 'hmac') {
    if (bytes.length === facts.size) return bytes;
    throw wrong(`must have ${facts.size! * 8} bits`);
  }
  let privateKey: KeyObject | undefined;
  try {
    privateKey = createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' });
  } catch {
    // said below
  }
  if (privateKey === undefined || !fits(privateKey, facts)) {
    throw wrong(`must be a private key of ${key.spec} in the DER form of PKCS #8`);
  }
  return privateKey.export({ type: 'pkcs8', format: 'der' });
}

function fits({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject, facts: SpecFacts): boolean {
  if (facts.kind === 'rsa') return type === 'rsa' && details?.modulusLength === facts.size;
  if (facts.kind === 'ec') return type === 'ec' && details?.namedCurve === facts.curve;
  return type === facts.curve;
}

function wrong(what: string) {
  return fault(sdk.IncorrectKeyMaterialException, `The key material ${what}.`);
}
