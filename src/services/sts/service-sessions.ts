import { parseArn } from '../../kernel/arn.ts';
import type { Caller, TemporaryCredentials } from '../../kernel/auth/identity.ts';
import type { Context, RoleOptions } from '../../kernel/context.ts';
import { isFault } from '../../kernel/fault.ts';
import { roleCaller, roleResource } from './role-sessions.ts';

const DEFAULT_SECONDS = 3600;
const MIN_SECONDS = 900;
/** A role's own maximum does not bind services (IAM User Guide, "Update the maximum session duration for a role"). */
const MAX_SECONDS = 43_200;

/**
 * Has a service assume a role for its work: the trust policy must name the service, with `aws:SourceArn` and
 * `aws:SourceAccount` of the resource it works for. Recorded like any AssumeRole.
 * @param ctx a context of the service itself
 * @throws AccessDenied
 */
export async function assumeRoleForService(
  roleArn: string,
  options: RoleOptions,
  ctx: Context,
): Promise<{ caller: Caller; credentials(): Promise<TemporaryCredentials> }> {
  const sessionName = validSessionName(options.sessionName);
  const durationSeconds = Math.min(Math.max(options.durationSeconds ?? DEFAULT_SECONDS, MIN_SECONDS), MAX_SECONDS);
  const record = (errorCode?: string, errorMessage?: string) =>
    ctx.record({
      eventSource: 'sts.amazonaws.com',
      eventName: 'AssumeRole',
      readOnly: true,
      resources: [roleArn],
      requestParameters: { roleArn, roleSessionName: sessionName, durationSeconds },
      ...(errorCode === undefined ? {} : { errorCode, errorMessage }),
    });
  const role = await ctx.identity.findRole(roleArn);
  try {
    await ctx.authorize('sts:AssumeRole', roleResource(roleArn, role, ctx), {
      'sts:RoleSessionName': sessionName,
      'aws:SourceAccount': parseArn(options.sourceArn ?? '')?.account || ctx.account,
      ...(options.sourceArn === undefined ? {} : { 'aws:SourceArn': options.sourceArn }),
    });
  } catch (error) {
    if (isFault(error)) record(error.name, error.message);
    throw error;
  }
  record();
  // The trust policy of a role that does not exist allows nobody, so there is one here.
  const caller = roleCaller(role!, { sessionName, invokedBy: options.service }, ctx);
  return {
    caller,
    credentials: () => ctx.identity.openSession({ caller, sessionPolicies: [], durationSeconds }, ctx),
  };
}

/** Session names of services come from ids and names of resources, which may hold other characters or be longer. */
function validSessionName(name: string): string {
  return name
    .replace(/[^\w+=,.@-]/g, '-')
    .slice(0, 64)
    .padEnd(2, '-');
}
