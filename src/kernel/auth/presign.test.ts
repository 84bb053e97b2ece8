import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../fault.ts';
import { parseAuthorization } from './sigv4.ts';
import { accept, type Draft, presignWithSdk, rulesFor, type SigningTask } from './testdata/signers.ts';
import type { WireRequest } from './wire-request.ts';

const S3: SigningTask = { service: 's3', style: 's3' };
const STS: SigningTask = { service: 'sts', style: 'query' };
const GET_OBJECT: Draft = { method: 'GET', path: '/b/k', headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } };
const IDENTITY: Draft = { method: 'GET', path: '/', query: { Action: 'GetCallerIdentity', Version: '2011-06-15' } };

function refusal(run: () => unknown): Fault {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof Fault, `not a fault: ${error}`);
    return error;
  }
  return assert.fail('the request was accepted');
}

const replaced = (request: WireRequest, from: string | RegExp, to: string): WireRequest => {
  const query = request.query.replace(from, to);
  assert.notEqual(query, request.query);
  return { ...request, query };
};

test('a presigned request is valid from its date until it expires', async () => {
  const url = await presignWithSdk(GET_OBJECT, S3, 60);
  for (const now of ['20261120T112000Z', '20261120T113455Z', '20261120T113555Z']) accept(url, S3, undefined, now);
  const expired = refusal(() => accept(url, S3, undefined, '20261120T113556Z'));
  assert.deepEqual(
    [expired.name, expired.status, expired.message, expired.members],
    [
      'AccessDenied',
      403,
      'Request has expired',
      {
        'X-Amz-Expires': 60,
        Expires: '2026-11-20T11:35:55.000Z',
        ServerTime: '2026-11-20T11:35:56.000Z',
      },
    ],
  );
  assert.equal(refusal(() => accept(url, S3, undefined, '20261120T111954Z')).message, 'Request is not valid yet');
});

test('a presigned GetCallerIdentity, as other systems use to prove who calls', async () => {
  const url = await presignWithSdk(IDENTITY, STS, 60);
  accept(url, STS, '');
  assert.equal(refusal(() => accept(url, STS, 'a body')).name, 'SignatureDoesNotMatch');
  const expired = refusal(() => accept(url, STS, '', '20261120T113556Z'));
  assert.deepEqual([expired.name, expired.status], ['SignatureDoesNotMatch', 403]);
  assert.match(expired.message, /^Signature expired: 20261120T113455Z is now earlier than 20261120T113456Z /);
});

test('S4: X-Amz-Expires is a number of seconds between one and a week', async () => {
  const url = await presignWithSdk(GET_OBJECT, S3, 604_800);
  accept(url, S3, undefined, '20261127T113455Z');
  const cases: [string, RegExp][] = [
    ['0', /at least 1 second/],
    ['-1', /non-negative/],
    ['604801', /less than a week/],
    ['1e20', /should be a number/],
    ['99999999999999999999', /less than a week/],
    ['60.5', /should be a number/],
    ['%2B60', /should be a number/],
    ['60%20', /should be a number/],
    ['', /requires the X-Amz-Algorithm/],
  ];
  for (const [value, message] of cases) {
    const fault = refusal(() => accept(replaced(url, 'X-Amz-Expires=604800', `X-Amz-Expires=${value}`), S3));
    assert.deepEqual([fault.name, fault.status], ['AuthorizationQueryParametersError', 400]);
    assert.match(fault.message, message, value);
  }
});

test('every parameter of the query form is required', async () => {
  const url = await presignWithSdk(GET_OBJECT, S3);
  for (const name of ['Algorithm', 'Credential', 'Date', 'Expires', 'SignedHeaders', 'Signature']) {
    const fault = refusal(() => accept(replaced(url, new RegExp(`X-Amz-${name}=[^&]*&?`), ''), S3));
    assert.equal(fault.name, 'AuthorizationQueryParametersError', name);
    assert.match(fault.message, /requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature/);
  }
  assert.equal(
    refusal(() => accept(replaced(url, /X-Amz-.*/, 'AWSAccessKeyId=a&Signature=b&Expires=1'), S3)).name,
    'InvalidRequest',
  );
});

test('malformed values are named', async () => {
  const url = await presignWithSdk(GET_OBJECT, S3);
  const cases: [RegExp, string, RegExp][] = [
    [/AWS4-HMAC-SHA256/, 'AWS4-ECDSA-P256-SHA256', /X-Amz-Algorithm only supports/],
    [/X-Amz-Date=[^&]*/, 'X-Amz-Date=2026-11-20', /ISO8601 Long Format/],
    [/%2Faws4_request/, '', /Credential is mal-formed/],
    [/%2Faws4_request/, '%2Faws5_request', /incorrect terminal "aws5_request"/],
    [/%2Fs3%2F/, '%2Fsqs%2F', /incorrect service "sqs"\. This endpoint belongs to "s3"/],
    [/us-east-1/, 'mars-1', /the region 'mars-1' is wrong/],
    [/%2F20261120%2F/, '%2F20261119%2F', /Invalid credential date "20261119"/],
  ];
  for (const [from, to, message] of cases) {
    const fault = refusal(() => accept(replaced(url, from, to), S3));
    assert.equal(fault.name, 'AuthorizationQueryParametersError');
    assert.match(fault.message, message);
  }
});

test('S3: repeated parameters and twins that differ in case or escaping are refused', async () => {
  const url = await presignWithSdk(GET_OBJECT, S3);
  for (const name of ['Algorithm', 'Credential', 'Date', 'Expires', 'SignedHeaders', 'Signature']) {
    for (const twin of [
      `X-Amz-${name}`,
      `x-amz-${name.toLowerCase()}`,
      `X-AMZ-${name.toUpperCase()}`,
      `X%2DAmz-${name}`,
    ]) {
      for (const query of [`${url.query}&${twin}=1`, `${twin}=1&${url.query}`]) {
        const fault = refusal(() => accept({ ...url, query }, S3));
        assert.match(fault.message, /must appear exactly once/, twin);
      }
    }
  }
  accept({ ...url, query: `&${url.query}&` }, S3);
});

test('G12: a session token in the header beside one in the query is refused, an unsigned one too', async () => {
  const task = { ...S3, sessionToken: 'the-token' };
  const url = await presignWithSdk(GET_OBJECT, task);
  assert.equal(parseAuthorization(url, rulesFor(S3)).sessionToken, 'the-token');
  accept(url, task);
  const added = { ...url, rawHeaders: [...url.rawHeaders, 'X-Amz-Security-Token', 'other'] };
  assert.equal(refusal(() => accept(added, task)).name, 'AccessDenied');
  const plain = await presignWithSdk(GET_OBJECT, S3);
  assert.equal(refusal(() => accept({ ...plain, rawHeaders: added.rawHeaders }, S3)).name, 'AccessDenied');
});

test('S1: a header slipped under a presigned PUT is refused', async () => {
  const url = await presignWithSdk({ ...GET_OBJECT, method: 'PUT' }, S3);
  for (const name of ['x-amz-copy-source', 'x-amz-acl', 'X-Amz-Meta-A', 'x-amz-date', 'x-amz-server-side-encryption']) {
    const fault = refusal(() => accept({ ...url, rawHeaders: [...url.rawHeaders, name, '/b/secret'] }, S3));
    assert.deepEqual(
      [fault.name, fault.status, fault.members],
      ['AccessDenied', 403, { HeadersNotSigned: name.toLowerCase() }],
    );
  }
  // What does not steer S3 may come along unsigned, as browsers send it.
  accept({ ...url, rawHeaders: [...url.rawHeaders, 'content-type', 'text/plain', 'user-agent', 'x'] }, S3);
});

test('S2: a presigned request has no chunked form', async () => {
  for (const sentinel of ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD']) {
    const url = await presignWithSdk(
      { ...GET_OBJECT, method: 'PUT', headers: { 'x-amz-content-sha256': sentinel } },
      S3,
    );
    assert.match(refusal(() => accept(url, S3)).message, /cannot have a chunked payload/);
  }
});
