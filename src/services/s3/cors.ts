/** Cross-origin requests: the configuration, the answer to a preflight, and the headers of real answers. */
import type * as sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import type { Operation, OperationName, RestTarget, Route } from '../../kernel/service.ts';
import type { HttpRequest } from '../../kernel/wire/http.ts';
import { readAddress, readWebsiteAddress } from './address.ts';
import { checkCors, corsHeaders } from './cors-rules.ts';
import { s3Fault } from './faults.ts';
import { bucketByName, findBucket } from './find-bucket.ts';
import { bucketResource } from './resources.ts';
import type { BucketTable, Tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

export const PutBucketCors: Op<'PutBucketCors'> = {
  resource: bucketResource,
  action: 's3:PutBucketCORS',
  async handle(input, ctx) {
    const cors = JSON.stringify(checkCors(input.CORSConfiguration?.CORSRules));
    await setCors(ctx, input, cors);
    return {};
  },
};

export const GetBucketCors: Op<'GetBucketCors'> = {
  resource: bucketResource,
  action: 's3:GetBucketCORS',
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    if (bucket.cors !== null) return { CORSRules: rulesOf(bucket) };
    throw s3Fault('NoSuchCORSConfiguration', 404, 'The CORS configuration does not exist', { BucketName: bucket.name });
  },
};

export const DeleteBucketCors: Op<'DeleteBucketCors'> = {
  resource: bucketResource,
  action: 's3:PutBucketCORS',
  async handle(input, ctx) {
    await setCors(ctx, input, null);
    return {};
  },
};

async function setCors(ctx: Context, input: Parameters<typeof bucketByName>[1], cors: string | null): Promise<void> {
  await ctx.tx(async (tx) => {
    const { name } = await bucketByName(tx, input);
    await tx.db<Tables>().updateTable('s3_buckets').set({ cors }).where('name', '=', name).execute();
  });
}

function rulesOf(bucket: BucketTable): sdk.CORSRule[] {
  return bucket.cors === null ? [] : (JSON.parse(bucket.cors) as sdk.CORSRule[]);
}

/** Headers that let the page of another origin see an answer of this bucket. */
export function crossOriginHeaders(bucket: BucketTable, request: HttpRequest): Record<string, string> {
  const { origin } = request.headers;
  if (origin === undefined || bucket.cors === null) return {};
  return corsHeaders(rulesOf(bucket), { origin, method: request.method, headers: [] }) ?? {};
}

/**
 * Headers of every answer: cross-origin ones, and for objects what keeps a browser from running them. They share their
 * origin with the API, so a page among them could act as whoever is signed in there.
 */
export async function answerHeaders(
  request: HttpRequest,
  target: RestTarget,
  ctx: Context,
): Promise<Record<string, string>> {
  const { Bucket: name } = target.labels;
  const isObject = target.operation === 'GetObject' || target.operation === 'HeadObject';
  const headers = isObject ? { ...PROTECTION } : {};
  if (request.headers['origin'] === undefined || name === undefined) return headers;
  const bucket = await findBucket(ctx, name);
  return bucket === undefined ? headers : { ...headers, ...crossOriginHeaders(bucket, request) };
}

const PROTECTION = { 'x-content-type-options': 'nosniff', 'content-security-policy': 'sandbox allow-downloads' };

/** Answers preflights, which browsers send unsigned. @param publicHosts names under which the installation is reached */
export function preflightRoute(publicHosts: ReadonlySet<string>): Route {
  return {
    name: 's3-preflight',
    matches: ({ method, headers }) => method === 'OPTIONS' && headers['access-control-request-method'] !== undefined,
    async handle({ request, response, ctx }) {
      const headers = await preflight(ctx, request, publicHosts);
      response.writeHead(200, { ...headers, 'content-length': '0' }).end();
    },
  };
}

async function preflight(ctx: Context, request: HttpRequest, publicHosts: ReadonlySet<string>) {
  const {
    origin,
    'access-control-request-method': method = '',
    'access-control-request-headers': names = '',
  } = request.headers;
  if (origin === undefined) {
    throw s3Fault('BadRequest', 400, 'Insufficient information. Origin request header needed.');
  }
  const { host, path } = request;
  const address = readWebsiteAddress(host, path, publicHosts) ?? readAddress(host, path, publicHosts);
  const bucket = address.bucket === undefined ? undefined : await findBucket(ctx, address.bucket);
  if (bucket === undefined) throw forbidden(method, 'CORSResponse: Bucket not found');
  if (bucket.cors === null) throw forbidden(method, 'CORSResponse: CORS is not enabled for this bucket.');
  const headers = names
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
  const answer = corsHeaders(rulesOf(bucket), { origin, method, headers });
  if (answer !== undefined) return answer;
  throw forbidden(
    method,
    "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
  );
}

function forbidden(method: string, message: string) {
  return s3Fault('AccessForbidden', 403, message, { Method: method, ResourceType: 'OBJECT' });
}
