import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as sdk from '@aws-sdk/client-s3';
import type { HttpRequest } from '../../kernel/wire/http.ts';
import { operationSchemas, operationShape } from '../../kernel/wire/shape.ts';
import { identify } from './identify.ts';

const NONE = new Set<string>();

function request(method: string, target: string, headers: Record<string, string> = {}): HttpRequest {
  const [path = '', query = ''] = target.split('?');
  return { method, path, query, host: '127.0.0.1', headers, rawHeaders: [], message: undefined as never };
}

const operation = (method: string, target: string, headers?: Record<string, string>) =>
  identify(request(method, target, headers), NONE).operation;

test('every operation of the model that has a selector is found by it', () => {
  for (const [name, schema] of operationSchemas(sdk)) {
    const [method, path] = operationShape(schema).traits.http!;
    const [route, query = ''] = path.split('?') as [string, string?];
    const selector = query.split('&')[0]!;
    if (selector === '' || selector.includes('=') || /Annotation/.test(name)) continue;
    const lists = /^List.*Configurations$/.test(name);
    const id = /Analytics|Tiering|Inventory|Metrics/.test(name) && !lists ? '&id=x' : '';
    const target = `${route === '/' ? '/bucket' : '/bucket/key'}?${selector}${id}`;
    assert.equal(operation(method, target), name, `${method} ${target}`);
    assert.equal(operation(method, `${target.replace(selector, `${selector}=`)}&x-id=${name}`), name);
  }
});

test('operations without a selector', () => {
  const cases: [string, string, string, Record<string, string>?][] = [
    ['GET', '/', 'ListBuckets'],
    ['GET', '/?x-id=ListBuckets', 'ListBuckets'],
    ['PUT', '/b', 'CreateBucket'],
    ['HEAD', '/b/', 'HeadBucket'],
    ['DELETE', '/b', 'DeleteBucket'],
    ['GET', '/b?prefix=x', 'ListObjects'],
    ['GET', '/b?list-type=2&prefix=', 'ListObjectsV2'],
    ['GET', '/b/k?versionId=1&response-content-type=x', 'GetObject'],
    ['HEAD', '/b/k', 'HeadObject'],
    ['PUT', '/b/k?x-id=PutObject', 'PutObject'],
    ['PUT', '/b/k', 'CopyObject', { 'x-amz-copy-source': 'b/o' }],
    ['PUT', '/b/k?partNumber=1&uploadId=u', 'UploadPart'],
    ['PUT', '/b/k?partNumber=1&uploadId=u', 'UploadPartCopy', { 'x-amz-copy-source': 'b/o' }],
    ['POST', '/b/k?uploads', 'CreateMultipartUpload'],
    ['POST', '/b/k?uploadId=u', 'CompleteMultipartUpload'],
    ['GET', '/b/k?uploadId=u&max-parts=2', 'ListParts'],
    ['DELETE', '/b/k?uploadId=u', 'AbortMultipartUpload'],
    ['DELETE', '/b/k?versionId=v', 'DeleteObject'],
    ['POST', '/b?delete', 'DeleteObjects'],
  ];
  for (const [method, target, expected, headers] of cases) {
    assert.equal(operation(method, target, headers), expected, `${method} ${target}`);
  }
});

test('I12: what names no operation never becomes another one', () => {
  const cases: [string, string, string][] = [
    // A selector without an operation of that method must not fall through to DeleteBucket, PutObject, ...
    ['DELETE', '/b?versioning', 'MethodNotAllowed'],
    ['DELETE', '/b?acl', 'MethodNotAllowed'],
    ['PUT', '/b/k?torrent', 'MethodNotAllowed'],
    ['GET', '/b?delete', 'MethodNotAllowed'],
    ['POST', '/b/k', 'MethodNotAllowed'],
    ['PATCH', '/b/k', 'MethodNotAllowed'],
    ['POST', '/', 'MethodNotAllowed'],
    ['DELETE', '/', 'MethodNotAllowed'],
    // A selector of a future model.
    ['DELETE', '/b?shiny', 'NotImplemented'],
    ['PUT', '/b/k?shiny=', 'NotImplemented'],
    ['POST', '/b', 'NotImplemented'],
    ['PUT', '/b?acl&tagging', 'InvalidArgument'],
    ['PUT', '/b/k?uploadId=u', 'InvalidArgument'],
    ['PUT', '/b/k?partNumber=1', 'InvalidArgument'],
    ['GET', '/b?max-keys=-1', 'InvalidArgument'],
    ['GET', '/b?max-keys=many', 'InvalidArgument'],
    ['OPTIONS', '/b/k', 'BadRequest'],
  ];
  for (const [method, target, name] of cases) {
    assert.throws(() => operation(method, target), { name }, `${method} ${target}`);
  }
});

test('what a presigned URL states in its query counts like a header, but for checksums and the signature', () => {
  const { headers, operation: found } = identify(
    request(
      'PUT',
      '/b/k?X-Amz-Signature=1&X-Amz-Date=2&x-amz-meta-name=%C3%A9&X-Amz-Acl=private&x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32&x-amz-copy-source=b%2Fo',
    ),
    NONE,
  );
  assert.equal(found, 'CopyObject');
  assert.deepEqual(headers, {
    'x-amz-meta-name': Buffer.from('é').toString('latin1'),
    'x-amz-acl': 'private',
    'x-amz-copy-source': 'b/o',
  });
  assert.equal(identify(request('PUT', '/b/k?x-amz-meta-name=x'), NONE).headers, undefined, 'not without a signature');
});
