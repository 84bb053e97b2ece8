import { createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';
import * as sdk from '@aws-sdk/client-kms';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { endDryRun, keyForUse, usingKey } from './crypto-operations.ts';
import { checkGrantTokens } from './grant-tokens.ts';
import { keyByName } from './key-access.ts';
import { encryptionAlgorithms, specMembers, specOf } from './key-specs.ts';
import { currentMaterial, requireUsable } from './key-states.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

export const GetPublicKey: Op<'GetPublicKey'> = {
  ...usingKey('GetPublicKey'),
  async handle(input, ctx) {
    checkGrantTokens(ctx, input.GrantTokens);
    const key = await keyByName(ctx, input.KeyId, 'alias-too');
    const facts = specOf(key);
    if (facts.kind === 'symmetric' || facts.kind === 'hmac') {
      throw fault(sdk.UnsupportedOperationException, `${key.arn} has no public key: its key spec is ${key.spec}.`);
    }
    requireUsable(key);
    const { publicKey } = currentMaterial(ctx, key);
    return {
      KeyId: key.arn,
      PublicKey: publicKey!.export({ type: 'spki', format: 'der' }),
      ...specMembers(key),
      KeyUsage: key.usage as sdk.KeyUsageType,
      ...(key.usage === 'ENCRYPT_DECRYPT' ? { EncryptionAlgorithms: [...encryptionAlgorithms(key)] } : {}),
      ...(key.usage === 'SIGN_VERIFY' ? { SigningAlgorithms: [...facts.signing] } : {}),
      ...(key.usage === 'KEY_AGREEMENT' ? { KeyAgreementAlgorithms: ['ECDH'] } : {}),
    };
  },
};

export const DeriveSharedSecret: Op<'DeriveSharedSecret'> = {
  ...usingKey('DeriveSharedSecret', {
    conditions: (input: sdk.DeriveSharedSecretCommandInput) => ({
      'kms:KeyAgreementAlgorithm': input.KeyAgreementAlgorithm ?? '',
    }),
  }),
  async handle(input, ctx) {
    const key = await keyForUse(ctx, input, 'DeriveSharedSecret', 'KEY_AGREEMENT');
    const { privateKey } = currentMaterial(ctx, key);
    const publicKey = readPublicKey(input.PublicKey, specOf(key).curve!);
    endDryRun(input);
    return {
      KeyId: key.arn,
      SharedSecret: diffieHellman({ privateKey: privateKey!, publicKey }),
      KeyAgreementAlgorithm: input.KeyAgreementAlgorithm,
      KeyOrigin: key.origin,
    };
  },
};

/** The other side's public key, on the same curve. @throws ValidationException */
function readPublicKey(der: Uint8Array, curve: string): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
  } catch {
    // said below
  }
  if (key?.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === curve) return key;
  throw commonFault('ValidationError', 'PublicKey must be a DER-encoded X.509 public key on the curve of the KMS key.');
}
