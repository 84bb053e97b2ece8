import * as sdk from '@aws-sdk/client-codecommit';
import { parseArn } from '../../kernel/arn.ts';
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
import { repositoryArn } from './resources.ts';
import { repositoryByName } from './store.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** @throws InvalidTagsMapException, InvalidSystemTagUsageException, TooManyTagsException */
export function checkTags(tags: Tags, existing: Tags = {}): void {
  switch (tagProblem(tags, existing)) {
    case 'system-tag':
      throw fault(sdk.InvalidSystemTagUsageException, 'Tag keys that begin with aws: are reserved.');
    case 'too-many':
      throw fault(sdk.TooManyTagsException, 'A repository can have at most 50 tags.');
    case 'bad-key':
    case 'bad-value':
      throw fault(
        sdk.InvalidTagsMapException,
        'A tag key or value is too long or holds a character that is not allowed.',
      );
  }
}

function byArn({ resourceArn }: { resourceArn: string }, ctx: Context): ResourceRef {
  return taggedResource(ctx, resourceArn);
}

/** @throws InvalidResourceArnException, RepositoryDoesNotExistException unless the ARN is that of a repository here */
async function requireRepository(source: Context | Tx, ctx: Context, resourceArn: string): Promise<void> {
  const name = parseArn(resourceArn)?.resource ?? '';
  if (resourceArn !== repositoryArn(ctx, name)) {
    throw fault(sdk.InvalidResourceArnException, `${resourceArn} is not the ARN of a repository in ${ctx.region}.`);
  }
  await repositoryByName(source, ctx, name);
}

export const TagResource: Op<'TagResource'> = {
  resource: byArn,
  conditions: (input) => requestTagKeys(input.tags),
  async handle({ resourceArn, tags }, ctx) {
    await ctx.tx(async (tx) => {
      await requireRepository(tx, ctx, resourceArn);
      checkTags(tags, await tagsOf(tx, resourceArn));
      await putTags(tx, resourceArn, tags);
    });
    return {};
  },
};

export const UntagResource: Op<'UntagResource'> = {
  resource: byArn,
  conditions: (input) => ({ 'aws:TagKeys': input.tagKeys }),
  async handle({ resourceArn, tagKeys }, ctx) {
    await ctx.tx(async (tx) => {
      await requireRepository(tx, ctx, resourceArn);
      await removeTags(tx, resourceArn, tagKeys);
    });
    return {};
  },
};

export const ListTagsForResource: Op<'ListTagsForResource'> = {
  resource: byArn,
  async handle({ resourceArn }, ctx) {
    await requireRepository(ctx, ctx, resourceArn);
    return { tags: await tagsOf(ctx, resourceArn) };
  },
};
