import type { Clock } from '../kernel/clock.ts';
import type { Ids } from '../kernel/ids.ts';
import type { BlobStore } from '../kernel/store/blobs.ts';
import type { AnswerCache } from './answer-cache.ts';
import type { AnswerFiles } from './answer-files.ts';
import type { Collection } from './collect.ts';
import type { GitProcesses } from './git-process.ts';
import type { KnownIndexes } from './known-indexes.ts';
import type { ObjectCache } from './object-cache.ts';
import type { Repository } from './repository.ts';
import type { Slots } from './slots.ts';

/** What every repository of this node shares. */
export interface GitSurroundings {
  blobs: BlobStore;
  clock: Clock;
  ids: Ids;
  git: GitProcesses;
  /** Folder of the cache; holds `repositories/`, `quarantine/`, `hooks/`. */
  folder: string;
  /** Streams to clients. */
  uploads: Slots;
  /** Packs being indexed: the costliest thing that a client can ask for. Small ones are here whole before their turn. */
  smallUnpacks: Slots;
  /** Packs indexed while they come, at the client's speed. */
  largeUnpacks: Slots;
  readonly answers: AnswerCache;
  /** Lists of references, as bytes. */
  readonly advertisements: AnswerCache;
  readonly objects: ObjectCache;
  readonly indexes: KnownIndexes;
  readonly answerFiles: AnswerFiles;
  /** Told about failures that no request can be told about. */
  report(error: unknown): void;
  /** Told that a repository has changed here and may need upkeep. */
  changed(repository: Repository): void;
  /** Told what a collection has taken out. */
  collected(collection: Collection): void;
  /** Lets go of caches of repositories that nobody uses until there is so much room. */
  makeRoom(bytes: number, user: Repository): Promise<void>;
  /** An id as `PackRecord.id` wants it. */
  newPackId(): string;
}
