import { createReadStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { collect } from './collect.ts';
import { writeCommitGraph } from './commit-graph.ts';
import { GitFailure } from './failure.ts';
import type { GitLimits } from './git-process.ts';
import { PackIndex } from './pack-index.ts';
import type { Lease, Repository } from './repository.ts';
import type { PackRecord } from './truth.ts';

/** More packs than this make every look-up slower than folding them costs. */
const MOST_PACKS = 16;
/** From here on, bitmaps pay: git then knows what a clone needs without walking the history. */
const BITMAP_FROM_OBJECTS = 1_000;
/** Bitmaps are written anew when the repository has grown by this factor. */
const BITMAP_GROWTH = 1.25;
/**
 * Blobs of a pack that was folded into another one stay for so long: another node, or a backup, may be reading by an older
 * list.
 */
export const GRACE_MS = 3_600_000;
/** A blob that never had an owner is left by a process that was killed before its transaction; no push takes so long. */
const ORPHAN_AGE_MS = 3 * 3_600_000;
const LIMITS: GitLimits = { wallMs: 2 * 3_600_000, cpuSeconds: 7_200, memoryBytes: 8 * 1024 ** 3 };
/** Look-ups between two breaths for the rest of the process. */
const COMPARED_AT_ONCE = 20_000;
const READ_CHUNK_BYTES = 1024 * 1024;

/**
 * Keeps a repository small and fast: takes out what nothing leads to any more, folds many small packs into one, and packs that are not sealed yet into a sealed one (in the
 * truth, for all nodes), writes bitmaps and a commit graph (in this node's cache only), and deletes blobs whose time is
 * over. Safe beside readers and pushes.
 */
export async function maintain(repository: Repository, options: { mostPacks?: number } = {}): Promise<void> {
  // First, because it needs no key.
  await sweepBlobs(repository);
  const collection = await collect(repository);
  if (collection !== null) repository.surroundings.collected(collection);
  await foldPacks(repository, options.mostPacks ?? MOST_PACKS);
  await writeBitmaps(repository);
  await writeCommitGraph(repository);
}

/**
 * The packs to fold: the smallest ones, and larger ones as long as they are smaller than all before them together
 * twice over, so that each byte is rewritten only a logarithmic number of times; and all that are not sealed. Empty when
 * there are few packs.
 */
export function packsToFold(packs: readonly PackRecord[], mostPacks: number): PackRecord[] {
  const plain = packs.filter(({ sealed }) => !sealed);
  if (packs.length <= mostPacks) return plain;
  const ascending = [...packs].sort((a, b) => a.bytes - b.bytes);
  const least = packs.length - Math.floor(mostPacks / 2);
  let bytes = 0;
  let count = 0;
  for (const pack of ascending) {
    if (count >= least && pack.bytes > 2 * bytes) break;
    bytes += pack.bytes;
    count += 1;
  }
  return [...ascending.slice(0, count), ...ascending.slice(count).filter(({ sealed }) => !sealed)];
}

async function foldPacks(repository: Repository, mostPacks: number): Promise<void> {
  await repository.read(async (lease) => {
    const folded = packsToFold(lease.state.packs, mostPacks);
    if (folded.length > 0) await fold(repository, lease, folded);
  });
}

async function fold(repository: Repository, lease: Lease, folded: readonly PackRecord[]): Promise<void> {
  const { surroundings } = repository;
  const folder = join(surroundings.folder, 'quarantine', surroundings.ids.uuid());
  await mkdir(folder, { recursive: true });
  try {
    const record: PackRecord = { id: surroundings.newPackId(), objects: 0, bytes: 0, sealed: true };
    const files = { pack: join(folder, `${record.id}.pack`), index: join(folder, `${record.id}.idx`) };
    await pack(repository, lease, folded, { folder, files });
    record.objects = await compare(repository, folded, files.index);
    record.bytes = (await stat(files.pack)).size;
    await repository.packs.put(record.id, 'pack', createReadStream(files.pack, { highWaterMark: READ_CHUNK_BYTES }));
    await repository.packs.put(record.id, 'idx', createReadStream(files.index, { highWaterMark: READ_CHUNK_BYTES }));
    const ids = folded.map((old) => old.id);
    const swap = () => repository.truth.swapPacks(ids, record);
    const { result: isSwapped, adopted } = await repository.publish(
      lease,
      { record, files },
      swap,
      (swapped) => swapped,
    );
    await adopted;
    // If the swap throws, its outcome is unknown, and the sweep asks the truth later.
    if (!isSwapped) await repository.packs.delete([record.id]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function pack(
  repository: Repository,
  lease: Lease,
  folded: readonly PackRecord[],
  to: { folder: string; files: { pack: string; index: string } },
): Promise<void> {
  const stem = join(to.folder, 'new');
  const printed = await repository.surroundings.git.run(
    ['pack-objects', '-q', '--stdin-packs', '--delta-base-offset', '--threads=1', stem],
    { gitDir: lease.gitDir, limits: LIMITS, input: folded.map((old) => `pack-${old.id}.pack\n`).join('') },
  );
  const hash = printed.toString('latin1').trim();
  await rename(`${stem}-${hash}.pack`, to.files.pack);
  await rename(`${stem}-${hash}.idx`, to.files.index);
}

/** Makes sure that the new pack has every object of the old ones, and answers how many it has. */
async function compare(repository: Repository, folded: readonly PackRecord[], indexPath: string): Promise<number> {
  const fresh = await PackIndex.read(indexPath);
  let compared = 0;
  for (const old of folded) {
    for (const id of (await PackIndex.read(repository.indexPath(old.id))).ids()) {
      if (fresh.findOffset(id) === null) throw new GitFailure('process-failed', `folding packs has lost object ${id}`);
      compared += 1;
      if (compared % COMPARED_AT_ONCE === 0) await setImmediate();
    }
  }
  return fresh.count;
}

/** The index over all packs and the bitmaps beside it live in the cache and are dropped with any pack they name. */
async function writeBitmaps(repository: Repository): Promise<void> {
  // Lets packs go that were folded just now, before the index over all is written.
  await repository.read(async () => undefined);
  await repository.settled();
  await repository.read(async (lease) => {
    const { packs } = lease.state;
    const objects = packs.reduce((sum, one) => sum + one.objects, 0);
    const largest = packs.toSorted((a, b) => b.objects - a.objects)[0];
    if (largest === undefined || objects < BITMAP_FROM_OBJECTS) return;
    if (repository.bitmapObjects * BITMAP_GROWTH > objects) return;
    // A lock is left behind when the server is killed here; nobody else writes this file.
    await rm(join(lease.gitDir, 'objects', 'pack', 'multi-pack-index.lock'), { force: true });
    const preferred = `--preferred-pack=pack-${largest.id}.pack`;
    const { removals, surroundings } = repository;
    const failure = await surroundings.git
      .run(['multi-pack-index', 'write', '--bitmap', '--no-progress', preferred], {
        gitDir: lease.gitDir,
        limits: LIMITS,
      })
      .then(
        () => null,
        (error: unknown) => error,
      );
    if (repository.removals !== removals) {
      // A pack that its last reader let go meanwhile took what was being written with it.
      surroundings.changed(repository);
      return;
    }
    if (failure !== null) throw failure;
    repository.bitmapObjects = objects;
  });
}

/** Deletes the blobs of packs that were dropped a while ago, and of those that never belonged to anybody. */
async function sweepBlobs(repository: Repository): Promise<void> {
  const { truth, packs, surroundings } = repository;
  const now = surroundings.clock.now().getTime();
  const stored = await packs.ids();
  // Asked after listing: what was listed and has an owner by now is not an orphan.
  const owned = new Set((await repository.state()).packs.map(({ id }) => id));
  const dropped = new Map((await truth.droppedPacks()).map(({ id, droppedAt }) => [id, droppedAt]));
  const isDue = (id: string) => {
    const droppedAt = dropped.get(id);
    return droppedAt === undefined ? madeAt(id) < now - ORPHAN_AGE_MS : droppedAt <= now - GRACE_MS;
  };
  await packs.delete([...stored].filter((id) => !owned.has(id) && isDue(id)));
  await truth.forgetDropped([...dropped.keys()].filter(isDue));
}

/** Epoch milliseconds of a pack's making, which its id begins with. */
function madeAt(packId: string): number {
  return Number.parseInt(packId.slice(0, 12), 16);
}
