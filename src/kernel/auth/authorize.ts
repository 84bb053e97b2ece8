import type { Context } from '../context.ts';
import type { ConditionKeys, ResourceRef } from '../service.ts';
import { commonFault } from '../wire/errors.ts';
import type { IdentitySource } from './identity.ts';

export interface AuthorizationRequest {
  action: string;
  resources: readonly ResourceRef[];
  conditions: ConditionKeys;
}

/** Allows the call on every one of its resources, or throws AccessDenied in AWS's words. */
export async function authorizeCall(
  _identity: IdentitySource,
  ctx: Context,
  request: AuthorizationRequest,
): Promise<void> {
  if (ctx.caller.type === 'Root') return;
  throw commonFault('AccessDenied', `not authorized to perform: ${request.action}`);
}
