import * as sdk from '@aws-sdk/client-s3';
import type { RestTarget } from '../../kernel/service.ts';
import type { HttpRequest } from '../../kernel/wire/http.ts';
import { operationSchemas, operationShape } from '../../kernel/wire/shape.ts';
import { type Address, readAddress } from './address.ts';
import { invalidArgument, methodNotAllowed, s3Fault, unsupported } from './faults.ts';

type Level = 'service' | 'bucket' | 'object';

/** Operations by what a query parameter without a value selects (`?acl`): `PUT bucket` -> `policy` -> PutBucketPolicy. */
interface Selectors {
  operations: ReadonlyMap<string, ReadonlyMap<string, string>>;
  names: ReadonlySet<string>;
}

const selectors = readSelectors();

/** Reads the model's bindings once. What they leave open (`GET /?analytics` is two operations) is decided by `id`. */
function readSelectors(): Selectors {
  const operations = new Map<string, Map<string, string>>();
  const names = new Set<string>();
  for (const [operation, schema] of operationSchemas(sdk)) {
    const [method, path] = operationShape(schema).traits.http!;
    const [route, query = ''] = path.split('?') as [string, string?];
    const selector = query.split('&')[0]!;
    if (selector === '' || selector.includes('=')) continue;
    const slot = `${method} ${route === '/' ? 'bucket' : 'object'}`;
    const found = operations.get(slot) ?? new Map<string, string>();
    const listed = operation.startsWith('List') && found.has(selector);
    if (!listed) found.set(selector, operation);
    operations.set(slot, found);
    names.add(selector);
  }
  return { operations, names };
}

const NUMBERS = ['max-keys', 'max-uploads', 'max-parts', 'max-buckets', 'part-number-marker', 'partNumber'];

/**
 * The operation and labels of a request, by method, host, path, query and headers.
 * @param publicHosts names under which the installation is reached
 * @throws where S3 has no such operation
 */
export function identify(request: HttpRequest, publicHosts: ReadonlySet<string>): RestTarget {
  const address = readAddress(request.host, request.path, publicHosts);
  const query = new URLSearchParams(request.query.replaceAll('+', '%20'));
  for (const name of NUMBERS) {
    const value = query.get(name);
    if (value !== null && !/^\d{1,10}$/.test(value)) {
      throw invalidArgument(`Provided ${name} not an integer or within integer range`, name, value);
    }
  }
  const headers = statedHeaders(query);
  return {
    operation: operationOf(request, address, query, headers?.['x-amz-copy-source'] !== undefined),
    ...(headers === undefined ? {} : { headers }),
    labels: {
      ...(address.bucket === undefined ? {} : { Bucket: address.bucket }),
      ...(address.key === undefined ? {} : { Key: address.key }),
    },
  };
}

/** Headers that stand in the query only as part of the signature or of the body's form, or that S3 does not take from there. */
const NOT_FROM_QUERY =
  /^x-amz-(algorithm|credential|date|expires|signature|signedheaders|security-token|content-sha256|decoded-content-length|trailer|sdk-checksum-algorithm|checksum-(crc|sha|md5|xx).*)$/;

/**
 * The `x-amz-*` headers that a presigned URL carries in its query, where its signature covers them: SDKs put metadata and
 * the like there. Checksums in the query are those of the empty body that the SDK had when it signed; S3 does not look at them.
 */
function statedHeaders(query: URLSearchParams): Record<string, string> | undefined {
  if (!query.has('X-Amz-Signature')) return undefined;
  const headers: Record<string, string> = {};
  for (const [name, value] of query) {
    const lower = name.toLowerCase();
    if (!lower.startsWith('x-amz-') || NOT_FROM_QUERY.test(lower)) continue;
    headers[lower] = Buffer.from(value).toString('latin1');
  }
  return headers;
}

function operationOf(request: HttpRequest, address: Address, query: URLSearchParams, statesCopy: boolean): string {
  const { method } = request;
  const level: Level = address.bucket === undefined ? 'service' : address.key === undefined ? 'bucket' : 'object';
  if (method === 'OPTIONS') {
    throw s3Fault('BadRequest', 400, 'Invalid Access-Control-Request-Method: null');
  }
  const selected = selectedBy(method, level, query);
  if (selected !== undefined) return selected;
  const plain = level === 'service' ? serviceOperation(method) : PLAIN[level](request, query, statesCopy);
  if (plain === undefined) throw methodNotAllowed(method, level.toUpperCase());
  refuseUnknownSelectors(method, query);
  return plain;
}

/** @throws when two selectors contradict each other, or one has no operation of this method */
function selectedBy(method: string, level: Level, query: URLSearchParams): string | undefined {
  const given = [...new Set(query.keys())].filter((name) => selectors.names.has(name));
  if (given.length === 0) return undefined;
  if (given.length > 1) {
    throw invalidArgument(`Conflicting query string parameters: ${given.join(', ')}`, 'ResourceType', given[0]);
  }
  const [selector] = given as [string];
  const operation = selectors.operations.get(`${method} ${level}`)?.get(selector);
  if (operation === undefined) throw methodNotAllowed(method, selector.toUpperCase());
  const lists = operation.startsWith('Get') && LISTED_WITHOUT_ID.has(selector) && !query.has('id');
  return lists ? operation.replace(/^Get(.*)$/, 'List$1s') : operation;
}

const LISTED_WITHOUT_ID = new Set(['analytics', 'intelligent-tiering', 'inventory', 'metrics']);

function serviceOperation(method: string): string | undefined {
  return method === 'GET' ? 'ListBuckets' : undefined;
}

const PLAIN = {
  bucket(request: HttpRequest, query: URLSearchParams): string | undefined {
    switch (request.method) {
      case 'GET':
        return query.get('list-type') === '2' ? 'ListObjectsV2' : 'ListObjects';
      case 'PUT':
        return 'CreateBucket';
      case 'HEAD':
        return 'HeadBucket';
      case 'DELETE':
        return 'DeleteBucket';
      case 'POST':
        throw unsupported('Uploading with a POST form');
      default:
        return undefined;
    }
  },
  object(request: HttpRequest, query: URLSearchParams, statesCopy: boolean): string | undefined {
    const ofUpload = query.has('uploadId');
    const copies = statesCopy || request.headers['x-amz-copy-source'] !== undefined;
    switch (request.method) {
      case 'GET':
        return ofUpload ? 'ListParts' : 'GetObject';
      case 'HEAD':
        return 'HeadObject';
      case 'PUT':
        if (ofUpload !== query.has('partNumber')) {
          throw invalidArgument('A part needs both uploadId and partNumber', 'uploadId', query.get('uploadId'));
        }
        return ofUpload ? (copies ? 'UploadPartCopy' : 'UploadPart') : copies ? 'CopyObject' : 'PutObject';
      case 'DELETE':
        return ofUpload ? 'AbortMultipartUpload' : 'DeleteObject';
      case 'POST':
        return ofUpload ? 'CompleteMultipartUpload' : undefined;
      default:
        return undefined;
    }
  },
};

/** A selector that this version of the model does not know must not turn into a plain write or delete. */
function refuseUnknownSelectors(method: string, query: URLSearchParams): void {
  if (method === 'GET' || method === 'HEAD') return;
  for (const [name, value] of query) {
    if (value === '' && !/^x-amz-/i.test(name)) throw unsupported(`The query parameter ${name.slice(0, 100)}`);
  }
}
