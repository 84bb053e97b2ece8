import { createWriteStream } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform, type TransformCallback } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { crc32, inflateRawSync } from 'node:zlib';
import { type Entry, fromBufferPromise, openPromise, type ZipFile } from 'yauzl';

/** An archive that is damaged or hostile. The message is fit for a build's log. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
}

export interface ArchiveLimits {
  entries: number;
  bytes: number;
  /** Unpacked to packed size; counts from {@link RATIO_FROM_BYTES} on. */
  ratio: number;
}

/** Ceilings of an ordinary source archive. */
export const ARCHIVE_LIMITS: ArchiveLimits = { entries: 200_000, bytes: 20 * 1024 ** 3, ratio: 200 };
/** Small archives of zeros are no bombs. */
const RATIO_FROM_BYTES = 100 * 1024 * 1024;

const TYPE_MASK = 0o170000;
const LINK_TYPE = 0o120000;
const FILE_TYPE = 0o100000;
const FOLDER_TYPE = 0o040000;
const MADE_BY_UNIX = 3;
const ENCRYPTED = 1;
const LOCAL_HEADER_BYTES = 30;
const DEFLATED = 8;
/** Entries up to this size are unpacked without streams, which cost more than the work. */
const SMALL_BYTES = 256 * 1024;
/** Files and folders that are written at once. */
const AT_ONCE = 16;

interface PlannedEntry {
  entry: Entry;
  path: string;
  kind: 'file' | 'folder' | 'link';
  isExecutable: boolean;
}

/**
 * Unpacks a zip archive, in a file or in memory, into an existing empty folder. Nothing is written outside of it: names that lead out, links
 * that lead out, links as folders of later entries, names given twice, other kinds of entries, encrypted entries,
 * overlapping entries and archives beyond the limits are refused, most of them before the first byte is written.
 * Executable bits are kept, all other permissions are those of a fresh checkout.
 * @throws {ArchiveError}
 */
export async function unzip(
  archive: string | Buffer,
  folder: string,
  limits: ArchiveLimits = ARCHIVE_LIMITS,
): Promise<void> {
  const zip = await orArchiveError(
    typeof archive === 'string' ? openPromise(archive, { autoClose: false }) : fromBufferPromise(archive),
  );
  try {
    const planned = await plan(zip, limits);
    const folders = new Set(planned.map(({ path, kind }) => (kind === 'folder' ? path : dirname(path))));
    await eachOf([...folders], (path) => mkdir(join(folder, path), { recursive: true }));
    await eachOf(
      planned.filter(({ kind }) => kind === 'file'),
      (file) => writeEntry(zip, archive, file, folder),
    );
    // Last, so that nothing is written through one.
    for (const link of planned) if (link.kind === 'link') await makeLink(zip, link, folder);
  } finally {
    zip.close();
  }
}

/** Works on several items at once; stops at the first error, when all that has begun is over. */
async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  let failure: { error: unknown } | undefined;
  const worker = async () => {
    while (next < items.length && failure === undefined) {
      const item = items[next++]!;
      try {
        await work(item);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
  if (failure !== undefined) throw failure.error;
}

/** Reads the whole directory of the archive and refuses what must not be unpacked. */
async function plan(zip: ZipFile, limits: ArchiveLimits): Promise<PlannedEntry[]> {
  if (zip.entryCount > limits.entries) throw new ArchiveError(`the archive has more than ${limits.entries} entries`);
  const planned: PlannedEntry[] = [];
  let bytes = 0;
  await orArchiveError(
    (async () => {
      for await (const entry of zip.eachEntry()) {
        planned.push(plannedEntry(entry));
        bytes += entry.uncompressedSize;
        if (bytes > limits.bytes) throw new ArchiveError(`the archive unpacks to more than ${limits.bytes} bytes`);
      }
    })(),
  );
  if (bytes > RATIO_FROM_BYTES && bytes > zip.fileSize * limits.ratio) {
    throw new ArchiveError(`the archive unpacks to more than ${limits.ratio} times its size`);
  }
  checkOverlaps(planned);
  checkNames(planned);
  return planned;
}

function plannedEntry(entry: Entry): PlannedEntry {
  const name = entry.fileName;
  const shown = JSON.stringify(name);
  const unixMode = entry.versionMadeBy >>> 8 === MADE_BY_UNIX ? entry.externalFileAttributes >>> 16 : 0;
  const type = unixMode & TYPE_MASK;
  // yauzl refuses absolute names and `..` itself; empty and single-dot parts would make one file two names.
  const parts = (name.endsWith('/') ? name.slice(0, -1) : name).split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..') || name.includes('\0')) {
    throw new ArchiveError(`the archive has an entry with the name ${shown}`);
  }
  if ((entry.generalPurposeBitFlag & ENCRYPTED) !== 0) throw new ArchiveError(`${shown} is encrypted`);
  if (![0, FILE_TYPE, FOLDER_TYPE, LINK_TYPE].includes(type)) {
    throw new ArchiveError(`${shown} is neither a file nor a folder nor a symbolic link`);
  }
  const isFolder = name.endsWith('/');
  const kind = isFolder ? 'folder' : type === LINK_TYPE ? 'link' : 'file';
  return { entry, path: parts.join('/'), kind, isExecutable: (unixMode & 0o111) !== 0 };
}

/** Entries that share bytes are how a small archive unpacks to petabytes. */
function checkOverlaps(planned: readonly PlannedEntry[]): void {
  const ranges = planned
    .map(({ entry }) => ({
      start: entry.relativeOffsetOfLocalHeader,
      end: entry.relativeOffsetOfLocalHeader + LOCAL_HEADER_BYTES + entry.fileNameLength + entry.compressedSize,
    }))
    .sort((a, b) => a.start - b.start);
  for (const [at, { start }] of ranges.entries()) {
    if (at > 0 && start < ranges[at - 1]!.end) throw new ArchiveError('the archive has entries that overlap');
  }
}

/** Each name once, and no file or link where another entry needs a folder. */
function checkNames(planned: readonly PlannedEntry[]): void {
  const leaves = new Set<string>();
  const folders = new Set<string>();
  for (const { path, kind } of planned) {
    if (kind === 'folder') folders.add(path);
    else if (leaves.has(path)) throw new ArchiveError(`the archive has ${JSON.stringify(path)} twice`);
    else leaves.add(path);
    for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) folders.add(path.slice(0, at));
  }
  for (const path of leaves) {
    if (folders.has(path)) throw new ArchiveError(`the archive has ${JSON.stringify(path)} as a file and as a folder`);
  }
}

async function writeEntry(zip: ZipFile, archive: string | Buffer, file: PlannedEntry, folder: string): Promise<void> {
  const { entry } = file;
  if (typeof archive !== 'string' && entry.uncompressedSize <= SMALL_BYTES && entry.compressionMethod === DEFLATED) {
    return writeSmall(zip, archive, file, folder);
  }
  return writeStream(zip, file, folder);
}

/** A small entry of an archive in memory: unpacked at one go. */
async function writeSmall(
  zip: ZipFile,
  archive: Buffer,
  { entry, path, isExecutable }: PlannedEntry,
  folder: string,
): Promise<void> {
  const { fileDataStart: start } = await orArchiveError(zip.readLocalFileHeaderPromise(entry, { minimal: true }));
  let data: Buffer;
  try {
    const packed = archive.subarray(start, start + entry.compressedSize);
    data = inflateRawSync(packed, { maxOutputLength: Math.max(entry.uncompressedSize, 1) });
  } catch (error) {
    throw new ArchiveError(`${JSON.stringify(path)} is damaged: ${(error as Error).message}`, { cause: error });
  }
  if (data.length !== entry.uncompressedSize || crc32(data) !== entry.crc32) {
    throw new ArchiveError(`${JSON.stringify(path)} is damaged`);
  }
  await writeFile(join(folder, path), data, { flag: 'wx', mode: isExecutable ? 0o755 : 0o644 });
}

async function writeStream(zip: ZipFile, { entry, path, isExecutable }: PlannedEntry, folder: string): Promise<void> {
  const source = await orArchiveError(zip.openReadStreamPromise(entry));
  const check = new ChecksumCheck(entry.crc32, path);
  // `wx` follows no link and replaces nothing.
  const target = createWriteStream(join(folder, path), { flags: 'wx', mode: isExecutable ? 0o755 : 0o644 });
  let failed: unknown;
  source.once('error', (error) => {
    failed = error;
  });
  try {
    await pipeline(source, check, target);
  } catch (error) {
    throw error === failed ? new ArchiveError(String((error as Error).message), { cause: error }) : error;
  }
}

async function makeLink(zip: ZipFile, { entry, path }: PlannedEntry, folder: string): Promise<void> {
  if (entry.uncompressedSize > 4096)
    throw new ArchiveError(`the target of the link ${JSON.stringify(path)} is too long`);
  const target = await text(await orArchiveError(zip.openReadStreamPromise(entry)));
  if (target === '' || target.includes('\0') || leadsOut(path, target)) {
    throw new ArchiveError(`the link ${JSON.stringify(path)} leads out of the archive`);
  }
  await symlink(target, join(folder, path));
}

/**
 * True unless the target is `../` a few times, not beyond the root, and then names: with `..` behind a name the answer
 * would depend on whether that name is a link.
 */
function leadsOut(path: string, target: string): boolean {
  if (target.startsWith('/')) return true;
  let depth = path.split('/').length - 1;
  let sawName = false;
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') sawName = true;
    else if (sawName || --depth < 0) return true;
  }
  return false;
}

/** zip readers check sizes only; a flipped bit must not pass. */
class ChecksumCheck extends Transform {
  #sum = 0;
  readonly #expected: number;
  readonly #path: string;

  constructor(expected: number, path: string) {
    super();
    this.#expected = expected;
    this.#path = path;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#sum = crc32(chunk, this.#sum);
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    done(this.#sum === this.#expected ? null : new ArchiveError(`${JSON.stringify(this.#path)} is damaged`));
  }
}

/** What yauzl finds wrong with an archive is the archive's fault. */
async function orArchiveError<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof ArchiveError || (error as NodeJS.ErrnoException).code !== undefined) throw error;
    throw new ArchiveError(`it is not a zip archive: ${(error as Error).message}`, { cause: error });
  }
}
