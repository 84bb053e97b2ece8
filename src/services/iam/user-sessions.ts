import type { Context } from '../../kernel/context.ts';
import type { AnyOperation } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';

type Family = Readonly<Record<string, unknown>>;

/**
 * IAM as credentials of GetSessionToken meet it: without MFA they may call nothing of it, and those of GetFederationToken
 * never. So a session that got into wrong hands ends, and cannot make itself a key that stays.
 * Source: STS API reference, GetSessionToken, GetFederationToken.
 */
export function closedToUserSessions(families: readonly Family[]): Family[] {
  return families.map((family) => Object.fromEntries(Object.entries(family).map(([name, one]) => [name, closed(one)])));
}

function closed(one: unknown): unknown {
  if (typeof one !== 'object' || one === null || !('handle' in one) || !('resource' in one)) return one;
  const operation = one as AnyOperation;
  return {
    ...operation,
    resource(input, ctx) {
      refuseUserSession(ctx);
      return operation.resource(input, ctx);
    },
  } satisfies AnyOperation;
}

function refuseUserSession({ caller }: Context): void {
  if (caller.type !== 'FederatedUser') {
    const isUser = caller.type === 'IAMUser' || caller.type === 'Root';
    if (caller.type === 'IAMUser' && caller.signedIn === true) return;
    if (!isUser || caller.accessKeyId?.startsWith('ASIA') !== true || caller.mfaAuthenticatedAt !== undefined) return;
  }
  throw commonFault('InvalidClientTokenId', 'The security token included in the request is invalid');
}
