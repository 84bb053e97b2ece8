import * as sdk from '@aws-sdk/client-codecommit';
import { parseArn } from '../../kernel/arn.ts';
import type { Context } from '../../kernel/context.ts';
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
import { requireRepositoryName } from './rules.ts';
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

/**
 * The name of the repository here that the ARN would be of.
 * @throws InvalidResourceArnException, InvalidRepositoryNameException
 */
function nameOf(ctx: Context, resourceArn: string): string {
  const name = parseArn(resourceArn)?.resource ?? '';
  if (resourceArn !== repositoryArn(ctx, name)) {
    throw fault(sdk.InvalidResourceArnException, `${resourceArn} is not the ARN of a repository in ${ctx.region}.`);
  }
  if (!/^[\w.-]{1,100}$/.test(name)) {
    throw fault(sdk.InvalidRepositoryNameException, `${name.slice(0, 100)} is not a valid repository name`);
  }
  requireRepositoryName(name);
  return name;
}

export const TagResource: Op<'TagResource'> = {
  resource: byArn,
  conditions: (input) => requestTagKeys(input.tags),
  async handle({ resourceArn, tags }, ctx) {
    const name = nameOf(ctx, resourceArn);
    checkTags(tags);
    await ctx.tx(async (tx) => {
      await repositoryByName(tx, ctx, name);
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
    const name = nameOf(ctx, resourceArn);
    if (tagKeys.some((key) => /^aws:/i.test(key))) {
      throw fault(sdk.InvalidSystemTagUsageException, 'Tag keys that begin with aws: are reserved.');
    }
    await ctx.tx(async (tx) => {
      await repositoryByName(tx, ctx, name);
      await removeTags(tx, resourceArn, tagKeys);
    });
    return {};
  },
};

export const ListTagsForResource: Op<'ListTagsForResource'> = {
  resource: byArn,
  async handle({ resourceArn }, ctx) {
    await repositoryByName(ctx, ctx, nameOf(ctx, resourceArn));
    return { tags: await tagsOf(ctx, resourceArn) };
  },
};
