import type { Draft, SigningTask } from './signers.ts';

const JSON_TASK: SigningTask = { service: 'codecommit', style: 'json' };
const QUERY_TASK: SigningTask = { service: 'iam', style: 'query' };
const REST_TASK: SigningTask = { service: 'codeartifact', style: 'rest-json' };
const S3_TASK: SigningTask = { service: 's3', style: 's3' };
const UNSIGNED = { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };

/** Requests of every kind that the signers must agree on: what differs is path, query, headers, service. */
export const DRAFTS: [string, Draft, SigningTask][] = [
  ['json call', { method: 'POST', path: '/', headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'CodeCommit_20150413.GetRepository' }, body: '{"repositoryName":"My"}' }, JSON_TASK],
  ['json call with a session token', { method: 'POST', path: '/', headers: { 'x-amz-target': 'A.B' }, body: '{}' }, { ...JSON_TASK, sessionToken: 'FwoGZXIvYXdzEJr/+=' }],
  ['query call', { method: 'POST', path: '/', headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }, body: 'Action=ListUsers&Version=2010-05-08' }, QUERY_TASK],
  ['query call by GET', { method: 'GET', path: '/', query: { Action: 'GetUser', Version: '2010-05-08', UserName: 'a b+c/d=e&f' } }, QUERY_TASK],
  ['empty path', { method: 'GET', path: '/' }, REST_TASK],
  ['rest path with an escaped slash', { method: 'GET', path: '/v1/package/%40scope%2Fname/versions' }, REST_TASK],
  ['rest path with dots and doubled slashes', { method: 'GET', path: '/a/./b/../c//d/' }, REST_TASK],
  ['rest path that climbs out', { method: 'GET', path: '/../../a/..' }, REST_TASK],
  ['rest path with an invalid escape', { method: 'GET', path: '/a%ZZ' }, REST_TASK],
  ['rest path with a plus', { method: 'GET', path: '/a+b/c d' }, REST_TASK],
  ['empty query value', { method: 'GET', path: '/', query: { a: '', b: '' } }, REST_TASK],
  ['repeated query name', { method: 'GET', path: '/', query: { x: ['2', '10', '1', ''] } }, REST_TASK],
  ['query names that sort by their escapes', { method: 'GET', path: '/', query: { 'a-': '1', a: '2', 'a~': '3', A: '4', 'a ': '5', ä: '6' } }, REST_TASK],
  ['query value beyond ASCII', { method: 'GET', path: '/', query: { q: 'grüße 日本 🙂' } }, REST_TASK],
  ['reserved characters in the query', { method: 'GET', path: '/', query: { q: "!'()*~-._:@/?#[]$&+,;=%" } }, REST_TASK],
  ['header with blanks inside', { method: 'GET', path: '/', headers: { 'x-amz-note': '  a   b \t c  ' } }, REST_TASK],
  ['header with commas', { method: 'GET', path: '/', headers: { 'x-amz-note': 'a,b, c' } }, REST_TASK],
  ['empty header', { method: 'GET', path: '/', headers: { 'x-amz-note': '' } }, REST_TASK],
  ['header names in capitals', { method: 'GET', path: '/', headers: { 'X-Amz-Note': 'Value' } }, REST_TASK],
  ['body beyond ASCII', { method: 'POST', path: '/', headers: { 'x-amz-target': 'A.B' }, body: '{"d":"grüße 日本"}' }, JSON_TASK],
  ['another region', { method: 'POST', path: '/', headers: { 'x-amz-target': 'A.B' }, body: '{}' }, { ...JSON_TASK, region: 'eu-west-1' }],
  ['29 February', { method: 'POST', path: '/', headers: { 'x-amz-target': 'A.B' }, body: '{}' }, { ...JSON_TASK, now: '20280229T235959Z' }],
  ['year 9999', { method: 'POST', path: '/', headers: { 'x-amz-target': 'A.B' }, body: '{}' }, { ...JSON_TASK, now: '99991231T235500Z' }],
  ['a key with a slash and a secret with spaces', { method: 'POST', path: '/', headers: { 'x-amz-target': 'A.B' }, body: '{}' }, { ...JSON_TASK, accessKeyId: 'root/key', secret: 'not a secret ü' }],
  ['S3 get', { method: 'GET', path: '/bucket/key', headers: UNSIGNED }, S3_TASK],
  ['S3 key with escapes', { method: 'GET', path: '/bucket/a%20b%2Bc%25d%C3%A4%27%28%29%2A%21', headers: UNSIGNED }, S3_TASK],
  ['S3 key with dots and doubled slashes', { method: 'GET', path: '/bucket//a/./b/../c//', headers: UNSIGNED }, S3_TASK],
  ['S3 key with an escaped slash', { method: 'GET', path: '/bucket/a/b', headers: UNSIGNED }, S3_TASK],
  ['S3 signed body', { method: 'PUT', path: '/bucket/key', body: 'hello' }, S3_TASK],
  ['S3 metadata', { method: 'PUT', path: '/bucket/key', headers: { ...UNSIGNED, 'x-amz-meta-a': '1', 'x-amz-meta-b-c': 'two  words' } }, S3_TASK],
  ['S3 sub-resource', { method: 'GET', path: '/bucket', query: { acl: '' }, headers: UNSIGNED }, S3_TASK],
  ['S3 listing', { method: 'GET', path: '/bucket', query: { 'list-type': '2', prefix: 'a/b c', delimiter: '/', 'continuation-token': '1/+==' }, headers: UNSIGNED }, S3_TASK],
  ['S3 upload part', { method: 'PUT', path: '/bucket/key', query: { partNumber: '1', uploadId: 'VXBsb2Fk.~_-' }, headers: UNSIGNED }, S3_TASK],
  ['S3 copy', { method: 'PUT', path: '/bucket/key', headers: { ...UNSIGNED, 'x-amz-copy-source': '/other/k%20ey?versionId=1' } }, S3_TASK],
  ['S3 chunked with trailer', { method: 'PUT', path: '/bucket/key', headers: { 'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'x-amz-decoded-content-length': '5', 'x-amz-trailer': 'x-amz-checksum-crc32', 'content-encoding': 'aws-chunked' } }, S3_TASK],
];
