import type { Crowd } from '../crowd.ts';
import { makeRole } from '../delivery.ts';
import { until } from '../program.ts';
import { numbered } from '../row-copies.ts';

const name = 'crowd';
const maxResults = 50;

/** Executions of one pipeline, each with an action, and pipelines. */
export const codepipelineLists: Crowd = {
  service: 'CodePipeline',
  async seed(slipway) {
    const { s3, codepipeline } = slipway.clients;
    await s3.createBucket({ Bucket: 'bench-crowd-source' });
    await s3.putBucketVersioning({ Bucket: 'bench-crowd-source', VersioningConfiguration: { Status: 'Enabled' } });
    const roleArn = await makeRole(slipway, `${name}-pipeline`, 'codepipeline.amazonaws.com');
    const source = {
      name: 'Source',
      actionTypeId: { category: 'Source' as const, owner: 'AWS' as const, provider: 'S3', version: '1' },
      configuration: { S3Bucket: 'bench-crowd-source', S3ObjectKey: 'absent.zip', PollForSourceChanges: 'false' },
      outputArtifacts: [{ name: 'source' }],
    };
    const approval = {
      name: 'Approve',
      actionTypeId: { category: 'Approval' as const, owner: 'AWS' as const, provider: 'Manual', version: '1' },
    };
    await codepipeline.createPipeline({
      pipeline: {
        name,
        roleArn,
        artifactStore: { type: 'S3', location: 'bench-crowd-source' },
        stages: [
          { name: 'Source', actions: [source] },
          { name: 'Approve', actions: [approval] },
        ],
      },
    });
    // The execution that every new pipeline begins fails, for want of a source; it is what the copies are taken from.
    await until(async () => {
      const { pipelineExecutionSummaries = [] } = await codepipeline.listPipelineExecutions({ pipelineName: name });
      return pipelineExecutionSummaries[0]?.status === 'Failed' ? true : undefined;
    }, 'the first execution to fail');
  },
  fill(tables, count) {
    const place = (n: number) => 1_000 + n;
    const execution = (n: number) => ({ id: executionOf(n), sequence: place(n), client_token: null });
    tables.copy('codepipeline_executions', {}, count, execution);
    tables.copy('codepipeline_action_executions', {}, count, (n) => ({
      id: `action-${numbered(n)}`,
      execution_id: executionOf(n),
      sequence: place(n),
    }));
    tables.copy('codepipeline_definitions', {}, count, (n) => ({ pipeline_id: `pipeline-${numbered(n)}` }));
    tables.copy('codepipeline_pipelines', {}, count, (n) => ({
      id: `pipeline-${numbered(n)}`,
      name: pipelineOf(n),
    }));
  },
  calls: [
    {
      name: 'GetPipeline',
      async prepare({ clients: { codepipeline } }, count) {
        return () => codepipeline.getPipeline({ name: pipelineOf(count - 1) });
      },
    },
    {
      name: 'ListPipelines, first page',
      async prepare({ clients: { codepipeline } }) {
        return () => codepipeline.listPipelines({ maxResults });
      },
    },
    {
      name: 'GetPipelineState',
      async prepare({ clients: { codepipeline } }) {
        return () => codepipeline.getPipelineState({ name });
      },
    },
    {
      name: 'GetPipelineExecution',
      async prepare({ clients: { codepipeline } }) {
        return () => codepipeline.getPipelineExecution({ pipelineName: name, pipelineExecutionId: executionOf(7) });
      },
    },
    {
      name: 'ListPipelineExecutions, first page',
      async prepare({ clients: { codepipeline } }) {
        return () => codepipeline.listPipelineExecutions({ pipelineName: name, maxResults });
      },
    },
    {
      name: 'ListActionExecutions of an execution',
      async prepare({ clients: { codepipeline } }) {
        const filter = { pipelineExecutionId: executionOf(7) };
        return () => codepipeline.listActionExecutions({ pipelineName: name, filter });
      },
    },
  ],
};

/** Ids of executions are UUIDs. */
function executionOf(n: number): string {
  return `00000000-0000-4000-8000-0000${numbered(n)}`;
}

function pipelineOf(n: number): string {
  return `pipeline-${numbered(n)}`;
}
