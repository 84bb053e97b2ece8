import { constants, privateDecrypt, publicEncrypt } from 'node:crypto';
import * as sdk from '@aws-sdk/client-kms';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { decryptSymmetric, type EncryptionContext, encryptSymmetric, readHeader } from './ciphertext.ts';
import type { Key } from './key-cache.ts';
import { encryptionAlgorithms, specOf } from './key-specs.ts';
import { currentMaterial, usableMaterial } from './key-states.ts';

export interface EncryptionChoice {
  readonly algorithm: sdk.EncryptionAlgorithmSpec;
  readonly context: EncryptionContext | undefined;
}

/** Bytes of an OAEP message that are not the plaintext. Source: RFC 8017, section 7.1.1. */
const OAEP_OVERHEAD = { RSAES_OAEP_SHA_1: 42, RSAES_OAEP_SHA_256: 66 };
const OAEP_HASH = { RSAES_OAEP_SHA_1: 'sha1', RSAES_OAEP_SHA_256: 'sha256' };

/**
 * Holds algorithm and encryption context against a key.
 * @throws InvalidKeyUsageException for another key's algorithm, ValidationException for a context that RSA cannot bind
 */
export function chooseEncryption(
  key: Key,
  algorithm: string | undefined,
  context: EncryptionContext | undefined,
): EncryptionChoice {
  const known = encryptionAlgorithms(key);
  const chosen = (algorithm ?? 'SYMMETRIC_DEFAULT') as sdk.EncryptionAlgorithmSpec;
  if (!known.includes(chosen)) {
    const text = `Algorithm ${chosen} and key spec ${key.spec} are incompatible for this operation on ${key.arn}.`;
    throw fault(sdk.InvalidKeyUsageException, text);
  }
  if (chosen !== 'SYMMETRIC_DEFAULT' && context !== undefined && Object.keys(context).length > 0) {
    throw commonFault('ValidationError', 'EncryptionContext is not supported with asymmetric encryption algorithms.');
  }
  return { algorithm: chosen, context };
}

/** Encrypts with the key's current material. */
export function encryptWith(ctx: Context, key: Key, choice: EncryptionChoice, plaintext: Uint8Array): Buffer {
  const material = currentMaterial(ctx, key);
  const { algorithm, context } = choice;
  if (algorithm === 'SYMMETRIC_DEFAULT') {
    const header = { account: key.account, keyId: key.id, materialId: material.id };
    return encryptSymmetric(ctx, header, material.secret!, plaintext, context);
  }
  const scheme = algorithm as keyof typeof OAEP_HASH;
  const max = specOf(key).size! / 8 - OAEP_OVERHEAD[scheme];
  if (plaintext.length > max) {
    const text = `Algorithm ${algorithm} and key spec ${key.spec} cannot encrypt data larger than ${max} bytes.`;
    throw commonFault('ValidationError', text);
  }
  return publicEncrypt(
    { key: material.publicKey!, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: OAEP_HASH[scheme] },
    plaintext,
  );
}

/** Opens a ciphertext of that key. @throws InvalidCiphertextException, IncorrectKeyException */
export function decryptWith(ctx: Context, key: Key, choice: EncryptionChoice, ciphertext: Uint8Array): Buffer {
  const plaintext =
    choice.algorithm === 'SYMMETRIC_DEFAULT'
      ? decryptNamed(ctx, key, ciphertext, choice.context)
      : decryptRsa(ctx, key, choice.algorithm as keyof typeof OAEP_HASH, ciphertext);
  if (plaintext === undefined) throw invalidCiphertext();
  return plaintext;
}

function decryptNamed(ctx: Context, key: Key, ciphertext: Uint8Array, context: EncryptionContext | undefined) {
  const header = readHeader(ctx, ciphertext);
  if (header === undefined) throw invalidCiphertext();
  if (header.account !== key.account || header.keyId !== key.id) {
    throw fault(
      sdk.IncorrectKeyException,
      'The key ID in the request does not identify a CMK that can perform this operation.',
    );
  }
  return decryptSymmetric(usableMaterial(ctx, key, header.materialId).secret!, ciphertext, context);
}

function decryptRsa(ctx: Context, key: Key, algorithm: keyof typeof OAEP_HASH, ciphertext: Uint8Array) {
  const { privateKey } = currentMaterial(ctx, key);
  try {
    return privateDecrypt(
      { key: privateKey!, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: OAEP_HASH[algorithm] },
      ciphertext,
    );
  } catch {
    return undefined;
  }
}

/** AWS says nothing more: what is wrong with a ciphertext helps only whoever forged it. */
export function invalidCiphertext() {
  return fault(sdk.InvalidCiphertextException, '');
}
