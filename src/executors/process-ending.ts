import type { Clock } from '../kernel/clock.ts';
import { type Marks, membersOf, type ProcessEntry, processTable, signal, startOf } from './process-table.ts';
import type { RunRecord } from './run-folder.ts';

/** How long a run may take to end after a polite request. With {@link FORCE_MS} within the 10 s that a stop may take. */
const GRACE_MS = 3_000;
/** How long killed processes may take to go: only the kernel can hold one back. */
const FORCE_MS = 6_000;
const LOOK_AGAIN_MS = 20;

export interface Members {
  marks: Marks;
  /** The first process of the run; without it, only the marks count. */
  root: RunRecord | undefined;
  clock: Clock;
}

/** The live processes of a run. */
export async function findMembers({ marks, root }: Members): Promise<ProcessEntry[]> {
  const table = await processTable(marks);
  // The number may be another process's by now.
  const isRoot = table.some((entry) => entry.pid === root?.pid && entry.startedAt === root.startedAt);
  return membersOf(table, isRoot ? root?.pid : undefined);
}

/**
 * Kills all processes of a run and resolves when none is left.
 * @throws {Error} some are still there after 6 s.
 */
export async function endMembers(members: Members): Promise<void> {
  const deadline = members.clock.monotonicMs() + FORCE_MS;
  for (;;) {
    const left = await findMembers(members);
    if (left.length === 0) return;
    if (members.clock.monotonicMs() > deadline) {
      throw new Error(`processes ${left.map((entry) => entry.pid).join(', ')} do not end`);
    }
    for (const { pid } of left) signal(pid, 'SIGKILL');
    await delay(members.clock, LOOK_AGAIN_MS);
  }
}

/**
 * Asks the processes of a run to end and waits for them, 3 s at most. The processes in `frozen` are stopped instead,
 * so that the script does not go on with its next command once the present one has ended.
 * @param isOver looked at between two looks at the processes.
 */
export async function askMembers(
  members: Members,
  frozen: (entries: readonly ProcessEntry[]) => ReadonlySet<number>,
  isOver: () => boolean,
): Promise<void> {
  const deadline = members.clock.monotonicMs() + GRACE_MS;
  const asked = new Set<number>();
  while (!isOver() && members.clock.monotonicMs() < deadline) {
    const entries = await findMembers(members);
    const kept = frozen(entries);
    for (const pid of kept) signal(pid, 'SIGSTOP');
    const others = entries.filter(({ pid }) => !kept.has(pid));
    if (others.length === 0) return;
    for (const { pid } of others) {
      if (asked.has(pid)) continue;
      asked.add(pid);
      signal(pid, 'SIGTERM');
      // A stopped process hears nothing until it goes on.
      signal(pid, 'SIGCONT');
    }
    await delay(members.clock, LOOK_AGAIN_MS);
  }
}

/** True as soon as a process has gone; false when it is still there after half a second. */
export async function isGoneSoon(pid: number, clock: Clock): Promise<boolean> {
  for (let round = 0; round < 50; round++) {
    if ((await startOf(pid)) === 0) return true;
    await delay(clock, round < 5 ? 1 : 10);
  }
  return false;
}

export function delay(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}
