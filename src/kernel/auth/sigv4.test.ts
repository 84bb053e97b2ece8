import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Fault } from '../fault.ts';
import type { ErrorStyle } from './auth-faults.ts';
import { parseBasicTime } from './credential-scope.ts';
import { hasAuthorization, parseAuthorization, payloadFault, peekScope, verifySignature } from './sigv4.ts';
import { DRAFTS } from './testdata/drafts.ts';
import vectors from './testdata/signed-vectors.json' with { type: 'json' };
import {
  ACCESS_KEY_ID,
  accept,
  bodyHash,
  type Draft,
  hasQueryForm,
  NOW,
  presignWithSdk,
  rulesFor,
  SECRET,
  type SigningTask,
  signWithSdk,
  wire,
} from './testdata/signers.ts';
import type { WireRequest } from './wire-request.ts';

const JSON_TASK: SigningTask = { service: 'codecommit', style: 'json' };
const S3_TASK: SigningTask = { service: 's3', style: 's3' };
const GET_REPOSITORY: Draft = {
  method: 'POST',
  path: '/',
  headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'CodeCommit_20150413.GetRepository' },
  body: '{"repositoryName":"My"}',
};

function refusal(run: () => unknown): Fault {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof Fault, `not a fault: ${error}`);
    return error;
  }
  return assert.fail('the request was accepted');
}

/** The request with one header replaced (or removed). */
function withHeader(request: WireRequest, name: string, value: string | undefined): WireRequest {
  const rawHeaders: string[] = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    if (request.rawHeaders[i]!.toLowerCase() !== name)
      rawHeaders.push(request.rawHeaders[i]!, request.rawHeaders[i + 1]!);
  }
  if (value !== undefined) rawHeaders.push(name, value);
  return { ...request, rawHeaders };
}

const headerOf = (request: WireRequest, name: string) =>
  request.rawHeaders[request.rawHeaders.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name) + 1]!;

test('the vectors that AWS publishes verify', () => {
  for (const vector of vectors) {
    const task = { ...vector, style: vector.style as ErrorStyle };
    accept(wire(vector.method, vector.target, vector.headers), task, undefined, vector.now);
  }
});

for (const [name, draft, task] of DRAFTS) {
  test(`S7: what the SDK signs verifies: ${name}`, async () => {
    const signed = await signWithSdk(draft, task);
    accept(signed, task, draft.body);
    assert.equal(
      refusal(() => accept(signed, { ...task, secret: 'another' }, draft.body)).name.startsWith(
        task.style.includes('json') ? 'InvalidSignature' : 'SignatureDoesNotMatch',
      ),
      true,
    );
    if (hasQueryForm(draft, task)) accept(await presignWithSdk(draft, task), task, draft.body);
  });
}

test('S7: any request that the SDK signs verifies', async () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 12 });
  const segment = fc.oneof(
    fc.constantFrom('', '.', '..', '%2F', '%20', 'a b'.replace(' ', '%20')),
    fc.stringMatching(/^[A-Za-z0-9._~-]{1,8}$/),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom<SigningTask>(JSON_TASK, S3_TASK, { service: 'codeartifact', style: 'rest-json' }),
      fc.constantFrom('GET', 'PUT', 'POST', 'DELETE', 'HEAD'),
      fc.array(segment, { maxLength: 5 }),
      // The SDK's signer loses parameters of these names before it signs.
      fc.dictionary(
        text.filter((name) => !name.toLowerCase().startsWith('x-amz-') && name !== '__proto__'),
        fc.oneof(text, fc.array(text, { minLength: 1, maxLength: 3 })),
        { maxKeys: 4 },
      ),
      fc.dictionary(fc.stringMatching(/^x-amz-meta-[a-z0-9-]{1,6}$/), fc.stringMatching(/^[ -~]{0,12}$/), {
        maxKeys: 3,
      }),
      fc.string({ maxLength: 20 }),
      async (task, method, segments, query, headers, body) => {
        const path = `/${segments.join('/')}`;
        const draft: Draft = { method, path, query, headers, body };
        accept(await signWithSdk(draft, task), task, body);
      },
    ),
    { numRuns: 1500 },
  );
});

test('S1: host and every x-amz-* header must be signed', async () => {
  const json = await signWithSdk(GET_REPOSITORY, JSON_TASK);
  for (const name of ['x-amz-copy-source', 'X-Amz-Target2', 'x-amz-acl', 'x-amz-security-token']) {
    const added = { ...json, rawHeaders: [...json.rawHeaders, name, 'v'] };
    assert.equal(
      refusal(() => accept(added, JSON_TASK, GET_REPOSITORY.body)).message,
      'There were headers present in the request which were not signed',
    );
  }
  const s3 = await signWithSdk(
    { method: 'PUT', path: '/b/k', headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } },
    S3_TASK,
  );
  const copy = refusal(() =>
    accept({ ...s3, rawHeaders: [...s3.rawHeaders, 'x-amz-copy-source', '/b/secret'] }, S3_TASK),
  );
  assert.deepEqual(
    [copy.name, copy.status, copy.members],
    ['AccessDenied', 403, { HeadersNotSigned: 'x-amz-copy-source' }],
  );
  const noHost = withHeader(json, 'authorization', headerOf(json, 'authorization').replace(';host', ''));
  assert.match(refusal(() => accept(noHost, JSON_TASK, GET_REPOSITORY.body)).message, /'Host'/);
});

test('S1: S3 alone takes x-amz-content-sha256 unsigned, and its value is still what was signed', async () => {
  const url = await presignWithSdk(
    { method: 'PUT', path: '/b/k', headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } },
    S3_TASK,
  );
  const plain = { ...url, query: url.query.replace(/x-amz-content-sha256=UNSIGNED-PAYLOAD&/, '') };
  assert.notEqual(plain.query, url.query);
  const sealed = await presignWithSdk(
    { method: 'PUT', path: '/b/k', headers: { 'x-amz-content-sha256': bodyHash('x') } },
    S3_TASK,
  );
  accept(sealed, S3_TASK);
  for (const value of [bodyHash('y'), 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD']) {
    refusal(() => accept({ ...url, rawHeaders: [...url.rawHeaders, 'x-amz-content-sha256', value] }, S3_TASK));
  }
  const json = await signWithSdk(GET_REPOSITORY, JSON_TASK);
  const unsignedHash = withHeader(
    json,
    'authorization',
    headerOf(json, 'authorization').replace('x-amz-content-sha256;', ''),
  );
  assert.match(refusal(() => accept(unsignedHash, JSON_TASK, GET_REPOSITORY.body)).message, /not signed/);
});

test('S2: exactly one form, and only payload modes that the method and service allow', async () => {
  const signed = await signWithSdk(GET_REPOSITORY, JSON_TASK);
  const presigned = await presignWithSdk({ method: 'GET', path: '/' }, JSON_TASK);
  assert.equal(
    refusal(() => accept({ ...signed, query: presigned.query }, JSON_TASK, GET_REPOSITORY.body)).name,
    'IncompleteSignatureException',
  );
  const s3 = await signWithSdk(
    { method: 'GET', path: '/b/k', headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } },
    S3_TASK,
  );
  const both = refusal(() => accept({ ...s3, query: 'X-Amz-Algorithm=AWS4-HMAC-SHA256' }, S3_TASK));
  assert.equal(both.name, 'InvalidArgument');
  assert.match(both.message, /Only one auth mechanism allowed/);
  const sentinels = [
    'UNSIGNED-PAYLOAD',
    'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
    'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD',
    'nonsense',
    '',
  ];
  for (const method of ['GET', 'HEAD', 'DELETE', 'PUT', 'POST', 'PATCH']) {
    for (const sentinel of sentinels) {
      const headers = { 'x-amz-content-sha256': sentinel };
      const onS3 = async () => accept(await signWithSdk({ method, path: '/b/k', headers }, S3_TASK), S3_TASK);
      const allowed =
        sentinel === 'UNSIGNED-PAYLOAD' ||
        (/^STREAMING.*(HMAC|UNSIGNED)/.test(sentinel) && /^(PUT|POST)$/.test(method));
      if (allowed) await onS3();
      else await assert.rejects(onS3(), { name: 'InvalidRequest' }, `${method} ${sentinel}`);
      await assert.rejects(
        async () => accept(await signWithSdk({ method, path: '/', headers }, JSON_TASK), JSON_TASK),
        Fault,
      );
    }
  }
  const task: SigningTask = { service: 'codeartifact', style: 'rest-json' };
  const upload = await signWithSdk(
    { method: 'POST', path: '/v1', headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } },
    task,
  );
  const parsed = parseAuthorization(upload, { ...rulesFor(task), allowUnsignedPayload: true });
  verifySignature(upload, parsed, { style: task.style, secret: SECRET, bodyHash: bodyHash('anything') });
});

test('S3: a repeated header or authorization component is refused', async () => {
  const signed = await signWithSdk(GET_REPOSITORY, JSON_TASK);
  for (const name of ['Host', 'authorization', 'X-AMZ-DATE', 'x-amz-target', 'content-type', 'x-amz-content-sha256']) {
    const twice = { ...signed, rawHeaders: [...signed.rawHeaders, name, headerOf(signed, name.toLowerCase())] };
    assert.match(
      refusal(() => accept(twice, JSON_TASK, GET_REPOSITORY.body)).message,
      /must appear exactly once/,
      name,
    );
  }
  const text = headerOf(signed, 'authorization');
  for (const extra of [', Signature=00', ', signature=00', ', Foo=bar', ',', ' ,Credential=a/b/c/d/e']) {
    assert.equal(
      refusal(() => accept(withHeader(signed, 'authorization', text + extra), JSON_TASK, GET_REPOSITORY.body)).name,
      'IncompleteSignatureException',
    );
  }
  for (const names of ['host;host;x-amz-date', 'x-amz-date;host', 'Host;x-amz-date', 'host;;x-amz-date', '']) {
    const changed = withHeader(signed, 'authorization', text.replace(/SignedHeaders=[^,]*/, `SignedHeaders=${names}`));
    assert.equal(
      refusal(() => accept(changed, JSON_TASK, GET_REPOSITORY.body)).name,
      'IncompleteSignatureException',
      names,
    );
  }
});

const at = (offsetSeconds: number) => {
  const ms = parseBasicTime(NOW) + offsetSeconds * 1000;
  return `${new Date(ms).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;
};

test('S4: five minutes for every service, fifteen for S3', async () => {
  const json = await signWithSdk(GET_REPOSITORY, JSON_TASK);
  for (const seconds of [-300, -299, 0, 299, 300]) accept(json, JSON_TASK, GET_REPOSITORY.body, at(seconds));
  const late = refusal(() => accept(json, JSON_TASK, GET_REPOSITORY.body, at(301)));
  assert.equal(late.name, 'InvalidSignatureException');
  assert.equal(
    late.message,
    'Signature expired: 20261120T113455Z is now earlier than 20261120T113456Z (20261120T113956Z - 5 min.)',
  );
  const early = refusal(() => accept(json, JSON_TASK, GET_REPOSITORY.body, at(-301)));
  assert.equal(
    early.message,
    'Signature not yet current: 20261120T113455Z is still later than 20261120T113454Z (20261120T112954Z + 5 min.)',
  );
  const s3 = await signWithSdk(
    { method: 'GET', path: '/b/k', headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } },
    S3_TASK,
  );
  for (const seconds of [-900, -301, 301, 900]) accept(s3, S3_TASK, undefined, at(seconds));
  for (const seconds of [-901, 901]) {
    const skewed = refusal(() => accept(s3, S3_TASK, undefined, at(seconds)));
    assert.equal(skewed.name, 'RequestTimeTooSkewed');
    assert.deepEqual(skewed.members, {
      RequestTime: NOW,
      ServerTime: new Date(parseBasicTime(at(seconds))).toISOString(),
      MaxAllowedSkewMilliseconds: 900_000,
    });
  }
});

test('S4: a date that does not exist, another day in the scope, and no date at all', async () => {
  const signed = await signWithSdk(GET_REPOSITORY, JSON_TASK);
  for (const date of [
    '20270230T000000Z',
    '20261120T250000Z',
    '20261120113455',
    '2026-11-20T11:34:55Z',
    '20261120T113455',
    '',
  ]) {
    assert.match(
      refusal(() => accept(withHeader(signed, 'x-amz-date', date), JSON_TASK, GET_REPOSITORY.body)).message,
      /'basic format'/,
      date,
    );
  }
  const scope = refusal(() =>
    accept(withHeader(signed, 'x-amz-date', '20261121T113455Z'), JSON_TASK, GET_REPOSITORY.body),
  );
  assert.equal(
    scope.message,
    "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20261120' != '20261121', from '20261121T113455Z'.",
  );
  assert.equal(
    refusal(() => accept(withHeader(signed, 'x-amz-date', undefined), JSON_TASK, GET_REPOSITORY.body)).message,
    "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256",
  );
});

test('S6: a body other than the signed one is refused, whoever states its hash', async () => {
  const signed = await signWithSdk(GET_REPOSITORY, JSON_TASK);
  assert.equal(
    refusal(() => accept(signed, JSON_TASK, '{"repositoryName":"Other"}')).name,
    'InvalidSignatureException',
  );
  const s3 = await signWithSdk({ method: 'PUT', path: '/b/k', body: 'hello' }, S3_TASK);
  const mismatch = refusal(() => accept(s3, S3_TASK, 'hellO'));
  assert.deepEqual([mismatch.name, mismatch.status], ['XAmzContentSHA256Mismatch', 400]);
  assert.equal((payloadFault('s3', 'a', 'b') as Fault).members['S3ComputedContentSHA256'], 'b');
  const parsed = parseAuthorization(signed, rulesFor(JSON_TASK));
  assert.deepEqual(parsed.payload, { kind: 'sha256', hash: bodyHash(GET_REPOSITORY.body) });
  const bare = parseAuthorization(await presignWithSdk({ method: 'POST', path: '/' }, JSON_TASK), rulesFor(JSON_TASK));
  assert.throws(() => verifySignature(signed, bare, { style: 'json', secret: SECRET }), TypeError);
});

test('S8: wrong region, service, terminator and unknown keys, in each style', async () => {
  const styles: [ErrorStyle, string, string, number, string, number][] = [
    ['json', 'codecommit', 'InvalidSignatureException', 400, 'UnrecognizedClientException', 400],
    ['rest-json', 'codeartifact', 'InvalidSignatureException', 403, 'UnrecognizedClientException', 403],
    ['query', 'iam', 'SignatureDoesNotMatch', 403, 'InvalidClientTokenId', 403],
    ['s3', 's3', 'AuthorizationHeaderMalformed', 400, 'InvalidAccessKeyId', 403],
  ];
  for (const [style, service, scopeCode, scopeStatus, keyCode, keyStatus] of styles) {
    const task: SigningTask = { service, style };
    const draft: Draft = {
      method: 'POST',
      path: '/',
      headers: style === 's3' ? { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } : {},
    };
    for (const wrong of [{ region: 'mars-1' }, { service: 'sqs' }]) {
      const fault = refusal(() => accept(signedWrong.get(`${style}${JSON.stringify(wrong)}`)!, task));
      assert.deepEqual([fault.name, fault.status], [scopeCode, scopeStatus], fault.message);
    }
    const signed = await signWithSdk(draft, task);
    const terminator = withHeader(
      signed,
      'authorization',
      headerOf(signed, 'authorization').replace('aws4_request', 'aws5_request'),
    );
    assert.equal(refusal(() => accept(terminator, task)).name, scopeCode);
    const unknown = refusal(() =>
      accept(signed, { ...task, accessKeyId: 'AKIAUNKNOWN' }, style === 's3' ? undefined : ''),
    );
    assert.deepEqual([unknown.name, unknown.status], [keyCode, keyStatus]);
  }
});

const signedWrong = new Map<string, WireRequest>();
for (const style of ['json', 'rest-json', 'query', 's3'] as const) {
  const service = { json: 'codecommit', 'rest-json': 'codeartifact', query: 'iam', s3: 's3' }[style];
  for (const wrong of [{ region: 'mars-1' }, { service: 'sqs' }]) {
    const headers: Record<string, string> = style === 's3' ? { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } : {};
    signedWrong.set(
      `${style}${JSON.stringify(wrong)}`,
      await signWithSdk({ method: 'POST', path: '/', headers }, { service, style, ...wrong }),
    );
  }
}

test('S8: a replaced secret never verifies with the key derived from the old one', async () => {
  const old = await signWithSdk(GET_REPOSITORY, { ...JSON_TASK, secret: 'old' });
  const fresh = await signWithSdk(GET_REPOSITORY, { ...JSON_TASK, secret: 'new' });
  accept(old, { ...JSON_TASK, secret: 'old' }, GET_REPOSITORY.body);
  accept(fresh, { ...JSON_TASK, secret: 'new' }, GET_REPOSITORY.body);
  refusal(() => accept(old, { ...JSON_TASK, secret: 'new' }, GET_REPOSITORY.body));
});

test('a request without a signature, and schemes that are not SigV4', () => {
  const cases: [ErrorStyle, string | undefined, string, number, RegExp][] = [
    ['json', undefined, 'MissingAuthenticationTokenException', 400, /^Missing Authentication Token$/],
    ['query', undefined, 'MissingAuthenticationToken', 403, /^Request is missing Authentication Token$/],
    ['s3', undefined, 'AccessDenied', 403, /^Access Denied$/],
    [
      'query',
      'Basic dXNlcjpwYXNz',
      'IncompleteSignature',
      400,
      /^Authorization header requires 'Credential' parameter\. Authorization header requires 'Signature' parameter\. Authorization header requires 'SignedHeaders' parameter\. .* Authorization=Basic$/,
    ],
    ['json', 'AWS4-ECDSA-P256-SHA256 Credential=a', 'IncompleteSignatureException', 400, /Unsupported AWS 'algorithm'/],
    ['s3', 'AWS AKID:sig', 'InvalidRequest', 400, /Please use AWS4-HMAC-SHA256/],
    ['s3', 'Bearer x', 'InvalidRequest', 400, /Unsupported Authorization Type/],
    ['s3', 'AWS4-HMAC-SHA256 Credential=a', 'AuthorizationHeaderMalformed', 400, /three components/],
  ];
  for (const [style, authorization, code, status, message] of cases) {
    const request = wire('GET', '/', [
      'Host',
      'h',
      ...(authorization === undefined ? [] : ['Authorization', authorization]),
    ]);
    const fault = refusal(() => parseAuthorization(request, rulesFor({ service: 'x', style })));
    assert.deepEqual([fault.name, fault.status], [code, status]);
    assert.match(fault.message, message);
    assert.equal(hasAuthorization(request), authorization !== undefined);
  }
});

test('a broken percent escape is refused, not guessed at', () => {
  const s3 = refusal(() => accept(wire('GET', '/?a=%ZZ', ['Host', 'h']), S3_TASK));
  assert.deepEqual([s3.name, s3.status], ['InvalidURI', 400]);
  assert.equal(refusal(() => accept(wire('GET', '/?%', ['Host', 'h']), JSON_TASK)).name, 'MalformedQueryString');
});

test('peekScope reads either form and guesses nothing', async () => {
  const expected = {
    accessKeyId: ACCESS_KEY_ID,
    date: '20261120',
    region: 'us-east-1',
    service: 'codecommit',
    terminator: 'aws4_request',
  };
  assert.deepEqual(peekScope(await signWithSdk(GET_REPOSITORY, JSON_TASK)), expected);
  assert.deepEqual(peekScope(await presignWithSdk({ method: 'GET', path: '/' }, JSON_TASK)), expected);
  for (const request of [
    wire('GET', '/', []),
    wire('GET', '/', ['authorization', 'Basic eDp5']),
    wire('GET', '/?X-Amz-Credential=%Z', []),
  ]) {
    assert.equal(peekScope(request), undefined);
  }
});
