import { mkdir, readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../kernel/clock.ts';
import type { Ids } from '../kernel/ids.ts';
import { type Confinement, probeConfinement } from './confinement.ts';
import { checkRunId, type Executor, type Run, type RunLayout, type RunSink, type RunSpec } from './executor.ts';
import { LogPipes } from './log-pipes.ts';
import { endMembers } from './process-ending.ts';
import { launch, type ProcessRun, runMark } from './process-run.ts';
import { RunFolder } from './run-folder.ts';

/** Variables of the server's environment that a script gets too, because they say how to reach the network. */
const HOST_VARIABLES = [
  'LANG',
  'LC_ALL',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'NODE_EXTRA_CA_CERTS',
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'].flatMap((name) => [name, name.toLowerCase()]),
];
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface ProcessExecutorOptions {
  /** Holds the folders of the runs; belongs to this executor alone. */
  folder: string;
  /** Folders that no script may see: the server's data. */
  hidden: readonly string[];
  clock: Clock;
  ids: Ids;
  /** The server's environment, for PATH and the network. */
  hostEnvironment: Readonly<Record<string, string | undefined>>;
  /** The home folder as confined scripts see it: that of the server's user. */
  home: string;
  /** False runs unconfined even where bubblewrap works. */
  confine?: boolean;
}

/**
 * Runs scripts on this host: inside bubblewrap where it is installed and works, otherwise unconfined, with the rights
 * of the server. {@link describe} says which. Memory and CPU ceilings are not held; the count of processes is where
 * runs are confined.
 */
export class ProcessExecutor implements Executor {
  readonly name = 'process';
  readonly confinement: Confinement;
  readonly #options: ProcessExecutorOptions;
  readonly #pipes: LogPipes;
  readonly #live = new Map<string, ProcessRun>();
  /** Runs of which nothing is alive for sure: this object saw their end. */
  readonly #ended = new Set<string>();

  private constructor(options: ProcessExecutorOptions, confinement: Confinement, pipes: LogPipes) {
    this.#options = options;
    this.confinement = confinement;
    this.#pipes = pipes;
  }

  /** Finds out how runs can be confined and makes the folder. Leaves what an earlier server left: see {@link runs}. */
  static async open(options: ProcessExecutorOptions): Promise<ProcessExecutor> {
    await mkdir(join(options.folder, 'runs'), { recursive: true, mode: 0o700 });
    const pipes = new LogPipes(join(options.folder, 'pipes'), options.ids);
    const [confinement, folder, hidden] = await Promise.all([
      options.confine === false
        ? ({ kind: 'none', reason: 'confinement is switched off' } as const)
        : probeConfinement(process.geteuid?.() === 0, options.hostEnvironment['PATH'] ?? DEFAULT_PATH),
      realpath(options.folder),
      Promise.all(options.hidden.map((path) => realpath(path))),
      pipes.open(),
    ]);
    return new ProcessExecutor({ ...options, folder, hidden: [folder, ...hidden] }, confinement, pipes);
  }

  layout(runId: string): RunLayout {
    if (this.confinement.kind === 'bubblewrap') return { workspace: '/codebuild/output', home: this.#options.home };
    const folder = this.#folder(runId);
    return { workspace: folder.workspace, home: folder.home };
  }

  describe({ image }: { image?: string }): string {
    const how =
      this.confinement.kind === 'none'
        ? `UNCONFINED on this host, with the rights of the server: ${this.confinement.reason}`
        : `on this host inside bubblewrap${this.confinement.setpriv === undefined ? '' : ' as nobody'}`;
    const without = image === undefined ? '' : `; the image ${image} is not used`;
    return `Running with the process executor ${how}${without}`;
  }

  async start(spec: RunSpec, sink: RunSink): Promise<Run> {
    const { confinement } = this;
    const hostVariables = HOST_VARIABLES.map((name) => [name, this.#options.hostEnvironment[name]] as const);
    const layout = this.layout(spec.id);
    const searchPath = this.#options.hostEnvironment['PATH'] ?? DEFAULT_PATH;
    const run = await launch({
      spec: {
        ...spec,
        environment: {
          ...Object.fromEntries(hostVariables.filter((entry): entry is [string, string] => entry[1] !== undefined)),
          PATH: searchPath,
          HOME: layout.home,
          ...spec.environment,
        },
      },
      sink,
      layout,
      confinement,
      hidden: this.#options.hidden,
      searchPath,
      folder: this.#folder(spec.id),
      pipes: this.#pipes,
      clock: this.#options.clock,
    });
    this.#live.set(spec.id, run);
    void run.ended.then(({ kind }) => {
      this.#live.delete(spec.id);
      if (kind !== 'lost') this.#ended.add(spec.id);
    });
    return run;
  }

  async runs(): Promise<string[]> {
    return readdir(join(this.#options.folder, 'runs'));
  }

  async discard(runId: string): Promise<void> {
    await this.#live.get(checkRunId(runId))?.stop();
    const folder = this.#folder(runId);
    if (!this.#ended.has(runId)) {
      const root = await folder.findRecord();
      await endMembers({ marks: { variable: runMark(runId) }, root, clock: this.#options.clock });
    }
    await folder.remove();
    this.#ended.delete(runId);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#live.values()].map((run) => run.stop()));
  }

  #folder(runId: string): RunFolder {
    return new RunFolder(join(this.#options.folder, 'runs'), runId);
  }
}
