import * as sdk from '@aws-sdk/client-cloudtrail';
import { fault } from '../../kernel/fault.ts';
import type { ConditionKeys, Operation, OperationName } from '../../kernel/service.ts';
import { putTags, removeTags, type Tags, tagProblem, tagsOf } from '../../kernel/tags.ts';
import { trailAtHome, trailByName } from './store.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

export function tagsFrom(tags: readonly sdk.Tag[]): Tags {
  return Object.fromEntries(tags.map(({ Key, Value }) => [Key!, Value ?? '']));
}

/** Condition keys of a request that brings tags. */
export function tagConditions(tags: readonly sdk.Tag[] | undefined): ConditionKeys {
  const entries = Object.entries(tagsFrom(tags ?? []));
  if (entries.length === 0) return {};
  return {
    'aws:TagKeys': entries.map(([key]) => key),
    ...Object.fromEntries(entries.map(([key, value]) => [`aws:RequestTag/${key}`, value])),
  };
}

/** @throws TagsLimitExceededException, InvalidTagParameterException */
export function checkTags(tags: readonly sdk.Tag[], existing: Tags = {}): void {
  if (new Set(tags.map(({ Key }) => Key)).size < tags.length) {
    throw fault(sdk.InvalidTagParameterException, 'A tag key stands twice in the list.');
  }
  const problem = tagProblem(tagsFrom(tags), existing);
  if (problem === 'too-many') throw fault(sdk.TagsLimitExceededException, 'A trail takes at most 50 tags.');
  if (problem !== undefined) throw fault(sdk.InvalidTagParameterException, 'A tag key or value is not valid.');
}

export const AddTags: Op<'AddTags'> = {
  resource: (input) => input.ResourceId ?? '',
  conditions: (input) => tagConditions(input.TagsList),
  async handle({ ResourceId: id, TagsList: tags = [] }, ctx) {
    await ctx.tx(async (tx) => {
      const { arn } = await trailAtHome(tx, ctx, requireArn(id!));
      checkTags(tags, await tagsOf(tx, arn));
      await putTags(tx, arn, tagsFrom(tags));
    });
    return {};
  },
};

export const RemoveTags: Op<'RemoveTags'> = {
  resource: (input) => input.ResourceId ?? '',
  conditions: (input) => ({ 'aws:TagKeys': (input.TagsList ?? []).map(({ Key }) => Key!) }),
  async handle({ ResourceId: id, TagsList: tags = [] }, ctx) {
    await ctx.tx(async (tx) => {
      const { arn } = await trailAtHome(tx, ctx, requireArn(id!));
      await removeTags(
        tx,
        arn,
        tags.map(({ Key }) => Key!),
      );
    });
    return {};
  },
};

export const ListTags: Op<'ListTags'> = {
  resource: (input) => input.ResourceIdList ?? [],
  async handle({ ResourceIdList: ids = [] }, ctx) {
    const list: sdk.ResourceTag[] = [];
    for (const id of ids) {
      const { arn } = await trailByName(ctx, ctx, requireArn(id));
      const tags = Object.entries(await tagsOf(ctx, arn));
      list.push({ ResourceId: arn, TagsList: tags.map(([Key, Value]) => ({ Key, Value })) });
    }
    return { ResourceTagList: list };
  },
};

function requireArn(id: string): string {
  if (id.startsWith('arn:')) return id;
  throw fault(sdk.CloudTrailARNInvalidException, `Invalid resource ARN: ${id}`);
}
