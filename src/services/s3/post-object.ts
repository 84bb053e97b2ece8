/** Uploads from a browser's form. The object itself is put by the same operation as over the API, as the one who signed. */
import type { Readable } from 'node:stream';
import * as sdk from '@aws-sdk/client-s3';
import { authFault } from '../../kernel/auth/auth-faults.ts';
import { hasAuthorization } from '../../kernel/auth/sigv4.ts';
import type { Context } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import type { Route } from '../../kernel/service.ts';
import { faultAnswer, spellFault } from '../../kernel/wire/fault-answer.ts';
import type { Exchange, HttpRequest } from '../../kernel/wire/http.ts';
import { CONNECTION_LIMITS } from '../../kernel/wire/limits.ts';
import { lingerOver } from '../../kernel/wire/send.ts';
import { operationSchemas, operationShape } from '../../kernel/wire/shape.ts';
import { escapeXml, readXmlBody } from '../../kernel/wire/xml-value.ts';
import { MAX_KEY_BYTES, readAddress } from './address.ts';
import { ALGORITHMS } from './checksums.ts';
import { crossOriginHeaders } from './cors.ts';
import { entityTooLarge, invalidArgument, keyTooLong, noSuchBucket, s3Fault, unsupported } from './faults.ts';
import { findBucket } from './find-bucket.ts';
import { malformedForm, type PostForm, readForm } from './post-form.ts';
import { checkPostPolicy, type LengthRange, readPostPolicy } from './post-policy.ts';
import { authenticateForm } from './post-signature.ts';
import { tagSetOf } from './stored-headers.ts';

/** The route of form uploads. @param publicHosts names under which the installation is reached */
export function postRoute(publicHosts: ReadonlySet<string>): Route {
  return {
    name: 's3-post',
    matches: (request) => bucketOf(request, publicHosts) !== undefined,
    async handle(exchange) {
      const { request, response, ctx } = exchange;
      const name = bucketOf(request, publicHosts)!;
      const bucket = await findBucket(ctx, name);
      const shared = bucket === undefined ? {} : crossOriginHeaders(bucket, request);
      let answer: PostAnswer;
      try {
        if (bucket === undefined) throw noSuchBucket(name);
        answer = await post(exchange, name);
      } catch (error) {
        // The answer of a refusal must be readable for the page too, so it cannot be left to the gateway.
        if (!(error instanceof Fault)) throw error;
        const spelled = spellFault(error, 's3', (shape) => (sdk as Record<string, unknown>)[`${shape}$`]);
        const { status, headers, body } = faultAnswer(spelled, 's3', ctx.requestId, '1.1', undefined);
        answer = { status, headers, body: body as string };
      }
      const { status, headers, body } = answer;
      // What still comes is read: a connection that closes on unread bytes takes the answer with it.
      if (!request.message.complete) {
        request.message.unpipe();
        lingerOver(request.message, CONNECTION_LIMITS, ctx.clock);
      }
      headers['x-amz-request-id'] = ctx.requestId;
      headers['content-length'] = String(Buffer.byteLength(body));
      response.writeHead(status, { ...shared, ...headers }).end(body);
    },
  };
}

interface PostAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** The bucket that a form is posted to. */
function bucketOf(request: HttpRequest, publicHosts: ReadonlySet<string>): string | undefined {
  if (request.method !== 'POST' || request.headers['content-type']?.startsWith('multipart/form-data') !== true) {
    return undefined;
  }
  try {
    const { bucket, key } = readAddress(request.host, request.path, publicHosts);
    return key === undefined ? bucket : undefined;
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

async function post({ request, ctx }: Exchange, bucket: string): Promise<PostAnswer> {
  if (hasAuthorization(request)) throw authFault('s3', 'twoForms');
  const form = await readForm(request);
  const { fields, file } = form;
  try {
    for (const [name, value] of fields) {
      if (!/^(policy|x-amz-signature)$/.test(name))
        fields.set(
          name,
          value.replace(/\$\{filename\}/g, () => form.fileName),
        );
    }
    const caller = await authenticateForm(ctx, fields);
    const range = lengthRange(ctx, fields, bucket);
    const input = inputOf(fields, bucket, form);
    const output = await put(caller, { ...input, Body: within(file, range) });
    return success(ctx, fields, input, output);
  } catch (error) {
    file.destroy();
    throw error;
  }
}

/** Holds the form against its policy, if it has one. */
function lengthRange(ctx: Context, fields: Map<string, string>, bucket: string): LengthRange {
  const stated = fields.get('bucket');
  if (stated !== undefined && stated !== bucket) {
    throw invalidArgument('The bucket of the form is not the one that it was posted to.', 'bucket', stated);
  }
  const policy = fields.get('policy');
  if (policy === undefined) return { min: 0, max: Number.POSITIVE_INFINITY };
  return checkPostPolicy(readPostPolicy(policy), new Map([...fields, ['bucket', bucket]]), ctx.now().getTime());
}

async function* within(file: Readable, { min, max }: LengthRange): AsyncGenerator<Buffer> {
  let size = 0;
  try {
    for await (const chunk of file as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > max) throw entityTooLarge(size, max);
      yield chunk;
    }
  } catch (error) {
    // A form that ends before its boundary is told here by the parser.
    throw error instanceof Fault ? error : malformedForm(error);
  }
  if (size >= min) return;
  throw s3Fault('EntityTooSmall', 400, 'Your proposed upload is smaller than the minimum allowed size', {
    ProposedSize: size,
    MinSizeAllowed: min,
  });
}

type PutInput = sdk.PutObjectCommandInput;

/** Fields that become members of PutObject. What is not here changes nothing, or is refused. */
const MEMBERS: Readonly<Record<string, keyof PutInput>> = {
  acl: 'ACL',
  'cache-control': 'CacheControl',
  'content-disposition': 'ContentDisposition',
  'content-encoding': 'ContentEncoding',
  'content-language': 'ContentLanguage',
  'content-md5': 'ContentMD5',
  'content-type': 'ContentType',
  'x-amz-acl': 'ACL',
  'x-amz-storage-class': 'StorageClass',
  'x-amz-website-redirect-location': 'WebsiteRedirectLocation',
  'x-amz-server-side-encryption': 'ServerSideEncryption',
  'x-amz-server-side-encryption-aws-kms-key-id': 'SSEKMSKeyId',
  'x-amz-server-side-encryption-context': 'SSEKMSEncryptionContext',
  'x-amz-server-side-encryption-customer-algorithm': 'SSECustomerAlgorithm',
  'x-amz-server-side-encryption-customer-key': 'SSECustomerKey',
  'x-amz-server-side-encryption-customer-key-md5': 'SSECustomerKeyMD5',
  'x-amz-object-lock-mode': 'ObjectLockMode',
  'x-amz-object-lock-legal-hold': 'ObjectLockLegalHoldStatus',
  ...Object.fromEntries(ALGORITHMS.map((name) => [`x-amz-checksum-${name.toLowerCase()}`, `Checksum${name}`])),
};
/** Fields with a meaning of their own. */
const HANDLED = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-signature',
  'x-amz-security-token',
  'x-amz-checksum-algorithm',
  'x-amz-server-side-encryption-bucket-key-enabled',
]);

function inputOf(fields: ReadonlyMap<string, string>, bucket: string, { fileName }: PostForm): PutInput {
  const key = fields.get('key');
  if (key === undefined || key === '') {
    throw invalidArgument(
      "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
      'key',
      fileName,
    );
  }
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) throw keyTooLong(Buffer.byteLength(key), MAX_KEY_BYTES);
  const input: Record<string, unknown> = { Bucket: bucket, Key: key };
  const metadata: Record<string, string> = {};
  for (const [name, value] of fields) {
    const member = MEMBERS[name];
    if (member !== undefined) input[member] = value;
    else if (name.startsWith('x-amz-meta-')) metadata[name.slice('x-amz-meta-'.length)] = value;
    else if (name.startsWith('x-amz-') && !HANDLED.has(name)) throw unsupported(`The form field ${name.slice(0, 100)}`);
  }
  input['Metadata'] = metadata;
  const tagging = fields.get('tagging');
  if (tagging !== undefined) input['Tagging'] = taggingOf(tagging);
  const expires = fields.get('expires');
  if (expires !== undefined && !Number.isNaN(Date.parse(expires))) input['Expires'] = new Date(expires);
  const bucketKey = fields.get('x-amz-server-side-encryption-bucket-key-enabled');
  if (bucketKey !== undefined) input['BucketKeyEnabled'] = bucketKey.toLowerCase() === 'true';
  return input as unknown as PutInput;
}

/** A form has its tags as XML, as PutObjectTagging has. */
function taggingOf(xml: string): string {
  const shape = operationShape(operationSchemas(sdk).get('PutObjectTagging')!);
  const member = shape.input.members.find(({ name }) => name === 'Tagging')!;
  const tags = tagSetOf(readXmlBody(member.shape, Buffer.from(xml)) as sdk.Tagging);
  return new URLSearchParams(tags).toString();
}

async function put(ctx: Context, input: Omit<PutInput, 'Body'> & { Body: AsyncIterable<Buffer> }) {
  return ctx.call<typeof sdk, 'PutObject'>('s3', 'PutObject', input as unknown as PutInput);
}

function success(
  ctx: Context,
  fields: ReadonlyMap<string, string>,
  { Bucket: bucket = '', Key: key = '' }: PutInput,
  output: sdk.PutObjectCommandOutput | Omit<sdk.PutObjectCommandOutput, '$metadata'>,
): PostAnswer {
  const etag = output.ETag ?? '';
  const location = `${ctx.publicUrl}/${bucket}/${encodeURIComponent(key)}`;
  const headers: Record<string, string> = { etag, location };
  if (output.VersionId !== undefined) headers['x-amz-version-id'] = output.VersionId;
  if (output.ServerSideEncryption !== undefined) headers['x-amz-server-side-encryption'] = output.ServerSideEncryption;
  const redirect = redirectOf(fields.get('success_action_redirect') ?? fields.get('redirect'));
  if (redirect !== undefined) {
    redirect.searchParams.append('bucket', bucket);
    redirect.searchParams.append('key', key);
    redirect.searchParams.append('etag', etag);
    return { status: 303, headers: { ...headers, location: redirect.href }, body: '' };
  }
  switch (fields.get('success_action_status')) {
    case '200':
      return { status: 200, headers, body: '' };
    case '201': {
      const parts = `<Location>${escapeXml(location)}</Location><Bucket>${escapeXml(bucket)}</Bucket><Key>${escapeXml(key)}</Key><ETag>${escapeXml(etag)}</ETag>`;
      const body = `<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>${parts}</PostResponse>`;
      return { status: 201, headers: { ...headers, 'content-type': 'application/xml' }, body };
    }
    default:
      return { status: 204, headers, body: '' };
  }
}

/** Where the browser goes afterwards; what is no web address is ignored, as S3 does. */
function redirectOf(text: string | undefined): URL | undefined {
  const url = text === undefined ? null : URL.parse(text);
  return url?.protocol === 'http:' || url?.protocol === 'https:' ? url : undefined;
}
