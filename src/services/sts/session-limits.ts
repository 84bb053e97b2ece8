import * as sdk from '@aws-sdk/client-sts';
import { parseArn } from '../../kernel/arn.ts';
import type { AssumableRole, Caller } from '../../kernel/auth/identity.ts';
import { type CompiledPolicy, parsePolicy } from '../../kernel/auth/policy-grammar.ts';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { commonFault } from '../../kernel/wire/errors.ts';

/** Longest session of a role that was assumed by a session of another role. */
const MAX_CHAINED_SECONDS = 3600;
const DEFAULT_SECONDS = 3600;
/** Space for session policies and tags together, in characters. */
const PACKED_LIMIT = 2048;

/** Credentials of a root user do not live longer, whatever was asked for. */
const MAX_ROOT_SECONDS = 3600;

/** How long credentials may live that a user, or root, makes for himself or somebody he knows. */
export function rootSeconds(requested: number, maker: Caller): number {
  return maker.type === 'Root' ? Math.min(requested, MAX_ROOT_SECONDS) : requested;
}

/** How long the session may live. @throws ValidationError */
export function sessionSeconds(requested: number | undefined, role: AssumableRole, caller: Caller): number {
  if (caller.type === 'AssumedRole' && requested !== undefined && requested > MAX_CHAINED_SECONDS) {
    throw commonFault(
      'ValidationError',
      'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining',
    );
  }
  if (requested !== undefined && requested > role.maxSessionSeconds) {
    throw commonFault(
      'ValidationError',
      'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.',
    );
  }
  return requested ?? DEFAULT_SECONDS;
}

export interface SessionPolicies {
  readonly documents: readonly string[];
  readonly compiled: readonly CompiledPolicy[];
}

/**
 * The session policies of a request: the inline one and the managed ones as they are now.
 * @throws MalformedPolicyDocument, or ValidationError for a managed policy that does not exist in the role's account
 */
export async function sessionPolicies(
  ctx: Context,
  account: string,
  input: Pick<sdk.AssumeRoleRequest, 'Policy' | 'PolicyArns'>,
): Promise<SessionPolicies> {
  const documents: string[] = input.Policy === undefined ? [] : [input.Policy];
  for (const { arn: policyArn = '' } of input.PolicyArns ?? []) {
    const owner = parseArn(policyArn)?.account;
    const document = owner === account || owner === 'aws' ? await ctx.identity.findManagedPolicy(policyArn) : undefined;
    if (document === undefined)
      throw commonFault('ValidationError', `Policy ${policyArn} does not exist or is not attachable.`);
    documents.push(document);
  }
  const compiled = documents.map((document) =>
    parsePolicy(document, {
      form: 'identity',
      fault: (message) => fault(sdk.MalformedPolicyDocumentException, message),
    }),
  );
  return { documents, compiled };
}

/** How much of the space for policies and tags a session uses, in percent. @throws PackedPolicyTooLarge */
export function packedPolicySize(policy: string | undefined, tags: readonly sdk.Tag[]): number | undefined {
  const size = tags.reduce((sum, { Key, Value }) => sum + Key!.length + Value!.length, policy?.length ?? 0);
  if (size === 0) return undefined;
  const percent = Math.ceil((size * 100) / PACKED_LIMIT);
  if (percent > 100) {
    throw fault(
      sdk.PackedPolicyTooLargeException,
      `Packed policy consumes ${percent}% of allotted space, please use smaller policy.`,
    );
  }
  return percent;
}
