import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { connect } from 'node:net';
import { test } from 'node:test';
import { type Keys, startServer } from '../../../test/harness.ts';
import { send } from '../../kernel/testing/raw-http.ts';
import { refused, textOf } from './testing/refusals.ts';

const Bucket = 'uploads';
const BOUNDARY = 'form-boundary';
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();

interface Signing {
  conditions?: unknown[];
  expiresInMs?: number;
  bucket?: string;
  at?: Date;
}

/** The fields of a signed form, as every SDK makes them. */
function signed(keys: Keys, fields: Record<string, string>, options: Signing = {}): Record<string, string> {
  const { conditions = [], expiresInMs = 60_000, bucket = Bucket, at = new Date() } = options;
  const date = at.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const scope = `${date.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const all: Record<string, string> = {
    ...fields,
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `${keys.accessKeyId}/${scope}`,
    'x-amz-date': date,
    ...(keys.sessionToken === undefined ? {} : { 'x-amz-security-token': keys.sessionToken }),
  };
  const document = {
    expiration: new Date(Date.now() + expiresInMs).toISOString(),
    conditions: [
      { bucket },
      ...Object.entries(all)
        .filter(([name]) => !conditions.some((one) => Array.isArray(one) && one[1] === `$${name}`))
        .map(([name, value]) => ({ [name]: value })),
      ...conditions,
    ],
  };
  const policy = Buffer.from(JSON.stringify(document)).toString('base64');
  const key = scope
    .split('/')
    .reduce<string | Buffer>((secret, part) => hmac(secret, part), `AWS4${keys.secretAccessKey}`);
  return { ...all, policy, 'x-amz-signature': hmac(key, policy).toString('hex') };
}

type Part = [name: string, value: string, fileName?: string];

function bodyOf(parts: readonly Part[]): string {
  const texts = parts.map(([name, value, fileName]) => {
    const file = fileName === undefined ? '' : `; filename="${fileName}"\r\nContent-Type: text/x`;
    return `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n${value}\r\n`;
  });
  return `${texts.join('')}--${BOUNDARY}--\r\n`;
}

test('uploads from forms', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  await s3.createBucket({ Bucket });
  const postParts = (parts: readonly Part[], bucket = Bucket, headers: Record<string, string> = {}) =>
    send(server.url, {
      method: 'POST',
      path: `/${bucket}`,
      headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}`, ...headers },
      body: bodyOf(parts),
    });
  const post = (fields: Record<string, string>, file = 'content', fileName = 'photo.jpg', bucket = Bucket) =>
    postParts([...(Object.entries(fields) as Part[]), ['file', file, fileName]], bucket);
  const read = async (Key: string) => textOf(await s3.getObject({ Bucket, Key }));

  await t.test('put the object with all that the form says', async () => {
    const fields = {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the placeholder of forms
      key: 'user/${filename}',
      'Content-Type': 'image/jpeg',
      'x-amz-meta-From': 'a form',
      tagging: '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>',
      'x-ignore-me': 'yes',
    };
    const options = {
      conditions: [
        ['starts-with', '$key', 'user/'],
        ['content-length-range', 1, 100],
      ],
    };
    const answer = await post(signed(server.root, fields, options), 'hello', 'C:\\dir\\photo.jpg');
    assert.deepEqual([answer.status, answer.text], [204, '']);
    const head = await s3.headObject({ Bucket, Key: 'user/photo.jpg' });
    assert.deepEqual([head.ContentType, head.Metadata, head.TagCount], ['image/jpeg', { from: 'a form' }, 1]);
    assert.equal(answer.headers['etag'], head.ETag);
    assert.equal(await read('user/photo.jpg'), 'hello');
    await post(signed(server.root, fields, options), 'paid', "in $& and $' and $$.jpg");
    assert.equal(await read("user/in $& and $' and $$.jpg"), 'paid');
    const large = 'x'.repeat(3_000_000);
    assert.equal((await post(signed(server.root, { key: 'large' }), large)).status, 204);
    assert.equal(await read('large'), large);
  });

  await t.test('answer as the form asks', async () => {
    const created = await post(signed(server.root, { key: 'a&b', success_action_status: '201' }));
    assert.equal(created.status, 201);
    assert.match(
      created.text,
      /<PostResponse><Location>.*\/uploads\/a%26b<\/Location><Bucket>uploads<\/Bucket><Key>a&amp;b<\/Key><ETag>/,
    );
    assert.equal((await post(signed(server.root, { key: 'k', success_action_status: '200' }))).status, 200);
    const redirected = await post(
      signed(server.root, { key: 'k', success_action_redirect: 'http://page.example/?x=1' }),
    );
    assert.equal(redirected.status, 303);
    assert.match(
      redirected.headers['location']!,
      /^http:\/\/page\.example\/\?x=1&bucket=uploads&key=k&etag=%22[0-9a-f]{32}%22$/,
    );
    const script = await post(signed(server.root, { key: 'k', success_action_redirect: 'javascript:alert(1)' }));
    assert.equal(script.status, 204);
  });

  await t.test('S1, A7: what the policy does not say cannot be in the form', async () => {
    const good = signed(server.root, { key: 'safe' });
    const cases: [string, Record<string, string>, string][] = [
      ['another key', { ...good, key: 'other' }, 'AccessDenied'],
      ['another bucket', signed(server.root, { key: 'safe' }, { bucket: 'elsewhere' }), 'AccessDenied'],
      ['a field more', { ...good, 'x-amz-meta-more': 'x' }, 'AccessDenied'],
      ['a list', { ...good, acl: 'public-read' }, 'AccessDenied'],
      ['a copy', { ...good, 'x-amz-copy-source': `${Bucket}/large` }, 'AccessDenied'],
      ['a signed copy', signed(server.root, { key: 'safe', 'x-amz-copy-source': 'a/b' }), 'NotImplemented'],
      [
        'another credential',
        { ...good, 'x-amz-credential': good['x-amz-credential']!.replace('us-east-1', 'eu-west-1') },
        'SignatureDoesNotMatch',
      ],
      ['another date', { ...good, 'x-amz-date': '20200101T000000Z' }, 'AuthorizationQueryParametersError'],
      ['a changed policy', { ...good, policy: `${good['policy']!}IA==` }, 'SignatureDoesNotMatch'],
      [
        'no signature',
        Object.fromEntries(Object.entries(good).filter(([name]) => name !== 'x-amz-signature')),
        'InvalidArgument',
      ],
      ['nothing signed', { key: 'safe' }, 'AccessDenied'],
      ['a token that is none', { ...good, 'x-amz-security-token': 'x' }, 'InvalidToken'],
      ['signature version 2', { ...good, AWSAccessKeyId: server.root.accessKeyId, signature: 'x' }, 'InvalidRequest'],
      [
        'an unknown key',
        signed({ ...server.root, accessKeyId: 'AKIAUNKNOWNUNKNOWN00' }, { key: 'safe' }),
        'InvalidAccessKeyId',
      ],
      [
        'a wrong secret',
        signed({ ...server.root, secretAccessKey: 'wrong' }, { key: 'safe' }),
        'SignatureDoesNotMatch',
      ],
      ['expired', signed(server.root, { key: 'safe' }, { expiresInMs: -1 }), 'AccessDenied'],
      ['too old', signed(server.root, { key: 'safe' }, { at: new Date(Date.now() - 8 * 86_400_000) }), 'AccessDenied'],
      [
        'from the future',
        signed(server.root, { key: 'safe' }, { at: new Date(Date.now() + 3_600_000) }),
        'AccessDenied',
      ],
      [
        'too large',
        signed(server.root, { key: 'safe' }, { conditions: [['content-length-range', 0, 3]] }),
        'EntityTooLarge',
      ],
      [
        'too small',
        signed(server.root, { key: 'safe' }, { conditions: [['content-length-range', 100, 300]] }),
        'EntityTooSmall',
      ],
      [
        'a narrower range counts',
        signed(
          server.root,
          { key: 'safe' },
          {
            conditions: [
              ['content-length-range', 0, 3],
              ['content-length-range', 0, 300],
            ],
          },
        ),
        'EntityTooLarge',
      ],
      [
        'an unknown operator',
        signed(server.root, { key: 'safe' }, { conditions: [['ends-with', '$key', 'safe']] }),
        'InvalidPolicyDocument',
      ],
      [
        'a condition without form',
        signed(server.root, { key: 'safe' }, { conditions: ['key'] }),
        'InvalidPolicyDocument',
      ],
      [
        'another content type',
        signed(
          server.root,
          { key: 'safe', 'Content-Type': 'image/png, text/html' },
          { conditions: [['starts-with', '$Content-Type', 'image/']] },
        ),
        'AccessDenied',
      ],
      ['no key', signed(server.root, {}), 'InvalidArgument'],
      ['a long key', signed(server.root, { key: 'x'.repeat(1025) }), 'KeyTooLongError'],
      [
        'long fields',
        signed(server.root, { key: 'safe', 'x-ignore-long': 'x'.repeat(30_000) }),
        'MaxPostPreDataLengthExceeded',
      ],
      ['a wrong checksum', signed(server.root, { key: 'safe', 'x-amz-checksum-crc32': 'AAAAAA==' }), 'BadDigest'],
    ];
    for (const [name, fields, code] of cases) {
      const answer = await post(fields);
      assert.match(answer.text, new RegExp(`<Code>${code}</Code>`), `${name}: ${answer.status} ${answer.text}`);
      assert.ok(answer.status >= 400 && answer.status < 502, name);
    }
    await refused(s3.headObject({ Bucket, Key: 'safe' }), 'NotFound', 404);
    await refused(s3.headObject({ Bucket, Key: 'other' }), 'NotFound', 404);
  });

  await t.test('S3: nothing counts twice, and nothing after the file', async () => {
    const good = Object.entries(signed(server.root, { key: 'once' })) as Part[];
    const file: Part = ['file', 'first', 'a'];
    const codes = async (parts: Part[], headers = {}) =>
      /<Code>(\w+)</.exec((await postParts(parts, Bucket, headers)).text)?.[1];
    assert.equal(await codes([...good, ['key', 'twice'], file]), 'InvalidArgument');
    assert.equal(await codes([...good, ['KEY', 'twice'], file]), 'InvalidArgument');
    assert.equal(await codes([file, ...good]), 'InvalidArgument');
    assert.equal(await codes(good), 'InvalidArgument');
    assert.equal(await codes([...good, file], { authorization: 'AWS4-HMAC-SHA256 x' }), 'InvalidArgument');
    assert.equal((await s3.listObjectsV2({ Bucket, Prefix: 'once' })).KeyCount, 0);
    assert.equal(await codes([...good, file, ['key', 'late'], ['file', 'second', 'b']]), undefined);
    assert.equal(await read('once'), 'first');
    await refused(s3.headObject({ Bucket, Key: 'late' }), 'NotFound', 404);
  });

  await t.test('S6: a form that breaks off stores nothing', async () => {
    const whole = bodyOf([
      ...(Object.entries(signed(server.root, { key: 'broken' })) as Part[]),
      ['file', 'x'.repeat(200_000), 'a'],
    ]);
    const { hostname, port, host } = new URL(server.url);
    await new Promise<void>((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => {
        const head = `POST /${Bucket} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: multipart/form-data; boundary=${BOUNDARY}\r\nContent-Length: ${whole.length}\r\n\r\n`;
        socket.write(head + whole.slice(0, whole.length - 1000), () => socket.destroy());
      });
      socket.once('close', () => resolve()).once('error', reject);
    });
    const cut = await send(server.url, {
      method: 'POST',
      path: `/${Bucket}`,
      headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
      body: whole.slice(0, whole.length - 30),
    });
    assert.equal(cut.status, 400, cut.text);
    for (const type of [
      'multipart/form-data',
      'multipart/form-data; boundary=',
      'multipart/form-data; boundary=other',
    ]) {
      const answer = await send(server.url, {
        method: 'POST',
        path: `/${Bucket}`,
        headers: { 'content-type': type },
        body: whole,
      });
      assert.equal(answer.status, 400, `${type} ${answer.text}`);
    }
    await refused(s3.headObject({ Bucket, Key: 'broken' }), 'NotFound', 404);
  });

  await t.test('the one who signed must have the right, and policies see that it was a form', async () => {
    const only = (Condition: object) => ({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 's3:PutObject', Resource: '*', Condition }],
    });
    const nobody = await server.user('nobody', only({ StringEquals: { 's3:authType': 'REST-HEADER' } }));
    assert.equal((await post(signed(nobody.keys, { key: 'theirs' }))).status, 403);
    const poster = await server.user(
      'poster',
      only({
        StringEquals: { 's3:authType': 'POST', 's3:signatureversion': 'AWS4-HMAC-SHA256' },
        NumericLessThan: { 's3:signatureAge': '600000' },
      }),
    );
    assert.equal((await post(signed(poster.keys, { key: 'theirs' }))).status, 204);
    await refused(poster.s3.putObject({ Bucket, Key: 'theirs', Body: 'x' }), 'AccessDenied', 403);
    assert.equal((await post(signed(server.root, { key: 'k' }), 'x', 'a', 'no-such-bucket')).status, 404);
  });

  await t.test('pages of other origins can read the answer, refusals too', async () => {
    const CORSRules = [{ AllowedMethods: ['POST'], AllowedOrigins: ['https://app.example'] }];
    await s3.putBucketCors({ Bucket, CORSConfiguration: { CORSRules } });
    const parts = [...(Object.entries(signed(server.root, { key: 'cors' })) as Part[]), ['file', 'x', 'a'] as Part];
    for (const [list, status] of [
      [parts, 204],
      [parts.slice(1), 403],
    ] as const) {
      const answer = await postParts(list, Bucket, { origin: 'https://app.example' });
      assert.equal(answer.status, status);
      assert.equal(answer.headers['access-control-allow-origin'], 'https://app.example');
    }
  });
});

test('a refusal reaches a browser that is still sending its file', async (t) => {
  const server = await startServer(t);
  await server.root_.s3.createBucket({ Bucket });
  const headers = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` };
  const body = bodyOf([
    ['key', 'large'],
    ['file', 'x'.repeat(2_000_000), 'a'],
  ]);
  for (let turn = 0; turn < 5; turn++) {
    const denied = await send(server.url, { method: 'POST', path: `/${Bucket}`, headers, body });
    assert.equal(denied.status, 403);
    const absent = await send(server.url, { method: 'POST', path: '/no-such-bucket', headers, body });
    assert.equal(absent.status, 404);
  }
});
