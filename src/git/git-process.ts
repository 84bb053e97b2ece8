import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../kernel/clock.ts';
import { GitFailure } from './failure.ts';

/** What one git process may use. Every child has a limit on each: a hostile pack must not take the machine. */
export interface GitLimits {
  /** Wall clock. */
  wallMs: number;
  /** Processor time, RLIMIT_CPU. */
  cpuSeconds: number;
  /** Address space, RLIMIT_AS; mapped packs count. */
  memoryBytes: number;
}

export interface GitOptions {
  /** The bare repository. */
  gitDir: string;
  limits: GitLimits;
  /** Further variables, from us alone; never anything of a client's. */
  env?: Record<string, string>;
  /** Kills the whole process group. */
  signal?: AbortSignal;
}

/** A running git. */
export interface GitChild {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Settles when the process has ended and its output is read. Never rejects. */
  readonly ended: Promise<GitEnd>;
  /** Ends the process and all its children at once. */
  kill(): void;
  /** Processor time used so far in milliseconds, of git itself without finished children; null where unknown. */
  cpuMs(): Promise<number | null>;
}

export interface GitEnd {
  /** Exit status; null when killed. */
  status: number | null;
  /** Why we killed it, else null. */
  stopped: 'time' | 'abort' | 'kill' | null;
  stderr: string;
}

const STDERR_CAP_BYTES = 16 * 1024;
/** `/proc/<pid>/stat` counts in this unit on every Linux. */
const CLOCK_TICK_MS = 10;
/** dash and bash; the limits are inherited by git and by what git starts. */
const LIMITED = 'ulimit -t "$1" && ulimit -v "$2" && shift 2 && exec "$@"';
/** macOS has no RLIMIT_AS worth the name. */
const LIMITED_TIME_ONLY = 'ulimit -t "$1" && shift 2 && exec "$@"';
/**
 * What a waiting shell does with the lines on its standard input, the first character of each says which it is. A shell
 * reads no byte beyond a line from a pipe, so that git finds there all that follows the last one. An input that ends
 * before that, because the server is gone, ends the shell.
 */
const WAITING = `while IFS= read -r line; do case $line in
e*) export "\${line#e}" ;;
t*) ulimit -t "\${line#t}" || exit 126 ;;
v*) ulimit -v "\${line#v}" || exit 126 ;;
a*) set -- "$@" "\${line#a}" ;;
x) exec "$@" ;;
*) exit 126 ;;
esac; done; exit 126`;
/** What a line carries without any doubt about how a shell takes it. */
const PLAIN = /^[\x20-\x7e]*$/;
/** Shells that wait: for a push, and for the reader of a repository that was not in use. */
const SPARE_SHELLS = 2;
/**
 * From the start of a git to that of a new shell that waits: most gits are over by then. To start one at once would keep the
 * event loop from the answer that they are asked for.
 */
export const REFILL_MS = 30;

type Shell = ChildProcessByStdio<Writable, Readable, Readable>;

/**
 * Starts git. Arguments are always an array, names of users come only after `--end-of-options` or on stdin, and the
 * environment is made here from nothing, so neither the server's nor a user's settings reach git.
 *
 * To start a process from a large one takes long, and the event loop stands still meanwhile: a few shells wait, started
 * beforehand, and become git when they are told what to do.
 */
export class GitProcesses {
  readonly #clock: Clock;
  readonly #program: string;
  readonly #home: string;
  readonly #running = new Set<GitChild>();
  readonly #spare: Shell[] = [];
  #refilling: { cancel(): void } | null = null;
  #isClosed = false;

  /** @param options.home an empty folder that serves as HOME; `program` is looked up in PATH. */
  constructor(options: { clock: Clock; home: string; program?: string }) {
    this.#clock = options.clock;
    this.#home = options.home;
    this.#program = options.program ?? 'git';
  }

  /** Number of processes at work, for tests and figures. */
  get running(): number {
    return this.#running.size;
  }

  spawn(args: readonly string[], options: GitOptions): GitChild {
    const order = orderOf([this.#program, ...args], options);
    const child = (order === null ? undefined : this.#takeSpare(order)) ?? this.#start(args, options);
    this.#refilling ??= this.#clock.after(REFILL_MS, () => {
      this.#refilling = null;
      this.#refill();
    });
    const running = watch(child, options, this.#clock);
    this.#running.add(running);
    running.ended.finally(() => this.#running.delete(running));
    return running;
  }

  #start(args: readonly string[], options: GitOptions): Shell {
    const script = process.platform === 'linux' ? LIMITED : LIMITED_TIME_ONLY;
    const { cpuSeconds, memoryBytes } = options.limits;
    const limits = [String(cpuSeconds), String(kibOf(memoryBytes))];
    return startShell([script, 'sh', ...limits, this.#program, ...args], {
      ...this.#environment(),
      GIT_DIR: options.gitDir,
      ...options.env,
    });
  }

  /** A waiting shell that was told what to do; undefined when there is none. */
  #takeSpare(order: string): Shell | undefined {
    for (let shell = this.#spare.shift(); shell !== undefined; shell = this.#spare.shift()) {
      if (!isAlive(shell)) continue;
      holdOpen(shell, true);
      shell.stdin.write(order);
      return shell;
    }
    return undefined;
  }

  #refill(): void {
    if (this.#isClosed || this.#spare.length >= SPARE_SHELLS) return;
    const shell = startShell([WAITING, 'sh'], this.#environment());
    // Without a process it never becomes one of the spare; whoever needs git then hears why there is none.
    shell.on('error', () => undefined);
    if (shell.pid === undefined) return;
    holdOpen(shell, false);
    this.#spare.push(shell);
    if (this.#spare.length < SPARE_SHELLS) setImmediate(() => this.#refill());
  }

  /**
   * Runs git to its end and returns what it printed.
   * @param options.goodStatuses exit statuses that are answers and not errors; 0 alone by default.
   * @throws {GitFailure} `process-failed` with git's words as detail, `stopped`, or `tree-too-large` beyond `capBytes`.
   */
  async run(
    args: readonly string[],
    options: GitOptions & { input?: string | Uint8Array; capBytes?: number; goodStatuses?: readonly number[] },
  ): Promise<Buffer> {
    const child = this.spawn(args, options);
    child.stdin.end(options.input ?? '');
    const output = await collect(child, options.capBytes ?? 64 * 1024 * 1024);
    const end = await child.ended;
    const good = options.goodStatuses ?? [0];
    if (end.status === null || !good.includes(end.status)) throw failureOf(end, args[0] ?? 'git');
    return output;
  }

  /** Kills everything that still runs and waits for its end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#refilling?.cancel();
    const spare = this.#spare.splice(0).map((shell) => {
      if (!isAlive(shell)) return undefined;
      // Or a process that has nothing else to do would end while it waits.
      holdOpen(shell, true);
      const end = once(shell, 'close');
      killGroup(shell.pid);
      return end;
    });
    const ends = [...this.#running].map((child) => {
      child.kill();
      return child.ended;
    });
    await Promise.all([...ends, ...spare]);
  }

  #environment(): Record<string, string> {
    return {
      PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
      HOME: this.#home,
      LC_ALL: 'C',
      TZ: 'UTC',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_ATTR_NOSYSTEM: '1',
      GIT_NO_REPLACE_OBJECTS: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_LITERAL_PATHSPECS: '1',
      GIT_OPTIONAL_LOCKS: '0',
    };
  }
}

/** The error for a git that did not end well. */
export function failureOf(end: GitEnd, command: string): GitFailure {
  if (end.stopped === 'time') return new GitFailure('stopped', `git ${command} took too long`, { detail: end.stderr });
  if (end.stopped !== null) return new GitFailure('stopped', `git ${command} was stopped`, { detail: end.stderr });
  return new GitFailure('process-failed', `git ${command} failed`, {
    detail: end.status === null ? `killed by the system; ${end.stderr}` : end.stderr,
  });
}

function startShell(args: readonly string[], env: Record<string, string>): Shell {
  // At the root: the folders of the cache may be deleted at any moment, and git does not start in one that is gone.
  return spawn('/bin/sh', ['-c', ...args], { cwd: '/', env, stdio: 'pipe', detached: true });
}

/** What a waiting shell is told; null for what cannot be put on lines. */
function orderOf(command: readonly string[], { gitDir, env, limits }: GitOptions): string | null {
  const lines = [
    ...Object.entries({ GIT_DIR: gitDir, ...env }).map(([name, value]) => `e${name}=${value}`),
    `t${limits.cpuSeconds}`,
    ...(process.platform === 'linux' ? [`v${kibOf(limits.memoryBytes)}`] : []),
    ...command.map((argument) => `a${argument}`),
    'x',
  ];
  return lines.every((line) => PLAIN.test(line)) ? `${lines.join('\n')}\n` : null;
}

function kibOf(bytes: number): number {
  return Math.ceil(bytes / 1024);
}

function isAlive(shell: Shell): boolean {
  return shell.exitCode === null && shell.signalCode === null;
}

/** Whether the server's process stays for that shell's sake. */
function holdOpen(shell: Shell, isHeld: boolean): void {
  for (const part of [shell, shell.stdin, shell.stdout, shell.stderr] as { ref(): void; unref(): void }[]) {
    if (isHeld) part.ref();
    else part.unref();
  }
}

function watch(child: Shell, options: GitOptions, clock: Clock): GitChild {
  let stopped: GitEnd['stopped'] = null;
  let stderr = '';
  let spawnError = '';
  const stop = (why: GitEnd['stopped']) => {
    if (stopped !== null || child.exitCode !== null || child.signalCode !== null) return;
    stopped = why;
    killGroup(child.pid);
    child.stdout.destroy();
  };
  const abort = () => stop('abort');
  const timer = clock.after(options.limits.wallMs, () => stop('time'));
  if (options.signal?.aborted) abort();
  options.signal?.addEventListener('abort', abort, { once: true });
  // A git that ends early closes its stdin under our hands; its exit status and stderr tell why.
  child.stdin.on('error', () => child.stdin.destroy());
  child.stdout.on('error', () => child.stdout.destroy());
  child.stderr.on('data', (chunk: Buffer) => {
    if (stderr.length < STDERR_CAP_BYTES) stderr += chunk.toString('utf8');
  });
  child.on('error', (error) => {
    spawnError = error.message;
  });
  const ended = new Promise<GitEnd>((resolve) => {
    child.on('close', (status) => {
      timer.cancel();
      options.signal?.removeEventListener('abort', abort);
      resolve({ status, stopped, stderr: (spawnError + stderr).slice(0, STDERR_CAP_BYTES) });
    });
  });
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    ended,
    kill: () => stop('kill'),
    cpuMs: () => cpuMsOf(child.pid),
  };
}

/** The child leads its own process group: `pack-objects` under `upload-pack` must go too. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function cpuMsOf(pid: number | undefined): Promise<number | null> {
  if (pid === undefined || process.platform !== 'linux') return null;
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
  // Fields 14 and 15 (user and system time), counted after the command's name, which may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS;
}

async function collect(child: GitChild, capBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > capBytes) {
      child.kill();
      throw new GitFailure('tree-too-large', 'the answer is larger than the limit');
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
