import type { Readable } from 'node:stream';
import yauzl from 'yauzl';

/** Limits on what an archive may unfold to (A2). */
const MAX_ENTRIES = 200_000;
const MAX_BYTES = 20 * 2 ** 30;
const MAX_RATIO = 200;
/** Small archives may fold better than any limit on the ratio allows. */
const RATIO_COUNTS_FROM = 10 * 2 ** 20;
const FILE_TYPE_MASK = 0o170000;
const REGULAR_FILE = 0o100000;

/** An archive that cannot be unpacked as it should; the message says why. */
export class BadArchive extends Error {
  override readonly name = 'BadArchive';
}

export interface ZipEntry {
  readonly path: string;
  readonly size: number;
  open(): Promise<Readable>;
}

/**
 * The files of an archive. Names that leave the archive's root, links and devices are refused, and so is what unfolds
 * beyond reason.
 * @throws BadArchive
 */
export async function zipEntries(path: string, archiveBytes: number): Promise<{ entries: ZipEntry[]; close(): void }> {
  let zip: yauzl.ZipFile;
  try {
    zip = await openZip(path);
  } catch (error) {
    throw new BadArchive(`it is not a ZIP archive (${(error as Error).message})`);
  }
  try {
    return { entries: await readEntries(zip, archiveBytes), close: () => zip.close() };
  } catch (error) {
    zip.close();
    throw error;
  }
}

function openZip(path: string): Promise<yauzl.ZipFile> {
  return new Promise((resolve, reject) => {
    yauzl.open(path, { autoClose: false, lazyEntries: true }, (error, zip) =>
      error === null ? resolve(zip) : reject(error),
    );
  });
}

/** The archive's entries, in order; an archive that lies about itself throws. */
async function* entriesOf(zip: yauzl.ZipFile): AsyncGenerator<yauzl.Entry> {
  for (;;) {
    const entry = await new Promise<yauzl.Entry | undefined>((resolve, reject) => {
      const settle =
        <T>(end: (value: T) => void) =>
        (value: T) => {
          zip.removeAllListeners();
          end(value);
        };
      zip.once('entry', settle(resolve));
      zip.once(
        'end',
        settle(() => resolve(undefined)),
      );
      zip.once('error', settle(reject));
      zip.readEntry();
    });
    if (entry === undefined) return;
    yield entry;
  }
}

function openEntry(zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<Readable> {
  return new Promise((resolve, reject) => {
    zip.openReadStream(entry, (error, stream) => (error === null ? resolve(stream) : reject(error)));
  });
}

async function readEntries(zip: yauzl.ZipFile, archiveBytes: number): Promise<ZipEntry[]> {
  const entries: ZipEntry[] = [];
  const seen = new Set<string>();
  let bytes = 0;
  try {
    for await (const entry of entriesOf(zip)) {
      if (entry.fileName.endsWith('/')) continue;
      checkEntry(entry);
      if (seen.has(entry.fileName)) throw new BadArchive(`it holds ${entry.fileName} twice`);
      seen.add(entry.fileName);
      bytes += entry.uncompressedSize;
      if (entries.length >= MAX_ENTRIES) throw new BadArchive(`it holds more than ${MAX_ENTRIES} files`);
      if (bytes > MAX_BYTES || (bytes > RATIO_COUNTS_FROM && bytes > archiveBytes * MAX_RATIO)) {
        throw new BadArchive(`it unfolds to more than its ${archiveBytes} bytes may`);
      }
      entries.push({
        path: entry.fileName,
        size: entry.uncompressedSize,
        open: () => openEntry(zip, entry),
      });
    }
  } catch (error) {
    throw error instanceof BadArchive ? error : new BadArchive((error as Error).message);
  }
  return entries;
}

function checkEntry(entry: yauzl.Entry): void {
  const { fileName } = entry;
  if (fileName.startsWith('/') || fileName.split(/[/\\]/).includes('..') || fileName.includes('\0')) {
    throw new BadArchive(`it holds the name ${JSON.stringify(fileName)}, which leads out of it`);
  }
  const type = (entry.externalFileAttributes >>> 16) & FILE_TYPE_MASK;
  if (type !== 0 && type !== REGULAR_FILE) throw new BadArchive(`its entry ${fileName} is not a regular file`);
  if (entry.isEncrypted()) throw new BadArchive(`its entry ${fileName} is encrypted`);
}
