import * as sdk from '@aws-sdk/client-eventbridge';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import {
  putTags,
  removeTags,
  requestTagKeys,
  type Tags,
  taggedResource,
  tagProblem,
  tagsOf,
} from '../../kernel/tags.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { busArn, creatorKeysOf, ruleArn } from './resources.ts';
import { ruleByName } from './store.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const PROBLEMS = {
  'too-many': 'Too many tags.',
  'bad-key': 'A tag key is not valid.',
  'bad-value': 'A tag value is not valid.',
  'system-tag': 'System tags cannot be added/updated by requester',
};

export function tagsFrom(tags: readonly sdk.Tag[]): Tags {
  return Object.fromEntries(tags.map(({ Key, Value }) => [Key!, Value!]));
}

/** @throws ValidationException where the tags, with those that exist, break AWS's rules */
export function checkTags(tags: readonly sdk.Tag[], existing: Tags = {}): void {
  const problem = tagProblem(tagsFrom(tags), existing);
  if (problem !== undefined) throw commonFault('ValidationError', PROBLEMS[problem]);
}

/** @throws ResourceNotFoundException unless the ARN is that of the default bus or of a rule that exists */
async function requireResource(source: Context | Tx, ctx: Context, arn: string): Promise<void> {
  if (arn === busArn(ctx)) return;
  const prefix = ruleArn(ctx, '');
  if (!arn.startsWith(prefix)) throw fault(sdk.ResourceNotFoundException, `Resource ${arn} does not exist.`);
  await ruleByName(source, ctx, arn.slice(prefix.length));
}

export const TagResource: Op<'TagResource'> = {
  resource: ({ ResourceARN: arn }, ctx) => taggedResource(ctx, arn),
  conditions: (input, ctx) => ({ ...creatorKeysOf(input, ctx), ...requestTagKeys(tagsFrom(input.Tags)) }),
  async handle(input, ctx) {
    const { ResourceARN: arn, Tags: tags = [] } = input;
    await ctx.tx(async (tx) => {
      await requireResource(tx, ctx, arn);
      checkTags(tags, await tagsOf(tx, arn));
      await putTags(tx, arn, tagsFrom(tags));
    });
    return {};
  },
};

export const UntagResource: Op<'UntagResource'> = {
  resource: ({ ResourceARN: arn }, ctx) => taggedResource(ctx, arn),
  conditions: (input, ctx) => ({ ...creatorKeysOf(input, ctx), 'aws:TagKeys': input.TagKeys }),
  async handle(input, ctx) {
    const { ResourceARN: arn, TagKeys: keys = [] } = input;
    await ctx.tx(async (tx) => {
      await requireResource(tx, ctx, arn);
      await removeTags(tx, arn, keys);
    });
    return {};
  },
};

export const ListTagsForResource: Op<'ListTagsForResource'> = {
  resource: ({ ResourceARN: arn }, ctx) => taggedResource(ctx, arn),
  conditions: creatorKeysOf,
  async handle(input, ctx) {
    await requireResource(ctx, ctx, input.ResourceARN);
    const tags = await tagsOf(ctx, input.ResourceARN);
    return { Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) };
  },
};
