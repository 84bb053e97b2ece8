import type { Readable } from 'node:stream';

/**
 * Runs one shell script somewhere: on this host (`process`), in a container (`docker`), in a cluster (`kubernetes`).
 * Everything that a build needs goes in with the {@link RunSpec}, everything that comes out leaves through the
 * {@link RunSink} and the workspace, so that a caller never learns where the script ran.
 *
 * A run ends with the server that started it. What a killed server left behind is found by {@link Executor.runs} and
 * ended by {@link Executor.discard}; the caller does both at its start, before it begins anything again, so that no
 * action ever runs twice at once.
 */
export interface Executor {
  /** The word behind `--executor`. */
  readonly name: string;

  /** Where the workspace and the home folder of a run appear to its script. Pure; known before the run starts. */
  layout(runId: string): RunLayout;

  /**
   * One line for the head of the run's log: how confined it is and what of the request has no effect here (under
   * `process`, the image).
   */
  describe(request: { image?: string }): string;

  /**
   * Starts the script and resolves once its process exists. Takes over `spec.workspaceFolder`, which is gone
   * afterwards, whatever happens.
   * @throws {RunStartError} the script could not be started; nothing is left behind.
   */
  start(spec: RunSpec, sink: RunSink): Promise<Run>;

  /**
   * Ids of all runs that left something: alive, or ended and not yet discarded, whoever started them. After a restart
   * this is what the earlier server left.
   */
  runs(): Promise<string[]>;

  /**
   * Ends the run if it is alive, with everything that it started, and removes its files. Idempotent: an unknown id is
   * fine. When it resolves, nothing of the run is left.
   */
  discard(runId: string): Promise<void>;

  /** Ends every run that this object started. For the end of the server. */
  close(): Promise<void>;
}

/** Paths as the script sees them. */
export interface RunLayout {
  /** Holds what the caller put in `workspaceFolder`; writable; what {@link Run.files} shows. */
  workspace: string;
  /** HOME; writable, empty at the start, private to the run. */
  home: string;
}

export interface RunSpec {
  /** `[A-Za-z0-9-]{1,64}`, never used for another run. Names the run after a restart of the server. */
  id: string;
  /** The container image asked for; `process` does not use it. */
  image?: string;
  /** The shell that reads the script: as a file, not from standard input, and never as a login shell. */
  shell: 'sh' | 'bash';
  /**
   * The script. Standard input is empty. Descriptors 1 and 2 are the log, one pipe, so that both stay in order.
   * Descriptor 3 is the side channel: records of any bytes but NUL, each ended by one NUL.
   */
  script: string;
  /** The whole environment, but for what the executor must add to find its own tools (PATH where unset, HOME). */
  environment: Readonly<Record<string, string>>;
  /** A folder on this machine. The executor moves or copies it into the run and removes it. */
  workspaceFolder: string;
  limits: RunLimits;
}

export interface RunLimits {
  /** Wall clock from the start; then the run ends as `timed-out`. */
  timeoutMs: number;
  /** Ceiling on what the log may produce a second; beyond it the script waits in its writes. */
  logBytesPerSecond?: number;
  /** Ceiling on processes and threads at once, where the executor can hold it. */
  processes?: number;
  /** Ceilings that container executors hold; `process` cannot and says so in its documentation. */
  memoryBytes?: number;
  cpus?: number;
}

/** What a run says while it runs. A promise that is returned holds back the source until it settles: flat memory. */
export interface RunSink {
  /** Bytes of the log as they come: any bytes, cut anywhere. The chunk is good until the promise settles, or the call returns. */
  log(chunk: Buffer): void | Promise<void>;
  /** One record of the side channel, without its NUL. */
  report(record: Buffer): void;
  /** The side channel has ended; called once, possibly while {@link log} still holds a chunk. */
  reportsEnded?(): void;
}

/** How a run ended. */
export type RunEnd =
  /** The script's shell exited by itself. */
  | { kind: 'exited'; code: number }
  /** The script's shell was ended by a signal that this server did not send. */
  | { kind: 'killed'; signal: string }
  /** {@link Run.stop} or {@link Executor.close} ended it. */
  | { kind: 'stopped' }
  /** `limits.timeoutMs` passed. */
  | { kind: 'timed-out' }
  /** The executor lost sight of it (a node that went away, a sink that failed). */
  | { kind: 'lost'; reason: string };

export interface Run {
  readonly id: string;
  /**
   * Settles once the script has ended, nothing that it started is alive any more and the sink has had everything.
   * Never rejects.
   */
  readonly ended: Promise<RunEnd>;
  /** Ends the run: a request first, force after a few seconds, all of it within 10. Resolves with {@link ended}. */
  stop(): Promise<void>;
  /** The workspace as the script left it. Only after {@link ended}. */
  files(): Promise<WorkspaceFiles>;
}

/** The kinds that can be told apart in a workspace; `other` is a device, a socket, a pipe. */
export type WorkspaceEntryType = 'file' | 'folder' | 'link' | 'other';

export interface WorkspaceEntry {
  /** `/`-separated, relative to the folder that was listed, without `./`. */
  path: string;
  type: WorkspaceEntryType;
  /** Permission bits. */
  mode: number;
  sizeBytes: number;
  modifiedAt: Date;
  /** Of a link: its target as written. */
  target?: string;
}

/** Read-only look at a workspace that hostile code may have left: no path and no link leads out of it. */
export interface WorkspaceFiles {
  /**
   * Everything below a folder, sorted by path within each folder; links are listed, never followed.
   * @param folder `/`-separated, relative to the workspace; `''` is the workspace.
   * @throws {WorkspacePathError} no such folder, or it leads out.
   */
  list(folder: string): AsyncIterable<WorkspaceEntry>;
  /** What the path is when links are followed. @throws {WorkspacePathError} missing, or it leads out. */
  stat(path: string): Promise<WorkspaceEntry>;
  /** Opens a file, following links inside the workspace. @throws {WorkspacePathError} missing, no file, leads out. */
  open(path: string): Promise<Readable>;
}

/** The script could not be started. The message is fit for a build's log. */
export class RunStartError extends Error {
  override readonly name = 'RunStartError';
}

/** A path in a workspace that is missing, of the wrong kind, or leads out of it. */
export class WorkspacePathError extends Error {
  override readonly name = 'WorkspacePathError';
  readonly reason: 'missing' | 'outside' | 'wrong-kind';

  constructor(path: string, reason: 'missing' | 'outside' | 'wrong-kind') {
    const why = {
      missing: 'does not exist',
      outside: 'leads out of the workspace',
      'wrong-kind': 'is of another kind',
    };
    super(`${path} ${why[reason]}`);
    this.reason = reason;
  }
}

const RUN_ID = /^[A-Za-z0-9-]{1,64}$/;

/** Guards every path that is made from a run's id. */
export function checkRunId(runId: string): string {
  if (!RUN_ID.test(runId)) throw new Error(`bad run id ${JSON.stringify(runId)}`);
  return runId;
}
