import { setTimeout as wait } from 'node:timers/promises';
import type { Build } from '@aws-sdk/client-codebuild';
import { makeCommandProject } from '../delivery.ts';
import { runProgram, timeMs, until } from '../program.ts';
import type { Row } from '../row.ts';
import { residentBytes, type Slipway, startSlipway } from '../slipway.ts';
import { measurePairs, median, pairedRatio } from '../statistics.ts';
import { megabytes } from '../table.ts';
import type { Workspace } from '../workspace.ts';

const ROUNDS = 2;
const BYTES = 200_000_000;
const TARGET = 50e6;
/** Growth that counts as flat: buffers on the way, not the log. */
const FLAT_BYTES = 100e6;
const NAME = 'loud';
const LINE =
  'a line of a build log, as long as such lines are, that says what was compiled, tested and linked just now';
const COMMAND = `yes '${LINE}' | head -c ${BYTES}`;

/** A build that prints much, read by GetLogEvents while it runs. */
export const buildLog: Row = {
  name: 'build-log',
  async measure(workspace) {
    const slipway = await startSlipway(workspace);
    await makeCommandProject(slipway, NAME, COMMAND);
    const grown: number[] = [];
    const rate = async (run: () => Promise<unknown>) => BYTES / ((await timeMs(run)) / 1000);
    const pairs = await measurePairs(
      ROUNDS,
      () => rate(() => runProgram('sh', ['-c', `${COMMAND} | cat > ${workspace.path('log')}`])),
      async () => rate(async () => void grown.push(await readLoudBuild(slipway, workspace))),
    );
    const ours = median(pairs.ours);
    const growth = Math.max(...grown);
    return [
      {
        measure: `build log of ${megabytes(BYTES)} through to the reader`,
        baseline: `pipe into a file ${megabytes(median(pairs.baseline))}/s`,
        ours: `${megabytes(ours)}/s`,
        ratio: pairedRatio(pairs),
        target: `>= ${megabytes(TARGET)}/s`,
        met: ours >= TARGET,
      },
      {
        measure: 'memory that this log takes, at most',
        baseline: '-',
        ours: megabytes(growth),
        target: `flat (<= ${megabytes(FLAT_BYTES)})`,
        met: growth <= FLAT_BYTES,
        notes: ['resident memory of the server at its highest while the build ran and was read, less that before'],
      },
    ];
  },
};

/** Starts the build and reads its log to the end. @returns bytes by which the server's memory grew */
async function readLoudBuild(slipway: Slipway, workspace: Workspace): Promise<number> {
  const before = await residentBytes(slipway.pid);
  let highest = before;
  const sampling = new AbortController();
  const sampler = (async () => {
    while (!sampling.signal.aborted) {
      highest = Math.max(highest, await residentBytes(slipway.pid));
      await wait(50);
    }
  })();
  try {
    const { build } = await slipway.clients.codebuild.startBuild({ projectName: NAME });
    const bytes = await readLog(slipway, build!.id!);
    workspace.say(`read ${megabytes(bytes)}`);
    if (bytes < BYTES * 0.98) throw new Error(`the reader got ${bytes} bytes of the ${BYTES} that the build printed`);
  } finally {
    sampling.abort();
    await sampler;
  }
  return highest - before;
}

/** Follows the log from its head until the build has ended and nothing more comes. @returns bytes of its messages */
async function readLog(slipway: Slipway, id: string): Promise<number> {
  const { groupName, streamName } = await until(async () => {
    const { logs } = await buildOf(slipway, id);
    return logs?.streamName === undefined ? undefined : logs;
  }, 'the name of the log');
  let bytes = 0;
  let nextToken: string | undefined;
  for (;;) {
    const ended = (await buildOf(slipway, id)).buildComplete === true;
    for (;;) {
      const page = await slipway.clients.logs.getLogEvents({
        logGroupName: groupName!,
        logStreamName: streamName!,
        startFromHead: true,
        ...(nextToken === undefined ? {} : { nextToken }),
      });
      for (const { message } of page.events ?? []) bytes += message!.length + (message!.endsWith('\n') ? 0 : 1);
      const moved = page.nextForwardToken !== nextToken;
      nextToken = page.nextForwardToken;
      if (!moved || page.events?.length === 0) break;
    }
    if (ended) return bytes;
    await wait(10);
  }
}

async function buildOf({ clients: { codebuild } }: Slipway, id: string): Promise<Build> {
  const { builds = [] } = await codebuild.batchGetBuilds({ ids: [id] });
  const build = builds[0]!;
  if (build.buildComplete === true && build.buildStatus !== 'SUCCEEDED') {
    throw new Error(`build ${id} ended as ${build.buildStatus}: ${JSON.stringify(build.phases)}`);
  }
  return build;
}
