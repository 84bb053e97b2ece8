import type { Readable } from 'node:stream';

/** Asks for the files of one commit. The caller, usually a role, needs `action` on the repository. */
export interface SourceArchiveRequest {
  repositoryName: string;
  /** Full commit id, name of a branch or tag, or full name of a reference; the default branch when left out. */
  commitSpecifier?: string;
  /**
   * The right that AWS asks for: `UploadArchive` for a pipeline's source action, `GitPull` for a build. It is also the
   * name under which the audit trail shows the call.
   */
  action: 'codecommit:UploadArchive' | 'codecommit:GitPull';
  /** Both hold every file byte for byte, with its executable bit, and links as links. Default `zip`. */
  format?: 'zip' | 'tar';
}

/** The files of one commit. Names and links in it are the pusher's: whoever unpacks it must stay inside its folder. */
export interface SourceArchive {
  /** Full id of the commit that the specifier stood for. */
  commitId: string;
  /** Fails when the archive could not be written to its end. Whoever asked for it must read or destroy it. */
  stream: Readable;
}
