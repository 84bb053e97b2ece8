import * as sdk from '@aws-sdk/client-codepipeline';
import { parseArn } from '../../kernel/arn.ts';
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
import { findPipeline } from './store.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

export function tagsFrom(tags: readonly sdk.Tag[]): Tags {
  return Object.fromEntries(tags.map(({ key, value }) => [key!, value!]));
}

/** @throws TooManyTagsException, InvalidTagsException */
export function checkTags(arn: string, tags: readonly sdk.Tag[], existing: Tags = {}): void {
  switch (tagProblem(tagsFrom(tags), existing)) {
    case undefined:
      return;
    case 'too-many':
      throw fault(sdk.TooManyTagsException, `Tag limit exceeded for resource [${arn}].`);
    case 'system-tag':
      throw fault(sdk.InvalidTagsException, "Not allowed to modify system tags. System tags start with 'aws:'.");
    default:
      throw fault(sdk.InvalidTagsException, `A tag of resource [${arn}] has a key or value that is not valid.`);
  }
}

/** @throws InvalidArnException, ResourceNotFoundException */
async function requirePipeline(source: Context | Tx, ctx: Context, text: string): Promise<void> {
  const arn = parseArn(text);
  if (arn === undefined || arn.service !== 'codepipeline') throw fault(sdk.InvalidArnException, `Invalid ARN: ${text}`);
  const isHere = arn.region === ctx.region && arn.account === ctx.account;
  const pipeline = isHere ? await findPipeline(source, ctx, arn.resource) : undefined;
  if (pipeline !== undefined) return;
  throw fault(
    sdk.ResourceNotFoundException,
    `The account with id '${ctx.account}' does not include a pipeline with the name '${arn.resource}'`,
  );
}

export const TagResource: Op<'TagResource'> = {
  resource: ({ resourceArn }, ctx) => taggedResource(ctx, resourceArn),
  conditions: ({ tags }) => requestTagKeys(tagsFrom(tags)),
  async handle({ resourceArn, tags }, ctx) {
    await ctx.tx(async (tx) => {
      await requirePipeline(tx, ctx, resourceArn);
      checkTags(resourceArn, tags, await tagsOf(tx, resourceArn));
      await putTags(tx, resourceArn, tagsFrom(tags));
    });
    return {};
  },
};

export const UntagResource: Op<'UntagResource'> = {
  resource: ({ resourceArn }, ctx) => taggedResource(ctx, resourceArn),
  conditions: ({ tagKeys }) => ({ 'aws:TagKeys': tagKeys }),
  async handle({ resourceArn, tagKeys }, ctx) {
    await ctx.tx(async (tx) => {
      await requirePipeline(tx, ctx, resourceArn);
      await removeTags(tx, resourceArn, tagKeys);
    });
    return {};
  },
};

export const ListTagsForResource: Op<'ListTagsForResource'> = {
  resource: ({ resourceArn }, ctx) => taggedResource(ctx, resourceArn),
  async handle({ resourceArn }, ctx) {
    await requirePipeline(ctx, ctx, resourceArn);
    const tags = await tagsOf(ctx, resourceArn);
    return { tags: Object.entries(tags).map(([key, value]) => ({ key, value })) };
  },
};
