import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** One process of this machine. */
export interface ProcessEntry {
  pid: number;
  parentPid: number;
  groupId: number;
  /** Tells a process from a later one with the same number; 0 where the system does not say. */
  startedAt: number;
  /** Carries one of the {@link Marks} that were searched for. */
  marked: boolean;
}

/** What tells the processes of a run from others. Both are inherited, whatever group, session or parent they choose. */
export interface Marks {
  /** `NAME=value` in the environment. */
  variable: string;
  /** The path that standard output or standard error was opened at: finds those that cleared their environment. */
  logPath?: string;
}

/** Every live process (no zombies), and which of them are marked. Off Linux none is: POSIX does not show it. */
export async function processTable(marks: Marks): Promise<ProcessEntry[]> {
  if (process.platform !== 'linux') return portableTable();
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const entries = await Promise.all(pids.map((pid) => linuxEntry(Number(pid), marks)));
  return entries.filter((entry) => entry !== undefined);
}

/** {@link ProcessEntry.startedAt} of one process; 0 when it has gone already. */
export async function startOf(pid: number): Promise<number> {
  if (process.platform !== 'linux') return 0;
  return (await linuxEntry(pid, undefined))?.startedAt ?? 0;
}

async function linuxEntry(pid: number, marks: Marks | undefined): Promise<ProcessEntry | undefined> {
  const stat = await orGone(readFile(`/proc/${pid}/stat`));
  if (stat === undefined) return undefined;
  // The second field is the command in parentheses and may itself hold blanks and parentheses.
  const text = stat.toString('latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return {
    pid,
    parentPid: Number(fields[1]),
    groupId: Number(fields[2]),
    startedAt: Number(fields[19]),
    marked: marks !== undefined && (await isMarked(pid, marks)),
  };
}

async function isMarked(pid: number, { variable, logPath }: Marks): Promise<boolean> {
  const environment = await orGone(readFile(`/proc/${pid}/environ`));
  if (environment === undefined) return false;
  if (Buffer.concat([Buffer.of(0), environment]).includes(`\0${variable}\0`)) return true;
  if (logPath === undefined) return false;
  const links = await Promise.all([1, 2].map((fd) => orGone(readlink(`/proc/${pid}/fd/${fd}`))));
  return links.some((link) => link === `${logPath} (deleted)`);
}

/** Undefined when the process is gone or is another user's. */
async function orGone<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(code)) return undefined;
    throw error;
  }
}

/** What POSIX's `ps` says: parents and groups must do. */
export async function portableTable(): Promise<ProcessEntry[]> {
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid=,pgid=,stat=']);
  return stdout
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length === 4 && !fields[3]!.startsWith('Z'))
    .map(([pid, parentPid, groupId]) => ({
      pid: Number(pid),
      parentPid: Number(parentPid),
      groupId: Number(groupId),
      startedAt: 0,
      marked: false,
    }));
}

/**
 * What belongs to a run: marked processes, those in the group of `rootPid`, and all descendants of either.
 * Never this process or one of its ancestors, whatever they carry in their environment.
 */
export function membersOf(table: readonly ProcessEntry[], rootPid: number | undefined): ProcessEntry[] {
  const parents = new Map(table.map((entry) => [entry.pid, entry.parentPid]));
  const ours = new Set<number>([0, 1]);
  for (let pid: number | undefined = process.pid; pid !== undefined && !ours.has(pid); pid = parents.get(pid)) {
    ours.add(pid);
  }
  const members = new Set(
    table.filter((e) => e.marked || (rootPid !== undefined && (e.pid === rootPid || e.groupId === rootPid))).map(pidOf),
  );
  for (let before = -1; before !== members.size; ) {
    before = members.size;
    for (const entry of table) {
      if (members.has(entry.parentPid) && !ours.has(entry.parentPid)) members.add(entry.pid);
    }
  }
  return table.filter((entry) => members.has(entry.pid) && !ours.has(entry.pid));
}

function pidOf(entry: ProcessEntry): number {
  return entry.pid;
}

/** Sends a signal; a process that has gone is fine. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
