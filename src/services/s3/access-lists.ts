/** Access lists are off in every bucket: the owner's account owns all and policies decide, as in a new bucket at AWS. */
import type * as sdk from '@aws-sdk/client-s3';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { malformedXml, s3Fault, unsupported } from './faults.ts';
import { bucketByName, ownerOf } from './find-bucket.ts';
import { objectToRead } from './get-object.ts';
import { bucketResource, conditionKeys, objectResource } from './resources.ts';
import type { BucketTable } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

function ownersList({ account }: BucketTable): { Owner: sdk.Owner; Grants: sdk.Grant[] } {
  const Owner = ownerOf(account);
  return { Owner, Grants: [{ Grantee: { ...Owner, Type: 'CanonicalUser' }, Permission: 'FULL_CONTROL' }] };
}

function notSupported() {
  return s3Fault('AccessControlListNotSupported', 400, 'The bucket does not allow ACLs');
}

export const GetBucketAcl: Op<'GetBucketAcl'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    return ownersList(await bucketByName(ctx, input));
  },
};

export const PutBucketAcl: Op<'PutBucketAcl'> = {
  resource: bucketResource,
  conditions: conditionKeys,
  async handle(input, ctx) {
    await bucketByName(ctx, input);
    throw notSupported();
  },
};

export const GetObjectAcl: Op<'GetObjectAcl'> = {
  resource: objectResource,
  action: ({ VersionId }) => (VersionId === undefined ? 's3:GetObjectAcl' : 's3:GetObjectVersionAcl'),
  dataEvent: true,
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    await objectToRead(ctx, bucket, input.Key, input.VersionId);
    return ownersList(bucket);
  },
};

export const PutObjectAcl: Op<'PutObjectAcl'> = {
  resource: objectResource,
  action: ({ VersionId }) => (VersionId === undefined ? 's3:PutObjectAcl' : 's3:PutObjectVersionAcl'),
  conditions: conditionKeys,
  dataEvent: true,
  async handle(input, ctx) {
    await bucketByName(ctx, input);
    throw notSupported();
  },
};

export const GetBucketOwnershipControls: Op<'GetBucketOwnershipControls'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    await bucketByName(ctx, input);
    return { OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] } };
  },
};

export const PutBucketOwnershipControls: Op<'PutBucketOwnershipControls'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    const [rule, ...more] = input.OwnershipControls?.Rules ?? [];
    if (rule === undefined || more.length > 0) throw malformedXml();
    await bucketByName(ctx, input);
    if (rule.ObjectOwnership !== 'BucketOwnerEnforced')
      throw unsupported(`The object ownership ${rule.ObjectOwnership}`);
    return {};
  },
};
