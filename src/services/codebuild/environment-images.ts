import type * as sdk from '@aws-sdk/client-codebuild';
import type { Operation, OperationName } from '../../kernel/service.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Slipway has no images of its own: builds run on the host, so the list is truthfully empty. */
export const ListCuratedEnvironmentImages: Op<'ListCuratedEnvironmentImages'> = {
  resource: () => '*',
  async handle() {
    return { platforms: [] };
  },
};
