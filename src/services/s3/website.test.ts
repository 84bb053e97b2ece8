import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { type RawRequest, send } from '../../kernel/testing/raw-http.ts';
import { recorded } from '../../kernel/testing/recorded.ts';
import { refused } from './testing/refusals.ts';

const Bucket = 'site';

test('websites', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  await s3.createBucket({ Bucket });
  const put = (Key: string, Body: string, more: object = {}) =>
    s3.putObject({ Bucket, Key, Body, ContentType: 'text/html; charset=utf-8', ...more });
  await put('index.html', '<h1>home</h1>', { CacheControl: 'max-age=5' });
  await put('docs/index.html', '<h1>docs</h1>');
  await put('docs/ä b.html', 'umlaut');
  await put('app.js', 'run()', { ContentType: 'text/javascript' });
  await put('errors/404.html', '<h1>lost?</h1>');
  await put('private/secret.html', 'secret');
  await put('moved', '', { WebsiteRedirectLocation: '/_website/site/docs/' });
  const byPath = (path: string, more: RawRequest = {}) =>
    send(server.url, { method: 'GET', path: `/_website/${Bucket}${path}`, ...more });
  const byHost = (path: string, host = `${Bucket}.s3-website.localhost`, more: RawRequest = {}) =>
    send(server.url, { method: 'GET', path, ...more, headers: { host, ...more.headers } });
  const publish = async (Resource: string[]) => {
    const Statement = [{ Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource }];
    await s3.putBucketPolicy({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) });
  };

  await t.test('a bucket without a website has none', async () => {
    const page = await byPath('/');
    assert.equal(page.status, 404);
    assert.match(page.text, /NoSuchWebsiteConfiguration/);
    assert.equal((await send(server.url, { method: 'GET', path: '/_website/absent/' })).status, 404);
    assert.match((await byHost('/', 'absent.s3-website.localhost')).text, /NoSuchBucket/);
  });

  await t.test('a website shows nothing that no policy makes public', async () => {
    await s3.putBucketWebsite({ Bucket, WebsiteConfiguration: { IndexDocument: { Suffix: 'index.html' } } });
    for (const path of ['/', '/index.html', '/docs', '/absent', '/private/secret.html']) {
      const page = await byPath(path);
      assert.equal(page.status, 403, path);
      assert.match(page.text, /<title>403 Forbidden<\/title>.*Access Denied/s);
      assert.doesNotMatch(page.text, /home|secret<|policy/);
    }
  });

  await s3.deletePublicAccessBlock({ Bucket });
  await publish(['index.html', 'docs/*', 'app.js', 'errors/*', 'moved'].map((key) => `arn:aws:s3:::${Bucket}/${key}`));

  await t.test('pages by path and by host, with their own types', async () => {
    for (const page of [
      await byPath('/'),
      await byHost('/'),
      await byHost('/', `${Bucket}.s3-website.us-east-1.localhost:1234`),
      await byHost('/', `${Bucket}.s3-website-eu-west-1.corp.example`),
      await byPath('/index.html'),
      await byPath('/?query=ignored'),
    ]) {
      assert.deepEqual([page.status, page.text], [200, '<h1>home</h1>']);
      assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
      assert.equal(page.headers['cache-control'], 'max-age=5');
      assert.equal(page.headers['x-content-type-options'], 'nosniff');
      assert.ok(page.headers.etag && page.headers['last-modified']);
    }
    assert.equal((await byPath('/app.js')).headers['content-type'], 'text/javascript');
    assert.equal((await byPath('/docs/')).text, '<h1>docs</h1>');
    assert.equal((await byPath('/docs/%C3%A4%20b.html')).text, 'umlaut');
    const head = await byPath('/', { method: 'HEAD' });
    assert.deepEqual([head.status, head.text, head.headers['content-length']], [200, '', '13']);
  });

  await t.test('a folder without its slash is sent to it with one', async () => {
    assert.deepEqual(location(await byPath('/docs')), [302, '/_website/site/docs/']);
    assert.deepEqual(location(await byHost('/docs')), [302, '/docs/']);
    assert.deepEqual(location(await byPath('')), [302, '/_website/site/']);
  });

  await t.test('ranges and conditions work', async () => {
    const part = await byPath('/', { headers: { range: 'bytes=0-3' } });
    assert.deepEqual([part.status, part.text, part.headers['content-range']], [206, '<h1>', 'bytes 0-3/13']);
    const { etag } = part.headers;
    const same = await byPath('/', { headers: { 'if-none-match': etag! } });
    assert.deepEqual([same.status, same.text, same.headers.etag], [304, '', etag]);
    assert.equal((await byPath('/', { headers: { range: 'bytes=99-' } })).status, 416);
    assert.equal((await byPath('/', { headers: { 'if-modified-since': 'not a date' } })).status, 200);
  });

  await t.test('what is missing or private: the error document with the error status', async () => {
    assert.equal((await byPath('/absent')).status, 403);
    await s3.putBucketWebsite({
      Bucket,
      WebsiteConfiguration: { IndexDocument: { Suffix: 'index.html' }, ErrorDocument: { Key: 'errors/404.html' } },
    });
    for (const path of ['/absent', '/private/secret.html', '/private/']) {
      const page = await byPath(path);
      assert.deepEqual([page.status, page.text], [403, '<h1>lost?</h1>'], path);
    }
    // Who lets everybody list the bucket gets a true 404.
    const Statement = [
      { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/absent` },
      { Effect: 'Allow', Principal: '*', Action: 's3:ListBucket', Resource: `arn:aws:s3:::${Bucket}` },
    ];
    await s3.putBucketPolicy({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) });
    assert.deepEqual([(await byPath('/absent')).status, (await byPath('/index.html')).status], [404, 403]);
    await publish([`arn:aws:s3:::${Bucket}/docs/*`, `arn:aws:s3:::${Bucket}/moved`]);
    // An error document that is not public itself is not shown either.
    assert.match((await byPath('/absent')).text, /403 Forbidden/);
  });

  await t.test('redirects of single objects, by rule, and of everything', async () => {
    assert.deepEqual(location(await byPath('/moved')), [301, '/_website/site/docs/']);
    await s3.putBucketWebsite({
      Bucket,
      WebsiteConfiguration: {
        IndexDocument: { Suffix: 'index.html' },
        RoutingRules: [
          { Condition: { KeyPrefixEquals: 'old/' }, Redirect: { ReplaceKeyPrefixWith: 'docs/' } },
          {
            Condition: { HttpErrorCodeReturnedEquals: '403' },
            Redirect: { HostName: 'example.com', HttpRedirectCode: '302' },
          },
        ],
      },
    });
    const { host } = new URL(server.url);
    assert.deepEqual(location(await byPath('/old/x')), [301, `http://${host}/_website/site/docs/x`]);
    assert.deepEqual(location(await byPath('/absent')), [302, 'http://example.com/absent']);
    await s3.putBucketWebsite({
      Bucket,
      WebsiteConfiguration: { RedirectAllRequestsTo: { HostName: 'www.example.com', Protocol: 'https' } },
    });
    assert.deepEqual(location(await byPath('/a/b')), [301, 'https://www.example.com/a/b']);
    const stored = await s3.getBucketWebsite({ Bucket });
    assert.deepEqual(stored.RedirectAllRequestsTo, { HostName: 'www.example.com', Protocol: 'https' });
    const bad = { IndexDocument: { Suffix: 'a/b' } };
    await refused(s3.putBucketWebsite({ Bucket, WebsiteConfiguration: bad }), 'InvalidArgument', 400);
  });

  await t.test('nothing but reading, and nothing reflected', async () => {
    await s3.putBucketWebsite({ Bucket, WebsiteConfiguration: { IndexDocument: { Suffix: 'index.html' } } });
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const answer = await byPath('/docs/index.html', { method, body: 'x', headers: { 'content-length': '1' } });
      assert.equal(answer.status, 405, method);
    }
    const hostile = await byPath('/%3Cscript%3Ealert(1)%3C/script%3E%0d%0aX-Evil:%201');
    assert.doesNotMatch(hostile.text, /<script>/);
    assert.equal(hostile.headers['x-evil'], undefined);
    assert.equal((await byPath('/../../etc/passwd')).status, 403);
    assert.equal((await byPath('/%FF')).status, 400);
  });

  await t.test('a page by path is kept apart from the console and the API at the same origin', async () => {
    const page = await byPath('/docs/');
    assert.match(page.headers['content-security-policy'] as string, /^sandbox (?!.*allow-same-origin)/);
    assert.equal((await byHost('/docs/')).headers['content-security-policy'], undefined);
  });

  await t.test('visits are recorded', async () => {
    await byPath('/docs/');
    const records = await recorded(server.kernel, 'GetObject');
    const visit = records.find(({ text }) => text.includes(`"arn:aws:s3:::${Bucket}/docs/index.html"`));
    assert.equal(JSON.parse(visit!.text).userIdentity.accountId, 'ANONYMOUS_PRINCIPAL');
  });

  await t.test('and a website can be taken away', async () => {
    await s3.deleteBucketWebsite({ Bucket });
    assert.equal((await byPath('/docs/')).status, 404);
    await refused(s3.getBucketWebsite({ Bucket }), 'NoSuchWebsiteConfiguration', 404);
  });
});

function location(answer: {
  status: number;
  headers: { location?: string | undefined };
}): [number, string | undefined] {
  return [answer.status, answer.headers.location];
}
