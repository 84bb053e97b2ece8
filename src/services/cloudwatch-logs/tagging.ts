import * as sdk from '@aws-sdk/client-cloudwatch-logs';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName, ResourceRef } from '../../kernel/service.ts';
import {
  putTags,
  removeTags,
  requestTagKeys,
  type Tags,
  taggedResource,
  tagProblem,
  tagsOf,
} from '../../kernel/tags.ts';
import { groupArn, groupNameOfArn, groupResource } from './resources.ts';
import { groupByName } from './store.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** @throws InvalidParameterException, TooManyTagsException */
export function checkTags(tags: Tags, existing: Tags = {}): void {
  const problem = tagProblem(tags, existing);
  if (problem === 'too-many') throw fault(sdk.TooManyTagsException, 'A resource can have no more than 50 tags.');
  if (problem !== undefined) throw fault(sdk.InvalidParameterException, `Invalid tags: ${problem}.`);
}

/** The tagging calls that take an ARN are evaluated for the ARN without `:*`, unlike all others. */
function byArn({ resourceArn }: { resourceArn: string }, ctx: Context): ResourceRef {
  return taggedResource(ctx, groupArn(ctx, groupNameOfArn(ctx, resourceArn)));
}

async function addTags(ctx: Context, name: string, tags: Tags): Promise<void> {
  await onGroup(ctx, name, async (tx, arn) => {
    checkTags(tags, await tagsOf(tx, arn));
    await putTags(tx, arn, tags);
  });
}

async function onGroup(ctx: Context, name: string, change: (tx: Tx, arn: string) => Promise<void>): Promise<void> {
  await ctx.tx(async (tx) => {
    await groupByName(ctx, tx, name);
    await change(tx, groupArn(ctx, name));
  });
}

export const TagResource: Op<'TagResource'> = {
  resource: byArn,
  conditions: ({ tags }) => requestTagKeys(tags),
  async handle({ resourceArn, tags }, ctx) {
    await addTags(ctx, groupNameOfArn(ctx, resourceArn), tags);
    return {};
  },
};

export const UntagResource: Op<'UntagResource'> = {
  resource: byArn,
  conditions: ({ tagKeys }) => ({ 'aws:TagKeys': tagKeys }),
  async handle({ resourceArn, tagKeys }, ctx) {
    await onGroup(ctx, groupNameOfArn(ctx, resourceArn), (tx, arn) => removeTags(tx, arn, tagKeys));
    return {};
  },
};

export const ListTagsForResource: Op<'ListTagsForResource'> = {
  resource: byArn,
  async handle({ resourceArn }, ctx) {
    const group = await groupByName(ctx, ctx, groupNameOfArn(ctx, resourceArn));
    return { tags: await tagsOf(ctx, groupArn(ctx, group.name)) };
  },
};

export const TagLogGroup: Op<'TagLogGroup'> = {
  resource: groupResource,
  conditions: ({ tags }) => requestTagKeys(tags),
  async handle({ logGroupName, tags }, ctx) {
    await addTags(ctx, logGroupName, tags);
    return {};
  },
};

export const UntagLogGroup: Op<'UntagLogGroup'> = {
  resource: groupResource,
  conditions: ({ tags }) => ({ 'aws:TagKeys': tags }),
  async handle({ logGroupName, tags }, ctx) {
    await onGroup(ctx, logGroupName, (tx, arn) => removeTags(tx, arn, tags));
    return {};
  },
};

export const ListTagsLogGroup: Op<'ListTagsLogGroup'> = {
  resource: groupResource,
  async handle({ logGroupName }, ctx) {
    const group = await groupByName(ctx, ctx, logGroupName);
    return { tags: await tagsOf(ctx, groupArn(ctx, group.name)) };
  },
};
