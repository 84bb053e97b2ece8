import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Clock } from '../kernel/clock.ts';
import { bubblewrapCommand, type Confinement, NOBODY_ID } from './confinement.ts';
import {
  type Run,
  type RunEnd,
  type RunLayout,
  type RunSink,
  type RunSpec,
  RunStartError,
  type WorkspaceFiles,
} from './executor.ts';
import { LocalWorkspace } from './local-workspace.ts';
import type { LogPipe, LogPipes, LogReader } from './log-pipes.ts';
import { askMembers, delay, endMembers, isGoneSoon } from './process-ending.ts';
import { type Marks, type ProcessEntry, signal, startOf } from './process-table.ts';
import type { RunFolder, RunRecord } from './run-folder.ts';
import { LogPump, pumpReports } from './run-streams.ts';

/** A log that is silent for this long once all processes of the run have gone is held open by a stranger. */
const SILENCE_MS = 1_000;
const DEFAULT_PROCESSES = 4_096;

/**
 * No core files; a ceiling on processes, by the option of `ulimit` that dash or bash has; the folder; variables up to
 * `--`; the command.
 */
const LAUNCHER =
  'ulimit -c 0; [ -z "$0" ] || ulimit -p "$0" 2>/dev/null || ulimit -u "$0" 2>/dev/null; ' +
  'cd "$1" && shift && while [ "$1" != -- ]; do export "$1"; shift; done && shift && exec "$@"';

/**
 * What the C library does at the start of every program by these variables: load code, read and write files. Bubblewrap
 * and setpriv start outside of the confinement or with more rights than the script, so only the script gets them. The
 * list is glibc's of what it ignores in programs that gain rights, with the variables of locales and of musl.
 */
const LOADER_VARIABLE =
  /^(LD_.*|MALLOC_.*|MUSL_.*|LC_.*|LANG|LANGUAGE|GCONV_PATH|GETCONF_DIR|GLIBC_TUNABLES|HOSTALIASES|LOCALDOMAIN|LOCPATH|NIS_PATH|NLSPATH|RESOLV_HOST_CONF|RES_OPTIONS|TMPDIR|TZ|TZDIR|ENV|BASH_ENV)$/;

/** What every process of a run carries in its environment, so that a later server finds it. */
export function runMark(runId: string): string {
  return `SLIPWAY_RUN=${runId}`;
}

export interface Launch {
  spec: RunSpec;
  sink: RunSink;
  layout: RunLayout;
  confinement: Confinement;
  hidden: readonly string[];
  /** The server's PATH: whose tools a confined script sees. The script's own PATH is in its environment. */
  searchPath: string;
  folder: RunFolder;
  pipes: LogPipes;
  clock: Clock;
}

interface ExitStatus {
  code: number | null;
  signalName: NodeJS.Signals | null;
}

interface Started {
  exited: Promise<ExitStatus>;
  record: RunRecord;
  pipe: LogPipe;
  reports: Socket;
  /** The first process of the run's process namespace; it goes when all others have gone. */
  firstPid: Promise<number | undefined>;
}

/** Starts the script of a run. @throws {RunStartError} */
export async function launch(request: Launch): Promise<ProcessRun> {
  const { spec, folder, confinement, pipes } = request;
  const isConfined = confinement.kind === 'bubblewrap';
  const ownerId = isConfined && confinement.setpriv !== undefined ? NOBODY_ID : undefined;
  let pipe: LogPipe | undefined;
  try {
    await folder.prepare(spec.workspaceFolder, spec.script, ownerId);
    pipe = await pipes.take();
    const command = commandLine(request);
    const [markName, markValue] = runMark(spec.id).split('=') as [string, string];
    const ordinary = Object.entries(spec.environment).filter(([name]) => !LOADER_VARIABLE.test(name));
    const child = spawn(command[0]!, command.slice(1), {
      cwd: '/',
      env: { ...Object.fromEntries(ordinary), [markName]: markValue },
      stdio: ['ignore', pipe.writer, pipe.writer, 'pipe', ...(isConfined ? (['pipe'] as const) : [])],
      // Its own session: a Ctrl-C at the server's terminal is for the server.
      detached: true,
    });
    // Listened for from the start: a script can be over before its record is written.
    const exited = new Promise<ExitStatus>((resolve) => {
      child.once('exit', (code, signalName) => resolve({ code, signalName }));
    });
    // Node throws away what nobody reads of a child that has ended; a stream that is listened to keeps it.
    for (const stream of child.stdio.slice(3)) stream?.on('readable', () => undefined);
    await once(child, 'spawn');
    pipe.closeWriter();
    const record = { pid: child.pid!, startedAt: await startOf(child.pid!) };
    await folder.record(record);
    const started = {
      exited,
      record,
      pipe,
      reports: child.stdio[3] as Socket,
      firstPid: isConfined ? firstPidOf(child.stdio[4] as Socket) : Promise.resolve(undefined),
    };
    return new ProcessRun(request, started);
  } catch (error) {
    pipe?.closeWriter();
    pipe?.reader.destroy();
    await folder.remove();
    throw new RunStartError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function commandLine({ spec, layout, confinement, hidden, searchPath, folder }: Launch): string[] {
  const limit = confinement.kind === 'none' ? '' : String(spec.limits.processes ?? DEFAULT_PROCESSES);
  const shell = spec.shell === 'bash' ? ['bash', '--noprofile', '--norc'] : ['/bin/sh'];
  const variables = Object.entries(spec.environment)
    .filter(([name]) => LOADER_VARIABLE.test(name))
    .map(([name, value]) => `${name}=${value}`);
  const launcher = ['/bin/sh', '-c', LAUNCHER, limit, layout.workspace, ...variables, '--', ...shell];
  if (confinement.kind === 'none') return [...launcher, `${folder.readOnly}/script.sh`];
  const wrap = bubblewrapCommand(
    confinement,
    {
      workspace: { host: folder.workspace, inside: layout.workspace },
      home: { host: folder.home, inside: layout.home },
      temporary: folder.temporary,
      readOnly: { host: folder.readOnly, inside: '/codebuild/readonly' },
      hidden,
    },
    searchPath,
  );
  return [...wrap, ...launcher, '/codebuild/readonly/script.sh'];
}

/** Reads what bubblewrap tells on `--info-fd`; undefined when it failed before. */
async function firstPidOf(info: Socket): Promise<number | undefined> {
  const told = await text(info);
  return told === '' ? undefined : (JSON.parse(told) as { 'child-pid': number })['child-pid'];
}

/** A script that runs as a child of this server. */
export class ProcessRun implements Run {
  readonly id: string;
  readonly ended: Promise<RunEnd>;
  readonly #request: Launch;
  readonly #record: RunRecord;
  readonly #marks: Marks;
  /** Why this server ended it; undefined while it runs by itself. */
  #cause: RunEnd | undefined;
  #exited = false;

  constructor(request: Launch, started: Started) {
    this.id = request.spec.id;
    this.#request = request;
    this.#record = started.record;
    this.#marks = { variable: runMark(this.id), logPath: started.pipe.path };
    this.ended = this.#watch(started);
  }

  async #watch({ exited, firstPid, reports, pipe: { reader: log } }: Started): Promise<RunEnd> {
    const { clock, sink, spec } = this.#request;
    const timer = clock.after(spec.limits.timeoutMs, () => this.#end({ kind: 'timed-out' }));
    const lose = (error: unknown) => this.#end({ kind: 'lost', reason: String(error) });
    const pump = new LogPump(sink, clock, spec.limits.logBytesPerSecond);
    const pumps = Promise.all([pump.run(log).catch(lose), pumpReports(reports, sink).catch(lose)]);
    const { code, signalName } = await exited;
    this.#exited = true;
    timer.cancel();
    await firstPid.then((pid) => this.#endOthers(pid)).catch(lose);
    await this.#drain(pumps, pump, [log, reports]);
    if (this.#cause !== undefined) return this.#cause;
    return signalName === null ? { kind: 'exited', code: code ?? 1 } : { kind: 'killed', signal: signalName };
  }

  /** Nothing of the run is alive when this resolves. */
  async #endOthers(firstPid: number | undefined): Promise<void> {
    const { clock } = this.#request;
    // The kernel ends a process namespace with its first process, which is much quicker than our looking around.
    if (firstPid !== undefined && (await isGoneSoon(firstPid, clock))) return;
    await endMembers({ marks: this.#marks, root: this.#record, clock });
  }

  /** Waits for what was written before the end. All writers have gone, so the streams end once they are read. */
  async #drain(pumps: Promise<unknown>, pump: LogPump, streams: readonly (LogReader | Socket)[]): Promise<void> {
    const { clock } = this.#request;
    const done = pumps.then(() => true);
    for (let read = -1; !(await Promise.race([done, delay(clock, SILENCE_MS).then(() => false)])); ) {
      const before = read;
      read = streams.reduce((sum, stream) => sum + stream.bytesRead, 0);
      if (read === before && !pump.isBusy) for (const stream of streams) stream.destroy();
    }
  }

  async stop(): Promise<void> {
    this.#end({ kind: 'stopped' });
    await this.ended;
  }

  async files(): Promise<WorkspaceFiles> {
    return new LocalWorkspace(this.#request.folder.workspace, this.#request.layout.workspace);
  }

  /** The first cause counts. */
  #end(cause: RunEnd): void {
    if (this.#cause !== undefined) return;
    this.#cause = cause;
    if (!this.#exited) {
      this.#terminate().catch((error: unknown) => {
        this.#cause = { kind: 'lost', reason: `its processes could not be asked to end: ${String(error)}` };
      });
    }
  }

  async #terminate(): Promise<void> {
    const members = { marks: this.#marks, root: this.#record, clock: this.#request.clock };
    try {
      await askMembers(
        members,
        (entries) => this.#keepers(entries),
        () => this.#exited,
      );
    } finally {
      // With bubblewrap this ends the namespace and all in it; without, `endMembers` ends the others.
      if (!this.#exited) signal(this.#record.pid, 'SIGKILL');
    }
  }

  /** The processes that only hold the run together: bubblewrap's own two and the shell of the script. */
  #keepers(entries: readonly ProcessEntry[]): Set<number> {
    const keepers = new Set([this.#record.pid]);
    if (this.#request.confinement.kind === 'none') return keepers;
    for (let level = 0; level < 2; level++) {
      const child = entries
        .filter((entry) => keepers.has(entry.parentPid) && !keepers.has(entry.pid))
        .sort((a, b) => a.startedAt - b.startedAt || a.pid - b.pid)[0];
      if (child !== undefined) keepers.add(child.pid);
    }
    return keepers;
  }
}
