import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Build } from '@aws-sdk/client-codebuild';
import { ratioResult } from '../comparison.ts';
import { makeCommandProject } from '../delivery.ts';
import { timeMs, until } from '../program.ts';
import type { Row } from '../row.ts';
import { type Slipway, startSlipway } from '../slipway.ts';
import { measurePairs, median } from '../statistics.ts';
import { perSecond } from '../table.ts';

const BUILDS = 200;
const ROUNDS = 3;
/** The server's default of builds that run at once. */
const AT_ONCE = 20;
const TARGET_PER_SECOND = 50;
const NAME = 'empty';
/** Ids that BatchGetBuilds takes. */
const BATCH = 100;

/** Builds that do nothing, queued at once: from the first StartBuild to the end of the last build. */
export const builds: Row = {
  name: 'builds',
  async measure(workspace) {
    const slipway = await startSlipway(workspace);
    await makeCommandProject(slipway, NAME, ':');
    await runBuilds(slipway, AT_ONCE);
    const rate = async (run: () => Promise<unknown>) => (BUILDS * 1000) / (await timeMs(run));
    const pairs = await measurePairs(
      ROUNDS,
      () => rate(spawnShells),
      () => rate(() => runBuilds(slipway, BUILDS)),
    );
    const result = ratioResult(
      {
        measure: `${BUILDS} empty builds, queued at once`,
        baseline: 'sh -c :',
        limit: { atLeast: 0 },
        format: (value) => perSecond(value, 'builds'),
        notes: [`the baseline spawns shells, ${AT_ONCE} at once, and keeps nothing; each of our builds is durable`],
      },
      pairs,
    );
    const ours = median(pairs.ours);
    return [{ ...result, target: `>= ${TARGET_PER_SECOND} builds/s`, met: ours >= TARGET_PER_SECOND }];
  },
};

async function runBuilds(slipway: Slipway, count: number): Promise<void> {
  const { codebuild } = slipway.clients;
  const started = await Promise.all(Array.from({ length: count }, () => codebuild.startBuild({ projectName: NAME })));
  let waiting = started.map(({ build }) => build!.id!);
  while (waiting.length > 0) {
    // One build is looked at, not all of them: the looks must not be what is measured.
    const last = waiting.at(-1)!;
    await until(async () => ((await isDone(slipway, [last]))[0] === true ? true : undefined), `build ${last}`);
    const done = await isDone(slipway, waiting);
    waiting = waiting.filter((_, at) => !done[at]);
  }
}

/** Whether each build has ended. @throws where one has not succeeded */
async function isDone({ clients: { codebuild } }: Slipway, ids: readonly string[]): Promise<boolean[]> {
  const found = new Map<string, Build>();
  for (let at = 0; at < ids.length; at += BATCH) {
    const { builds: some = [] } = await codebuild.batchGetBuilds({ ids: ids.slice(at, at + BATCH) });
    for (const build of some) found.set(build.id!, build);
  }
  return ids.map((id) => {
    const build = found.get(id);
    if (build?.buildComplete === true && build.buildStatus !== 'SUCCEEDED') {
      throw new Error(`build ${id} ended as ${build.buildStatus}: ${JSON.stringify(build.phases)}`);
    }
    return build?.buildComplete === true;
  });
}

async function spawnShells(): Promise<void> {
  let left = BUILDS;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      await once(spawn('sh', ['-c', ':'], { stdio: 'ignore' }), 'exit');
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
