import * as sdk from '@aws-sdk/client-iam';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { ConditionKeys, ResourceRef } from '../../kernel/service.ts';
import { type Tags, tagProblem, tagsOf } from '../../kernel/tags.ts';

type SdkTag = sdk.Tag;

export function tagsFrom(tags: readonly SdkTag[]): Tags {
  return Object.fromEntries(tags.map(({ Key, Value }) => [Key!, Value!]));
}

export function toTags(tags: Tags): SdkTag[] {
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}

/** Condition keys of a call that names tags: `aws:RequestTag/*` and `aws:TagKeys`. */
export function tagConditions(tags: readonly SdkTag[] = []): ConditionKeys {
  if (tags.length === 0) return {};
  return {
    ...Object.fromEntries(tags.map(({ Key, Value }) => [`aws:RequestTag/${Key}`, Value!])),
    'aws:TagKeys': tags.map(({ Key }) => Key!),
  };
}

/** A resource with its tags, as `aws:ResourceTag/*` and `iam:ResourceTag/*`, where a policy asks for them. */
export function taggedResource(ctx: Context, arn: string): ResourceRef {
  const read = async () => {
    const tags = await tagsOf(ctx, arn);
    return Object.fromEntries(Object.entries(tags).map(([key, value]) => [`iam:ResourceTag/${key}`, value]));
  };
  return { arn, tags: () => tagsOf(ctx, arn), lazyKeys: { beginning: 'iam:resourcetag/', read } };
}

/** @throws InvalidInput or LimitExceeded where the tags, with those that exist, break IAM's rules */
export function checkTags(tags: readonly SdkTag[], existing: Tags = {}): void {
  const keys = tags.map(({ Key }) => Key!.toLowerCase());
  if (new Set(keys).size < keys.length) {
    throw fault(sdk.InvalidInputException, 'Duplicate tag keys found. Please note that Tag keys are case insensitive.');
  }
  switch (tagProblem(tagsFrom(tags), existing)) {
    case 'too-many':
      throw fault(sdk.LimitExceededException, 'The number of tags has reached the maximum limit.');
    case 'system-tag':
      throw fault(sdk.InvalidInputException, 'The tag keys must not begin with the reserved prefix aws:.');
    case 'bad-key':
      throw fault(sdk.InvalidInputException, 'A tag key is not valid.');
    case 'bad-value':
      throw fault(sdk.InvalidInputException, 'A tag value is not valid.');
    default:
  }
}
