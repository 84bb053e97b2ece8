/** Access lists and the ownership that says whether they count. Where ownership is enforced, policies alone decide. */
import type * as sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { malformedXml, s3Fault } from './faults.ts';
import { bucketByName, ownerOf } from './find-bucket.ts';
import { objectToRead } from './get-object.ts';
import { type AccessListInput, askedGrants, type Grant, ownGrant, shownGrants } from './grants.ts';
import { listsNotSupported, refusePublic } from './new-access.ts';
import { bucketResource, conditionKeys, existingObjectResource, listsCount } from './resources.ts';
import type { BucketTable, ObjectTable, Ownership, Tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

export const OWNERSHIPS: readonly string[] = ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'];

/** A list as it counts now. */
function shownList(owner: string, acl: string | null): { Owner: sdk.Owner; Grants: sdk.Grant[] } {
  const Owner = ownerOf(owner);
  const grants = acl === null ? [ownGrant(Owner.ID)] : (JSON.parse(acl) as Grant[]);
  return { Owner, Grants: shownGrants(grants) };
}

type ListInput = AccessListInput & { AccessControlPolicy?: sdk.AccessControlPolicy | undefined };

/** The list that a call puts. @throws MissingSecurityHeader when it puts none */
function newGrants(input: ListInput, bucket: BucketTable, owner: string): Grant[] {
  const grants = askedGrants(input, ownerOf(owner).ID, ownerOf(bucket.account).ID);
  if (grants === undefined) {
    throw s3Fault('MissingSecurityHeader', 400, 'Your request was missing a required header', {
      MissingHeaderName: 'x-amz-acl',
    });
  }
  refusePublic(bucket, grants);
  return grants;
}

export const GetBucketAcl: Op<'GetBucketAcl'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    return shownList(bucket.account, listsCount(bucket) ? bucket.acl : null);
  },
};

export const PutBucketAcl: Op<'PutBucketAcl'> = {
  resource: bucketResource,
  conditions: conditionKeys,
  async handle(input, ctx) {
    await ctx.tx(async (tx) => {
      const bucket = await bucketByName(tx, input);
      if (!listsCount(bucket)) throw listsNotSupported();
      const acl = JSON.stringify(newGrants(input, bucket, bucket.account));
      await tx.db<Tables>().updateTable('s3_buckets').set({ acl }).where('name', '=', bucket.name).execute();
    });
    return {};
  },
};

export const GetObjectAcl: Op<'GetObjectAcl'> = {
  resource: existingObjectResource,
  action: ({ VersionId }) => (VersionId === undefined ? 's3:GetObjectAcl' : 's3:GetObjectVersionAcl'),
  dataEvent: true,
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    const object = await objectToRead(ctx, bucket, input.Key, input.VersionId);
    if (!listsCount(bucket)) return shownList(bucket.account, null);
    return shownList(object.owner ?? bucket.account, object.acl);
  },
};

export const PutObjectAcl: Op<'PutObjectAcl'> = {
  resource: existingObjectResource,
  action: ({ VersionId }) => (VersionId === undefined ? 's3:PutObjectAcl' : 's3:PutObjectVersionAcl'),
  conditions: conditionKeys,
  dataEvent: true,
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    if (!listsCount(bucket)) throw listsNotSupported();
    const object = await objectToRead(ctx, bucket, input.Key, input.VersionId);
    await putObjectAcl(ctx, bucket, object, input);
    return {};
  },
};

async function putObjectAcl(ctx: Context, bucket: BucketTable, object: ObjectTable, input: ListInput): Promise<void> {
  const acl = JSON.stringify(newGrants(input, bucket, object.owner ?? bucket.account));
  await ctx.tx(async (tx) => {
    await tx
      .db<Tables>()
      .updateTable('s3_objects')
      .set({ acl })
      .where('bucket', '=', object.bucket)
      .where('key', '=', object.key)
      .where('version_id', '=', object.version_id)
      .execute();
  });
}

export const GetBucketOwnershipControls: Op<'GetBucketOwnershipControls'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    const { name, ownership } = await bucketByName(ctx, input);
    if (ownership !== null) return { OwnershipControls: { Rules: [{ ObjectOwnership: ownership }] } };
    throw s3Fault('OwnershipControlsNotFoundError', 404, 'The bucket ownership controls were not found', {
      BucketName: name,
    });
  },
};

export const PutBucketOwnershipControls: Op<'PutBucketOwnershipControls'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    const [rule, ...more] = input.OwnershipControls?.Rules ?? [];
    if (rule === undefined || more.length > 0 || !OWNERSHIPS.includes(rule.ObjectOwnership ?? '')) throw malformedXml();
    const ownership = rule.ObjectOwnership as Ownership;
    await ctx.tx(async (tx) => {
      const bucket = await bucketByName(tx, input);
      if (ownership === 'BucketOwnerEnforced' && grantsOthers(bucket)) throw aclWithOwnership();
      await setOwnership(tx, bucket.name, ownership);
    });
    return {};
  },
};

export const DeleteBucketOwnershipControls: Op<'DeleteBucketOwnershipControls'> = {
  resource: bucketResource,
  action: 's3:PutBucketOwnershipControls',
  async handle(input, ctx) {
    await ctx.tx(async (tx) => {
      await setOwnership(tx, (await bucketByName(tx, input)).name, null);
    });
    return {};
  },
};

async function setOwnership(tx: Parameters<typeof bucketByName>[0], name: string, ownership: Ownership | null) {
  await tx.db<Tables>().updateTable('s3_buckets').set({ ownership }).where('name', '=', name).execute();
}

function grantsOthers({ acl, account }: BucketTable): boolean {
  if (acl === null) return false;
  const own = ownerOf(account).ID;
  return (JSON.parse(acl) as Grant[]).some(({ grantee }) => !('id' in grantee && grantee.id === own));
}

export function aclWithOwnership() {
  return s3Fault(
    'InvalidBucketAclWithObjectOwnership',
    400,
    "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
  );
}
