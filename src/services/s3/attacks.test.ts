import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { GetObjectCommand, PutObjectCommand, S3 } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { startServer } from '../../../test/harness.ts';
import { type RawRequest, send, sendSigned, signedHeaders } from '../../kernel/testing/raw-http.ts';
import { s3 as service } from './service.ts';
import { bytesOf, refused, textOf } from './testing/refusals.ts';

const Bucket = 'target';

test('A1: keys are data, whatever they look like', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  await s3.createBucket({ Bucket });
  const raw = (method: string, path: string, body?: string): ReturnType<typeof send> =>
    sendSigned(server.url, 's3', server.root, {
      method,
      path: `/${Bucket}/${path}`,
      ...(body === undefined ? {} : { body }),
    });
  const paths = [
    '../../../etc/passwd',
    '..',
    '.',
    '/',
    '/absolute',
    'a//b',
    'a',
    'a/b',
    'a/b/',
    '%00',
    'nul%00inside',
    'new%0Aline',
    '%C3%A9',
    '..%5C..%5Cwindows',
    'CON',
    '%3Cscript%3E',
    'x'.repeat(1024),
    '%F0%9F%9A%80',
    '__proto__',
  ];
  for (const [at, path] of paths.entries()) assert.equal((await raw('PUT', path, `body ${at}`)).status, 200, path);
  for (const [at, path] of paths.entries()) assert.equal((await raw('GET', path)).text, `body ${at}`, path);
  const { KeyCount, Contents } = await s3.listObjectsV2({ Bucket, EncodingType: 'url' });
  assert.equal(KeyCount, paths.length);
  const keys = new Set(Contents!.map(({ Key }) => decodeURIComponent(Key!.replaceAll('+', ' '))));
  assert.ok(keys.has('../../../etc/passwd') && keys.has('nul\0inside') && keys.has('a//b') && keys.has('__proto__'));
  for (const path of ['x'.repeat(1025), '%FF%FE', '%C3%28'])
    assert.equal((await raw('PUT', path, 'x')).status, 400, path);
  const files = await readdir(join(server.config.data, 'blobs'), { recursive: true, withFileTypes: true });
  for (const entry of files.filter((one) => one.isFile())) assert.match(entry.name, /^[0-9a-z]+-[0-9a-f-]{36}$/);
  for (const path of paths) assert.equal((await raw('DELETE', path)).status, 204, path);
  assert.equal((await s3.listObjectsV2({ Bucket })).KeyCount, 0);
});

test('A7: XML bodies', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  await s3.createBucket({ Bucket });
  await s3.putObject({ Bucket, Key: 'kept', Body: 'x' });
  const post = (body: string | Buffer, path = `/${Bucket}?delete=`, method = 'POST') =>
    sendSigned(server.url, 's3', server.root, { method, path, body });
  const entity = '<!DOCTYPE d [<!ENTITY k "kept"><!ENTITY f SYSTEM "file:///etc/passwd">]>';
  const deep = `${'<a>'.repeat(20_000)}${'</a>'.repeat(20_000)}`;
  const cases: [string, string | Buffer][] = [
    ['an entity', `${entity}<Delete><Object><Key>&k;</Key></Object></Delete>`],
    ['an external entity', `${entity}<Delete><Object><Key>&f;</Key></Object></Delete>`],
    ['no XML', 'kept'],
    ['cut off', '<Delete><Object><Key>kept</Key>'],
    ['nothing to delete', '<Delete></Delete>'],
    ['a tag twice', '<Delete><Object><Key>a</Key><Key>kept</Key></Object></Delete>'],
    ['1001 keys', `<Delete>${'<Object><Key>kept</Key></Object>'.repeat(1001)}</Delete>`],
    ['deep', `<Delete>${deep}</Delete>`],
    ['a character that is none', '<Delete><Object><Key>&#x110000;</Key></Object></Delete>'],
    ['bytes that are no text', Buffer.from('<Delete><Object><Key>\xff</Key></Object></Delete>', 'latin1')],
  ];
  for (const [name, body] of cases) {
    const answer = await post(body);
    assert.equal(answer.status, 400, `${name}: ${answer.status} ${answer.text.slice(0, 200)}`);
    assert.match(answer.text, /<Code>MalformedXML<\/Code>/, name);
  }
  const large = await post(`<Delete>${`<Object><Key>${'x'.repeat(1000)}</Key></Object>`.repeat(10_000)}</Delete>`);
  assert.deepEqual([large.status, /EntityTooLarge/.test(large.text)], [400, true]);
  const form = await send(server.url, {
    method: 'POST',
    path: `/${Bucket}`,
    headers: { 'content-type': 'multipart/form-data; boundary=x' },
    body: '--x\r\nContent-Disposition: form-data; name="key"\r\n\r\nkept\r\n--x--\r\n',
  });
  assert.equal(form.status, 400);
  assert.equal(await textOf(await s3.getObject({ Bucket, Key: 'kept' })), 'x');
  // A reference that is read as another character would delete another object.
  const escaped = '&lt;tag&gt; &amp; &#xE9; &#128640;&#x1F680; <![CDATA[&#128640;]]>&quot;';
  await post(`<Delete><Object><Key>${escaped}</Key></Object></Delete>`);
  const answer = await post(`<Delete><Object><Key>${escaped}</Key></Object></Delete>`);
  assert.match(answer.text, /<Key>&lt;tag&gt; &amp; é \u{1F680}{2} &amp;#128640;&quot;<\/Key>/u);
});

test('A8: anonymous callers get 403 from every operation', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  await s3.createBucket({ Bucket });
  await s3.putObject({ Bucket, Key: 'object', Body: 'kept' });
  const { UploadId } = await s3.createMultipartUpload({ Bucket, Key: 'object' });
  const bodies: Record<string, string> = {
    DeleteObjects: '<Delete><Object><Key>object</Key></Object></Delete>',
  };
  let asked = 0;
  for (const name of service.operations.keys()) {
    const [method, template] = service.operationShape(name)!.traits.http!;
    const [route, query = ''] = template.split('?') as [string, string?];
    const base = name === 'ListBuckets' ? '/' : name === 'CreateBucket' ? '/fresh' : `/${Bucket}`;
    const upload = /Part|Multipart/.test(name) && !/^(Create|ListMultipart)/.test(name);
    const more = upload ? `uploadId=${UploadId}${name.startsWith('UploadPart') ? '&partNumber=1' : ''}` : '';
    const path = `${base}${route === '/' ? '' : '/object'}?${[query, more].filter((part) => part !== '').join('&')}`;
    const headers: Record<string, string> = /Copy/.test(name) ? { 'x-amz-copy-source': `${Bucket}/object` } : {};
    const body = bodies[name];
    const request: RawRequest = { method, path, headers, ...(body === undefined ? {} : { body }) };
    const answer = await send(server.url, request);
    assert.equal(answer.status, 403, `${name}: ${method} ${path} gave ${answer.status} ${answer.text}`);
    if (method !== 'HEAD') assert.match(answer.text, /<Code>AccessDenied<\/Code>/, name);
    asked++;
  }
  assert.ok(asked >= 55, `${asked} operations were asked`);
  assert.equal(await textOf(await s3.getObject({ Bucket, Key: 'object' })), 'kept');
  assert.equal((await s3.listBuckets({})).Buckets?.length, 1);
  assert.equal((await s3.listMultipartUploads({ Bucket })).Uploads?.length, 1);
});

test('S1: a header that was not signed cannot change what happens', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  await s3.createBucket({ Bucket });
  await s3.putObject({ Bucket, Key: 'source', Body: 'secret' });
  const host = new URL(server.url).host;
  const unsigned = {
    'x-amz-copy-source': `${Bucket}/source`,
    'x-amz-meta-added': 'x',
    'x-amz-acl': 'private',
    'x-amz-tagging': 'a=b',
    'x-amz-website-redirect-location': '/elsewhere',
    'x-amz-security-token': 'x',
    'x-amz-server-side-encryption': 'AES256',
  };
  const command = new PutObjectCommand({ Bucket, Key: 'presigned' });
  const client = presigning(server.url, server.root);
  t.after(() => client.destroy());
  const url = new URL(await getSignedUrl(client, command, { expiresIn: 60 }));
  for (const [name, value] of Object.entries(unsigned)) {
    const request: RawRequest = { method: 'PUT', path: `/${Bucket}/headers`, body: 'x' };
    const headers = { ...signedHeaders(request, host, 's3', server.root), [name]: value };
    const answer = await send(server.url, { ...request, headers });
    assert.ok([400, 403].includes(answer.status), `${name}: ${answer.status} ${answer.text}`);
    const path = `${url.pathname}${url.search}`;
    const presigned = await send(server.url, { method: 'PUT', path, headers: { host, [name]: value }, body: 'x' });
    assert.ok([400, 403].includes(presigned.status), `presigned ${name}: ${presigned.status} ${presigned.text}`);
  }
  // A header of the signature that was changed afterwards.
  const request: RawRequest = {
    method: 'PUT',
    path: `/${Bucket}/headers`,
    headers: { 'x-amz-meta-a': '1' },
    body: 'x',
  };
  const changed = { ...signedHeaders(request, host, 's3', server.root), 'x-amz-meta-a': '2' };
  assert.equal((await send(server.url, { ...request, headers: changed })).status, 403);
  const elsewhere = { ...signedHeaders(request, host, 's3', server.root), host: 'other.localhost' };
  assert.equal((await send(server.url, { ...request, headers: elsewhere })).status, 403);
  assert.equal((await s3.listObjectsV2({ Bucket })).KeyCount, 1);
});

test('S2: one form of signature, and a body mode that fits the call', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  await s3.createBucket({ Bucket });
  await s3.putObject({ Bucket, Key: 'object', Body: 'kept' });
  const host = new URL(server.url).host;
  const client = presigning(server.url, server.root);
  t.after(() => client.destroy());
  const get = new URL(await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: 'object' }), { expiresIn: 60 }));
  const signedPath = `${get.pathname}${get.search}`;
  const ask = (method: string, path: string, headers: Record<string, string> = {}) =>
    send(server.url, { method, path, headers: { host, ...headers } });
  assert.equal((await ask('GET', signedPath)).text, 'kept');

  const header = signedHeaders({ method: 'GET', path: `/${Bucket}/object` }, host, 's3', server.root);
  assert.equal((await ask('GET', signedPath, header)).status, 400, 'both forms');
  for (const name of ['X-Amz-Signature', 'X-Amz-Credential', 'X-Amz-Expires', 'X-Amz-Date', 'X-Amz-SignedHeaders']) {
    const query = new URLSearchParams(get.search);
    query.delete(name);
    const answer = await ask('GET', `${get.pathname}?${query}`);
    assert.ok([400, 403].includes(answer.status), `without ${name}: ${answer.status}`);
  }
  for (const method of ['HEAD', 'DELETE', 'PUT']) {
    assert.equal((await ask(method, signedPath)).status, 403, `${method} with the URL of a GET`);
  }
  assert.equal((await ask('GET', signedPath.replace('/object?', '/other?'))).status, 403);
  for (const mode of [
    'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
    'STREAMING-NONSENSE',
    'nonsense',
  ]) {
    for (const [method, path] of [
      ['GET', `/${Bucket}/object`],
      ['DELETE', `/${Bucket}/object`],
      ['PUT', `/${Bucket}?policy=`],
      ['POST', `/${Bucket}?delete=`],
    ] as const) {
      const answer = await sendSigned(server.url, 's3', server.root, {
        method,
        path,
        headers: { 'x-amz-content-sha256': mode },
      });
      assert.equal(answer.status, 400, `${method} ${path} ${mode}: ${answer.status} ${answer.text}`);
    }
  }
  assert.equal((await bytesOf(await s3.getObject({ Bucket, Key: 'object' }))).toString(), 'kept');
});

test('presigned URLs', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  await s3.createBucket({ Bucket });
  const client = presigning(server.url, server.root);
  t.after(() => client.destroy());

  await t.test('put, with the metadata that the signer chose', async () => {
    const command = new PutObjectCommand({
      Bucket,
      Key: 'dir/a b+é',
      ContentType: 'text/plain',
      Metadata: { by: 'é' },
    });
    const url = await getSignedUrl(client, command, { expiresIn: 60 });
    const answer = await fetch(url, { method: 'PUT', body: 'uploaded', headers: { 'content-type': 'text/plain' } });
    assert.equal(answer.status, 200, await answer.text());
    const got = await s3.getObject({ Bucket, Key: 'dir/a b+é' });
    assert.equal(await textOf(got), 'uploaded');
    assert.equal(Buffer.from(got.Metadata!['by']!, 'latin1').toString(), 'é');
    assert.equal(got.ContentType, 'text/plain');
  });

  await t.test('get, with headers that the signer chose, and ranges', async () => {
    const command = new GetObjectCommand({
      Bucket,
      Key: 'dir/a b+é',
      ResponseContentType: 'application/x-special',
      ResponseContentDisposition: 'attachment; filename="x.txt"',
    });
    const url = await getSignedUrl(client, command, { expiresIn: 60 });
    const answer = await fetch(url, { headers: { range: 'bytes=2-4' } });
    assert.equal(answer.status, 206);
    assert.equal(await answer.text(), 'loa');
    assert.equal(answer.headers.get('content-type'), 'application/x-special');
    assert.equal(answer.headers.get('content-disposition'), 'attachment; filename="x.txt"');
    const tampered = await fetch(url.replace('x-special', 'x-other'));
    assert.equal(tampered.status, 403);
    await tampered.text();
  });

  await t.test('give no more than the signer may', async () => {
    const { keys } = await server.user('weak', {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/public/*` }],
    });
    const weak = presigning(server.url, keys);
    t.after(() => weak.destroy());
    const url = await getSignedUrl(weak, new GetObjectCommand({ Bucket, Key: 'dir/a b+é' }), { expiresIn: 60 });
    const answer = await fetch(url);
    assert.deepEqual([answer.status, /AccessDenied/.test(await answer.text())], [403, true]);
  });

  await t.test('expire', async () => {
    const signingDate = new Date(Date.now() - 120_000);
    const url = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: 'x' }), { expiresIn: 60, signingDate });
    const answer = await fetch(url);
    assert.deepEqual([answer.status, /Request has expired/.test(await answer.text())], [403, true]);
  });
});

test('virtual-host style addresses', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  await s3.createBucket({ Bucket });
  await s3.putObject({ Bucket, Key: 'a/b', Body: 'by host' });
  const { port } = new URL(server.url);
  for (const host of [
    `${Bucket}.localhost:${port}`,
    `${Bucket}.s3.localhost:${port}`,
    `${Bucket}.s3.us-east-1.localhost`,
    `${Bucket}.s3.us-east-1.amazonaws.com`,
  ]) {
    const request: RawRequest = { method: 'GET', path: '/a/b' };
    const answer = await send(server.url, { ...request, headers: signedHeaders(request, host, 's3', server.root) });
    assert.deepEqual([answer.status, answer.text], [200, 'by host'], host);
    const list: RawRequest = { method: 'GET', path: '/?list-type=2' };
    const listed = await send(server.url, { ...list, headers: signedHeaders(list, host, 's3', server.root) });
    assert.match(listed.text, /<Key>a\/b<\/Key>/);
  }
  // The bucket of the host is what counts, whatever the path looks like.
  const request: RawRequest = { method: 'GET', path: `/${Bucket}/a/b` };
  const headers = signedHeaders(request, `${Bucket}.localhost:${port}`, 's3', server.root);
  assert.equal((await send(server.url, { ...request, headers })).status, 404);
});

function presigning(endpoint: string, credentials: { accessKeyId: string; secretAccessKey: string }): S3 {
  return new S3({ endpoint, region: 'us-east-1', credentials, forcePathStyle: true, maxAttempts: 1 });
}

test('no object call answers to a bucket name that is none', async (t) => {
  const server = await startServer(t);
  for (const path of ['/../x', '/./x', '//x', '/UPPER/x', '/a%20b/x', '/__proto__/x']) {
    const answer = await sendSigned(server.url, 's3', server.root, { method: 'GET', path });
    assert.ok([400, 404].includes(answer.status), `${path}: ${answer.status} ${answer.text}`);
  }
  await refused(server.root_.s3.putObject({ Bucket: '__proto__', Key: 'x', Body: 'x' }), 'NoSuchBucket', 404);
});
