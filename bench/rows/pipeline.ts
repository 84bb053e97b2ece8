import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { makeResources } from '../../src/cli/demo/resources.ts';
import { finishedExecution } from '../delivery.ts';
import { git } from '../git-client.ts';
import { runProgram, timeMs } from '../program.ts';
import type { Row } from '../row.ts';
import { ACCOUNT, REGION, type Slipway, startSlipway } from '../slipway.ts';
import { measurePairs, median, pairedRatio } from '../statistics.ts';
import { milliseconds } from '../table.ts';
import type { Workspace } from '../workspace.ts';

const ROUNDS = 8;
const TARGET_MS = 400;
const EXAMPLE = new URL('../../examples/hello-web', import.meta.url).pathname;
const APP = {
  name: 'hello-web',
  description: 'bench',
  branch: 'main',
  buildTimeoutMinutes: 5,
  approval: false,
};

/** The demo's pipeline (source, build and test, deploy to a site) against the commands of its buildspec in a shell. */
export const pipeline: Row = {
  name: 'pipeline',
  async measure(workspace) {
    const slipway = await startSlipway(workspace);
    const folder = await makeExample(workspace);
    await deliverExample(workspace, slipway, folder);
    const commands = await commandsOf(join(EXAMPLE, 'buildspec.yml'));
    const pairs = await measurePairs(
      ROUNDS,
      () => timeMs(() => runProgram('sh', ['-e', '-c', commands], { cwd: folder, env: process.env })),
      () => timeExecution(slipway),
    );
    const beyond = median(pairs.ours.map((ms, round) => ms - pairs.baseline[round]!));
    return [
      {
        measure: 'source-build-deploy pipeline',
        baseline: `its commands in a shell ${milliseconds(median(pairs.baseline))}`,
        ours: `${milliseconds(median(pairs.ours))}, ${milliseconds(beyond)} beyond`,
        ratio: pairedRatio(pairs),
        target: `<= ${TARGET_MS} ms beyond`,
        met: beyond <= TARGET_MS,
        notes: ['from StartPipelineExecution to the end of the last action'],
      },
    ];
  },
};

async function makeExample(workspace: Workspace): Promise<string> {
  const folder = workspace.path('example');
  await cp(EXAMPLE, folder, { recursive: true });
  await git(workspace, folder, 'init', '--quiet', '--initial-branch=main');
  await git(workspace, folder, 'add', '--all');
  await git(workspace, folder, 'commit', '--quiet', '--message', 'the example');
  return folder;
}

/** Pushes the example and lets its pipeline run once. */
async function deliverExample(workspace: Workspace, slipway: Slipway, folder: string): Promise<void> {
  const { cloneUrl, gitUser } = await makeResources(slipway.clients, APP, ACCOUNT, REGION);
  const url = new URL(cloneUrl);
  url.username = encodeURIComponent(gitUser.userName);
  url.password = encodeURIComponent(gitUser.password);
  await git(workspace, folder, 'push', '--quiet', url.href, 'main:main');
  const commit = await git(workspace, folder, 'rev-parse', 'main');
  await finishedExecution(slipway, APP.name, { commit }, 0);
}

/** Every command of a buildspec as one script. */
async function commandsOf(path: string): Promise<string> {
  const { env, phases } = parse(await readFile(path, 'utf8')) as {
    env: { variables: Record<string, string> };
    phases: Record<string, { commands: string[] }>;
  };
  const variables = Object.entries(env.variables).map(([name, value]) => `export ${name}='${value}'`);
  return [...variables, ...Object.values(phases).flatMap(({ commands }) => commands)].join('\n');
}

/** From StartPipelineExecution to the end of the last action, in milliseconds. */
async function timeExecution(slipway: Slipway): Promise<number> {
  const startedAt = Date.now();
  const { pipelineExecutionId } = await slipway.clients.codepipeline.startPipelineExecution({ name: APP.name });
  const { endedAtMs } = await finishedExecution(slipway, APP.name, { id: pipelineExecutionId! }, 1_000);
  return endedAtMs - startedAt;
}
