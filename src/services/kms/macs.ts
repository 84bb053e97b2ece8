import { createHmac, timingSafeEqual } from 'node:crypto';
import * as sdk from '@aws-sdk/client-kms';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { endDryRun, keyForUse, usingKey } from './crypto-operations.ts';
import { specOf } from './key-specs.ts';
import { currentMaterial } from './key-states.ts';
import { requireAlgorithm } from './signatures.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

interface MacInput {
  KeyId?: string | undefined;
  Message?: Uint8Array | undefined;
  MacAlgorithm?: sdk.MacAlgorithmSpec | undefined;
  GrantTokens?: string[] | undefined;
  DryRun?: boolean | undefined;
}

const macConditions = (input: MacInput) => ({ 'kms:MacAlgorithm': input.MacAlgorithm ?? '' });

async function makeMac(ctx: Context, input: MacInput, operation: string) {
  const key = await keyForUse(ctx, input, operation, 'GENERATE_VERIFY_MAC');
  const algorithm = input.MacAlgorithm!;
  requireAlgorithm(key, algorithm, [specOf(key).mac!]);
  endDryRun(input);
  const hash = `sha${algorithm.slice(-3)}`;
  const mac = createHmac(hash, currentMaterial(ctx, key).secret!).update(input.Message!).digest();
  return { mac, answer: { KeyId: key.arn, MacAlgorithm: algorithm } };
}

export const GenerateMac: Op<'GenerateMac'> = {
  ...usingKey('GenerateMac', { conditions: macConditions }),
  async handle(input, ctx) {
    const { mac, answer } = await makeMac(ctx, input, 'GenerateMac');
    return { ...answer, Mac: mac };
  },
};

export const VerifyMac: Op<'VerifyMac'> = {
  ...usingKey('VerifyMac', { conditions: macConditions }),
  async handle(input, ctx) {
    const { mac, answer } = await makeMac(ctx, input, 'VerifyMac');
    if (mac.length === input.Mac.length && timingSafeEqual(mac, input.Mac)) return { ...answer, MacValid: true };
    throw fault(sdk.KMSInvalidMacException, '');
  },
};
