import type { Context } from '../../kernel/context.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { s3Fault } from './faults.ts';
import { ownerOf, publicAccessBlockOf } from './find-bucket.ts';
import { type AccessListInput, askedGrants, type Grant, hasGrantHeaders, isPublic } from './grants.ts';
import { listsCount, objectRef } from './resources.ts';
import type { BucketTable } from './tables.ts';

/** Who owns a new object, and its access list, as its row has them. */
export interface NewAccess {
  owner: string | null;
  acl: string | null;
}

const BUCKET_OWNERS: NewAccess = { owner: null, acl: null };

export function listsNotSupported() {
  return s3Fault('AccessControlListNotSupported', 400, 'The bucket does not allow ACLs');
}

/**
 * Owner and access list of a new object, as the bucket's object ownership has it.
 * @throws AccessControlListNotSupported, AccessDenied
 */
export async function newAccess(
  ctx: Context,
  bucket: BucketTable,
  input: AccessListInput & { Key: string },
): Promise<NewAccess> {
  const { ACL: canned } = input;
  if (!listsCount(bucket)) {
    const harmless = canned === undefined || canned === 'private' || canned === 'bucket-owner-full-control';
    if (harmless && !hasGrantHeaders(input)) return BUCKET_OWNERS;
    throw listsNotSupported();
  }
  const { caller } = ctx;
  const isForeign = caller.type !== 'Anonymous' && caller.type !== 'AWSService' && caller.account !== bucket.account;
  const keeps = isForeign && !(bucket.ownership === 'BucketOwnerPreferred' && canned === 'bucket-owner-full-control');
  const owner = keeps ? caller.account : bucket.account;
  const grants = askedGrants(input, ownerOf(owner).ID, ownerOf(bucket.account).ID);
  if (grants !== undefined) {
    await ctx.authorize('s3:PutObjectAcl', objectRef(ctx, bucket, input.Key), cannedKey(canned));
    refusePublic(bucket, grants);
  }
  return { owner: keeps ? owner : null, acl: grants === undefined ? null : JSON.stringify(grants) };
}

function cannedKey(canned: string | undefined): Record<string, string> {
  return canned === undefined ? {} : { 's3:x-amz-acl': canned };
}

/** @throws AccessDenied for a public list where Block Public Access forbids new ones */
export function refusePublic(bucket: BucketTable, grants: readonly Grant[]): void {
  if (publicAccessBlockOf(bucket)?.BlockPublicAcls !== true || !isPublic(grants)) return;
  throw commonFault(
    'AccessDenied',
    'Access Denied because public access control lists are prevented by the BlockPublicAcls setting in S3 Block Public Access.',
  );
}
