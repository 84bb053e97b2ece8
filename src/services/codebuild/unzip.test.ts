import assert from 'node:assert/strict';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { crc32, deflateRawSync } from 'node:zlib';
import { ArchiveError, type ArchiveLimits, unzip } from './unzip.ts';

let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'slipway-unzip-'));
});
after(() => rm(root, { recursive: true, force: true }));

interface Fake {
  name: string;
  content?: string | Buffer;
  mode?: number;
  /** What the headers say, where it differs. */
  crc?: number;
  size?: number;
  flags?: number;
  /** Shares the bytes of the entry with this index. */
  overlaps?: number;
}

/** A zip archive that may say anything: writers of archives refuse what is tested here. */
function zipBytes(entries: Fake[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  const offsets: number[] = [];
  let offset = 0;
  for (const { name, content = '', mode = 0o100644, crc, size, flags = 0x800, overlaps } of entries) {
    const data = Buffer.from(content);
    const packed = deflateRawSync(data);
    const fields = Buffer.alloc(22);
    fields.writeUInt16LE(flags, 0);
    fields.writeUInt16LE(8, 2);
    fields.writeUInt32LE(crc ?? crc32(data), 8);
    fields.writeUInt32LE(packed.length, 12);
    fields.writeUInt32LE(size ?? data.length, 16);
    fields.writeUInt16LE(Buffer.byteLength(name), 20);
    const local = Buffer.concat([
      Buffer.from('504b03041400', 'hex'),
      fields,
      Buffer.alloc(2),
      Buffer.from(name),
      packed,
    ]);
    offsets.push(overlaps === undefined ? offset : offsets[overlaps]!);
    if (overlaps === undefined) {
      parts.push(local);
      offset += local.length;
    }
    const tail = Buffer.alloc(16);
    tail.writeUInt32LE((mode << 16) >>> 0, 8);
    tail.writeUInt32LE(offsets.at(-1)!, 12);
    directory.push(Buffer.from('504b010214031400', 'hex'), fields, tail, Buffer.from(name));
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, central, end]);
}

/** Unpacks into `<case>/inside`, from a file and from memory; what is beside it must stay untouched. */
async function unpack(bytes: Buffer, limits?: ArchiveLimits): Promise<string> {
  const folder = await unpackFrom('file', bytes, limits).catch((error: unknown) => ({ error }));
  if (typeof folder === 'string') await unpackFrom('memory', bytes, limits);
  else await assert.rejects(unpackFrom('memory', bytes, limits), ArchiveError);
  if (typeof folder !== 'string') throw folder.error;
  return folder;
}

async function unpackFrom(place: 'file' | 'memory', bytes: Buffer, limits?: ArchiveLimits): Promise<string> {
  const folder = await mkdtemp(join(root, 'case-'));
  await writeFile(join(folder, 'archive.zip'), bytes);
  await mkdir(join(folder, 'inside'));
  try {
    await unzip(place === 'file' ? join(folder, 'archive.zip') : bytes, join(folder, 'inside'), limits);
  } finally {
    assert.deepEqual((await readdir(folder)).sort(), ['archive.zip', 'inside'], 'nothing beside the folder');
  }
  return join(folder, 'inside');
}

test('files, folders, links and executable bits come out', async () => {
  const folder = await unpack(
    zipBytes([
      { name: 'bin/', mode: 0o040700 },
      { name: 'bin/run', content: '#!/bin/sh\n', mode: 0o100755 },
      { name: 'deep/er/file.txt', content: 'text', mode: 0o100600 },
      { name: 'deep/link', content: '../bin/run', mode: 0o120777 },
      { name: 'empty', content: '' },
    ]),
  );
  assert.equal(await readFile(join(folder, 'deep/er/file.txt'), 'utf8'), 'text');
  assert.equal((await stat(join(folder, 'bin/run'))).mode & 0o777, 0o755);
  assert.equal((await stat(join(folder, 'deep/er/file.txt'))).mode & 0o777, 0o644);
  assert.equal(await readlink(join(folder, 'deep/link')), '../bin/run');
  assert.equal((await stat(join(folder, 'empty'))).size, 0);
});

test('A2: set-user-id and write-for-all are not kept', async () => {
  const folder = await unpack(zipBytes([{ name: 'tool', mode: 0o106777 }]));
  assert.equal((await lstat(join(folder, 'tool'))).mode & 0o7777, 0o755);
});

const REFUSED: Record<string, Fake[]> = {
  'a name with ..': [{ name: '../evil' }],
  'a name with .. inside': [{ name: 'a/../../evil' }],
  'a name with backslashes': [{ name: '..\\evil' }],
  'an absolute name': [{ name: '/tmp/evil' }],
  'a drive letter': [{ name: 'C:/evil' }],
  'an empty part': [{ name: 'a//b' }],
  'a dot part': [{ name: './a' }],
  'a NUL': [{ name: 'a\0b' }],
  'a link out': [{ name: 'l', content: '../x', mode: 0o120777 }],
  'an absolute link': [{ name: 'l', content: '/etc/passwd', mode: 0o120777 }],
  'a link out through another link': [
    { name: 'p/d', content: '..', mode: 0o120777 },
    { name: 'e', content: 'p/d/../..', mode: 0o120777 },
  ],
  'a file through a link': [
    { name: 'dir', content: 'other', mode: 0o120777 },
    { name: 'dir/evil', content: 'x' },
  ],
  'a link in place of a folder': [
    { name: 'dir/evil', content: 'x' },
    { name: 'dir', content: '..', mode: 0o120777 },
  ],
  'the same name twice': [
    { name: 'a', content: '1' },
    { name: 'a', content: '2' },
  ],
  'a device': [{ name: 'null', mode: 0o020666 }],
  'a pipe': [{ name: 'pipe', mode: 0o010666 }],
  'an encrypted entry': [{ name: 'a', flags: 0x801 }],
  'overlapping entries': [
    { name: 'a', content: 'x'.repeat(1000) },
    { name: 'b', content: 'x'.repeat(1000), overlaps: 0 },
  ],
  'a wrong checksum': [{ name: 'a', content: 'x', crc: 1 }],
  'more bytes than promised': [{ name: 'a', content: 'x'.repeat(1000), size: 10 }],
  'fewer bytes than promised': [{ name: 'a', content: 'x', size: 1000 }],
};
for (const [what, entries] of Object.entries(REFUSED)) {
  test(`A2: an archive with ${what} is refused`, () => assert.rejects(unpack(zipBytes(entries)), ArchiveError));
}

test('A2: archives beyond the limits are refused before anything is written', async () => {
  const many = zipBytes(Array.from({ length: 11 }, (_, at) => ({ name: `f${at}` })));
  await assert.rejects(unpack(many, { entries: 10, bytes: 1000, ratio: 200 }), /more than 10 entries/);
  const large = zipBytes([
    { name: 'a', content: 'x'.repeat(600) },
    { name: 'b', content: 'x'.repeat(600) },
  ]);
  await assert.rejects(unpack(large, { entries: 10, bytes: 1000, ratio: 200 }), /more than 1000 bytes/);
  const bomb = zipBytes([{ name: 'zeros', content: Buffer.alloc(101 * 1024 * 1024) }]);
  await assert.rejects(unpack(bomb, { entries: 10, bytes: 1e9, ratio: 200 }), /200 times/);
});

test('what is no archive says so', async () => {
  await assert.rejects(unpack(Buffer.from('<html>not found</html>')), /not a zip archive/);
  await assert.rejects(unpack(Buffer.alloc(0)), ArchiveError);
  const whole = zipBytes([{ name: 'a', content: 'x'.repeat(100) }]);
  await assert.rejects(unpack(whole.subarray(0, whole.length - 30)), ArchiveError);
});
