import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lacksSlash, readAddress, readWebsiteAddress } from './address.ts';

const PUBLIC = new Set(['slipway.example.com']);

const addresses: [host: string, path: string, bucket: string | undefined, key: string | undefined][] = [
  ['127.0.0.1:4566', '/', undefined, undefined],
  ['127.0.0.1:4566', '/photos', 'photos', undefined],
  ['127.0.0.1:4566', '/photos/', 'photos', undefined],
  ['127.0.0.1:4566', '/photos/a', 'photos', 'a'],
  ['[::1]:4566', '/photos/a', 'photos', 'a'],
  ['localhost:4566', '/photos/a', 'photos', 'a'],
  ['photos.localhost:4566', '/a', 'photos', 'a'],
  ['photos.localhost', '/', 'photos', undefined],
  ['photos.s3.localhost:4566', '/a/b', 'photos', 'a/b'],
  ['s3.localhost:4566', '/photos/a', 'photos', 'a'],
  ['photos.s3.us-east-1.localhost', '/a', 'photos', 'a'],
  ['photos.s3.eu-west-1.amazonaws.com', '/a', 'photos', 'a'],
  ['photos.s3-eu-west-1.amazonaws.com', '/a', 'photos', 'a'],
  ['photos.s3.dualstack.eu-west-1.amazonaws.com', '/a', 'photos', 'a'],
  ['photos.s3.amazonaws.com', '/a', 'photos', 'a'],
  ['my.dotted.bucket.s3.us-east-1.corp.example', '/a', 'my.dotted.bucket', 'a'],
  ['s3.us-east-1.corp.example', '/photos/a', 'photos', 'a'],
  ['slipway.example.com', '/photos/a', 'photos', 'a'],
  ['photos.slipway.example.com:8443', '/a', 'photos', 'a'],
  ['PHOTOS.Slipway.example.com.', '/a', 'photos', 'a'],
  ['photos.s3.slipway.example.com', '/a', 'photos', 'a'],
  ['s3.us-east-1.slipway.example.com', '/photos/a', 'photos', 'a'],
  ['elsewhere.example.org', '/photos/a', 'photos', 'a'],
];

test('bucket and key by host and path', () => {
  for (const [host, path, bucket, key] of addresses) {
    assert.deepEqual(readAddress(host, path, PUBLIC), { bucket, key }, `${host} ${path}`);
  }
});

const keys: [path: string, key: string][] = [
  ['/b/../x', '../x'],
  ['/b/%2E%2E/x', '../x'],
  ['/b/.', '.'],
  ['/b//x', '/x'],
  ['/b/a//b', 'a//b'],
  ['/b/a/', 'a/'],
  ['/b/a%2Fb', 'a/b'],
  ['/b/a+b', 'a+b'],
  ['/b/a%20b', 'a b'],
  ['/b/%00', '\0'],
  ['/b/%C3%A9', 'é'],
  ['/b/%F0%9F%9A%80', '🚀'],
  ['/b/\xc3\xa9', 'é'],
  ['/b/%25', '%'],
  ['/b/..%5cx', '..\\x'],
];

test('A1: a key is data: only its percent-encoding is taken off', () => {
  for (const [path, key] of keys) assert.equal(readAddress('127.0.0.1', path, PUBLIC).key, key, path);
});

test('A1: what is not UTF-8, not percent-encoding or too long is refused', () => {
  for (const path of ['/b/%FF', '/b/%C3', '/b/%zz', '/b/%', '/b/\xff', '/b/%ED%A0%80', '/%FF/x', '*']) {
    assert.throws(() => readAddress('127.0.0.1', path, PUBLIC), { name: 'InvalidURI' }, path);
  }
  assert.throws(() => readAddress('127.0.0.1', `/b/${'x'.repeat(1025)}`, PUBLIC), { name: 'KeyTooLongError' });
  assert.throws(() => readAddress('127.0.0.1', `/b/${'%C3%A9'.repeat(513)}`, PUBLIC), { name: 'KeyTooLongError' });
  assert.equal(readAddress('127.0.0.1', `/b/${'%C3%A9'.repeat(512)}`, PUBLIC).key?.length, 512);
});

test('websites by host and by path', () => {
  const cases: [string, string, { bucket: string; base: string; path: string } | undefined][] = [
    ['127.0.0.1:1', '/_website/site/a/b.html', { bucket: 'site', base: '/_website/site', path: 'a/b.html' }],
    ['127.0.0.1:1', '/_website/site', { bucket: 'site', base: '/_website/site', path: '' }],
    ['localhost', '/_website/site/', { bucket: 'site', base: '/_website/site', path: '' }],
    ['site.s3-website.localhost:1', '/a%20b', { bucket: 'site', base: '', path: 'a b' }],
    ['site.s3-website.us-east-1.localhost', '/', { bucket: 'site', base: '', path: '' }],
    ['my.site.s3-website-eu-west-1.corp.example', '/x', { bucket: 'my.site', base: '', path: 'x' }],
    ['127.0.0.1', '/site/_website/x', undefined],
    ['127.0.0.1', '/_websites/x', undefined],
    // A key that happens to begin so, in a bucket named by the host.
    ['photos.localhost', '/_website/site/x', undefined],
  ];
  for (const [host, path, expected] of cases)
    assert.deepEqual(readWebsiteAddress(host, path, PUBLIC), expected, host + path);
  assert.equal(lacksSlash('/_website/site'), true);
  assert.equal(lacksSlash('/_website/site/'), false);
});
