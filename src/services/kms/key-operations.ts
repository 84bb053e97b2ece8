import type { Context } from '../../kernel/context.ts';
import { keyRef, namedKeyConditions } from './key-access.ts';
import type { KeyNaming } from './key-ids.ts';

interface NamesKey {
  KeyId: string | undefined;
}

/**
 * `resource` and `conditions` of an operation on one key.
 * @param operation `DescribeKey`
 */
export function onKey(
  operation: string,
  options: { naming?: KeyNaming; crossAccount?: boolean; grantable?: boolean } = {},
) {
  const { naming = 'key', crossAccount = false, grantable = false } = options;
  return {
    resource: (input: NamesKey, ctx: Context) =>
      keyRef(ctx, input.KeyId!, `kms:${operation}`, {
        naming,
        crossAccount,
        ...(grantable ? { grantOperation: operation } : {}),
      }),
    conditions: (input: NamesKey, ctx: Context) => namedKeyConditions(ctx, input.KeyId!, naming),
  };
}
