import * as sdk from '@aws-sdk/client-kms';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { endDryRun, keyForUse, usingKey } from './crypto-operations.ts';
import type { Key } from './key-cache.ts';
import { specOf } from './key-specs.ts';
import { currentMaterial } from './key-states.ts';
import { checkMessage, isSignature, makeSignature, type SigningRequest } from './signing.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

interface SigningInput {
  KeyId?: string | undefined;
  Message?: Uint8Array | undefined;
  MessageType?: sdk.MessageType | undefined;
  SigningAlgorithm?: sdk.SigningAlgorithmSpec | undefined;
  GrantTokens?: string[] | undefined;
  DryRun?: boolean | undefined;
}

const signingConditions = (input: SigningInput) => ({
  'kms:SigningAlgorithm': input.SigningAlgorithm ?? '',
  'kms:MessageType': input.MessageType ?? 'RAW',
});

async function prepare(
  ctx: Context,
  input: SigningInput,
  operation: string,
): Promise<{ key: Key; request: SigningRequest }> {
  const key = await keyForUse(ctx, input, operation, 'SIGN_VERIFY');
  const algorithm = input.SigningAlgorithm!;
  requireAlgorithm(key, algorithm, specOf(key).signing);
  const request = { algorithm, messageType: input.MessageType ?? 'RAW', message: input.Message! };
  checkMessage(request);
  endDryRun(input);
  return { key, request };
}

/** @throws InvalidKeyUsageException for an algorithm of other keys */
export function requireAlgorithm(key: Key, algorithm: string, known: readonly string[]): void {
  if (known.includes(algorithm)) return;
  throw fault(sdk.InvalidKeyUsageException, `Algorithm ${algorithm} and key spec ${key.spec} are incompatible.`);
}

export const Sign: Op<'Sign'> = {
  ...usingKey('Sign', { conditions: signingConditions }),
  async handle(input, ctx) {
    const { key, request } = await prepare(ctx, input, 'Sign');
    const signature = await makeSignature(ctx, request, specOf(key), currentMaterial(ctx, key));
    return { KeyId: key.arn, Signature: signature, SigningAlgorithm: request.algorithm };
  },
};

export const Verify: Op<'Verify'> = {
  ...usingKey('Verify', { conditions: signingConditions }),
  async handle(input, ctx) {
    const { key, request } = await prepare(ctx, input, 'Verify');
    if (await isSignature(request, input.Signature, specOf(key), currentMaterial(ctx, key))) {
      return { KeyId: key.arn, SignatureValid: true, SigningAlgorithm: request.algorithm };
    }
    throw fault(sdk.KMSInvalidSignatureException, '');
  },
};
