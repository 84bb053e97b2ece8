import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GitFailure } from './failure.ts';
import { writable } from './flow.ts';
import type { GitChild, GitEnd, GitLimits } from './git-process.ts';
import type { Lease, Repository } from './repository.ts';

const PROCESS_LIMITS: GitLimits = { wallMs: 2 * 3_600_000, cpuSeconds: 3_600, memoryBytes: 3 * 1024 ** 3 };
/**
 * Bytes of a pack that buy a millisecond of processor time. Real packs stay five times below and more; megabytes that unfold
 * to gigabytes do not.
 */
const BYTES_PER_CPU_MS = 1_000;
const CPU_CHECK_MS = 250;

/** A folder of objects that git sees only when it is told to, on top of those of the repository. */
export class Quarantine {
  readonly packId: string;
  /** Where git puts the pack and its index. */
  readonly files: { pack: string; index: string };
  /** Makes git commands see the objects in here. */
  readonly env: Record<string, string>;
  readonly #repository: Repository;
  readonly #gitDir: string;
  readonly #folder: string;

  /** @param lease is held for as long as the quarantine is used: its folder says what the repository has already. */
  constructor(repository: Repository, lease: Lease) {
    this.#repository = repository;
    this.#gitDir = lease.gitDir;
    const { ids, folder, newPackId } = repository.surroundings;
    this.packId = newPackId();
    this.#folder = join(folder, 'quarantine', ids.uuid());
    const stem = join(this.#folder, 'pack', `pack-${this.packId}`);
    this.files = { pack: `${stem}.pack`, index: `${stem}.idx` };
    this.env = {
      GIT_OBJECT_DIRECTORY: this.#folder,
      // Quoted, because a colon in a folder's name would end the path.
      GIT_ALTERNATE_OBJECT_DIRECTORIES: JSON.stringify(join(lease.gitDir, 'objects')),
    };
  }

  /**
   * Has git read a pack to its end, index and check it.
   * @param tee gets the same bytes.
   * @returns the number of bytes read.
   * @throws {GitFailure} `pack-refused`, `pack-too-large`, `stopped`. The source is read to its end even then, up to the
   * limit, so that the client hears the answer.
   */
  async indexPack(
    source: AsyncIterable<Uint8Array>,
    options: { maxPackBytes: number; cpuBaseMs: number; tee?: TeeTarget; signal?: AbortSignal | undefined },
  ): Promise<number> {
    await mkdir(join(this.#folder, 'pack'), { recursive: true });
    const { maxPackBytes, signal } = options;
    const child = this.#repository.surroundings.git.spawn(
      ['index-pack', '--stdin', '--fix-thin', '--strict', `--max-input-size=${maxPackBytes}`, this.files.pack],
      {
        gitDir: this.#gitDir,
        env: this.env,
        limits: PROCESS_LIMITS,
        ...(signal === undefined ? {} : { signal }),
      },
    );
    child.stdout.resume();
    const budget = watchCost(this.#repository, child, options.cpuBaseMs);
    try {
      await feed(source, child, maxPackBytes, budget, options.tee);
      const end = await child.ended;
      if (end.status !== 0) throw refusalOf(end, budget.spent, this.#repository.surroundings.folder);
      return budget.received;
    } finally {
      budget.cancel();
      child.kill();
      await child.ended;
    }
  }

  /** Puts a pack here that needs no checks any more. */
  async place(pack: Uint8Array, index: Uint8Array): Promise<void> {
    await mkdir(join(this.#folder, 'pack'), { recursive: true });
    await Promise.all([writeFile(this.files.pack, pack), writeFile(this.files.index, index)]);
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Takes the bytes of a pack beside git. */
export interface TeeTarget {
  write(chunk: Uint8Array): Promise<void>;
  /** Nothing more comes; git is still at work on what came. */
  end(): void;
}

/** Passes the pack on to git. Bytes that come after git has given up are read and dropped. */
async function feed(
  source: AsyncIterable<Uint8Array>,
  { stdin }: GitChild,
  maxBytes: number,
  budget: { received: number },
  tee: TeeTarget | undefined,
): Promise<void> {
  for await (const chunk of source) {
    budget.received += chunk.length;
    if (budget.received > maxBytes) throw new GitFailure('pack-too-large', `the pack is larger than ${maxBytes} bytes`);
    if (stdin.destroyed) continue;
    stdin.write(chunk);
    await tee?.write(chunk);
    await writable(stdin);
  }
  if (stdin.destroyed) return;
  stdin.end();
  tee?.end();
}

/** Kills an index-pack that uses more processor time than its input can justify. */
function watchCost(
  repository: Repository,
  child: GitChild,
  baseMs: number,
): { received: number; spent: boolean; cancel(): void } {
  const { clock, report } = repository.surroundings;
  const budget = { received: 0, spent: false, cancel: () => timer.cancel() };
  const look = async () => {
    const used = await child.cpuMs();
    if (used === null) return;
    if (used > baseMs + budget.received / BYTES_PER_CPU_MS) {
      budget.spent = true;
      child.kill();
    } else timer = clock.after(CPU_CHECK_MS, lookSafely);
  };
  const lookSafely = () => look().catch(report);
  let timer = clock.after(CPU_CHECK_MS, lookSafely);
  return budget;
}

function refusalOf(end: GitEnd, tooCostly: boolean, folder: string): GitFailure {
  if (tooCostly) return new GitFailure('pack-too-large', 'the pack costs too much to unpack');
  if (end.stopped !== null) return new GitFailure('stopped', 'unpacking was stopped');
  const detail = end.stderr.replaceAll(folder, '...');
  const lines = detail.split('\n').reverse();
  const last = lines.flatMap((line) => /^(?:fatal|error): (.*)$/.exec(line)?.[1] ?? [])[0];
  return new GitFailure('pack-refused', last ?? 'index-pack abnormal exit', { detail });
}
