import assert from 'node:assert/strict';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { Fault } from '../fault.ts';
import { ChunkedDecoder, type ChunkedOptions } from './chunked.ts';
import { EMPTY_HASH } from './signed-request.ts';
import { signingKey } from './signing-key.ts';
import { accept, wire } from './testdata/signers.ts';

const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const TIMESTAMP = '20130524T000000Z';
const SCOPE = '20130524/us-east-1/s3/aws4_request';
const KEY = signingKey('AKIAIOSFODNN7EXAMPLE', SECRET, '20130524', 'us-east-1', 's3');
const SEED = '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9';

type Kind = 'streaming-signed' | 'streaming-signed-trailer' | 'streaming-unsigned-trailer';

function options(kind: Kind, length: number | string | undefined, trailer?: string, seed = SEED): ChunkedOptions {
  return {
    payload: { kind },
    signature: { key: KEY, seedSignature: seed, timestamp: TIMESTAMP, scope: SCOPE },
    decodedContentLength: length === undefined ? undefined : String(length),
    trailer,
  };
}

/** Decodes `body` cut into pieces of `step` bytes. */
async function decode(body: Buffer, opts: ChunkedOptions, step = body.length || 1) {
  const pieces: Buffer[] = [];
  for (let at = 0; at < body.length; at += step) pieces.push(body.subarray(at, at + step));
  const decoder = new ChunkedDecoder(opts);
  const out: Buffer[] = [];
  await pipeline(
    Readable.from(pieces),
    decoder,
    new Writable({
      write(chunk, _encoding, done) {
        out.push(chunk);
        done();
      },
    }),
  );
  return { data: Buffer.concat(out), trailers: Object.fromEntries(decoder.trailers) };
}

const hmac = (text: string) => createHmac('sha256', KEY).update(text).digest('hex');
const sha256 = (data: Buffer | string) => createHash('sha256').update(data).digest('hex');

/** A second, independent writer of signed chunks: gives the parts so that tests can tamper with each. */
function signedParts(data: Buffer, chunkBytes: number, trailer?: [string, string]): Buffer[] {
  const parts: Buffer[] = [];
  let previous = SEED;
  const chunk = (piece: Buffer) => {
    previous = hmac(['AWS4-HMAC-SHA256-PAYLOAD', TIMESTAMP, SCOPE, previous, EMPTY_HASH, sha256(piece)].join('\n'));
    const head = Buffer.from(`${piece.length.toString(16)};chunk-signature=${previous}\r\n`);
    return piece.length === 0 ? head : Buffer.concat([head, piece, Buffer.from('\r\n')]);
  };
  for (let at = 0; at < data.length; at += chunkBytes) parts.push(chunk(data.subarray(at, at + chunkBytes)));
  parts.push(chunk(Buffer.alloc(0)));
  if (trailer) {
    const line = `${trailer[0]}:${trailer[1]}\n`;
    const signature = hmac(['AWS4-HMAC-SHA256-TRAILER', TIMESTAMP, SCOPE, previous, sha256(line)].join('\n'));
    parts.push(Buffer.from(`${trailer[0]}:${trailer[1]}\r\nx-amz-trailer-signature:${signature}\r\n`));
  }
  parts.push(Buffer.from('\r\n'));
  return parts;
}

function unsignedBody(data: Buffer, chunkBytes: number, trailerLines: string): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < data.length; at += chunkBytes) {
    const piece = data.subarray(at, at + chunkBytes);
    parts.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from(`0\r\n${trailerLines}\r\n`)]);
}

async function refused(promise: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof Fault, String(error));
    assert.equal(error.name, code, error.message);
    return true;
  });
}

test('the documented example: 65 KiB in two signed chunks, seed signature and all', async () => {
  const data = Buffer.alloc(66_560, 'a');
  const request = wire('PUT', '/examplebucket/chunkObject.txt', [
    'Host',
    's3.amazonaws.com',
    'x-amz-date',
    TIMESTAMP,
    'x-amz-storage-class',
    'REDUCED_REDUNDANCY',
    'x-amz-content-sha256',
    'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    'Content-Encoding',
    'aws-chunked',
    'x-amz-decoded-content-length',
    '66560',
    'Content-Length',
    '66824',
    'Authorization',
    `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/${SCOPE},SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=${SEED}`,
  ]);
  const signature = accept(request, { service: 's3', style: 's3', secret: SECRET }, undefined, TIMESTAMP);
  const body = Buffer.concat([
    Buffer.from('10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n'),
    data.subarray(0, 65_536),
    Buffer.from('\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n'),
    data.subarray(65_536),
    Buffer.from('\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n'),
  ]);
  assert.equal(body.length, 66_824);
  const decoded = await decode(body, { ...options('streaming-signed', 66_560), signature });
  assert.ok(decoded.data.equals(data));
});

test('the documented example with a signed trailer, in both spellings of the line end', async () => {
  const seed = '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e';
  const data = Buffer.alloc(66_560, 'a');
  for (const lineEnd of ['\r\n', '\n\r\n']) {
    const body = Buffer.concat([
      Buffer.from('10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n'),
      data.subarray(0, 65_536),
      Buffer.from('\r\n400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n'),
      data.subarray(65_536),
      Buffer.from('\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n'),
      Buffer.from(
        `x-amz-checksum-crc32c:sOO8/Q==${lineEnd}x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n`,
      ),
    ]);
    const decoded = await decode(body, options('streaming-signed-trailer', 66_560, 'x-amz-checksum-crc32c', seed));
    assert.ok(decoded.data.equals(data));
    assert.deepEqual(decoded.trailers, { 'x-amz-checksum-crc32c': 'sOO8/Q==' });
  }
});

test('every way of cutting the body into reads gives the same bytes', async () => {
  const data = randomBytes(20_000);
  const signed = Buffer.concat(signedParts(data, 8192, ['x-amz-checksum-sha256', 'abc=']));
  const unsigned = unsignedBody(data, 9000, 'x-amz-checksum-crc32:AAAAAA==\r\n');
  for (const step of [1, 2, 3, 7, 85, 86, 87, 88, 1000, 8192, 16_384, 100_000]) {
    const one = await decode(signed, options('streaming-signed-trailer', 20_000, 'x-amz-checksum-sha256'), step);
    assert.ok(one.data.equals(data), `signed, reads of ${step} bytes`);
    const two = await decode(unsigned, options('streaming-unsigned-trailer', 20_000, 'x-amz-checksum-crc32'), step);
    assert.ok(two.data.equals(data), `unsigned, reads of ${step} bytes`);
    assert.deepEqual(two.trailers, { 'x-amz-checksum-crc32': 'AAAAAA==' });
  }
});

test('an empty body, with and without trailers', async () => {
  assert.equal(
    (await decode(Buffer.concat(signedParts(Buffer.alloc(0), 1)), options('streaming-signed', 0))).data.length,
    0,
  );
  assert.equal((await decode(Buffer.from('0\r\n\r\n'), options('streaming-unsigned-trailer', 0))).data.length, 0);
});

test('S6: exchanged, repeated, dropped and foreign chunks are refused', async () => {
  const data = randomBytes(8192 * 3);
  const parts = signedParts(data, 8192);
  const [a, b, c, end, line] = parts as [Buffer, Buffer, Buffer, Buffer, Buffer];
  const foreign = signedParts(randomBytes(8192 * 3), 8192);
  const bodies: Record<string, Buffer[]> = {
    exchanged: [b, a, c, end, line],
    repeated: [a, a, c, end, line],
    dropped: [a, c, end, line],
    foreign: [a, foreign[1]!, c, end, line],
  };
  for (const [name, body] of Object.entries(bodies)) {
    for (const length of [data.length, 8192 * 2]) {
      await assert.rejects(decode(Buffer.concat(body), options('streaming-signed', length)), Fault, name);
    }
  }
});

test('S6: no single changed byte of a signed body passes', async () => {
  const data = randomBytes(300);
  const body = Buffer.concat(signedParts(data, 8192, ['x-amz-checksum-crc32', 'AAAAAA==']));
  const opts = options('streaming-signed-trailer', 300, 'x-amz-checksum-crc32');
  await decode(body, opts);
  for (let at = 0; at < body.length; at++) {
    const changed = Buffer.from(body);
    changed[at] = changed[at]! ^ 1;
    await assert.rejects(decode(changed, opts), Fault, `byte ${at}: ${JSON.stringify(String.fromCharCode(body[at]!))}`);
  }
});

test('S6: a body that ends early is refused at every length', async () => {
  const body = Buffer.concat(signedParts(randomBytes(300), 8192, ['x-amz-checksum-crc32', 'AAAAAA==']));
  const opts = options('streaming-signed-trailer', 300, 'x-amz-checksum-crc32');
  for (let length = 0; length < body.length; length++) {
    await refused(decode(body.subarray(0, length), opts), 'IncompleteBody');
  }
  await refused(decode(Buffer.concat([body, Buffer.from('x')]), opts), 'InvalidRequest');
});

test('S6: x-amz-decoded-content-length must be there and true', async () => {
  const data = randomBytes(10_000);
  const body = Buffer.concat(signedParts(data, 8192));
  await refused(decode(body, options('streaming-signed', 9_999)), 'IncompleteBody');
  await refused(decode(body, options('streaming-signed', 10_001)), 'IncompleteBody');
  for (const bad of [undefined, '', '-1', '1e4', '0x10', ' 10000']) {
    assert.throws(() => new ChunkedDecoder(options('streaming-signed', bad)), { name: 'MissingContentLength' });
  }
  assert.throws(() => new ChunkedDecoder(options('streaming-signed', 6 * 1024 ** 3)), { name: 'EntityTooLarge' });
});

test('only the last chunk may be smaller than 8 KiB', async () => {
  const data = randomBytes(10_000);
  await refused(
    decode(Buffer.concat(signedParts(data, 5000)), options('streaming-signed', 10_000)),
    'InvalidChunkSizeError',
  );
  await refused(
    decode(unsignedBody(data, 8191, ''), options('streaming-unsigned-trailer', 10_000)),
    'InvalidChunkSizeError',
  );
});

test('malformed chunk headers and line ends are refused', async () => {
  const opts = options('streaming-unsigned-trailer', 3);
  const cases = [
    'zz\r\nabc\r\n0\r\n\r\n',
    '\r\nabc\r\n0\r\n\r\n',
    '-3\r\nabc\r\n0\r\n\r\n',
    '3\nabc\r\n0\r\n\r\n',
    '3;x=y\r\nabc\r\n0\r\n\r\n',
    '3\r\nabcd\r\n0\r\n\r\n',
    '3\r\nabc\n0\r\n\r\n',
    `${'0'.repeat(300)}3\r\nabc\r\n0\r\n\r\n`,
    `${'0'.repeat(300)}`,
  ];
  for (const text of cases) await refused(decode(Buffer.from(text), opts), 'InvalidRequest');
  assert.equal((await decode(Buffer.from('3\r\nabc\r\n0\r\n\r\n'), opts)).data.toString(), 'abc');
});

test('S6: trailers must be exactly those announced, each once, and signed where the mode says so', async () => {
  const unsigned = (lines: string, trailer?: string) =>
    decode(Buffer.from(`3\r\nabc\r\n0\r\n${lines}\r\n`), options('streaming-unsigned-trailer', 3, trailer));
  const crc = 'x-amz-checksum-crc32';
  await unsigned(`${crc}:AAAA\r\n`, crc);
  await unsigned(`X-Amz-Checksum-Crc32: AAAA\r\n`, crc);
  const bad: [string, string | undefined][] = [
    ['', crc],
    [`${crc}:AAAA\r\n`, undefined],
    [`${crc}:AAAA\r\n${crc}:BBBB\r\n`, crc],
    [`${crc}:AAAA\r\nx-amz-meta-x:1\r\n`, crc],
    [`${crc}\r\n`, crc],
    [`${crc}:\r\n`, crc],
    ['x-amz-checksum-sha1:AAAA\r\n', crc],
    [`x-amz-trailer-signature:${'0'.repeat(64)}\r\n`, undefined],
  ];
  for (const [lines, trailer] of bad) await refused(unsigned(lines, trailer), 'MalformedTrailerError');
  await refused(unsigned(`${crc}:${'A'.repeat(20_000)}\r\n`, crc), 'InvalidRequest');
  assert.throws(() => new ChunkedDecoder(options('streaming-unsigned-trailer', 3, 'content-type')), {
    name: 'InvalidRequest',
  });
  const parts = signedParts(Buffer.from('abc'), 8192, [crc, 'AAAA']);
  const unsignedTrailer = Buffer.concat([parts[0]!, parts[1]!, Buffer.from(`${crc}:AAAA\r\n\r\n`)]);
  await assert.rejects(decode(unsignedTrailer, options('streaming-signed-trailer', 3, crc)), Fault);
});

test('a refused body leaves the stream destroyed, so nothing can end well', async () => {
  const decoder = new ChunkedDecoder(options('streaming-unsigned-trailer', 3));
  const done = buffer(decoder);
  decoder.end('nonsense\r\n');
  await assert.rejects(done, { name: 'InvalidRequest' });
  assert.equal(decoder.destroyed, true);
  assert.equal(decoder.readableEnded, false);
});
