import { compareNames } from './ref-name.ts';

/** A reference as the rows hold it. */
export interface Ref {
  /** Full name, such as `refs/heads/main`. */
  name: string;
  /** The object it points at: a commit for branches, anything for tags. */
  id: string;
  /** What an annotated tag finally leads to; null for all others. */
  peeled: string | null;
}

/** A pack that belongs to the repository; its bytes are `PackBlobs`. */
export interface PackRecord {
  /** 32 hexadecimal digits: 12 of the time it was made in ms, then random ones. */
  id: string;
  objects: number;
  /** Size of the `.pack` file. */
  bytes: number;
  /** False for packs of former versions, whose blobs are the plain files; upkeep replaces them. */
  sealed: boolean;
}

/** Everything that is true of a repository at one moment. */
export interface RepositoryState {
  /** Grows with every change of references, head or packs. */
  generation: number;
  /** Full name of the default branch, which HEAD points at; null when none is set. */
  head: string | null;
  /** By name, in the order of {@link compareNames}. */
  refs: ReadonlyMap<string, Ref>;
  packs: readonly PackRecord[];
  /** How often objects were taken out of the repository. An object that was seen under another count may be gone. */
  collections: number;
}

/** All objects outside references that must stay with what they lead to, and what they were read beside. */
export interface Roots {
  /** As in {@link RepositoryState}. */
  generation: number;
  /** Grows with each row outside references that comes to name an object. */
  mentions: number;
  ids: readonly string[];
  /** Epoch milliseconds: tips that were left later are among the ids, the others are not. */
  graceEnd: number;
}

/** Stands for tips that were left and are not known: by a version that did not note them. */
export const UNKNOWN_TIP = '0'.repeat(40);

/** The repository of record, kept elsewhere: references and the list of packs. Implemented on the database. */
export interface RepositoryTruth {
  /** Opaque, `[A-Za-z0-9-]{1,64}`: it names folders and blobs. */
  readonly id: string;
  /** The present state; `known` itself when its generation is still the present one. */
  load(known?: RepositoryState): Promise<RepositoryState>;
  /**
   * The key that the repository's blobs are sealed with, from memory. Asked before each use, never kept.
   * @throws {GitFailure} `key-refused` while it is not at hand or may not be used
   */
  dataKey(): Promise<Buffer>;
  /**
   * Replaces packs by one that holds all their objects, in one transaction, and notes when they were dropped: their blobs
   * stay for a while, for those who still read an older list.
   * @returns false, and nothing is changed, when one of `remove` is not there any more.
   */
  swapPacks(remove: readonly string[], add: PackRecord): Promise<boolean>;
  /**
   * Tips that references have left, by force or for good, longer ago than the time of grace. Empty while it is too early
   * to collect again.
   */
  looseTips(): Promise<readonly string[]>;
  /** Forgets tips of {@link looseTips} that something else leads to. */
  forgetTips(ids: readonly string[]): Promise<void>;
  /** What must stay besides references; tips that were left a short time ago are among it. */
  roots(): Promise<Roots>;
  /**
   * Replaces packs by others that hold what references and `roots` lead to, forgets the loose tips, raises generation and
   * collections, and notes when the packs were dropped; all in one transaction.
   * @returns false, and nothing is changed, when the generation or the mentions are others by now.
   */
  collect(roots: Roots, packs: { remove: readonly string[]; add: readonly PackRecord[] }): Promise<boolean>;
  /** Packs that were dropped and whose blobs may still be there, with the time of the drop. */
  droppedPacks(): Promise<readonly DroppedPack[]>;
  /** Forgets dropped packs whose blobs are gone. */
  forgetDropped(packIds: readonly string[]): Promise<void>;
}

/** A pack that the list does not name any more. */
export interface DroppedPack {
  id: string;
  /** Epoch milliseconds. */
  droppedAt: number;
}

/** One reference that a push or an API call wants to move. */
export interface RefUpdate {
  name: string;
  /** Object it must point at now; null when it must not exist. */
  from: string | null;
  /** Object it shall point at; null to delete. */
  to: string | null;
  peeled: string | null;
  /** True when `to` does not contain `from`: history would be rewritten. Always false for create and delete. */
  forced: boolean;
}

/** What one push changes. The whole of it goes through one transaction. */
export interface RepositoryChange {
  updates: readonly RefUpdate[];
  /** All updates or none. */
  atomic: boolean;
  /** Already durable as blobs; null when no objects came. */
  pack: PackRecord | null;
  /** {@link RepositoryState.collections} under which the objects were looked at; null where none had to be. */
  collections: number | null;
  /** What else the pack may have brought, for references that were refused before: tips to be noted, if there are such objects. */
  abandoned?: readonly string[];
}

/**
 * Moves the references by compare-and-set and adds the pack, in one durable transaction. The pack is added if at
 * least one update is applied. Notes the tips that updates leave by force or for good.
 *
 * Answers the refused updates by name, with the text for the user.
 * @throws {GitFailure} `collected`, and nothing has changed, when {@link RepositoryChange.collections} is another by now
 */
export type CommitChange = (change: RepositoryChange) => Promise<ReadonlyMap<string, string>>;

/** What one transaction, and no other, has made of a repository's state. */
export interface StateChange {
  /** After the transaction. */
  generation: number;
  head: string | null;
  /** Those that were applied. */
  updates: readonly Pick<RefUpdate, 'name' | 'to' | 'peeled'>[];
  pack: PackRecord | null;
}

/** The state after a change, made from the one before it without reading everything anew. */
export function changedState(before: RepositoryState, change: StateChange): RepositoryState {
  const { generation, head, updates, pack } = change;
  const fresh = updates.flatMap(({ name, to, peeled }) => (to === null ? [] : [{ name, id: to, peeled }]));
  const refs = new Map(before.refs);
  for (const { name, to } of updates) if (to === null) refs.delete(name);
  const isMoveOnly = fresh.every(({ name }) => refs.has(name));
  for (const ref of fresh) refs.set(ref.name, ref);
  return {
    generation,
    head,
    // A name that is there keeps its place.
    refs: isMoveOnly ? refs : sortRefs(refs.values()),
    packs: pack === null ? before.packs : [...before.packs, pack],
    collections: before.collections,
  };
}

/** What a compare-and-set says that comes too late, in git's words. */
export const STALE = 'fetch first';

/** Puts references into the order that {@link RepositoryState.refs} promises. */
export function sortRefs(refs: Iterable<Ref>): Map<string, Ref> {
  const sorted = [...refs].sort((a, b) => compareNames(a.name, b.name));
  return new Map(sorted.map((ref) => [ref.name, ref]));
}
