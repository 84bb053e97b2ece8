import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../../kernel/context.ts';

/** Memory that every Linux offers as a folder. */
const MEMORY = '/dev/shm';
/** Source: statfs(2). */
const TMPFS_MAGIC = 0x01021994;
/** With less, one large repository would fill it. */
const LEAST_ROOM_BYTES = 1024 ** 3;

/** Where the git cache is. */
export interface CachePlace {
  folder: string;
  /** True where a restart of the machine leaves nothing of it; it then goes with the server, too. */
  isMemory: boolean;
}

/**
 * Chooses the folder of the git cache: git reads plain packs only, so it is in memory where there is room. On disk it is
 * where the operator says, or in the data folder, and the log says so.
 */
export async function placeOfCache(ctx: Context): Promise<CachePlace> {
  const { config, log } = ctx;
  const inData = join(config.data, 'cache', 'git');
  if (config.gitCache !== '') return { folder: config.gitCache, isMemory: false };
  const problem = await whyNotInMemory();
  const folder = memoryFolder(config.data);
  if (problem === null && (await makeOwnFolder(folder))) {
    // What a former version, or a start without room, has left in plain.
    await rm(inData, { recursive: true, force: true });
    return { folder, isMemory: true };
  }
  log.warn(
    { folder: inData, reason: problem ?? `${folder} belongs to somebody else` },
    'the git cache is on disk and holds repositories in plain: put it on memory or an encrypted disk with --git-cache',
  );
  return { folder: inData, isMemory: false };
}

/** Takes what is in memory along when the server stops. */
export async function leaveCache({ folder, isMemory }: CachePlace): Promise<void> {
  if (isMemory) await rm(folder, { recursive: true, force: true });
}

/** One folder for each data folder, so that servers on one machine do not meet. */
export function memoryFolder(data: string): string {
  return join(
    MEMORY,
    `slipway-git-${process.getuid?.() ?? 0}-${createHash('sha256').update(data).digest('hex').slice(0, 16)}`,
  );
}

async function whyNotInMemory(): Promise<string | null> {
  try {
    const { type, bavail, bsize } = await statfs(MEMORY);
    if (type !== TMPFS_MAGIC) return `${MEMORY} is not in memory`;
    return bavail * bsize < LEAST_ROOM_BYTES ? `${MEMORY} has less than 1 GiB of room` : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return `there is no ${MEMORY}`;
  }
}

/** Everybody may write to `/dev/shm`: a folder or link that somebody else has put there is not used. */
async function makeOwnFolder(folder: string): Promise<boolean> {
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) return false;
  await chmod(folder, 0o700);
  return true;
}
