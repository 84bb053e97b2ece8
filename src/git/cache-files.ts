import { createWriteStream } from 'node:fs';
import { link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Ids } from '../kernel/ids.ts';
import type { PackBlobs, PackPart } from './pack-blobs.ts';
import type { PackRecord, RepositoryState } from './truth.ts';

/** HEAD must point somewhere for git to take the folder for a repository. */
const HEAD_WHEN_UNSET = 'refs/heads/main';

/**
 * The settings of a bare repository in the cache. It is written by us alone, so hooks, replace refs and alternates
 * cannot come from a push; nothing here is synced, because nothing here is the truth.
 */
function configOf(hooksFolder: string): string {
  return `[core]
	repositoryformatversion = 0
	bare = true
	hooksPath = ${quote(hooksFolder)}
	attributesFile = /dev/null
	logAllRefUpdates = false
	fsync = none
	packedGitLimit = 1g
	bigFileThreshold = 64m
[gc]
	auto = 0
[maintenance]
	auto = false
[transfer]
	advertiseSID = false
[uploadpack]
	allowFilter = true
	allowAnySHA1InWant = false
[uploadpackfilter]
	allow = false
[uploadpackfilter "blob:none"]
	allow = true
[uploadpackfilter "blob:limit"]
	allow = true
[uploadpackfilter "object:type"]
	allow = true
[uploadpackfilter "tree"]
	allow = true
	maxDepth = 64
[protocol]
	allow = never
[pack]
	windowMemory = 256m
`;
}

/** Attributes of the highest rank: what a pushed `.gitattributes` says about archives and merges has no effect. */
const ATTRIBUTES =
  '* -export-subst -export-ignore -text -eol -ident -filter -working-tree-encoding -diff !merge !conflict-marker-size\n';

/** Quotes a value for a git configuration file. */
function quote(value: string): string {
  return `"${value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`;
}

/** The files of one bare repository in the cache folder. Not safe against itself: callers take turns. */
export class CacheFiles {
  readonly gitDir: string;
  readonly #hooksFolder: string;
  readonly #blobs: PackBlobs;
  readonly #ids: Ids;

  constructor(options: { gitDir: string; hooksFolder: string; blobs: PackBlobs; ids: Ids }) {
    this.gitDir = options.gitDir;
    this.#hooksFolder = options.hooksFolder;
    this.#blobs = options.blobs;
    this.#ids = options.ids;
  }

  /** Makes the empty repository; fine when it is there. */
  async create(): Promise<void> {
    await mkdir(this.packFolder, { recursive: true });
    await mkdir(join(this.gitDir, 'refs'), { recursive: true });
    await mkdir(join(this.gitDir, 'info'), { recursive: true });
    await this.#replace(join(this.gitDir, 'info', 'attributes'), ATTRIBUTES);
    if (!(await isThere(join(this.gitDir, 'HEAD')))) await this.#writeHead(HEAD_WHEN_UNSET);
    // Written last: its presence says that the rest is there.
    await this.#replace(this.#configPath, configOf(this.#hooksFolder));
  }

  /** False when somebody has deleted the folder. */
  async exists(): Promise<boolean> {
    return isThere(this.#configPath);
  }

  /** Ids of the packs that are complete here, of the right size. */
  async presentPacks(wanted: readonly PackRecord[]): Promise<Set<string>> {
    const present = new Set<string>();
    for (const pack of wanted) {
      const size = await sizeOf(this.packPath(pack.id));
      if (size === pack.bytes && (await isThere(this.indexPath(pack.id)))) present.add(pack.id);
    }
    return present;
  }

  /**
   * Removes every pack that `isWanted` denies, and what killed processes have left half written.
   * @returns whether a pack was removed, and the index over all packs with it.
   */
  async sweep(isWanted: (packId: string) => boolean): Promise<boolean> {
    let hasRemoved = false;
    for (const name of await readdir(this.packFolder)) {
      const packId = /^pack-([0-9a-f]{32})\.(?:pack|idx)$/.exec(name)?.[1];
      if (packId === undefined ? name.startsWith('multi-pack-index') : isWanted(packId)) continue;
      if (packId === undefined) await rm(join(this.packFolder, name), { force: true });
      else await this.removePack(packId);
      hasRemoved ||= packId !== undefined;
    }
    return hasRemoved;
  }

  /** Brings a pack from the blobs. @throws BlobNotFoundError when it was swapped away, {GitFailure} `integrity`, `key-refused` */
  async fetchPack(pack: PackRecord): Promise<void> {
    await this.#fetch(pack, 'pack', this.packPath(pack.id));
    // git looks for index files, so the index comes after the pack.
    await this.#fetch(pack, 'idx', this.indexPath(pack.id));
  }

  /** Takes a pack from another folder of the same disk. @returns false when it is not there */
  async linkPack(packId: string, from: CacheFiles): Promise<boolean> {
    try {
      await rm(this.packPath(packId), { force: true });
      await rm(this.indexPath(packId), { force: true });
      await link(from.packPath(packId), this.packPath(packId));
      await link(from.indexPath(packId), this.indexPath(packId));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return false;
    }
  }

  /** Takes over the files of a pack that was received here. */
  async adoptPack(packId: string, files: { pack: string; index: string }): Promise<void> {
    await rename(files.pack, this.packPath(packId));
    await rename(files.index, this.indexPath(packId));
  }

  /** Removes a pack, and before it the index over all packs (with its bitmaps), which names it. */
  async removePack(packId: string): Promise<void> {
    const names = await namesIn(this.packFolder);
    // The index itself goes first: without it git does not look at the others.
    for (const name of names.filter((one) => one.startsWith('multi-pack-index')).sort()) {
      await rm(join(this.packFolder, name), { force: true });
    }
    await rm(this.indexPath(packId), { force: true });
    await rm(this.packPath(packId), { force: true });
  }

  /** Writes references and HEAD, each in one step. */
  async writeRefs(state: RepositoryState): Promise<void> {
    const lines = ['# pack-refs with: peeled fully-peeled sorted \n'];
    for (const ref of state.refs.values()) {
      lines.push(`${ref.id} ${ref.name}\n`);
      if (ref.peeled !== null) lines.push(`^${ref.peeled}\n`);
    }
    await this.#replace(join(this.gitDir, 'packed-refs'), lines.join(''));
    await this.#writeHead(state.head ?? HEAD_WHEN_UNSET);
  }

  async #writeHead(branch: string): Promise<void> {
    await this.#replace(join(this.gitDir, 'HEAD'), `ref: ${branch}\n`);
  }

  async removeAll(): Promise<void> {
    await rm(this.gitDir, { recursive: true, force: true });
  }

  get packFolder(): string {
    return join(this.gitDir, 'objects', 'pack');
  }

  get #configPath(): string {
    return join(this.gitDir, 'config');
  }

  packPath(packId: string): string {
    return join(this.packFolder, `pack-${packId}.pack`);
  }

  indexPath(packId: string): string {
    return join(this.packFolder, `pack-${packId}.idx`);
  }

  async #fetch(pack: PackRecord, part: PackPart, path: string): Promise<void> {
    const temporary = `${path}.${this.#ids.uuid()}.tmp`;
    try {
      await pipeline(await this.#blobs.get(pack, part), createWriteStream(temporary));
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  async #replace(path: string, text: string): Promise<void> {
    const temporary = `${path}.tmp`;
    const file = await open(temporary, 'w');
    try {
      await file.writeFile(text);
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  }
}

/** Names in a folder; none when it was deleted. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await sizeOf(path)) !== null;
}
