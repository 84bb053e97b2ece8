import * as sdk from '@aws-sdk/client-kms';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { ConditionKeys, Operation, OperationName } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { endDryRun, keyForUse, usingKey } from './crypto-operations.ts';
import { chooseEncryption, encryptWith } from './encryption.ts';
import type { Key } from './key-cache.ts';
import { callerConditions } from './key-conditions.ts';
import { findSpec } from './key-specs.ts';
import { generatePair } from './materials.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

interface DataKeyInput {
  KeyId?: string | undefined;
  KeySpec?: sdk.DataKeySpec | undefined;
  NumberOfBytes?: number | undefined;
  EncryptionContext?: Record<string, string> | undefined;
  GrantTokens?: string[] | undefined;
  Recipient?: sdk.RecipientInfo | undefined;
  DryRun?: boolean | undefined;
}

const algorithmCondition = (): ConditionKeys => ({ 'kms:EncryptionAlgorithm': 'SYMMETRIC_DEFAULT' });

function dataKeyBytes({ KeySpec, NumberOfBytes }: DataKeyInput): number {
  if ((KeySpec === undefined) === (NumberOfBytes === undefined)) {
    throw commonFault('ValidationError', 'Please specify either number of bytes or key spec.');
  }
  return NumberOfBytes ?? (KeySpec === 'AES_128' ? 16 : 32);
}

async function makeDataKey(ctx: Context, input: DataKeyInput, operation: string) {
  const size = dataKeyBytes(input);
  const key = await keyForUse(ctx, input, operation, 'ENCRYPT_DECRYPT');
  const choice = symmetricChoice(key, input);
  endDryRun(input);
  const plaintext = ctx.ids.bytes(size);
  return {
    plaintext,
    answer: {
      CiphertextBlob: encryptWith(ctx, key, choice, plaintext),
      KeyId: key.arn,
      KeyMaterialId: key.current_material!,
    },
  };
}

/** Data keys are encrypted by symmetric keys only. */
function symmetricChoice(key: Key, input: DataKeyInput) {
  return chooseEncryption(key, 'SYMMETRIC_DEFAULT', input.EncryptionContext);
}

export const GenerateDataKey: Op<'GenerateDataKey'> = {
  ...usingKey('GenerateDataKey', { hasContext: true, conditions: algorithmCondition }),
  async handle(input, ctx) {
    const { plaintext, answer } = await makeDataKey(ctx, input, 'GenerateDataKey');
    return { ...answer, Plaintext: plaintext };
  },
};

export const GenerateDataKeyWithoutPlaintext: Op<'GenerateDataKeyWithoutPlaintext'> = {
  ...usingKey('GenerateDataKeyWithoutPlaintext', { hasContext: true, conditions: algorithmCondition }),
  async handle(input, ctx) {
    const { plaintext, answer } = await makeDataKey(ctx, input, 'GenerateDataKeyWithoutPlaintext');
    plaintext.fill(0);
    return answer;
  },
};

async function makeDataKeyPair(
  ctx: Context,
  input: DataKeyInput & { KeyPairSpec?: sdk.DataKeyPairSpec | undefined },
  operation: string,
) {
  const spec = input.KeyPairSpec!;
  const key = await keyForUse(ctx, input, operation, 'ENCRYPT_DECRYPT');
  const choice = symmetricChoice(key, input);
  const facts = findSpec(spec);
  if (facts === undefined) {
    throw fault(sdk.UnsupportedOperationException, `KeyPairSpec ${spec} is not supported in this Region.`);
  }
  endDryRun(input);
  const pair = await generatePair(facts);
  const plaintext = pair.privateKey.export({ type: 'pkcs8', format: 'der' });
  return {
    plaintext,
    answer: {
      PrivateKeyCiphertextBlob: encryptWith(ctx, key, choice, plaintext),
      PublicKey: pair.publicKey.export({ type: 'spki', format: 'der' }),
      KeyId: key.arn,
      KeyPairSpec: spec,
      KeyMaterialId: key.current_material!,
    },
  };
}

const pairConditions = (input: sdk.GenerateDataKeyPairCommandInput): ConditionKeys => ({
  ...algorithmCondition(),
  'kms:DataKeyPairSpec': input.KeyPairSpec ?? '',
});

export const GenerateDataKeyPair: Op<'GenerateDataKeyPair'> = {
  ...usingKey('GenerateDataKeyPair', { hasContext: true, conditions: pairConditions }),
  async handle(input, ctx) {
    const { plaintext, answer } = await makeDataKeyPair(ctx, input, 'GenerateDataKeyPair');
    return { ...answer, PrivateKeyPlaintext: plaintext };
  },
};

export const GenerateDataKeyPairWithoutPlaintext: Op<'GenerateDataKeyPairWithoutPlaintext'> = {
  ...usingKey('GenerateDataKeyPairWithoutPlaintext', { hasContext: true, conditions: pairConditions }),
  async handle(input, ctx) {
    const { plaintext, answer } = await makeDataKeyPair(ctx, input, 'GenerateDataKeyPairWithoutPlaintext');
    plaintext.fill(0);
    return answer;
  },
};

export const GenerateRandom: Op<'GenerateRandom'> = {
  readOnly: true,
  resource: () => '*',
  conditions: (_input, ctx) => callerConditions(ctx),
  async handle({ NumberOfBytes, CustomKeyStoreId, Recipient }, ctx) {
    if (CustomKeyStoreId !== undefined || Recipient !== undefined) {
      const what = CustomKeyStoreId === undefined ? 'Recipient (attested enclaves)' : 'CustomKeyStoreId';
      throw commonFault('NotImplemented', `${what} is not implemented by Slipway.`);
    }
    if (NumberOfBytes === undefined) throw commonFault('ValidationError', 'NumberOfBytes must be specified.');
    return { Plaintext: ctx.ids.bytes(NumberOfBytes) };
  },
};
