import * as sdk from '@aws-sdk/client-codecommit';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { repositoryKeysOf } from './git-cache.ts';
import { ofRepository } from './resources.ts';
import { repositoryByName } from './store.ts';
import { tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Wraps the repository's data key under another KMS key; its packs stay as they are. */
export const UpdateRepositoryEncryptionKey: Op<'UpdateRepositoryEncryptionKey'> = {
  resource: ofRepository,
  async handle({ repositoryName, kmsKeyId }, ctx) {
    const repository = await repositoryByName(ctx, ctx, repositoryName);
    const keys = await repositoryKeysOf(ctx);
    const wrapped = await keys.rewrap(ctx, repository, kmsKeyId);
    const { originalKmsKeyId } = await ctx.tx(async (tx) => {
      const before = await repositoryByName(tx, ctx, repositoryName);
      if (before.id !== repository.id)
        throw fault(sdk.RepositoryDoesNotExistException, `${repositoryName} does not exist`);
      const update = tables(tx).updateTable('codecommit_repositories').set(wrapped);
      await update.where('id', '=', repository.id).execute();
      return { originalKmsKeyId: before.kms_key_arn ?? undefined };
    });
    return { repositoryId: repository.id, kmsKeyId: wrapped.kms_key_arn, originalKmsKeyId };
  },
};
