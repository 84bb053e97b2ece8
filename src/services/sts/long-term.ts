import type { RootCaller, UserCaller } from '../../kernel/auth/identity.ts';
import type { Context } from '../../kernel/context.ts';
import { commonFault } from '../../kernel/wire/errors.ts';

/** The caller, who must be a user or root with a long-term key. @throws AccessDenied */
export function longTermCaller({ caller }: Context, operation: string): UserCaller | RootCaller {
  if ((caller.type === 'IAMUser' || caller.type === 'Root') && caller.issuedAt === undefined) return caller;
  throw commonFault('AccessDenied', `Cannot call ${operation} with session credentials`);
}

/**
 * Credentials of GetSessionToken call AssumeRole and GetCallerIdentity and nothing else of STS, those of
 * GetFederationToken not even AssumeRole. Source: STS API reference, GetSessionToken, GetFederationToken.
 * @throws AccessDenied
 */
export function refuseUserSession(ctx: Context, operation: string): void {
  refuseFederatedUser(ctx, operation);
  const { caller } = ctx;
  if ((caller.type !== 'IAMUser' && caller.type !== 'Root') || caller.issuedAt === undefined) return;
  throw commonFault('AccessDenied', `Cannot call ${operation} with session credentials`);
}

/**
 * Credentials of GetFederationToken call nothing of STS but GetCallerIdentity.
 * Source: STS API reference, GetFederationToken. @throws AccessDenied
 */
export function refuseFederatedUser({ caller }: Context, operation: string): void {
  if (caller.type !== 'FederatedUser') return;
  throw commonFault('AccessDenied', `Cannot call ${operation} with federation token credentials`);
}
