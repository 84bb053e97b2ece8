import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** An archive in a temporary file, which goes away with `close`. */
export interface LocalArchive {
  readonly path: string;
  readonly size: number;
  /** SHA-256 in hex. */
  readonly sha256: string;
  open(): Readable;
  close(): Promise<void>;
}

/** Copies a stream into a temporary file: a ZIP archive's list of contents stands at its end, and only there its size shows. */
export async function keepLocally(body: Readable): Promise<LocalArchive> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-artifact-'));
  const close = () => rm(folder, { recursive: true, force: true });
  const path = join(folder, 'artifact.zip');
  const hash = createHash('sha256');
  let size = 0;
  const measuring = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  try {
    await pipeline(body, measuring, createWriteStream(path, { mode: 0o600 }));
  } catch (error) {
    await close();
    throw error;
  }
  return { path, size, sha256: hash.digest('hex'), open: () => createReadStream(path), close };
}
