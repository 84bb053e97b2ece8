import type { GitLimits } from './git-process.ts';
import { isFolder } from './object-format.ts';
import type { ObjectReader } from './objects.ts';
import type { Lease, Repository } from './repository.ts';

/** What paths of files may be; null for anything. */
export interface PathLimits {
  /** Of the whole path, in characters. */
  maxPathCharacters: number | null;
  /** Folders above a file. */
  maxFolders: number | null;
}

/** The longest path below a tree, and the largest number of folders above a file there. */
interface Extent {
  characters: number;
  folders: number;
}

const LIMITS: GitLimits = { wallMs: 300_000, cpuSeconds: 240, memoryBytes: 3 * 1024 ** 3 };
const SHOWN_CHARACTERS = 100;

/** Holds the paths of one push against limits. Each folder is looked at once, however many commits have it. */
export class PathCheck {
  readonly #limits: PathLimits;
  readonly #objects: ObjectReader;
  readonly #known = new Map<string, Extent>();

  /** Whether git is asked which commits no reference leads to. */
  static looksAtRefs({ maxPathCharacters, maxFolders }: PathLimits): boolean {
    return maxPathCharacters !== null || maxFolders !== null;
  }

  /** @param objects knows those of the push, too. */
  constructor(limits: PathLimits, objects: ObjectReader) {
    this.#limits = limits;
    this.#objects = objects;
  }

  /**
   * Looks at the files of every commit that `id` leads to and no reference of the lease does.
   * @returns what is wrong with one of them, in a sentence; null when all are fine.
   */
  async problemOf(
    repository: Repository,
    lease: Lease,
    tip: { id: string; type: string },
    options: { env: Record<string, string>; signal: AbortSignal | undefined },
  ): Promise<string | null> {
    if (!PathCheck.looksAtRefs(this.#limits) || tip.type === 'blob') return null;
    const trees = tip.type === 'tree' ? [tip.id] : await newTrees(repository, lease, tip.id, options);
    for (const tree of trees) {
      const problem = await this.#walk(tree, []);
      if (typeof problem === 'string') return problem;
    }
    return null;
  }

  /** @param above names of the folders that lead to the tree. Never deeper than what is refused. */
  async #walk(tree: string, above: readonly string[]): Promise<Extent | string> {
    const known = this.#known.get(tree);
    if (known !== undefined) return this.#problem(known, above) ?? known;
    const extent: Extent = { characters: 0, folders: 0 };
    for (const { mode, name, id } of await this.#objects.tree(tree)) {
      let own: Extent = { characters: 0, folders: 0 };
      if (isFolder(mode)) {
        const path = [...above, name];
        const problem = this.#problem({ characters: 1, folders: 0 }, path);
        if (problem !== null) return problem;
        const below = await this.#walk(id, path);
        if (typeof below === 'string') return below;
        own = { characters: below.characters + 1, folders: below.folders + 1 };
      }
      own.characters += [...name].length;
      extent.characters = Math.max(extent.characters, own.characters);
      extent.folders = Math.max(extent.folders, own.folders);
      const problem = isFolder(mode) ? null : this.#problem(own, above, name);
      if (problem !== null) return problem;
    }
    this.#known.set(tree, extent);
    return this.#problem(extent, above) ?? extent;
  }

  #problem({ characters, folders }: Extent, above: readonly string[], name = ''): string | null {
    const { maxPathCharacters, maxFolders } = this.#limits;
    const shown = `'${[...[...above, name].join('/')].slice(0, SHOWN_CHARACTERS).join('')}'`;
    if (maxFolders !== null && above.length + folders > maxFolders) {
      return `the path ${shown} has more than ${maxFolders} folders`;
    }
    const before = above.reduce((sum, folder) => sum + [...folder].length + 1, 0);
    if (maxPathCharacters !== null && before + characters > maxPathCharacters) {
      return `the path ${shown} is longer than ${maxPathCharacters} characters`;
    }
    return null;
  }
}

/** Root trees of the commits that no reference leads to yet. */
async function newTrees(
  repository: Repository,
  lease: Lease,
  commitId: string,
  { env, signal }: { env: Record<string, string>; signal: AbortSignal | undefined },
): Promise<Set<string>> {
  const printed = await repository.surroundings.git.run(
    ['rev-list', '--no-commit-header', '--format=%T', '--stdin', '--not', '--all'],
    {
      gitDir: lease.gitDir,
      env,
      limits: LIMITS,
      input: `${commitId}\n`,
      ...(signal === undefined ? {} : { signal }),
    },
  );
  return new Set(printed.toString('latin1').split('\n').filter(Boolean));
}
