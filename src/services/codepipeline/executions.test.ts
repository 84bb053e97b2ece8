import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  answer,
  approval,
  approvalToken,
  bucketServer,
  ended,
  latestExecution,
  objectSource,
  pipelineOf,
  siteDeploy,
  stage,
  until,
} from './fixtures.ts';

const gated = pipelineOf([stage('Source', objectSource()), stage('Gate', approval()), stage('Deploy', siteDeploy())]);

describe('an execution', () => {
  test('goes through its stages and shows where it is, what it took and what it made', async (t) => {
    const server = await bucketServer(t);
    const { codepipeline, s3 } = server.root_;
    const namespaced = objectSource({ namespace: 'Src' });
    const asking = approval('Approve', { configuration: { CustomData: 'deploy #{Src.VersionId}?' } });
    await codepipeline.createPipeline({
      pipeline: pipelineOf([stage('Source', namespaced), stage('Gate', asking), stage('Deploy', siteDeploy())]),
    });
    const id = await latestExecution(server);
    const token = await approvalToken(server, 'Gate');
    const { VersionId: version, ETag: etag } = await s3.headObject({ Bucket: 'sources', Key: 'app.zip' });

    const { stageStates = [], pipelineVersion } = await codepipeline.getPipelineState({ name: 'p' });
    assert.equal(pipelineVersion, 1);
    assert.deepEqual(
      stageStates.map(({ stageName, latestExecution: latest, inboundTransitionState: gate }) => [
        stageName,
        latest?.status,
        gate?.enabled,
      ]),
      [
        ['Source', 'Succeeded', true],
        ['Gate', 'InProgress', true],
        ['Deploy', undefined, true],
      ],
    );
    assert.equal(stageStates[0]!.actionStates![0]!.currentRevision!.revisionId, version);

    await answer(server, 'Gate', token);
    assert.equal(await ended(server, id), 'Succeeded');

    const { pipelineExecution } = await codepipeline.getPipelineExecution({
      pipelineName: 'p',
      pipelineExecutionId: id,
    });
    assert.deepEqual(
      [
        pipelineExecution!.pipelineVersion,
        pipelineExecution!.trigger,
        pipelineExecution!.executionMode,
        pipelineExecution!.executionType,
      ],
      [1, { triggerType: 'CreatePipeline', triggerDetail: 'arn:aws:iam::123456789012:root' }, 'SUPERSEDED', 'STANDARD'],
    );
    const [revision] = pipelineExecution!.artifactRevisions!;
    assert.deepEqual(
      [revision!.name, revision!.revisionId, revision!.revisionChangeIdentifier],
      ['SourceOutput', version, etag!.replaceAll('"', '')],
    );
    const [summary] = (await codepipeline.listPipelineExecutions({ pipelineName: 'p' })).pipelineExecutionSummaries!;
    assert.deepEqual(
      summary!.sourceRevisions!.map(({ actionName, revisionId }) => [actionName, revisionId]),
      [['Fetch', version]],
    );

    const { actionExecutionDetails = [] } = await codepipeline.listActionExecutions({ pipelineName: 'p' });
    assert.deepEqual(
      actionExecutionDetails.map(({ stageName, actionName, status }) => [stageName, actionName, status]),
      [
        ['Deploy', 'Copy', 'Succeeded'],
        ['Gate', 'Approve', 'Succeeded'],
        ['Source', 'Fetch', 'Succeeded'],
      ],
    );
    const [copy, gate, fetch] = actionExecutionDetails;
    assert.deepEqual(gate!.input!.resolvedConfiguration, { CustomData: `deploy ${version}?` });
    assert.deepEqual(gate!.input!.configuration, { CustomData: 'deploy #{Src.VersionId}?' });
    assert.equal(gate!.updatedBy, 'arn:aws:iam::123456789012:root');
    assert.equal(gate!.output!.executionResult!.externalExecutionSummary, 'because');
    assert.equal(fetch!.output!.outputVariables!['VersionId'], version);
    const [made] = fetch!.output!.outputArtifacts!;
    assert.match(made!.s3location!.key!, /^p\/SourceOutp\/[A-Za-z0-9]{7}$/);
    assert.deepEqual(copy!.input!.inputArtifacts, [made]);

    const page = await s3.getObject({ Bucket: 'site', Key: 'index.html' });
    assert.deepEqual([await page.Body!.transformToString(), page.ContentType], ['<h1>one</h1>', 'text/html']);
    assert.equal((await s3.headObject({ Bucket: 'site', Key: 'css/a.css' })).ContentType, 'text/css');
  });

  test('is started once for one token', async (t) => {
    const server = await bucketServer(t);
    const { codepipeline } = server.root_;
    await codepipeline.createPipeline({ pipeline: gated });
    const start = () => codepipeline.startPipelineExecution({ name: 'p', clientRequestToken: 'token-1' });
    const ids = await Promise.all(Array.from({ length: 10 }, start));
    assert.equal(new Set(ids.map(({ pipelineExecutionId }) => pipelineExecutionId)).size, 1);
    const { pipelineExecutionSummaries = [] } = await codepipeline.listPipelineExecutions({ pipelineName: 'p' });
    assert.equal(pipelineExecutionSummaries.length, 2);
    assert.deepEqual(pipelineExecutionSummaries[0]!.trigger, {
      triggerType: 'StartPipelineExecution',
      triggerDetail: 'arn:aws:iam::123456789012:root',
    });
  });

  test('takes variables, and fails visibly without a value for one', async (t) => {
    const server = await bucketServer(t);
    const { codepipeline } = server.root_;
    const asking = approval('Approve', {
      configuration: { CustomData: '#{variables.to} by #{variables.who} in #{codepipeline.PipelineExecutionId}' },
    });
    const variables = [{ name: 'to', defaultValue: 'beta' }, { name: 'who' }];
    await codepipeline.createPipeline({
      pipeline: pipelineOf([stage('Source', objectSource()), stage('Gate', asking)], { variables }),
    });
    const first = await latestExecution(server);
    assert.equal(await ended(server, first), 'Failed');
    const { pipelineExecution } = await codepipeline.getPipelineExecution({
      pipelineName: 'p',
      pipelineExecutionId: first,
    });
    assert.equal(pipelineExecution!.statusSummary, "Values for required variables haven't been provided: who");

    const { pipelineExecutionId } = await codepipeline.startPipelineExecution({
      name: 'p',
      variables: [{ name: 'who', value: '$(id)' }],
    });
    const token = await approvalToken(server, 'Gate');
    const { actionExecutionDetails = [] } = await codepipeline.listActionExecutions({
      pipelineName: 'p',
      filter: { pipelineExecutionId },
    });
    assert.deepEqual(actionExecutionDetails[0]!.input!.resolvedConfiguration, {
      CustomData: `beta by $(id) in ${pipelineExecutionId}`,
    });
    assert.equal(actionExecutionDetails[0]!.output!.executionResult!.externalExecutionId, token);
    await assert.rejects(codepipeline.startPipelineExecution({ name: 'p', variables: [{ name: 'x', value: 'y' }] }), {
      name: 'ValidationException',
    });
  });

  test('takes the revision that it is given', async (t) => {
    const server = await bucketServer(t);
    const { codepipeline, s3 } = server.root_;
    const pipeline = pipelineOf([stage('Source', objectSource()), stage('Deploy', siteDeploy())]);
    await codepipeline.createPipeline({ pipeline });
    await ended(server, await latestExecution(server));
    const { VersionId: old } = await s3.headObject({ Bucket: 'sources', Key: 'app.zip' });
    await s3.putObject({ Bucket: 'sources', Key: 'app.zip', Body: 'not an archive' });
    const revision = { actionName: 'Fetch', revisionType: 'S3_OBJECT_VERSION_ID' as const, revisionValue: old! };
    const { pipelineExecutionId } = await codepipeline.startPipelineExecution({
      name: 'p',
      sourceRevisions: [revision],
    });
    assert.equal(await ended(server, pipelineExecutionId!), 'Succeeded');
    for (const wrong of [
      { ...revision, actionName: 'x' },
      { ...revision, revisionType: 'COMMIT_ID' as const },
    ]) {
      await assert.rejects(codepipeline.startPipelineExecution({ name: 'p', sourceRevisions: [wrong] }), {
        name: 'ValidationException',
      });
    }
  });

  test('starts when its source object is written, pinned to that version', async (t) => {
    const server = await bucketServer(t);
    const { codepipeline, s3 } = server.root_;
    const detecting = objectSource({ configuration: { S3Bucket: 'sources', S3ObjectKey: 'app.zip' } });
    await codepipeline.createPipeline({
      pipeline: pipelineOf([stage('Source', detecting), stage('Gate', approval())], { executionMode: 'PARALLEL' }),
    });
    const versions: string[] = [];
    for (const Body of ['one', 'two', 'three'])
      versions.push((await s3.putObject({ Bucket: 'sources', Key: 'app.zip', Body })).VersionId!);
    await s3.putObject({ Bucket: 'sources', Key: 'other.zip', Body: 'x' });
    const started = async () => {
      const { pipelineExecutionSummaries = [] } = await codepipeline.listPipelineExecutions({ pipelineName: 'p' });
      return pipelineExecutionSummaries.filter(({ trigger }) => trigger!.triggerType === 'PollForSourceChanges');
    };
    const all = await until(async () => ((await started()).length === 3 ? started() : undefined), 'three executions');
    assert.deepEqual(all.map(({ sourceRevisions }) => sourceRevisions![0]!.revisionId).reverse(), versions);
    assert.deepEqual(all[0]!.trigger, { triggerType: 'PollForSourceChanges', triggerDetail: 'Fetch' });
  });

  test('goes on after a restart of the server', async (t) => {
    const server = await bucketServer(t);
    await server.root_.codepipeline.createPipeline({ pipeline: gated });
    const id = await latestExecution(server);
    const token = await approvalToken(server, 'Gate');
    await server.restart();
    await answer(server, 'Gate', token);
    assert.equal(await ended(server, id), 'Succeeded');
  });
});

describe('a failure', () => {
  test('of a source that is not there is told in the words of S3', async (t) => {
    const server = await bucketServer(t);
    const { codepipeline } = server.root_;
    const gone = objectSource({ configuration: { S3Bucket: 'sources', S3ObjectKey: 'gone.zip' } });
    await codepipeline.createPipeline({ pipeline: pipelineOf([stage('Source', gone), stage('Gate', approval())]) });
    const id = await latestExecution(server);
    assert.equal(await ended(server, id), 'Failed');
    const { actionExecutionDetails = [] } = await codepipeline.listActionExecutions({ pipelineName: 'p' });
    assert.deepEqual(
      actionExecutionDetails.map(({ actionName, status }) => [actionName, status]),
      [['Fetch', 'Failed']],
    );
    const { errorDetails } = actionExecutionDetails[0]!.output!.executionResult!;
    assert.equal(errorDetails!.code, 'ConfigurationError');
    assert.match(errorDetails!.message!, /key does not exist/);
    const { stageStates = [] } = await codepipeline.getPipelineState({ name: 'p' });
    assert.deepEqual(
      stageStates.map(({ latestExecution: latest }) => latest?.status),
      ['Failed', undefined],
    );
  });

  test('of a role without a permission is told as the denial that it is', async (t) => {
    const server = await bucketServer(t);
    const { codepipeline, iam } = server.root_;
    await codepipeline.createPipeline({ pipeline: gated });
    await approvalToken(server, 'Gate');
    await iam.deleteRolePolicy({ RoleName: 'pipeline', PolicyName: 'work' });
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
      /assumed-role\/pipeline\/\S+ is not authorized to perform: "?s3:GetObject"? on resource/,
    );
  });

  test('of a role that may not be assumed any more is told too', async (t) => {
    const server = await bucketServer(t);
    const { codepipeline, iam } = server.root_;
    await codepipeline.createPipeline({ pipeline: gated });
    await approvalToken(server, 'Gate');
    await iam.deleteRolePolicy({ RoleName: 'pipeline', PolicyName: 'work' });
    await iam.deleteRole({ RoleName: 'pipeline' });
    const { pipelineExecutionId } = await codepipeline.startPipelineExecution({ name: 'p' });
    assert.equal(await ended(server, pipelineExecutionId!), 'Failed');
    const { actionExecutionDetails = [] } = await codepipeline.listActionExecutions({
      pipelineName: 'p',
      filter: { pipelineExecutionId },
    });
    assert.match(actionExecutionDetails[0]!.output!.executionResult!.errorDetails!.message!, /sts:AssumeRole/);
  });

  test('P8: an artifact that was replaced between the stages is refused', async (t) => {
    const server = await bucketServer(t);
    const { codepipeline, s3 } = server.root_;
    await codepipeline.createPipeline({ pipeline: gated });
    const id = await latestExecution(server);
    const token = await approvalToken(server, 'Gate');
    const { actionExecutionDetails = [] } = await codepipeline.listActionExecutions({ pipelineName: 'p' });
    const { bucket, key } = actionExecutionDetails.at(-1)!.output!.outputArtifacts![0]!.s3location!;
    await s3.putObject({ Bucket: bucket, Key: key, Body: 'evil' });
    await answer(server, 'Gate', token);
    assert.equal(await ended(server, id), 'Failed');
    const [copy] = (await codepipeline.listActionExecutions({ pipelineName: 'p' })).actionExecutionDetails!;
    assert.match(
      copy!.output!.executionResult!.errorDetails!.message!,
      /The input artifact SourceOutput is not what was made/,
    );
    await assert.rejects(s3.headObject({ Bucket: 'site', Key: 'index.html' }));
  });
});
