import { setTimeout as sleep } from 'node:timers/promises';
import type { ActionExecutionDetail } from '@aws-sdk/client-codepipeline';
import type { DemoClients } from './clients.ts';
import type { Progress } from './progress.ts';

const LOOK_EVERY_MS = 80;
const START_WITHIN_MS = 15_000;

/** Waits for the execution that the push of a commit started. @throws when none comes */
export async function executionOf(
  { codepipeline }: DemoClients,
  pipelineName: string,
  commitId: string,
): Promise<string> {
  for (let waited = 0; waited < START_WITHIN_MS; waited += LOOK_EVERY_MS) {
    const { pipelineExecutionSummaries = [] } = await codepipeline.listPipelineExecutions({
      pipelineName,
      maxResults: 20,
    });
    const found = pipelineExecutionSummaries.find(
      ({ sourceRevisions = [], trigger }) =>
        sourceRevisions.some(({ revisionId }) => revisionId === commitId) || trigger?.triggerDetail?.includes(commitId),
    );
    if (found !== undefined) return found.pipelineExecutionId!;
    await sleep(LOOK_EVERY_MS);
  }
  throw new Error(`the push of ${commitId} did not start the pipeline ${pipelineName}`);
}

/** Follows an execution to its end, showing each action and approving what asks for approval. @returns its status */
export async function followExecution(
  clients: DemoClients,
  pipelineName: string,
  pipelineExecutionId: string,
  progress: Progress,
  stopped?: AbortSignal,
): Promise<string> {
  const { codepipeline } = clients;
  for (;;) {
    const { pipelineExecution } = await codepipeline.getPipelineExecution({ pipelineName, pipelineExecutionId });
    const { actionExecutionDetails = [] } = await codepipeline.listActionExecutions({
      pipelineName,
      filter: { pipelineExecutionId },
    });
    progress.show(actionExecutionDetails);
    const status = pipelineExecution?.status ?? 'Failed';
    if ((status !== 'InProgress' && status !== 'Stopping') || stopped?.aborted) return status;
    await approveWaiting(clients, pipelineName, actionExecutionDetails, progress);
    await sleep(LOOK_EVERY_MS);
  }
}

/** Shows every execution that starts from now on, until `stopped` is aborted. */
export async function followPushes(
  clients: DemoClients,
  pipelineName: string,
  progress: Progress,
  stopped: AbortSignal,
): Promise<void> {
  const executions = async () =>
    (await clients.codepipeline.listPipelineExecutions({ pipelineName })).pipelineExecutionSummaries ?? [];
  const seen = new Set((await executions()).map(({ pipelineExecutionId }) => pipelineExecutionId));
  while (!stopped.aborted) {
    for (const { pipelineExecutionId: id } of (await executions()).reverse()) {
      if (seen.has(id)) continue;
      seen.add(id);
      progress.say(`A push has started the pipeline (${id}).`);
      progress.say(`The pipeline ended as ${await followExecution(clients, pipelineName, id!, progress, stopped)}.`);
    }
    await sleep(LOOK_EVERY_MS);
  }
}

async function approveWaiting(
  { codepipeline }: DemoClients,
  pipelineName: string,
  actions: ActionExecutionDetail[],
  progress: Progress,
): Promise<void> {
  const waiting = actions.find(
    ({ status, input }) => status === 'InProgress' && input?.actionTypeId?.category === 'Approval',
  );
  if (waiting === undefined) return;
  const { stageStates = [] } = await codepipeline.getPipelineState({ name: pipelineName });
  const stage = stageStates.find(({ stageName }) => stageName === waiting.stageName);
  const action = stage?.actionStates?.find(({ actionName }) => actionName === waiting.actionName);
  const token = action?.latestExecution?.token;
  if (token === undefined || action?.latestExecution?.status !== 'InProgress') return;
  progress.say(`  ? ${waiting.stageName} asks: approving as the demo's root user`);
  await codepipeline.putApprovalResult({
    pipelineName,
    stageName: waiting.stageName,
    actionName: waiting.actionName,
    token,
    result: { status: 'Approved', summary: 'approved by the demo' },
  });
}
