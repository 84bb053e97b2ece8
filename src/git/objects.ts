import { GitFailure } from './failure.ts';
import {
  type Commit,
  EMPTY_TREE_ID,
  findInTree,
  isFolder,
  type ObjectType,
  parseCommit,
  parseTag,
  parseTree,
  type TreeEntry,
} from './object-format.ts';
import type { ObjectContents, ObjectInfo, ObjectSource } from './object-source.ts';

/** Commits and trees beyond this are no work of people; AWS's limit for a commit's metadata is 20 MB. */
const COMMIT_CAP_BYTES = 20 * 1024 * 1024;
const TREE_CAP_BYTES = 32 * 1024 * 1024;
/** Tags that point at tags that point at tags ... */
const MAX_TAG_DEPTH = 10;

/** What stands at a path of a commit. */
export interface PathEntry {
  mode: string;
  id: string;
}

/** Reads objects by id. Everything is capped, so that no object of a hostile push fills the memory. */
export class ObjectReader {
  readonly #source: () => ObjectSource;

  /** @param source gives a live one at each call. */
  constructor(source: () => ObjectSource) {
    this.#source = source;
  }

  /** Type and size, or null when there is no such object (or `id` is no full object id). */
  async findInfo(id: string): Promise<ObjectInfo | null> {
    return this.#patient((source) => source.info(id));
  }

  /** @throws {GitFailure} `object-missing`, `object-wrong-type`. */
  async commit(id: string): Promise<Commit> {
    return parseCommit((await this.#typed(id, 'commit', COMMIT_CAP_BYTES)).body);
  }

  /** @throws {GitFailure} `object-missing`, `object-wrong-type`. */
  async tree(id: string): Promise<TreeEntry[]> {
    if (id === EMPTY_TREE_ID) return [];
    return parseTree((await this.#typed(id, 'tree', TREE_CAP_BYTES)).body);
  }

  /** @throws {GitFailure} `object-missing`, `object-wrong-type`, `object-too-large` beyond `capBytes`. */
  async blob(id: string, capBytes: number): Promise<Buffer> {
    // Asked first: git would load a huge blob before we could decline it.
    const info = await this.findInfo(id);
    if (info !== null && info.size > capBytes) {
      throw new GitFailure('object-too-large', `the object is larger than ${capBytes} bytes`);
    }
    return (await this.#typed(id, 'blob', capBytes)).body;
  }

  /**
   * Follows annotated tags to what they finally point at; null for an object that is no tag.
   * @throws {GitFailure} `object-missing`, `object-wrong-type` for a chain that is too long.
   */
  async peel(id: string, type: ObjectType): Promise<{ id: string; type: ObjectType } | null> {
    if (type !== 'tag') return null;
    let at: { id: string; type: ObjectType } = { id, type };
    for (let depth = 0; at.type === 'tag'; depth += 1) {
      if (depth > MAX_TAG_DEPTH) throw new GitFailure('object-wrong-type', 'the tag points at too many tags');
      const tag = parseTag((await this.#typed(at.id, 'tag', COMMIT_CAP_BYTES)).body);
      at = { id: tag.target, type: tag.type };
    }
    return at;
  }

  /** What stands at `path` below a tree, or null. `''` is the tree itself. Submodules are entries of mode 160000. */
  async findPath(treeId: string, path: string): Promise<PathEntry | null> {
    const names = path === '' ? [] : path.split('/');
    const found = await this.findAlong(treeId, names);
    return found.length === names.length ? (found.at(-1) ?? { mode: '40000', id: treeId }) : null;
  }

  /** What stands at each step of a path below a tree, as far as there is anything. */
  async findAlong(treeId: string, names: readonly string[]): Promise<PathEntry[]> {
    const found: PathEntry[] = [];
    for (const name of names) {
      const folder: PathEntry = found.at(-1) ?? { mode: '40000', id: treeId };
      const entry = isFolder(folder.mode) ? await this.#findInFolder(folder.id, name) : null;
      if (entry === null) break;
      found.push(entry);
    }
    return found;
  }

  async #findInFolder(treeId: string, name: string): Promise<PathEntry | null> {
    if (treeId === EMPTY_TREE_ID) return null;
    return findInTree((await this.#typed(treeId, 'tree', TREE_CAP_BYTES)).body, name);
  }

  async #typed(id: string, type: ObjectType, capBytes: number): Promise<ObjectContents> {
    const found = await this.#patient((source) => source.contents(id, capBytes));
    if (found === null) throw new GitFailure('object-missing', `there is no object ${id}`);
    if (found.type !== type)
      throw new GitFailure('object-wrong-type', `object ${id} is a ${found.type}, not a ${type}`);
    return found;
  }

  /** A process that died under the question (cache folder deleted, limit reached) is replaced once. */
  async #patient<T>(ask: (source: ObjectSource) => Promise<T>): Promise<T> {
    const source = this.#source();
    try {
      return await ask(source);
    } catch (error) {
      if (!source.dead) throw error;
      return ask(this.#source());
    }
  }
}
