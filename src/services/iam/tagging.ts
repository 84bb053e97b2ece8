import type * as sdk from '@aws-sdk/client-iam';
import type { Context, Tx } from '../../kernel/context.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { putTags, removeTags, tagsOf } from '../../kernel/tags.ts';
import { changeIdentities } from './identities.ts';
import { managedPolicyResource, policyByArn, refuseAwsManaged } from './managed-policies.ts';
import { slicePage } from './markers.ts';
import { deviceBySerial, mfaResource } from './mfa-devices.ts';
import { type EntityKind, entityArn, entityByName, entityResource } from './store.ts';
import { checkTags, tagConditions, tagsFrom, toTags } from './tag-sets.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Finds the tagged thing's ARN, or faults. */
export type Finder = (source: Context | Tx) => Promise<string>;

const named =
  (ctx: Context, kind: EntityKind, name: string): Finder =>
  async (source) =>
    entityArn(kind, await entityByName(source, ctx.account, kind, name));

const policy =
  (ctx: Context, policyArn: string): Finder =>
  async (source) => {
    refuseAwsManaged(policyArn);
    return (await policyByArn(source, ctx, policyArn)).arn;
  };

export async function tag(ctx: Context, find: Finder, tags: readonly sdk.Tag[]): Promise<object> {
  await changeIdentities(ctx, async (tx) => {
    const arn = await find(tx);
    const existing = await tagsOf(tx, arn);
    // Keys are unique regardless of case: a key in another spelling takes the place of the old one.
    const given = new Set(tags.map(({ Key }) => Key!.toLowerCase()));
    const replaced = Object.keys(existing).filter((key) => given.has(key.toLowerCase()));
    const kept = Object.fromEntries(Object.entries(existing).filter(([key]) => !replaced.includes(key)));
    checkTags(tags, kept);
    await removeTags(tx, arn, replaced);
    await putTags(tx, arn, tagsFrom(tags));
  });
  return {};
}

export async function untag(ctx: Context, find: Finder, keys: readonly string[]): Promise<object> {
  await changeIdentities(ctx, async (tx) => {
    const arn = await find(tx);
    const gone = new Set(keys.map((key) => key.toLowerCase()));
    const existing = Object.keys(await tagsOf(tx, arn));
    await removeTags(
      tx,
      arn,
      existing.filter((key) => gone.has(key.toLowerCase())),
    );
  });
  return {};
}

interface ListInput {
  Marker?: string | undefined;
  MaxItems?: number | undefined;
}

export async function list(ctx: Context, find: Finder, input: ListInput) {
  const arn = await find(ctx);
  const tags = toTags(await tagsOf(ctx, arn));
  const { items, truncation } = await slicePage(ctx, `tags of ${arn}`, input, tags, ({ Key }) => Key!);
  return { Tags: items, ...truncation };
}

export const untagConditions = ({ TagKeys }: { TagKeys: string[] }) => ({ 'aws:TagKeys': TagKeys });

export const TagUser: Op<'TagUser'> = {
  resource: ({ UserName: name }, ctx) => entityResource(ctx, 'user', name),
  conditions: ({ Tags }) => tagConditions(Tags),
  handle: (input, ctx) => tag(ctx, named(ctx, 'user', input.UserName), input.Tags),
};
export const UntagUser: Op<'UntagUser'> = {
  resource: ({ UserName: name }, ctx) => entityResource(ctx, 'user', name),
  conditions: untagConditions,
  handle: (input, ctx) => untag(ctx, named(ctx, 'user', input.UserName), input.TagKeys),
};
export const ListUserTags: Op<'ListUserTags'> = {
  resource: ({ UserName: name }, ctx) => entityResource(ctx, 'user', name),
  handle: (input, ctx) => list(ctx, named(ctx, 'user', input.UserName), input),
};

export const TagRole: Op<'TagRole'> = {
  resource: ({ RoleName: name }, ctx) => entityResource(ctx, 'role', name),
  conditions: ({ Tags }) => tagConditions(Tags),
  handle: (input, ctx) => tag(ctx, named(ctx, 'role', input.RoleName), input.Tags),
};
export const UntagRole: Op<'UntagRole'> = {
  resource: ({ RoleName: name }, ctx) => entityResource(ctx, 'role', name),
  conditions: untagConditions,
  handle: (input, ctx) => untag(ctx, named(ctx, 'role', input.RoleName), input.TagKeys),
};
export const ListRoleTags: Op<'ListRoleTags'> = {
  resource: ({ RoleName: name }, ctx) => entityResource(ctx, 'role', name),
  handle: (input, ctx) => list(ctx, named(ctx, 'role', input.RoleName), input),
};

export const TagPolicy: Op<'TagPolicy'> = {
  resource: managedPolicyResource,
  conditions: ({ Tags }) => tagConditions(Tags),
  handle: (input, ctx) => tag(ctx, policy(ctx, input.PolicyArn), input.Tags),
};
export const UntagPolicy: Op<'UntagPolicy'> = {
  resource: managedPolicyResource,
  conditions: untagConditions,
  handle: (input, ctx) => untag(ctx, policy(ctx, input.PolicyArn), input.TagKeys),
};
export const ListPolicyTags: Op<'ListPolicyTags'> = {
  resource: managedPolicyResource,
  handle: (input, ctx) => list(ctx, policy(ctx, input.PolicyArn), input),
};

export const TagInstanceProfile: Op<'TagInstanceProfile'> = {
  resource: ({ InstanceProfileName: name }, ctx) => entityResource(ctx, 'instance-profile', name),
  conditions: ({ Tags }) => tagConditions(Tags),
  handle: (input, ctx) => tag(ctx, named(ctx, 'instance-profile', input.InstanceProfileName), input.Tags),
};
export const UntagInstanceProfile: Op<'UntagInstanceProfile'> = {
  resource: ({ InstanceProfileName: name }, ctx) => entityResource(ctx, 'instance-profile', name),
  conditions: untagConditions,
  handle: (input, ctx) => untag(ctx, named(ctx, 'instance-profile', input.InstanceProfileName), input.TagKeys),
};
export const ListInstanceProfileTags: Op<'ListInstanceProfileTags'> = {
  resource: ({ InstanceProfileName: name }, ctx) => entityResource(ctx, 'instance-profile', name),
  handle: (input, ctx) => list(ctx, named(ctx, 'instance-profile', input.InstanceProfileName), input),
};

const device =
  (ctx: Context, serial: string): Finder =>
  async (source) =>
    (await deviceBySerial(source, ctx, serial)).serial;

export const TagMFADevice: Op<'TagMFADevice'> = {
  resource: mfaResource,
  conditions: ({ Tags }) => tagConditions(Tags),
  handle: (input, ctx) => tag(ctx, device(ctx, input.SerialNumber), input.Tags),
};
export const UntagMFADevice: Op<'UntagMFADevice'> = {
  resource: mfaResource,
  conditions: untagConditions,
  handle: (input, ctx) => untag(ctx, device(ctx, input.SerialNumber), input.TagKeys),
};
export const ListMFADeviceTags: Op<'ListMFADeviceTags'> = {
  resource: mfaResource,
  handle: (input, ctx) => list(ctx, device(ctx, input.SerialNumber), input),
};

export const TagServerCertificate: Op<'TagServerCertificate'> = {
  resource: ({ ServerCertificateName: name }, ctx) => entityResource(ctx, 'server-certificate', name),
  conditions: ({ Tags }) => tagConditions(Tags),
  handle: (input, ctx) => tag(ctx, named(ctx, 'server-certificate', input.ServerCertificateName), input.Tags),
};
export const UntagServerCertificate: Op<'UntagServerCertificate'> = {
  resource: ({ ServerCertificateName: name }, ctx) => entityResource(ctx, 'server-certificate', name),
  conditions: untagConditions,
  handle: (input, ctx) => untag(ctx, named(ctx, 'server-certificate', input.ServerCertificateName), input.TagKeys),
};
export const ListServerCertificateTags: Op<'ListServerCertificateTags'> = {
  resource: ({ ServerCertificateName: name }, ctx) => entityResource(ctx, 'server-certificate', name),
  handle: (input, ctx) => list(ctx, named(ctx, 'server-certificate', input.ServerCertificateName), input),
};
