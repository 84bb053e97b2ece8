import * as sdk from '@aws-sdk/client-s3';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { deleteAllTags, putTags } from '../../kernel/tags.ts';
import { escapeXml } from '../../kernel/wire/xml-value.ts';
import { aclWithOwnership, OWNERSHIPS } from './access-lists.ts';
import { invalidArgument, s3Fault, unsupported } from './faults.ts';
import { bucketArn, bucketByName, findBucket, ownerOf, type PublicAccessBlock } from './find-bucket.ts';
import { discardParts } from './garbage.ts';
import { askedGrants, isPublic } from './grants.ts';
import { isBucketName } from './names.ts';
import { bucketResource, conditionKeys, requestKeys } from './resources.ts';
import { tagSetOf } from './stored-headers.ts';
import type { BucketTable, Ownership, Tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const REGION = /^[a-z]{2}(-[a-z]+)+-\d$/;
/** The region that a bucket without a location constraint is in, whatever AWS calls it. */
const CLASSIC_REGION = 'us-east-1';
const MAX_BUCKET_TAGS = 50;
const MAX_LISTED = 10_000;

/** What every new bucket starts with. Source: S3 User Guide, "Default settings for new S3 buckets". */
const ALL_BLOCKED: PublicAccessBlock = {
  BlockPublicAcls: true,
  IgnorePublicAcls: true,
  BlockPublicPolicy: true,
  RestrictPublicBuckets: true,
};

export const CreateBucket: Op<'CreateBucket'> = {
  resource: ({ Bucket }, ctx) => ({ arn: bucketArn(Bucket), account: ctx.account, keys: requestKeys(ctx) }),
  conditions: conditionKeys,
  async handle(input, ctx) {
    const { Bucket: name, CreateBucketConfiguration: configuration } = input;
    if (!isBucketName(name)) {
      throw s3Fault('InvalidBucketName', 400, 'The specified bucket is not valid.', { BucketName: name });
    }
    refuseBucketWishes(input);
    const region = regionOf(ctx, configuration?.LocationConstraint);
    const tags = tagSetOf({ TagSet: configuration?.Tags }, MAX_BUCKET_TAGS);
    if (Object.keys(tags).length > 0) await ctx.authorize('s3:TagResource', bucketArn(name), conditionKeys(input));
    const list = await listOf(ctx, input);
    await ctx.tx(async (tx) => {
      const existing = await findBucket(tx, name);
      if (existing !== undefined) {
        // The oldest region answers its owner's second try with success.
        if (existing.account === ctx.account && existing.region === CLASSIC_REGION && region === CLASSIC_REGION) return;
        throw alreadyThere(ctx, existing);
      }
      const row: BucketTable = {
        name,
        account: ctx.account,
        region,
        created_at: ctx.now().getTime(),
        versioning: 'Off',
        policy: null,
        public_access_block: JSON.stringify(ALL_BLOCKED),
        website: null,
        eventbridge: 0,
        ...list,
        encryption: null,
        cors: null,
        lifecycle: null,
        logging: null,
        abac: 0,
      };
      await tx.db<Tables>().insertInto('s3_buckets').values(row).execute();
      await putTags(tx, bucketArn(name), tags);
    });
    return {
      Location: region === CLASSIC_REGION ? `/${name}` : `${ctx.publicUrl}/${name}/`,
      BucketArn: bucketArn(name),
    };
  },
};

function alreadyThere(ctx: Context, existing: BucketTable) {
  return existing.account === ctx.account
    ? fault(
        sdk.BucketAlreadyOwnedByYou,
        'Your previous request to create the named bucket succeeded and you already own it.',
        { BucketName: existing.name },
      )
    : fault(
        sdk.BucketAlreadyExists,
        'The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.',
        { BucketName: existing.name },
      );
}

type CreateInput = Parameters<Op<'CreateBucket'>['handle']>[0];

function refuseBucketWishes(input: CreateInput): void {
  const { CreateBucketConfiguration: configuration } = input;
  if (input.ObjectLockEnabledForBucket === true) throw unsupported('Object Lock');
  if (configuration?.Bucket !== undefined || configuration?.Location !== undefined) {
    throw unsupported('A directory bucket');
  }
  const { BucketNamespace: namespace } = input;
  if (namespace !== undefined && namespace !== 'global') throw unsupported(`The bucket namespace ${namespace}`);
}

/** Object ownership and access list of the new bucket, which blocks public ones. */
async function listOf(ctx: Context, input: CreateInput): Promise<Pick<BucketTable, 'ownership' | 'acl'>> {
  const { Bucket: name, ObjectOwnership: asked = 'BucketOwnerEnforced' } = input;
  if (!OWNERSHIPS.includes(asked))
    throw invalidArgument('Invalid x-amz-object-ownership header', 'x-amz-object-ownership', asked);
  if (asked !== 'BucketOwnerEnforced') await ctx.authorize('s3:PutBucketOwnershipControls', bucketArn(name));
  const ownership = asked as Ownership;
  const { ID } = ownerOf(ctx.account);
  const grants = input.ACL === 'private' ? undefined : askedGrants(input, ID, ID);
  if (grants === undefined) return { ownership, acl: null };
  if (ownership === 'BucketOwnerEnforced') throw aclWithOwnership();
  if (isPublic(grants)) {
    throw s3Fault(
      'InvalidBucketAclWithBlockPublicAccessError',
      400,
      'Bucket cannot have public ACLs set with BlockPublicAccess enabled',
    );
  }
  await ctx.authorize('s3:PutBucketAcl', bucketArn(name), conditionKeys({ ACL: input.ACL }));
  return { ownership, acl: JSON.stringify(grants) };
}

/** Region of the new bucket. @throws InvalidLocationConstraint, IllegalLocationConstraintException */
function regionOf(ctx: Context, constraint: string | undefined): string {
  const wanted = constraint === 'EU' ? 'eu-west-1' : constraint;
  if (ctx.region === CLASSIC_REGION && wanted !== undefined && (wanted === CLASSIC_REGION || !REGION.test(wanted))) {
    throw s3Fault('InvalidLocationConstraint', 400, 'The specified location-constraint is not valid', {
      LocationConstraint: constraint,
    });
  }
  // The endpoint of the oldest region takes any constraint; the others take their own only.
  if (ctx.region === CLASSIC_REGION) return wanted ?? CLASSIC_REGION;
  if (wanted !== ctx.region) {
    throw s3Fault(
      'IllegalLocationConstraintException',
      400,
      `The ${wanted ?? 'unspecified'} location constraint is incompatible for the region specific endpoint this request was sent to.`,
    );
  }
  return wanted;
}

export const HeadBucket: Op<'HeadBucket'> = {
  resource: bucketResource,
  action: 's3:ListBucket',
  dataEvent: true,
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    return { BucketRegion: bucket.region, BucketArn: bucketArn(bucket.name), AccessPointAlias: false };
  },
};

export const DeleteBucket: Op<'DeleteBucket'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    await ctx.tx(async (tx) => {
      const bucket = await bucketByName(tx, input);
      await requireEmpty(tx, bucket.name);
      await dropUploads(tx, ctx, bucket.name);
      await tx.db<Tables>().deleteFrom('s3_buckets').where('name', '=', bucket.name).execute();
      await deleteAllTags(tx, bucketArn(bucket.name));
    });
    return {};
  },
};

async function requireEmpty(tx: Tx, name: string): Promise<void> {
  const row = await tx
    .db<Tables>()
    .selectFrom('s3_objects')
    .select('version_id')
    .where('bucket', '=', name)
    .limit(1)
    .executeTakeFirst();
  if (row === undefined) return;
  throw s3Fault('BucketNotEmpty', 409, 'The bucket you tried to delete is not empty', { BucketName: name });
}

/** Uploads that were never completed go with their bucket. */
async function dropUploads(tx: Tx, ctx: Context, bucket: string): Promise<void> {
  const db = tx.db<Tables>();
  const rows = await db.selectFrom('s3_uploads').select('id').where('bucket', '=', bucket).execute();
  for (const { id } of rows) await discardParts(tx, ctx, id);
  if (rows.length > 0) await db.deleteFrom('s3_uploads').where('bucket', '=', bucket).execute();
}

export const ListBuckets: Op<'ListBuckets'> = {
  resource: (_input, ctx) => ({ arn: '*', keys: requestKeys(ctx) }),
  action: 's3:ListAllMyBuckets',
  async handle(input, ctx) {
    const { Prefix: prefix = '', BucketRegion: region, MaxBuckets: asked, ContinuationToken: token } = input;
    if (asked !== undefined && (asked < 1 || asked > MAX_LISTED)) {
      throw invalidArgument('Argument max-buckets must be an integer between 1 and 10000', 'max-buckets', asked);
    }
    const scope = `ListBuckets ${JSON.stringify([prefix, region])}`;
    const after = cursorOf<string>(ctx, scope, token, () =>
      invalidArgument('The continuation token provided is incorrect', 'continuation-token'),
    );
    const limit = asked ?? MAX_LISTED;
    let query = ctx
      .db<Tables>()
      .selectFrom('s3_buckets')
      .select(['name', 'region', 'created_at'])
      .where('account', '=', ctx.account);
    // Names are ASCII, so everything that starts with the prefix lies before the prefix and the last character.
    if (prefix !== '') query = query.where('name', '>=', prefix).where('name', '<', `${prefix}\u007f`);
    if (region !== undefined) query = query.where('region', '=', region);
    if (after !== undefined) query = query.where('name', '>', after);
    const rows = await query
      .orderBy('name')
      .limit(limit + 1)
      .execute();
    const { items, token: next } = page(ctx, scope, rows, limit, ({ name }) => name);
    return {
      Owner: ownerOf(ctx.account),
      Buckets: items.map((row) => ({
        Name: row.name,
        CreationDate: new Date(row.created_at),
        BucketRegion: row.region,
        BucketArn: bucketArn(row.name),
      })),
      Prefix: prefix === '' ? undefined : prefix,
      ContinuationToken: next,
    };
  },
};

export const GetBucketLocation: Op<'GetBucketLocation'> = {
  resource: bucketResource,
  // The constraint is the text of the root element, not a member inside it.
  writeBody({ LocationConstraint: location }) {
    const text = escapeXml(location ?? '');
    return `<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${text}</LocationConstraint>`;
  },
  async handle(input, ctx) {
    const { region } = await bucketByName(ctx, input);
    return region === CLASSIC_REGION ? {} : { LocationConstraint: region as sdk.BucketLocationConstraint };
  },
};
