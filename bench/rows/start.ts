import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { STS } from '@aws-sdk/client-sts';
import { runProgram, timeMs } from '../program.ts';
import type { Result, Row } from '../row.ts';
import { end, type Keys, launch, REGION, residentBytes, startSlipway } from '../slipway.ts';
import { measurePairs, median, pairedRatio } from '../statistics.ts';
import { megabytes, milliseconds } from '../table.ts';
import type { Workspace } from '../workspace.ts';

const ROUNDS = 5;
const TARGET_MS = 700;
const IDLE_MS = 5_000;
const TARGET_BYTES = 150e6;

/** Start to first answered call, and the memory of a server that does nothing. */
export const start: Row = {
  name: 'start',
  async measure(workspace) {
    return [await firstAnswer(workspace), await idleMemory(workspace)];
  },
};

async function firstAnswer(workspace: Workspace): Promise<Result> {
  const data = workspace.path('data');
  const firstMs = await startAndCall(workspace, data);
  const pairs = await measurePairs(
    ROUNDS,
    () => timeMs(() => runProgram(process.execPath, ['-e', '0'])),
    () => startAndCall(workspace, data),
  );
  const ours = median(pairs.ours);
  return {
    measure: 'start -> first answered call',
    baseline: `node -e 0 ${milliseconds(median(pairs.baseline))}`,
    ours: milliseconds(ours),
    ratio: pairedRatio(pairs),
    target: `<= ${TARGET_MS} ms`,
    met: ours <= TARGET_MS,
    notes: [`on data that is there; the first start, which also makes the database, took ${milliseconds(firstMs)}`],
  };
}

/** Starts a server and asks it who we are, then stops it. @returns milliseconds from the start to the answer */
async function startAndCall(workspace: Workspace, data: string): Promise<number> {
  const began = performance.now();
  const { child, url } = await launch(workspace, data, []);
  try {
    const credentials = JSON.parse(await readFile(join(data, 'root-credentials.json'), 'utf8')) as Keys;
    const sts = new STS({ endpoint: url, region: REGION, credentials, maxAttempts: 1 });
    await sts.getCallerIdentity();
    const ms = performance.now() - began;
    sts.destroy();
    return ms;
  } finally {
    await end(child);
  }
}

async function idleMemory(workspace: Workspace): Promise<Result> {
  const slipway = await startSlipway(workspace);
  await slipway.clients.sts.getCallerIdentity();
  await wait(IDLE_MS);
  const bytes = await residentBytes(slipway.pid);
  return {
    measure: `idle memory, resident, after ${IDLE_MS / 1000} s`,
    baseline: '-',
    ours: megabytes(bytes),
    target: `<= ${megabytes(TARGET_BYTES)}`,
    met: bytes <= TARGET_BYTES,
  };
}
