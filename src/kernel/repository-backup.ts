import type { Readable } from 'node:stream';

/** Asks for everything that a repository is made of. */
export interface RepositoryBackupRequest {
  repositoryName: string;
}

/** One moment of a repository. */
export interface RepositoryBackup {
  /**
   * A git bundle with every reference and all that it leads to; null without references, as git knows no empty bundle.
   * The stream fails when it could not be written to its end. Whoever asked for it must read or destroy it.
   */
  bundle: Readable | null;
  /** What git does not keep, as JSON: pull requests, comments, rules, triggers, tags, and the references of the bundle. */
  metadata: Readonly<Record<string, unknown>>;
}
