/** What went wrong, as a word that the caller can act upon. */
export type GitFailureReason =
  | 'object-missing' // no such object in the repository
  | 'object-wrong-type' // another type of object than was asked for
  | 'object-too-large' // beyond the cap that the caller gave
  | 'path-missing' // no such path in the tree
  | 'path-is-folder' // a file cannot stand where a folder is
  | 'path-below-file' // a folder is needed where a file is
  | 'tree-too-large' // more entries or bytes than the cap allows
  | 'pack-refused' // the pack is broken, incomplete or fails git's own checks
  | 'pack-too-large' // beyond the limit of one push
  | 'bad-request' // the client's bytes are not the protocol
  | 'body-too-large' // a request body beyond its cap
  | 'collected' // objects were taken out of the repository since they were looked at: look again
  | 'integrity' // what is stored is not what was written
  | 'key-refused' // the repository's data key may not be used now; the cause says why
  | 'busy' // too many git processes at work, try again
  | 'stopped' // killed: time limit, processor limit, or the client went away
  | 'process-failed'; // git ended with an error that none of the above covers

/** An error of the git layer. `message` is safe to show to the client: it names no path of this machine. */
export class GitFailure extends Error {
  readonly reason: GitFailureReason;
  /** What git itself wrote to stderr, for the log; never for the wire without {@link printable}. */
  readonly detail: string;

  constructor(reason: GitFailureReason, message: string, options: { detail?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GitFailure';
    this.reason = reason;
    this.detail = options.detail ?? '';
  }
}

/** True when `error` is a {@link GitFailure}, with that reason if one is given. */
export function isGitFailure(error: unknown, reason?: GitFailureReason): error is GitFailure {
  return error instanceof GitFailure && (reason === undefined || error.reason === reason);
}

/**
 * Text that may go to a terminal: control characters (escape sequences, carriage returns, bidirectional overrides)
 * become `?`, because names chosen by a pusher are shown on other people's terminals.
 */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '?');
}
