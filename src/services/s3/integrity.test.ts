import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { startServer, type TestServer } from '../../../test/harness.ts';
import { head, RawConnection, sendSigned, signedHeaders } from '../../kernel/testing/raw-http.ts';
import { ALGORITHMS, startChecksum } from './checksums.ts';
import { bytesOf, refused, textOf } from './testing/refusals.ts';

const Bucket = 'sound';

/** Files below the blob folder. */
async function blobFiles(server: TestServer): Promise<string[]> {
  const folder = join(server.config.data, 'blobs');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** A body in unsigned chunks with a trailer. */
function chunked(data: string, trailer: string): string {
  return `${data.length.toString(16)}\r\n${data}\r\n0\r\n${trailer}\r\n`;
}

test('A5, S6: uploads that are not what the client says', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  await s3.createBucket({ Bucket });
  const data = 'the right bytes';
  const raw = (Key: string, headers: Record<string, string>, body: string) =>
    sendSigned(server.url, 's3', server.root, { method: 'PUT', path: `/${Bucket}/${Key}`, headers, body });
  const crc32 = async (text: string) => {
    const digester = startChecksum('CRC32');
    digester.update(Buffer.from(text));
    return (await digester.digest()).toString('base64');
  };

  await t.test('checksums are verified, kept and shown, for every algorithm', async () => {
    for (const algorithm of ALGORITHMS) {
      const member = `Checksum${algorithm}` as const;
      const Key = `sum-${algorithm}`;
      const put = await s3.putObject({ Bucket, Key, Body: data, ChecksumAlgorithm: algorithm });
      assert.ok(put[member], algorithm);
      const plain = await s3.headObject({ Bucket, Key });
      assert.equal(plain[member], undefined);
      const shown = await s3.headObject({ Bucket, Key, ChecksumMode: 'ENABLED' });
      assert.deepEqual([shown[member], shown.ChecksumType], [put[member], 'FULL_OBJECT']);
      assert.equal(await textOf(await s3.getObject({ Bucket, Key, ChecksumMode: 'ENABLED' })), data);
      const part = await s3.getObject({ Bucket, Key, ChecksumMode: 'ENABLED', Range: 'bytes=0-3' });
      assert.equal(part[member], undefined, 'a checksum of the whole says nothing of a range');
      await textOf(part);
      const wrong = s3.putObject({ Bucket, Key: `bad-${algorithm}`, Body: 'other bytes', [member]: put[member] });
      await refused(wrong, 'BadDigest', 400);
      await refused(s3.headObject({ Bucket, Key: `bad-${algorithm}` }), 'NotFound', 404);
    }
  });

  await t.test('a streamed body brings its checksum behind it', async () => {
    const pieces = [randomBytes(40_000), randomBytes(70_000)];
    const Body = Readable.from(pieces, { objectMode: false });
    const put = await s3.putObject({
      Bucket,
      Key: 'trailing',
      Body,
      ContentLength: 110_000,
      ChecksumAlgorithm: 'CRC64NVME',
    });
    assert.ok(put.ChecksumCRC64NVME);
    assert.ok((await bytesOf(await s3.getObject({ Bucket, Key: 'trailing' }))).equals(Buffer.concat(pieces)));
    const { ContentEncoding } = await s3.headObject({ Bucket, Key: 'trailing' });
    assert.equal(ContentEncoding, undefined, 'aws-chunked is not a property of the object');
  });

  await t.test('nothing is stored when anything is wrong', async () => {
    const before = (await blobFiles(server)).length;
    const sha = createHash('sha256').update(data).digest('hex');
    const md5 = createHash('md5').update(data).digest('base64');
    const trailing = (length: number) => ({
      'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      'x-amz-decoded-content-length': String(length),
      'x-amz-trailer': 'x-amz-checksum-crc32',
      'content-encoding': 'aws-chunked',
    });
    const good = `x-amz-checksum-crc32:${await crc32(data)}\r\n`;
    const bad = `x-amz-checksum-crc32:${await crc32('other')}\r\n`;
    const signed = {
      'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
      'x-amz-decoded-content-length': '15',
    };
    const forged = `f;chunk-signature=${'0'.repeat(64)}\r\n${data}\r\n0;chunk-signature=${'0'.repeat(64)}\r\n\r\n`;
    const cases: [string, Record<string, string>, string, number, string][] = [
      ['sha256', { 'x-amz-content-sha256': sha }, 'other bytes now', 400, 'XAmzContentSHA256Mismatch'],
      ['md5', { 'content-md5': md5 }, 'other bytes now', 400, 'BadDigest'],
      ['md5-form', { 'content-md5': 'bm90IG1kNQ==' }, data, 400, 'InvalidDigest'],
      ['two', { 'x-amz-checksum-crc32': await crc32(data), 'x-amz-checksum-sha1': 'x' }, data, 400, 'InvalidRequest'],
      ['form', { 'x-amz-checksum-crc32': 'AAAA' }, data, 400, 'InvalidRequest'],
      ['other-algorithm', { 'x-amz-checksum-md5': md5 }, data, 501, 'NotImplemented'],
      ['trailer', trailing(15), chunked(data, bad), 400, 'BadDigest'],
      ['trailer-missing', trailing(15), chunked(data, ''), 400, 'MalformedTrailerError'],
      ['too-long', trailing(14), chunked(data, good), 400, 'IncompleteBody'],
      ['too-short', trailing(16), chunked(data, good), 400, 'IncompleteBody'],
      ['cut', trailing(15), chunked(data, good).slice(0, 12), 400, 'IncompleteBody'],
      ['forged-chunk', signed, forged, 403, 'SignatureDoesNotMatch'],
    ];
    for (const [Key, headers, body, status, code] of cases) {
      const answer = await raw(Key, headers, body);
      assert.equal(answer.status, status, `${Key}: ${answer.text}`);
      assert.match(answer.text, new RegExp(`<Code>${code}</Code>`), Key);
      await refused(s3.headObject({ Bucket, Key }), 'NotFound', 404);
    }
    assert.equal((await blobFiles(server)).length, before, 'no blob was left');
    const fine = await raw('fine', trailing(15), chunked(data, good));
    assert.equal(fine.status, 200, fine.text);
    assert.equal(fine.headers['x-amz-checksum-crc32'], await crc32(data));
  });

  await t.test('a client that hangs up leaves nothing', async () => {
    const before = (await blobFiles(server)).length;
    const path = `/${Bucket}/hung-up`;
    const headers = signedHeaders(
      { method: 'PUT', path, headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } },
      new URL(server.url).host,
      's3',
      server.root,
    );
    const connection = new RawConnection(server.url);
    connection.write(head('PUT', path, { ...headers, 'content-length': '1000000', expect: '100-continue' }));
    await connection.until(/100 Continue/);
    connection.write(randomBytes(300_000));
    connection.destroy();
    await server.restart(); // which waits for what runs
    await refused(s3.headObject({ Bucket, Key: 'hung-up' }), 'NotFound', 404);
    assert.equal((await blobFiles(server)).length, before);
  });

  await t.test('an upload names its length and keeps to the limit', async () => {
    const path = `/${Bucket}/endless`;
    const host = new URL(server.url).host;
    const unsigned = { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
    const headers = signedHeaders({ method: 'PUT', path, headers: unsigned }, host, 's3', server.root);
    const open = new RawConnection(server.url);
    open.write(head('PUT', path, { ...headers, 'transfer-encoding': 'chunked' }), '5\r\nhello\r\n0\r\n\r\n');
    assert.match(await open.until(/<\/Error>/), /^HTTP\/1.1 411 .*MissingContentLength/s);
    open.destroy();
    const huge = new RawConnection(server.url);
    huge.write(head('PUT', path, { ...headers, 'content-length': String(5 * 1024 ** 3 + 1), expect: '100-continue' }));
    assert.match(await huge.until(/<\/Error>/), /^HTTP\/1.1 400 .*EntityTooLarge/s);
    huge.destroy();
  });
});

test('A5: damage on the disk is an error, never data', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  await s3.createBucket({ Bucket });
  const secret = 'a sentence that nobody should find on the disk';

  await t.test('the disk holds no plaintext', async () => {
    await s3.putObject({ Bucket, Key: 'secret', Body: secret.repeat(100) });
    const files = await blobFiles(server);
    assert.ok(files.length > 0);
    for (const file of files) {
      assert.equal((await readFile(file)).includes(secret), false);
      assert.doesNotMatch(file, /secret|sound/);
    }
  });

  await t.test('a flipped byte at the start is a refusal', async () => {
    await s3.deleteObject({ Bucket, Key: 'secret' });
    await s3.putObject({ Bucket, Key: 'small', Body: secret });
    const file = (await newest(server))!;
    const bytes = await readFile(file);
    for (const at of [0, 20, bytes.length - 1]) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 1;
      await writeFile(file, damaged);
      await refused(s3.getObject({ Bucket, Key: 'small' }), 'InternalError', 500);
    }
    await writeFile(file, bytes.subarray(0, 10));
    await refused(s3.getObject({ Bucket, Key: 'small' }), 'InternalError', 500);
    await writeFile(file, bytes);
    assert.equal(await textOf(await s3.getObject({ Bucket, Key: 'small' })), secret);
  });

  await t.test('a flipped byte further on breaks the answer off', async () => {
    const Body = randomBytes(3_000_000);
    await s3.putObject({ Bucket, Key: 'large', Body });
    const file = (await newest(server))!;
    const damaged = await readFile(file);
    damaged[2_900_000]! ^= 0x80;
    await writeFile(file, damaged);
    const got = await s3.getObject({ Bucket, Key: 'large' });
    await assert.rejects(bytesOf(got));
    // What is not damaged can still be read.
    const part = await s3.getObject({ Bucket, Key: 'large', Range: 'bytes=0-99999' });
    assert.ok((await bytesOf(part)).equals(Body.subarray(0, 100_000)));
    await refused(s3.copyObject({ Bucket, Key: 'copy', CopySource: `${Bucket}/large` }), 'InternalError', 500);
    await refused(s3.headObject({ Bucket, Key: 'copy' }), 'NotFound', 404);
  });
});

/** The blob that was begun last: its name starts with the time. */
async function newest(server: TestServer): Promise<string | undefined> {
  const name = (file: string) => file.slice(file.lastIndexOf('/') + 1);
  return (await blobFiles(server)).sort((a, b) => (name(a) < name(b) ? -1 : 1)).at(-1);
}
