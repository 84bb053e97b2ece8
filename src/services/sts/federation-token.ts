import type * as sdk from '@aws-sdk/client-sts';
import { arn } from '../../kernel/arn.ts';
import type { FederatedUserCaller, RootCaller, UserCaller } from '../../kernel/auth/identity.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { openCredentials } from './credentials.ts';
import { longTermCaller } from './long-term.ts';
import { packedPolicySize, rootSeconds, sessionPolicies } from './session-limits.ts';
import { sessionTags, tagKeys } from './session-tags.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const DEFAULT_SECONDS = 43_200;

/** Temporary credentials for somebody whom the caller knows: what the caller may do, narrowed by session policies. */
export const GetFederationToken: Op<'GetFederationToken'> = {
  resource: ({ Name: name }, ctx) => federatedArn(ctx.account, name),
  conditions: ({ Tags = [] }) => tagKeys(Tags),
  readOnly: false,
  async handle(input, ctx) {
    const { Name: name, Tags = [] } = input;
    const maker = longTermCaller(ctx, 'GetFederationToken');
    const { tags } = sessionTags({ Tags }, maker);
    if (Tags.length > 0) await ctx.authorize('sts:TagSession', federatedArn(ctx.account, name), tagKeys(Tags));
    const policies = await sessionPolicies(ctx, maker.account, input);
    const packed = packedPolicySize(input.Policy, Tags);
    const caller: FederatedUserCaller = {
      type: 'FederatedUser',
      account: maker.account,
      arn: federatedArn(maker.account, name),
      principalId: `${maker.account}:${name}`,
      federatedName: name,
      maker: makerOf(maker),
      issuedAt: ctx.now().getTime(),
      sessionPolicies: policies.compiled,
      ...(Tags.length === 0 ? {} : { sessionTags: tags }),
    };
    const durationSeconds = rootSeconds(input.DurationSeconds ?? DEFAULT_SECONDS, maker);
    return {
      Credentials: await openCredentials({ caller, sessionPolicies: policies.documents, durationSeconds }, ctx),
      FederatedUser: { FederatedUserId: caller.principalId, Arn: caller.arn },
      PackedPolicySize: packed,
    };
  },
};

function federatedArn(account: string, name: string): string {
  return arn('sts', '', account, `federated-user/${name}`);
}

function makerOf({ type, arn: makerArn, principalId, ...more }: UserCaller | RootCaller): FederatedUserCaller['maker'] {
  const name = 'userName' in more ? { userName: more.userName } : {};
  return { type, arn: makerArn, principalId, ...name };
}
