import type { ActionExecutionDetail } from '@aws-sdk/client-codepipeline';
import {
  buildAction,
  deployAction,
  type FinishedExecution,
  finishedExecution,
  makePipeline,
  makePipelineProject,
} from '../delivery.ts';
import { generateRepository } from '../generated-repository.ts';
import { timePush } from '../git-client.ts';
import { gitUser } from '../git-hosts.ts';
import type { Row } from '../row.ts';
import { type Slipway, startSlipway } from '../slipway.ts';
import { median, percentile } from '../statistics.ts';
import { milliseconds } from '../table.ts';

const EXECUTIONS = 12;
const TARGET_MS = 50;
const NAME = 'steps';
const PAUSE_MS = 500;

/** From the end of an action to the start of the next one, within stages and across them. */
export const actions: Row = {
  name: 'actions',
  async measure(workspace) {
    const slipway = await startSlipway(workspace);
    const makeRepository = await gitUser(slipway);
    const folder = await generateRepository(workspace, { commits: 1, files: 10, fileBytes: 2_000 });
    await timePush(workspace, folder, await makeRepository(NAME));
    await makePipelineProject(slipway, NAME, ':');
    await makePipeline(slipway, NAME, NAME, (bucket) => [
      { name: 'Build', actions: [buildAction('First', NAME, 1), buildAction('Second', NAME, 2)] },
      { name: 'Check', actions: [buildAction('Third', NAME)] },
      { name: 'Deploy', actions: [deployAction('One', bucket, 1), deployAction('Two', bucket, 2)] },
    ]);
    const gaps: number[] = [];
    for (let execution = 0; execution < EXECUTIONS; execution++) {
      const { pipelineExecutionId } = await slipway.clients.codepipeline.startPipelineExecution({ name: NAME });
      const finished = await finishedExecution(slipway, NAME, { id: pipelineExecutionId! }, PAUSE_MS);
      gaps.push(...(await gapsOf(slipway, finished)));
    }
    const p95 = percentile(gaps, 0.95);
    return [
      {
        measure: 'end of an action -> start of the next, p95',
        baseline: '-',
        ours: milliseconds(p95),
        target: `<= ${TARGET_MS} ms`,
        met: p95 <= TARGET_MS,
        notes: [
          `${gaps.length} gaps, median ${milliseconds(median(gaps))}; a build ends when CodeBuild says so, not when the pipeline notices`,
        ],
      },
    ];
  },
};

async function gapsOf(slipway: Slipway, { actions: inOrder }: FinishedExecution): Promise<number[]> {
  const ends = await Promise.all(inOrder.map((action) => endOf(slipway, action)));
  return inOrder.slice(1).map((action, at) => Number(action.startTime) - ends[at]!);
}

async function endOf({ clients: { codebuild } }: Slipway, action: ActionExecutionDetail): Promise<number> {
  if (action.input?.actionTypeId?.provider !== 'CodeBuild') return Number(action.lastUpdateTime);
  const { builds = [] } = await codebuild.batchGetBuilds({
    ids: [action.output!.executionResult!.externalExecutionId!],
  });
  return Number(builds[0]!.endTime);
}
