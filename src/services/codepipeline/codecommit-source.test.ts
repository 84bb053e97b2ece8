import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { describe, test } from 'node:test';
import type { TestServer } from '../../../test/harness.ts';
import {
  ACCOUNT,
  allow,
  approval,
  bucketServer,
  commitSource,
  ended,
  pipelineOf,
  policy,
  ROLE,
  siteDeploy,
  stage,
  trust,
  until,
} from './fixtures.ts';

const detecting = commitSource({ namespace: 'Src' });
const told = commitSource({
  configuration: { RepositoryName: 'app', BranchName: 'main', PollForSourceChanges: 'false' },
});

async function repositoryServer(t: TestContext): Promise<TestServer> {
  const server = await bucketServer(t);
  await server.root_.codecommit.createRepository({ repositoryName: 'app' });
  return server;
}

/** Commits a file to a branch through the API and gives the commit's id. */
async function commit({ root_ }: TestServer, content: string, branchName = 'main'): Promise<string> {
  const { codecommit } = root_;
  const { branches = [] } = await codecommit.listBranches({ repositoryName: 'app' });
  const { branch } = branches.includes(branchName)
    ? await codecommit.getBranch({ repositoryName: 'app', branchName })
    : {};
  const { commitId } = await codecommit.createCommit({
    repositoryName: 'app',
    branchName,
    parentCommitId: branch?.commitId,
    authorName: 'Ada',
    email: 'ada@example.com',
    commitMessage: `say "${content}"`,
    putFiles: [{ filePath: 'index.html', fileContent: Buffer.from(content) }],
  });
  return commitId!;
}

/** The execution of a commit, when it is there. */
function executionOf({ root_ }: TestServer, commitId: string): Promise<string> {
  return until(async () => {
    const { pipelineExecutionSummaries = [] } = await root_.codepipeline.listPipelineExecutions({ pipelineName: 'p' });
    return pipelineExecutionSummaries.find(({ sourceRevisions }) => sourceRevisions![0]?.revisionId === commitId)
      ?.pipelineExecutionId;
  }, `an execution of ${commitId}`);
}

describe('a CodeCommit source', () => {
  test('starts the pipeline when its branch moves, with that commit', async (t) => {
    const server = await repositoryServer(t);
    const { codepipeline, s3 } = server.root_;
    const asking = approval('Approve', { configuration: { CustomData: '#{Src.CommitMessage}' } });
    await codepipeline.createPipeline({
      pipeline: pipelineOf([stage('Source', detecting), stage('Deploy', siteDeploy()), stage('Gate', asking)]),
    });
    const { pipelineExecutionSummaries = [] } = await codepipeline.listPipelineExecutions({ pipelineName: 'p' });
    assert.equal(
      await ended(server, pipelineExecutionSummaries[0]!.pipelineExecutionId!),
      'Failed',
      'the branch does not exist yet',
    );

    const commitId = await commit(server, 'one');
    const pipelineExecutionId = await executionOf(server, commitId);
    const asked = await until(async () => {
      const { actionExecutionDetails = [] } = await codepipeline.listActionExecutions({
        pipelineName: 'p',
        filter: { pipelineExecutionId },
      });
      const gate = actionExecutionDetails.find(
        ({ actionName, input }) => actionName === 'Approve' && input!.resolvedConfiguration !== undefined,
      );
      return gate === undefined ? undefined : actionExecutionDetails;
    }, 'the approval');
    assert.equal(asked[0]!.input!.resolvedConfiguration!['CustomData'], 'say "one"');
    const { outputVariables } = asked.at(-1)!.output!;
    assert.deepEqual(Object.keys(outputVariables!).sort(), [
      'AuthorDate',
      'BranchName',
      'CommitId',
      'CommitMessage',
      'CommitterDate',
      'RepositoryName',
    ]);
    assert.deepEqual(
      [
        outputVariables!['CommitId'],
        outputVariables!['CommitMessage'],
        outputVariables!['BranchName'],
        outputVariables!['RepositoryName'],
      ],
      [commitId, 'say "one"', 'main', 'app'],
    );
    assert.match(outputVariables!['AuthorDate']!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const page = await s3.getObject({ Bucket: 'site', Key: 'index.html' });
    assert.equal(await page.Body!.transformToString(), 'one');
    const { pipelineExecution } = await codepipeline.getPipelineExecution({ pipelineName: 'p', pipelineExecutionId });
    assert.deepEqual(pipelineExecution!.trigger, { triggerType: 'PollForSourceChanges', triggerDetail: 'Pull' });
    assert.equal(pipelineExecution!.artifactRevisions![0]!.revisionSummary, 'say "one"');
    await server.root_.codecommit.createBranch({ repositoryName: 'app', branchName: 'dev', commitId });
    await commit(server, 'other', 'dev');
    assert.equal(
      (await codepipeline.listPipelineExecutions({ pipelineName: 'p' })).pipelineExecutionSummaries!.length,
      2,
      'another branch starts nothing',
    );
  });

  test('stays quiet with PollForSourceChanges=false, and a rule starts it with the commit of its event', async (t) => {
    const server = await repositoryServer(t);
    const { codepipeline, events, iam } = server.root_;
    await codepipeline.createPipeline({
      pipeline: pipelineOf([stage('Source', told), stage('Gate', approval())], { executionMode: 'PARALLEL' }),
    });
    await commit(server, 'zero');
    await iam.createRole({ RoleName: 'rule', AssumeRolePolicyDocument: trust('events.amazonaws.com') });
    await iam.putRolePolicy({
      RoleName: 'rule',
      PolicyName: 'start',
      PolicyDocument: policy(allow('codepipeline:StartPipelineExecution')),
    });
    const pattern = {
      source: ['aws.codecommit'],
      'detail-type': ['CodeCommit Repository State Change'],
      resources: [`arn:aws:codecommit:us-east-1:${ACCOUNT}:app`],
      detail: { referenceType: ['branch'], referenceName: ['main'] },
    };
    await events.putRule({ Name: 'push', EventPattern: JSON.stringify(pattern) });
    const target = {
      Id: 'p',
      Arn: `arn:aws:codepipeline:us-east-1:${ACCOUNT}:p`,
      RoleArn: `arn:aws:iam::${ACCOUNT}:role/rule`,
    };
    await events.putTargets({ Rule: 'push', Targets: [target] });
    const commits = [await commit(server, 'one'), await commit(server, 'two'), await commit(server, 'three')];
    for (const commitId of commits) await executionOf(server, commitId);
    const { pipelineExecutionSummaries = [] } = await codepipeline.listPipelineExecutions({ pipelineName: 'p' });
    assert.deepEqual(
      pipelineExecutionSummaries
        .map(({ trigger, sourceRevisions }) => [trigger!.triggerType, sourceRevisions![0]?.revisionId])
        .reverse(),
      [['CreatePipeline', undefined], ...commits.map((commitId) => ['CloudWatchEvent', commitId])],
    );
    assert.equal(
      pipelineExecutionSummaries[0]!.trigger!.triggerDetail,
      `arn:aws:events:us-east-1:${ACCOUNT}:rule/push`,
    );
  });

  test('fails with the denial where the role may not read the repository', async (t) => {
    const server = await repositoryServer(t);
    const { codepipeline, iam } = server.root_;
    await commit(server, 'one');
    const but = (action: string) =>
      iam.putRolePolicy({
        RoleName: 'pipeline',
        PolicyName: 'work',
        PolicyDocument: policy(allow(['s3:*', 'codecommit:*']), { Effect: 'Deny', Action: action, Resource: '*' }),
      });
    await codepipeline.createPipeline({ pipeline: pipelineOf([stage('Source', told), stage('Gate', approval())]) });
    for (const action of ['codecommit:GetBranch', 'codecommit:GetCommit', 'codecommit:UploadArchive', 's3:PutObject']) {
      await but(action);
      const { pipelineExecutionId } = await codepipeline.startPipelineExecution({ name: 'p' });
      assert.equal(await ended(server, pipelineExecutionId!), 'Failed');
      const { actionExecutionDetails = [] } = await codepipeline.listActionExecutions({
        pipelineName: 'p',
        filter: { pipelineExecutionId },
      });
      const { errorDetails } = actionExecutionDetails[0]!.output!.executionResult!;
      assert.equal(errorDetails!.code, 'PermissionError');
      assert.match(
        errorDetails!.message!,
        new RegExp(`assumed-role/pipeline/\\S+ is not authorized to perform: "?${action}"? on resource`),
      );
    }
  });

  test("works as the action's own role, which the pipeline's role assumes", async (t) => {
    const server = await repositoryServer(t);
    const { codepipeline, iam, cloudtrail } = server.root_;
    const reader = `arn:aws:iam::${ACCOUNT}:role/reader`;
    await iam.createRole({
      RoleName: 'reader',
      AssumeRolePolicyDocument: policy({ Effect: 'Allow', Principal: { AWS: ROLE }, Action: 'sts:AssumeRole' }),
    });
    await iam.putRolePolicy({
      RoleName: 'reader',
      PolicyName: 'work',
      PolicyDocument: policy(allow(['s3:*', 'codecommit:*'])),
    });
    await iam.putRolePolicy({
      RoleName: 'pipeline',
      PolicyName: 'work',
      PolicyDocument: policy(allow('sts:AssumeRole', reader)),
    });
    const commitId = await commit(server, 'one');
    await codepipeline.createPipeline({
      pipeline: pipelineOf([stage('Source', { ...told, roleArn: reader }), stage('Gate', approval())]),
    });
    await executionOf(server, commitId);
    const { Events = [] } = await cloudtrail.lookupEvents({
      LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'UploadArchive' }],
    });
    assert.equal(JSON.parse(Events[0]!.CloudTrailEvent!).userIdentity.sessionContext.sessionIssuer.arn, reader);
  });
});
