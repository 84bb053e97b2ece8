import { createReadStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { GitFailure } from './failure.ts';
import type { GitLimits } from './git-process.ts';
import { PackIndex } from './pack-index.ts';
import type { Lease, Repository } from './repository.ts';
import { type PackRecord, type Roots, UNKNOWN_TIP } from './truth.ts';

/** What one collection has done. */
export interface Collection {
  repositoryId: string;
  packsBefore: number;
  packsAfter: number;
  objectsBefore: number;
  objectsAfter: number;
  bytesBefore: number;
  bytesAfter: number;
}

const LIMITS: GitLimits = { wallMs: 2 * 3_600_000, cpuSeconds: 7_200, memoryBytes: 8 * 1024 ** 3 };
/** Pushes that come while packs are written are packed by themselves, in a moment each; so many times, then it must wait. */
const MAX_ROUNDS = 8;
/** A repository that could not be collected is left alone for so long: it costs a walk over everything. */
const PAUSE_MS = 3_600_000;
const READ_CHUNK_BYTES = 1024 * 1024;

/** When a repository may be tried again, on this node, in ms of the monotonic clock. */
const pausedUntil = new WeakMap<Repository, number>();

/**
 * Takes objects out of the repository that nothing has led to for the time of grace. What is kept goes into new packs,
 * which git proves to hold everything that their objects name before the old ones are dropped. Nothing happens where every
 * tip that was left is led to by something else, as after a merge.
 *
 * Pushes go on meanwhile. Whoever has looked at an object and has not yet written a row that names it is told `collected`.
 * @returns null when there was nothing to take out, or when others were in the way too often.
 */
export async function collect(repository: Repository): Promise<Collection | null> {
  const { truth, surroundings } = repository;
  const tips = await truth.looseTips();
  const now = surroundings.clock.monotonicMs();
  if (tips.length === 0 || now < (pausedUntil.get(repository) ?? 0)) return null;
  pausedUntil.set(repository, now + PAUSE_MS);
  const collection = await attempt(repository, tips);
  if (collection !== 'in the way') pausedUntil.delete(repository);
  return collection === 'in the way' ? null : collection;
}

async function attempt(repository: Repository, tips: readonly string[]): Promise<Collection | null | 'in the way'> {
  const { surroundings } = repository;
  const folder = join(surroundings.folder, 'quarantine', surroundings.ids.uuid());
  await mkdir(join(folder, 'pack'), { recursive: true });
  const kept = new KeptPacks(repository, folder);
  let isDone = false;
  try {
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const result = await repository.read(async (lease) => {
        const roots = await repository.truth.roots();
        // Read at two moments; the next look sees one.
        if (roots.generation !== lease.state.generation) return 'in the way';
        const ids = await presentIds(lease, roots);
        if (round === 0 && !(await leadsAway(repository, lease, tips, ids))) return null;
        await kept.add(lease, ids);
        const remove = lease.state.packs.map(({ id }) => id);
        const isCollected = await repository.truth.collect(roots, { remove, add: kept.records });
        return isCollected ? summaryOf(repository.id, lease.state.packs, kept.records) : 'in the way';
      });
      if (result === null) await repository.truth.forgetTips(tips);
      isDone = result !== 'in the way';
      if (isDone) return result;
    }
    return 'in the way';
  } finally {
    // If the transaction throws, its outcome is unknown, and the sweep asks the truth later.
    if (!isDone) await kept.discard();
    await rm(folder, { recursive: true, force: true });
  }
}

/** References and the other roots. A root that is nowhere leads to nothing, but a reference must lead somewhere. */
async function presentIds({ state, objects }: Lease, roots: Roots): Promise<Set<string>> {
  const ids = new Set([...state.refs.values()].map(({ id }) => id));
  for (const id of roots.ids) if (!ids.has(id) && (await objects.findInfo(id)) !== null) ids.add(id);
  return ids;
}

/** True when one of the tips leads to something that no root leads to. */
async function leadsAway(
  repository: Repository,
  lease: Lease,
  tips: readonly string[],
  kept: ReadonlySet<string>,
): Promise<boolean> {
  if (tips.includes(UNKNOWN_TIP)) return true;
  const commits: string[] = [];
  for (const id of tips) {
    const info = kept.has(id) ? null : await lease.objects.findInfo(id);
    // An annotated tag is an object of its own.
    if (info !== null && info.type !== 'commit') return true;
    if (info !== null) commits.push(id);
  }
  if (commits.length === 0) return false;
  const lines = [...commits, ...[...kept].map((id) => `^${id}`)];
  const found = await repository.surroundings.git.run(['rev-list', '--max-count=1', '--stdin'], {
    gitDir: lease.gitDir,
    limits: LIMITS,
    input: `${lines.join('\n')}\n`,
  });
  return found.length > 0;
}

/** The packs that shall take the place of all others, written and proven one after the other. */
class KeptPacks {
  readonly records: PackRecord[] = [];
  readonly #repository: Repository;
  readonly #folder: string;
  readonly #indexes: PackIndex[] = [];
  /** What the packs so far have been made from. */
  #roots = new Set<string>();

  /** @param folder an object folder, which holds the packs and nothing else. */
  constructor(repository: Repository, folder: string) {
    this.#repository = repository;
    this.#folder = folder;
  }

  /** Adds a pack with what `roots` lead to and those before did not; none where that is nothing. */
  async add(lease: Lease, roots: Set<string>): Promise<void> {
    const { git, newPackId } = this.#repository.surroundings;
    const record: PackRecord = { id: newPackId(), objects: 0, bytes: 0, sealed: true };
    const stem = join(this.#folder, 'new');
    const wanted = [...roots].filter((id) => !this.#roots.has(id));
    const lines = [...wanted, ...[...this.#roots].map((id) => `^${id}`)];
    const args = ['pack-objects', '-q', '--revs', '--delta-base-offset', '--threads=1', stem];
    const input = `${lines.join('\n')}\n`;
    if (wanted.length > 0) {
      const printed = await git.run(args, { gitDir: lease.gitDir, limits: LIMITS, input });
      const hash = printed.toString('latin1').trim();
      if (hash !== '') await this.#keep(lease, record, `${stem}-${hash}`);
    }
    this.#roots = roots;
    for (const id of roots) {
      if (this.#indexes.some((index) => index.findOffset(id) !== null)) continue;
      throw new GitFailure('process-failed', `collecting would have lost object ${id}`);
    }
  }

  /** Has git prove that every object named in the pack is in it or in those before it, then stores it. */
  async #keep(lease: Lease, record: PackRecord, stem: string): Promise<void> {
    const proven = `${stem}.proven`;
    await this.#repository.surroundings.git.run(
      ['index-pack', '--strict', '--threads=1', '-o', proven, `${stem}.pack`],
      { gitDir: lease.gitDir, limits: LIMITS, env: { GIT_OBJECT_DIRECTORY: this.#folder } },
    );
    const path = join(this.#folder, 'pack', `pack-${record.id}`);
    await rename(`${stem}.pack`, `${path}.pack`);
    await rename(proven, `${path}.idx`);
    await rm(`${stem}.idx`);
    const index = await PackIndex.read(`${path}.idx`);
    record.objects = index.count;
    record.bytes = (await stat(`${path}.pack`)).size;
    this.#indexes.push(index);
    this.records.push(record);
    const { packs } = this.#repository;
    await packs.put(record.id, 'pack', createReadStream(`${path}.pack`, { highWaterMark: READ_CHUNK_BYTES }));
    await packs.put(record.id, 'idx', index.bytes);
  }

  /** Deletes the blobs again. */
  async discard(): Promise<void> {
    await this.#repository.packs.delete(this.records.map(({ id }) => id));
  }
}

function summaryOf(repositoryId: string, before: readonly PackRecord[], after: readonly PackRecord[]): Collection {
  const sum = (packs: readonly PackRecord[], of: 'objects' | 'bytes') =>
    packs.reduce((total, pack) => total + pack[of], 0);
  return {
    repositoryId,
    packsBefore: before.length,
    packsAfter: after.length,
    objectsBefore: sum(before, 'objects'),
    objectsAfter: sum(after, 'objects'),
    bytesBefore: sum(before, 'bytes'),
    bytesAfter: sum(after, 'bytes'),
  };
}
