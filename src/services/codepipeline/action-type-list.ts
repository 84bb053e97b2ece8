import type * as sdk from '@aws-sdk/client-codepipeline';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { SUPPORTED_ACTION_TYPES } from './action-types.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Lists the action types that run here, which are fewer than AWS has. */
export const ListActionTypes: Op<'ListActionTypes'> = {
  resource: () => '*',
  async handle({ actionOwnerFilter: owner, regionFilter: region }, ctx) {
    const shown = (owner === undefined || owner === 'AWS') && (region === undefined || region === ctx.region);
    return { actionTypes: shown ? SUPPORTED_ACTION_TYPES.map(actionTypeOf) : [] };
  },
};

function actionTypeOf(type: (typeof SUPPORTED_ACTION_TYPES)[number]): sdk.ActionType {
  const counts = ({ min, max }: { min: number; max: number }) => ({ minimumCount: min, maximumCount: max });
  return {
    id: { category: type.category, owner: 'AWS', provider: type.provider, version: '1' },
    actionConfigurationProperties: type.properties.map(({ name, required }) => ({
      name,
      required,
      key: required,
      secret: false,
    })),
    inputArtifactDetails: counts(type.inputs),
    outputArtifactDetails: counts(type.outputs),
  };
}
