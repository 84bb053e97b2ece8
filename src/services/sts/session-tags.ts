import type * as sdk from '@aws-sdk/client-sts';
import type { Caller } from '../../kernel/auth/identity.ts';
import type { ConditionKeys } from '../../kernel/service.ts';
import { tagProblem } from '../../kernel/tags.ts';
import { commonFault } from '../../kernel/wire/errors.ts';

export interface SessionTags {
  readonly tags: Readonly<Record<string, string>>;
  readonly transitiveKeys: readonly string[];
}

/**
 * Tags of a new session: those of the request, and the transitive ones of the calling session, which it cannot replace.
 * Source: IAM User Guide, "Pass session tags in AWS STS", "Chain roles with session tags".
 * @throws ValidationError
 */
export function sessionTags(
  input: Pick<sdk.AssumeRoleRequest, 'Tags' | 'TransitiveTagKeys'>,
  caller: Caller,
): SessionTags {
  const { Tags = [], TransitiveTagKeys = [] } = input;
  const given = Object.fromEntries(Tags.map(({ Key, Value }) => [Key!, Value!]));
  const lower = (keys: readonly string[]) => keys.map((key) => key.toLowerCase());
  if (new Set(lower(Tags.map(({ Key }) => Key!))).size < Tags.length) {
    throw commonFault('ValidationError', 'Duplicate tag keys found. Please note that Tag keys are case insensitive.');
  }
  if (tagProblem(given) !== undefined) throw commonFault('ValidationError', 'A session tag is not valid.');
  const inherited = transitiveTags(caller);
  const taken = lower(Object.keys(inherited));
  if (Tags.some(({ Key }) => taken.includes(Key!.toLowerCase()))) {
    throw commonFault(
      'ValidationError',
      "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.",
    );
  }
  if (TransitiveTagKeys.some((key) => !lower(Object.keys(given)).includes(key.toLowerCase()))) {
    throw commonFault('ValidationError', 'The specified transitive tag key must be included in the requested tags.');
  }
  return { tags: { ...given, ...inherited }, transitiveKeys: [...TransitiveTagKeys, ...Object.keys(inherited)] };
}

/** `aws:RequestTag/*` and `aws:TagKeys` of a call that passes session tags. */
export function tagKeys(tags: readonly sdk.Tag[]): ConditionKeys {
  if (tags.length === 0) return {};
  return {
    ...Object.fromEntries(tags.map(({ Key, Value }) => [`aws:RequestTag/${Key}`, Value!])),
    'aws:TagKeys': tags.map(({ Key }) => Key!),
  };
}

/** The tags that a session hands on to the next role, whatever the request says. */
export function transitiveTags(caller: Caller): Readonly<Record<string, string>> {
  if (caller.type !== 'AssumedRole') return {};
  const kept = new Set((caller.transitiveTagKeys ?? []).map((key) => key.toLowerCase()));
  return Object.fromEntries(Object.entries(caller.sessionTags ?? {}).filter(([key]) => kept.has(key.toLowerCase())));
}
