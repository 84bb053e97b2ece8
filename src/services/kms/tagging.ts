import type * as sdk from '@aws-sdk/client-kms';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { putTags, removeTags, tagsOf } from '../../kernel/tags.ts';
import { keyByName, namedKeyConditions } from './key-access.ts';
import { changeKeys } from './key-cache.ts';
import { onKey } from './key-operations.ts';
import { keyRow, requireCustomerManaged, requireState } from './key-states.ts';
import { invalidMarker } from './markers.ts';
import { checkTags, tagConditions, tagMap } from './tag-rules.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const TAGGABLE = ['Enabled', 'Disabled', 'PendingImport', 'Unavailable'] as const;
const MAX_PAGE = 50;

export const TagResource: Op<'TagResource'> = {
  ...onKey('TagResource'),
  conditions: async ({ KeyId, Tags }, ctx) => ({ ...(await namedKeyConditions(ctx, KeyId)), ...tagConditions(Tags) }),
  async handle({ KeyId, Tags }, ctx) {
    const { arn } = await keyByName(ctx, KeyId);
    const tags = tagMap(Tags);
    await changeKeys(ctx, async (tx) => {
      const row = await keyRow(tx, arn);
      requireCustomerManaged(ctx, row, 'kms:TagResource');
      requireState(row, ...TAGGABLE);
      checkTags(tags, await tagsOf(tx, arn));
      await putTags(tx, arn, tags);
    });
    return {};
  },
};

export const UntagResource: Op<'UntagResource'> = {
  ...onKey('UntagResource'),
  conditions: async ({ KeyId, TagKeys }, ctx) => ({
    ...(await namedKeyConditions(ctx, KeyId)),
    ...(TagKeys.length === 0 ? {} : { 'aws:TagKeys': TagKeys }),
  }),
  async handle({ KeyId, TagKeys }, ctx) {
    const { arn } = await keyByName(ctx, KeyId);
    await changeKeys(ctx, async (tx) => {
      const row = await keyRow(tx, arn);
      requireCustomerManaged(ctx, row, 'kms:UntagResource');
      requireState(row, ...TAGGABLE);
      await removeTags(tx, arn, TagKeys);
    });
    return {};
  },
};

export const ListResourceTags: Op<'ListResourceTags'> = {
  ...onKey('ListResourceTags'),
  async handle({ KeyId, Limit = MAX_PAGE, Marker }, ctx) {
    const { arn } = await keyByName(ctx, KeyId);
    const scope = `ListResourceTags ${arn}`;
    const limit = Math.min(Limit, MAX_PAGE);
    const after = cursorOf<string>(ctx, scope, Marker, invalidMarker) ?? '';
    const tags = Object.entries(await tagsOf(ctx, arn)).filter(([key]) => key > after);
    const { items, token } = page(ctx, scope, tags.slice(0, limit + 1), limit, ([key]) => key);
    return {
      Tags: items.map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
      Truncated: token !== undefined,
      ...(token === undefined ? {} : { NextMarker: token }),
    };
  },
};
