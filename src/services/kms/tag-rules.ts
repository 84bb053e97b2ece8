import * as sdk from '@aws-sdk/client-kms';
import { fault } from '../../kernel/fault.ts';
import { type TagProblem, type Tags, tagProblem } from '../../kernel/tags.ts';

const WORDS: Readonly<Record<TagProblem, string>> = {
  'too-many': 'Too many tags',
  'bad-key': 'Invalid tag key',
  'bad-value': 'Invalid tag value',
  'system-tag': 'aws: prefixed tag key names are not allowed for external use.',
};

/** KMS's list form as a map. @throws TagException for a key that stands there twice */
export function tagMap(list: readonly sdk.Tag[] = []): Tags {
  const tags = Object.fromEntries(list.map(({ TagKey, TagValue }) => [TagKey!, TagValue!]));
  if (Object.keys(tags).length < list.length) throw fault(sdk.TagException, 'Duplicate tag keys');
  return tags;
}

/** @throws TagException, LimitExceededException */
export function checkTags(tags: Tags, existing: Tags = {}): void {
  const problem = tagProblem(tags, existing);
  if (problem === undefined) return;
  throw fault(problem === 'too-many' ? sdk.LimitExceededException : sdk.TagException, WORDS[problem]);
}

/** `aws:RequestTag/*` and `aws:TagKeys` of a call that sets tags. */
export function tagConditions(list: readonly sdk.Tag[] = []): Record<string, string | string[]> {
  if (list.length === 0) return {};
  const conditions: Record<string, string | string[]> = { 'aws:TagKeys': list.map(({ TagKey }) => TagKey ?? '') };
  for (const { TagKey, TagValue } of list) conditions[`aws:RequestTag/${TagKey}`] = TagValue ?? '';
  return conditions;
}
