import type * as sdk from '@aws-sdk/client-s3';
import { parsePolicy } from '../../kernel/auth/policy-grammar.ts';
import type { Context } from '../../kernel/context.ts';
import type { Operation, OperationName, ResourceRef } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { malformedXml, methodNotAllowed, s3Fault } from './faults.ts';
import {
  type BucketInput,
  bucketArn,
  bucketByName,
  type PublicAccessBlock,
  publicAccessBlockOf,
} from './find-bucket.ts';
import { isPublicPolicy } from './public-policy.ts';
import { bucketRef, bucketResource } from './resources.ts';
import type { BucketTable, Tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const MAX_POLICY_BYTES = 20 * 1024;

/** No policy can lock the owner's root user out of the policy itself. */
async function policyResource(input: BucketInput, ctx: Context): Promise<ResourceRef> {
  const bucket = await bucketByName(ctx, input);
  const ref = bucketRef(ctx, bucket);
  const isOwner = ctx.caller.type === 'Root' && ctx.account === bucket.account;
  return isOwner ? { ...ref, policy: undefined } : ref;
}

export const PutBucketPolicy: Op<'PutBucketPolicy'> = {
  resource: policyResource,
  status: () => 204,
  async handle(input, ctx) {
    const { Policy: text = '' } = input;
    requireOwner(ctx, await bucketByName(ctx, input));
    checkPolicy(text, input.Bucket);
    const isPublic = isPublicPolicy(text);
    await ctx.tx(async (tx) => {
      const bucket = await bucketByName(tx, input);
      if (isPublic && publicAccessBlockOf(bucket)?.BlockPublicPolicy === true) throw publicBlocked(ctx, bucket);
      await tx.db<Tables>().updateTable('s3_buckets').set({ policy: text }).where('name', '=', bucket.name).execute();
    });
    return {};
  },
};

/** Only the owner's account may have to do with the policy, whatever the policy says. */
function requireOwner(ctx: Context, bucket: BucketTable): void {
  if (ctx.account !== bucket.account) throw methodNotAllowed('PUT', 'BUCKETPOLICY');
}

function publicBlocked(ctx: Context, bucket: BucketTable) {
  const who = 'arn' in ctx.caller ? ctx.caller.arn : ctx.caller.type;
  return commonFault(
    'AccessDenied',
    `User: ${who} is not authorized to perform: s3:PutBucketPolicy on resource: "${bucketArn(bucket.name)}" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.`,
  );
}

interface PolicyText {
  Statement: PolicyStatement | PolicyStatement[];
}
interface PolicyStatement {
  Action?: string | string[];
  NotAction?: string | string[];
  Resource?: string | string[];
  NotResource?: string | string[];
}

/** @throws MalformedPolicy */
function checkPolicy(text: string, bucket: string): void {
  const malformed = (message: string) => s3Fault('MalformedPolicy', 400, message);
  if (Buffer.byteLength(text) > MAX_POLICY_BYTES) throw malformed('Policy exceeds the maximum allowed document size.');
  parsePolicy(text, { form: 'resource', fault: malformed });
  const own = bucketArn(bucket);
  for (const statement of [(JSON.parse(text) as PolicyText).Statement].flat()) {
    const actions = [statement.Action ?? statement.NotAction ?? []].flat();
    if (!actions.every((action) => action === '*' || /^s3:/i.test(action))) {
      throw malformed('Policy has invalid action');
    }
    const resources = [statement.Resource ?? statement.NotResource ?? []].flat();
    if (!resources.every((resource) => resource === own || resource.startsWith(`${own}/`) || resource === `${own}*`)) {
      throw malformed('Policy has invalid resource');
    }
  }
}

export const GetBucketPolicy: Op<'GetBucketPolicy'> = {
  resource: policyResource,
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    requireOwner(ctx, bucket);
    return { Policy: bucket.policy ?? noPolicy(bucket) };
  },
};

function noPolicy(bucket: BucketTable): never {
  throw s3Fault('NoSuchBucketPolicy', 404, 'The bucket policy does not exist', { BucketName: bucket.name });
}

export const DeleteBucketPolicy: Op<'DeleteBucketPolicy'> = {
  resource: policyResource,
  async handle(input, ctx) {
    requireOwner(ctx, await bucketByName(ctx, input));
    await ctx.tx(async (tx) => {
      await bucketByName(tx, input);
      await tx.db<Tables>().updateTable('s3_buckets').set({ policy: null }).where('name', '=', input.Bucket).execute();
    });
    return {};
  },
};

export const GetBucketPolicyStatus: Op<'GetBucketPolicyStatus'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    return { PolicyStatus: { IsPublic: isPublicPolicy(bucket.policy ?? noPolicy(bucket)) } };
  },
};

export const PutPublicAccessBlock: Op<'PutPublicAccessBlock'> = {
  resource: bucketResource,
  action: 's3:PutBucketPublicAccessBlock',
  async handle(input, ctx) {
    const { PublicAccessBlockConfiguration: given } = input;
    if (given === undefined) throw malformedXml();
    const block: PublicAccessBlock = {
      BlockPublicAcls: given.BlockPublicAcls ?? false,
      IgnorePublicAcls: given.IgnorePublicAcls ?? false,
      BlockPublicPolicy: given.BlockPublicPolicy ?? false,
      RestrictPublicBuckets: given.RestrictPublicBuckets ?? false,
    };
    await setBlock(ctx, input, JSON.stringify(block));
    return {};
  },
};

async function setBlock(ctx: Context, input: BucketInput, block: string | null): Promise<void> {
  await ctx.tx(async (tx) => {
    await bucketByName(tx, input);
    await tx
      .db<Tables>()
      .updateTable('s3_buckets')
      .set({ public_access_block: block })
      .where('name', '=', input.Bucket)
      .execute();
  });
}

export const GetPublicAccessBlock: Op<'GetPublicAccessBlock'> = {
  resource: bucketResource,
  action: 's3:GetBucketPublicAccessBlock',
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    const block = publicAccessBlockOf(bucket);
    if (block !== undefined) return { PublicAccessBlockConfiguration: block };
    throw s3Fault('NoSuchPublicAccessBlockConfiguration', 404, 'The public access block configuration was not found', {
      BucketName: bucket.name,
    });
  },
};

export const DeletePublicAccessBlock: Op<'DeletePublicAccessBlock'> = {
  resource: bucketResource,
  action: 's3:PutBucketPublicAccessBlock',
  async handle(input, ctx) {
    await setBlock(ctx, input, null);
    return {};
  },
};
