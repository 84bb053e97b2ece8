import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../usage-error.ts';

export const DATABASE = 'slipway.db';
/** The rows of an installation on PostgreSQL, in a form that both dialects take: see `rows.ts`. */
export const ROWS = 'rows.jsonl.gz';
export const BLOBS = 'blobs';
export const MANIFEST = 'manifest.json';
/** What opens the rest; whoever has these and the backup has everything. */
export const KEYS = ['root.key', 'root.key.wrapped', 'root-credentials.json', 'ssh_host_ed25519_key'];
/** Opens nothing: it tells the right root key from any other, and a server without the right one does not start. */
export const CHECK = 'root.key.check';
/** 1: `slipway.db`. 2: `rows.jsonl.gz`. */
const FORMATS = [1, 2];

export interface Manifest {
  format: number;
  createdAt: string;
  /** SHA-256 by path from the backup's folder. */
  files: Record<string, string>;
}

/** What a backup says that it holds. @throws UsageError for what is no manifest of this version */
export async function readManifest(source: string): Promise<Manifest> {
  const text = await readFile(join(source, MANIFEST), 'utf8').catch((error: unknown) => {
    throw new UsageError(`${source} is no backup: ${(error as Error).message}`);
  });
  let manifest: Partial<Manifest> | null;
  try {
    manifest = JSON.parse(text) as Partial<Manifest> | null;
  } catch (error) {
    throw damaged(MANIFEST, (error as Error).message);
  }
  const { format, createdAt, files } = manifest ?? {};
  if (format === undefined) throw damaged(MANIFEST, 'it names no format');
  if (!FORMATS.includes(format)) throw new UsageError(`The backup has the unknown format ${JSON.stringify(format)}.`);
  if (typeof createdAt !== 'string' || Number.isNaN(Date.parse(createdAt))) throw damaged(MANIFEST, 'it tells no time');
  if (typeof files !== 'object' || files === null || Array.isArray(files)) throw damaged(MANIFEST, 'it lists no files');
  for (const [name, hash] of Object.entries(files)) {
    // Another name would put into the data folder what no backup took out of one, for the server to find there.
    if (!isBackedUp(name)) throw damaged(MANIFEST, `no backup holds a file ${JSON.stringify(name)}`);
    if (!/^[0-9a-f]{64}$/.test(String(hash))) throw damaged(MANIFEST, `${name} has no SHA-256`);
  }
  const rows = format === 1 ? DATABASE : ROWS;
  if (!Object.hasOwn(files, rows)) throw damaged(MANIFEST, `it does not list ${rows}`);
  return { format, createdAt, files };
}

function isBackedUp(name: string): boolean {
  if ([DATABASE, ROWS, CHECK, ...KEYS].includes(name)) return true;
  const [folder, ...parts] = name.split('/');
  const isPlain = parts.every((part) => part !== '' && part !== '.' && part !== '..');
  return folder === BLOBS && parts.length > 0 && isPlain && !name.includes('\0');
}

/** A file of a backup that is not as it was written. @param why says where and what */
export function damaged(name: string, why = 'it is missing or not what it was'): UsageError {
  return new UsageError(`The backup is damaged: ${name}: ${why}. Nothing was restored.`);
}
