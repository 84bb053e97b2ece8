/** Websites of buckets: what a bucket policy lets everybody read, as pages. Source: S3 User Guide, "Hosting a static website". */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type * as sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import type { Route } from '../../kernel/service.ts';
import { spell } from '../../kernel/wire/errors.ts';
import type { Exchange, HttpRequest } from '../../kernel/wire/http.ts';
import { lacksSlash, readWebsiteAddress, type WebsiteAddress } from './address.ts';
import { crossOriginHeaders } from './cors.ts';
import { methodNotAllowed, noSuchBucket, s3Fault } from './faults.ts';
import { findBucket } from './find-bucket.ts';
import { errorPage } from './website-pages.ts';
import { type Entrance, pathOfKey, redirectAll, redirectByRule, type WebsiteRedirect } from './website-rules.ts';

type Page = Awaited<ReturnType<typeof openObject>>;

/** One visit: whose website, which page, by which door. */
interface Visit {
  ctx: Context;
  request: HttpRequest;
  address: WebsiteAddress;
  website: sdk.WebsiteConfiguration;
  entrance: Entrance;
}

type Outcome =
  | { kind: 'page'; status: number; page: Page }
  | { kind: 'redirect'; redirect: WebsiteRedirect }
  | { kind: 'error'; error: Fault; document: Page | undefined };

/** The route of all websites. @param publicHosts names under which the installation is reached */
export function websiteRoute(publicHosts: ReadonlySet<string>): Route {
  return {
    name: 's3-website',
    matches: ({ host, path }) => readWebsiteAddress(host, path, publicHosts) !== undefined,
    async handle(exchange) {
      const { request, ctx } = exchange;
      const address = readWebsiteAddress(request.host, request.path, publicHosts)!;
      let outcome: Outcome;
      try {
        outcome = await visit(ctx, request, address);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        outcome = { kind: 'error', error, document: undefined };
      }
      const bucket = request.headers['origin'] === undefined ? undefined : await findBucket(ctx, address.bucket);
      const shared = bucket === undefined ? {} : crossOriginHeaders(bucket, request);
      await send(exchange, address, outcome, shared);
    },
  };
}

async function visit(ctx: Context, request: HttpRequest, address: WebsiteAddress): Promise<Outcome> {
  if (request.method !== 'GET' && request.method !== 'HEAD') throw methodNotAllowed(request.method, 'OBJECT');
  const bucket = await findBucket(ctx, address.bucket);
  if (bucket === undefined) throw noSuchBucket(address.bucket);
  if (bucket.website === null) {
    throw s3Fault('NoSuchWebsiteConfiguration', 404, 'The specified bucket does not have a website configuration', {
      BucketName: bucket.name,
    });
  }
  const website = JSON.parse(bucket.website) as sdk.WebsiteConfiguration;
  const protocol = ctx.publicUrl.startsWith('https:') ? 'https' : 'http';
  const entrance: Entrance = { protocol, host: request.host, base: address.base };
  if (website.RedirectAllRequestsTo !== undefined) {
    return { kind: 'redirect', redirect: redirectAll(website.RedirectAllRequestsTo, address.path, entrance) };
  }
  if (lacksSlash(request.path) && address.base !== '') {
    return { kind: 'redirect', redirect: { status: 302, location: `${address.base}/` } };
  }
  return visitPage({ ctx, request, address, website, entrance });
}

async function visitPage(visitor: Visit): Promise<Outcome> {
  const { address, website, entrance } = visitor;
  const suffix = website.IndexDocument!.Suffix!;
  const { path } = address;
  const key = path === '' || path.endsWith('/') ? `${path}${suffix}` : path;
  const moved = redirectByRule(website.RoutingRules, path, undefined, entrance);
  if (moved !== undefined) return { kind: 'redirect', redirect: moved };
  try {
    const page = await openObject(visitor, key);
    const elsewhere = page.WebsiteRedirectLocation;
    if (elsewhere === undefined) return { kind: 'page', status: statusOf(page), page };
    discard(page);
    return { kind: 'redirect', redirect: { status: 301, location: elsewhere } };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return missed(visitor, key, error);
  }
}

/** No such page for this visitor: a folder, a rule for errors, the error document, or a plain error. */
async function missed(visitor: Visit, key: string, error: Fault): Promise<Outcome> {
  const { address, website, entrance } = visitor;
  const folder = `${key}/${website.IndexDocument!.Suffix!}`;
  if (key === address.path && (await isReadable(visitor, folder))) {
    return { kind: 'redirect', redirect: { status: 302, location: `${address.base}/${pathOfKey(key)}/` } };
  }
  const status = statusOfFault(error);
  const moved = redirectByRule(website.RoutingRules, address.path, status, entrance);
  if (moved !== undefined) return { kind: 'redirect', redirect: moved };
  const documentKey = website.ErrorDocument?.Key;
  if (documentKey === undefined || status >= 500 || !(await isReadable(visitor, documentKey))) {
    return { kind: 'error', error, document: undefined };
  }
  return {
    kind: 'error',
    error,
    document: await openObject({ ...visitor, request: withoutConditions(visitor.request) }, documentKey),
  };
}

function withoutConditions(request: HttpRequest): HttpRequest {
  return { ...request, headers: {} };
}

/** Opens an object as the anonymous visitor that he is: the same call, rights and record as over the API. */
async function openObject({ ctx, request, address }: Visit, key: string): Promise<sdk.GetObjectCommandOutput> {
  const { headers } = request;
  const input = {
    Bucket: address.bucket,
    Key: key,
    Range: headers['range'],
    IfNoneMatch: headers['if-none-match'],
    IfModifiedSince: dateOf(headers['if-modified-since']),
  };
  const output =
    request.method === 'HEAD'
      ? await ctx.call<typeof sdk, 'HeadObject'>('s3', 'HeadObject', input)
      : await ctx.call<typeof sdk, 'GetObject'>('s3', 'GetObject', input);
  return output as sdk.GetObjectCommandOutput;
}

async function isReadable({ ctx, address }: Visit, key: string): Promise<boolean> {
  try {
    await ctx.call<typeof sdk, 'HeadObject'>('s3', 'HeadObject', { Bucket: address.bucket, Key: key });
    return true;
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
}

function dateOf(text: string | undefined): Date | undefined {
  const date = text === undefined ? undefined : new Date(text);
  return date === undefined || Number.isNaN(date.getTime()) ? undefined : date;
}

function discard(page: Page): void {
  if (page.Body instanceof Readable) page.Body.destroy();
}

function statusOf(page: Page): number {
  if (page.ContentLength === undefined) return 304;
  return page.ContentRange === undefined ? 200 : 206;
}

function statusOfFault(error: Fault): number {
  return error.status || spell(error.name, 's3')?.status || (error.name.startsWith('NoSuch') ? 404 : 400);
}

async function send(
  { request, response, ctx }: Exchange,
  address: WebsiteAddress,
  outcome: Outcome,
  shared: Readonly<Record<string, string>>,
): Promise<void> {
  const bodiless = request.method === 'HEAD';
  const headers = { ...shared, ...securityHeaders(address) };
  if (!request.message.complete) headers['connection'] = 'close';
  if (outcome.kind === 'redirect') {
    headers['location'] = headerText(outcome.redirect.location);
    headers['content-length'] = '0';
    response.writeHead(outcome.redirect.status, headers).end();
    return;
  }
  const page = outcome.kind === 'page' ? outcome.page : outcome.document;
  const status = outcome.kind === 'page' ? outcome.status : statusOfFault(outcome.error);
  if (page !== undefined) {
    Object.assign(headers, pageHeaders(page));
    response.writeHead(status, headers);
    if (bodiless || !(page.Body instanceof Readable)) response.end();
    else await pipeline(page.Body, response);
    return;
  }
  const { error } = outcome as { error: Fault };
  const html = errorPage(status, error, ctx.requestId);
  headers['content-type'] = 'text/html; charset=utf-8';
  headers['content-length'] = String(Buffer.byteLength(html));
  response.writeHead(status, headers).end(bodiless ? undefined : html);
}

/**
 * A page at the address by path shares its origin with the API and the console: it runs in a sandbox of its own, with an
 * origin of its own, and may load its own public files from there.
 */
function securityHeaders({ base }: WebsiteAddress): Record<string, string> {
  return {
    'x-content-type-options': 'nosniff',
    ...(base === ''
      ? {}
      : {
          'content-security-policy':
            'sandbox allow-downloads allow-forms allow-modals allow-popups allow-popups-to-escape-sandbox allow-scripts',
          'access-control-allow-origin': '*',
        }),
  };
}

function pageHeaders(page: Page): Record<string, string> {
  const headers: Record<string, string | undefined> = {
    'accept-ranges': 'bytes',
    'cache-control': page.CacheControl,
    'content-disposition': page.ContentDisposition,
    'content-encoding': page.ContentEncoding,
    'content-language': page.ContentLanguage,
    'content-length': page.ContentLength === undefined ? undefined : String(page.ContentLength),
    'content-range': page.ContentRange,
    'content-type': page.ContentType,
    etag: page.ETag,
    expires: page.Expires?.toUTCString(),
    'last-modified': page.LastModified?.toUTCString(),
  };
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, headerText(value)]])),
  );
}

/** UTF-8 as the bytes of a header, without what could end it. */
function headerText(text: string): string {
  return Buffer.from(text.replace(/[\0-\x08\x0a-\x1f\x7f]/g, ' '), 'utf8').toString('latin1');
}
