import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RoutingRule, WebsiteConfiguration } from '@aws-sdk/client-s3';
import { checkWebsite, redirectAll, redirectByRule } from './website-rules.ts';

const entrance = { protocol: 'http', host: 'localhost:4566', base: '/_website/site' } as const;

test('redirects by rule', () => {
  const rules: RoutingRule[] = [
    { Condition: { KeyPrefixEquals: 'docs/' }, Redirect: { ReplaceKeyPrefixWith: 'documents/' } },
    {
      Condition: { KeyPrefixEquals: 'out/' },
      Redirect: { HostName: 'example.com', Protocol: 'https', HttpRedirectCode: '302' },
    },
    {
      Condition: { HttpErrorCodeReturnedEquals: '404', KeyPrefixEquals: 'app/' },
      Redirect: { ReplaceKeyWith: 'app/index.html' },
    },
    { Condition: { HttpErrorCodeReturnedEquals: '404' }, Redirect: { HostName: 'fallback.example.com' } },
  ];
  const cases: [key: string, status: number | undefined, expected: string | undefined][] = [
    ['docs/a b', undefined, '301 http://localhost:4566/_website/site/documents/a%20b'],
    ['out/x', undefined, '302 https://example.com/out/x'],
    ['app/x', undefined, undefined],
    ['app/x', 404, '301 http://localhost:4566/_website/site/app/index.html'],
    ['other', 404, '301 http://fallback.example.com/other'],
    ['docs/a', 403, undefined],
  ];
  for (const [key, status, expected] of cases) {
    const found = redirectByRule(rules, key, status, entrance);
    assert.equal(found && `${found.status} ${found.location}`, expected, `${key} ${status}`);
  }
});

test('a website that sends everybody elsewhere', () => {
  assert.deepEqual(redirectAll({ HostName: 'example.com' }, 'a/b', entrance), {
    status: 301,
    location: 'http://example.com/a/b',
  });
});

test('configurations that S3 refuses', () => {
  const bad: WebsiteConfiguration[] = [
    {},
    { IndexDocument: { Suffix: '' } },
    { IndexDocument: { Suffix: 'a/b' } },
    { IndexDocument: { Suffix: 'i' }, ErrorDocument: { Key: '' } },
    { RedirectAllRequestsTo: { HostName: 'x' }, IndexDocument: { Suffix: 'i' } },
    { RedirectAllRequestsTo: { HostName: 'x', Protocol: 'ftp' as never } },
    { RedirectAllRequestsTo: { HostName: undefined } },
    { IndexDocument: { Suffix: 'i' }, RoutingRules: [{ Redirect: {} }] },
    {
      IndexDocument: { Suffix: 'i' },
      RoutingRules: [{ Redirect: { ReplaceKeyWith: 'a', ReplaceKeyPrefixWith: 'b' } }],
    },
    { IndexDocument: { Suffix: 'i' }, RoutingRules: [{ Redirect: { HostName: 'x', HttpRedirectCode: '200' } }] },
    {
      IndexDocument: { Suffix: 'i' },
      RoutingRules: [{ Condition: { HttpErrorCodeReturnedEquals: '200' }, Redirect: { HostName: 'x' } }],
    },
  ];
  for (const website of bad)
    assert.throws(() => checkWebsite(website), { name: /Invalid|Malformed/ }, JSON.stringify(website));
  checkWebsite({ IndexDocument: { Suffix: 'index.html' }, ErrorDocument: { Key: 'errors/404.html' } });
});
