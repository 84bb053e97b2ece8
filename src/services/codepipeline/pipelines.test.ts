import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ACCOUNT,
  allow,
  approval,
  commitSource,
  pipelineOf,
  pipelineServer,
  policy,
  ROLE,
  stage,
  trust,
} from './fixtures.ts';

const ARN = `arn:aws:codepipeline:us-east-1:${ACCOUNT}:p`;
const simple = pipelineOf([stage('Source', commitSource()), stage('Gate', approval())]);

describe('pipelines', () => {
  test('are created, read in every version, listed, updated, deleted', async (t) => {
    const { root_ } = await pipelineServer(t);
    const { codepipeline } = root_;
    const created = await codepipeline.createPipeline({ pipeline: simple, tags: [{ key: 'team', value: 'a' }] });
    assert.equal(created.pipeline!.version, 1);
    assert.deepEqual(created.tags, [{ key: 'team', value: 'a' }]);
    const first = await codepipeline.getPipeline({ name: 'p' });
    assert.deepEqual(first.pipeline, created.pipeline);
    assert.equal(first.metadata!.pipelineArn, ARN);
    assert.ok(first.metadata!.created! <= first.metadata!.updated!);

    const changed = { ...first.pipeline!, stages: [simple.stages![0]!, stage('Gate', approval('Other'))] };
    const updated = await codepipeline.updatePipeline({ pipeline: changed });
    assert.equal(updated.pipeline!.version, 2);
    assert.deepEqual((await codepipeline.getPipeline({ name: 'p' })).pipeline, updated.pipeline);
    assert.deepEqual((await codepipeline.getPipeline({ name: 'p', version: 1 })).pipeline, created.pipeline);
    await assert.rejects(codepipeline.getPipeline({ name: 'p', version: 3 }), {
      name: 'PipelineVersionNotFoundException',
    });

    await codepipeline.createPipeline({ pipeline: { ...simple, name: 'a', executionMode: 'QUEUED' } });
    const listed = await codepipeline.listPipelines({ maxResults: 1 });
    assert.deepEqual(
      listed.pipelines!.map(({ name, version, pipelineType, executionMode }) => [
        name,
        version,
        pipelineType,
        executionMode,
      ]),
      [['a', 1, 'V2', 'QUEUED']],
    );
    const rest = await codepipeline.listPipelines({ maxResults: 1, nextToken: listed.nextToken });
    assert.deepEqual([rest.pipelines!.map(({ name }) => name), rest.nextToken], [['p'], undefined]);

    await codepipeline.deletePipeline({ name: 'p' });
    await codepipeline.deletePipeline({ name: 'p' });
    await assert.rejects(codepipeline.getPipeline({ name: 'p' }), {
      name: 'PipelineNotFoundException',
      message: `Account '${ACCOUNT}' does not have a pipeline with name 'p'`,
    });
    const again = await codepipeline.createPipeline({ pipeline: simple });
    assert.equal(again.pipeline!.version, 1);
    assert.deepEqual(
      (await codepipeline.listTagsForResource({ resourceArn: ARN })).tags,
      [],
      'tags went with the pipeline',
    );
  });

  test('have one name each', async (t) => {
    const { root_ } = await pipelineServer(t);
    await root_.codepipeline.createPipeline({ pipeline: simple });
    await assert.rejects(root_.codepipeline.createPipeline({ pipeline: simple }), {
      name: 'PipelineNameInUseException',
      message: `A pipeline with the name 'p' already exists in account '${ACCOUNT}'`,
    });
    await assert.rejects(root_.codepipeline.updatePipeline({ pipeline: { ...simple, name: 'q' } }), {
      name: 'ResourceNotFoundException',
      message: `The account with id '${ACCOUNT}' does not include a pipeline with the name 'q'`,
    });
  });

  test('are refused in AWS words, and then nothing is there', async (t) => {
    const { root_ } = await pipelineServer(t);
    const { codepipeline } = root_;
    await assert.rejects(codepipeline.createPipeline({ pipeline: { ...simple, stages: simple.stages!.slice(0, 1) } }), {
      name: 'InvalidStructureException',
      message: 'Pipeline has only 1 stage(s). There should be a minimum of 2 stages in a pipeline',
    });
    await assert.rejects(codepipeline.createPipeline({ pipeline: { ...simple, name: 'a b' } }), {
      name: 'ValidationException',
      message: /regular expression/,
    });
    const late = stage('Gate', approval('Approve', { runOrder: 1000 }));
    await assert.rejects(codepipeline.createPipeline({ pipeline: { ...simple, stages: [simple.stages![0]!, late] } }), {
      name: 'ValidationException',
      message: /less than or equal to 999/,
    });
    assert.deepEqual((await codepipeline.listPipelines({})).pipelines, []);
  });

  test('need a role that CodePipeline may assume', async (t) => {
    const { root_ } = await pipelineServer(t);
    const { codepipeline, iam } = root_;
    const refusal = (role: string) => ({
      name: 'InvalidStructureException',
      message: `CodePipeline is not authorized to perform AssumeRole on role ${role}`,
    });
    const gone = `arn:aws:iam::${ACCOUNT}:role/gone`;
    await assert.rejects(codepipeline.createPipeline({ pipeline: { ...simple, roleArn: gone } }), refusal(gone));
    await iam.createRole({ RoleName: 'other', AssumeRolePolicyDocument: trust('ec2.amazonaws.com') });
    const other = `arn:aws:iam::${ACCOUNT}:role/other`;
    await assert.rejects(codepipeline.createPipeline({ pipeline: { ...simple, roleArn: other } }), refusal(other));
    const withActionRole = pipelineOf([stage('Source', commitSource({ roleArn: other })), stage('Gate', approval())]);
    await assert.rejects(codepipeline.createPipeline({ pipeline: withActionRole }), {
      name: 'InvalidStructureException',
      message: `${ROLE} is not authorized to perform AssumeRole on role ${other}`,
    });
    await iam.putRolePolicy({
      RoleName: 'pipeline',
      PolicyName: 'assume',
      PolicyDocument: policy(allow('sts:AssumeRole', other)),
    });
    const trustsPipeline = policy({ Effect: 'Allow', Principal: { AWS: ROLE }, Action: 'sts:AssumeRole' });
    await iam.updateAssumeRolePolicy({ RoleName: 'other', PolicyDocument: trustsPipeline });
    await codepipeline.createPipeline({ pipeline: withActionRole });
  });

  test('I10: store only roles that the caller may pass, those of actions included', async (t) => {
    const server = await pipelineServer(t);
    const { iam } = server.root_;
    await iam.createRole({ RoleName: 'admin', AssumeRolePolicyDocument: trust('codepipeline.amazonaws.com') });
    const admin = `arn:aws:iam::${ACCOUNT}:role/admin`;
    const mallory = await server.user(
      'mallory',
      JSON.parse(policy(allow('codepipeline:*'), allow('iam:PassRole', ROLE))),
    );
    await mallory.codepipeline.createPipeline({ pipeline: simple });
    const denied = /not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role\/admin/;
    await assert.rejects(
      mallory.codepipeline.createPipeline({ pipeline: { ...simple, name: 'q', roleArn: admin } }),
      denied,
    );
    await assert.rejects(mallory.codepipeline.updatePipeline({ pipeline: { ...simple, roleArn: admin } }), denied);
    const nested = pipelineOf([stage('Source', commitSource({ roleArn: admin })), stage('Gate', approval())]);
    await assert.rejects(mallory.codepipeline.createPipeline({ pipeline: { ...nested, name: 'q' } }), denied);
    await assert.rejects(mallory.codepipeline.updatePipeline({ pipeline: nested }), denied);
    const elsewhere = policy(allow('codepipeline:*'), {
      ...allow('iam:PassRole'),
      Condition: { StringEquals: { 'iam:PassedToService': 'lambda.amazonaws.com' } },
    });
    const eve = await server.user('eve', JSON.parse(elsewhere));
    await assert.rejects(eve.codepipeline.createPipeline({ pipeline: { ...simple, name: 'q' } }), /iam:PassRole/);
  });

  test('carry tags', async (t) => {
    const { root_ } = await pipelineServer(t);
    const { codepipeline } = root_;
    await codepipeline.createPipeline({ pipeline: simple, tags: [{ key: 'a', value: '1' }] });
    await codepipeline.tagResource({ resourceArn: ARN, tags: [{ key: 'b', value: '2' }] });
    await codepipeline.untagResource({ resourceArn: ARN, tagKeys: ['a'] });
    assert.deepEqual((await codepipeline.listTagsForResource({ resourceArn: ARN })).tags, [{ key: 'b', value: '2' }]);
    await assert.rejects(codepipeline.tagResource({ resourceArn: ARN, tags: [{ key: 'aws:x', value: '' }] }), {
      name: 'InvalidTagsException',
    });
    const many = Array.from({ length: 50 }, (_, i) => ({ key: `k${i}`, value: '' }));
    await assert.rejects(codepipeline.tagResource({ resourceArn: ARN, tags: many }), {
      name: 'TooManyTagsException',
      message: `Tag limit exceeded for resource [${ARN}].`,
    });
    await assert.rejects(codepipeline.listTagsForResource({ resourceArn: `${ARN}x` }), {
      name: 'ResourceNotFoundException',
      message: `The account with id '${ACCOUNT}' does not include a pipeline with the name 'px'`,
    });
  });

  test('stay in their region', async (t) => {
    const server = await pipelineServer(t);
    await server.root_.codepipeline.createPipeline({ pipeline: simple });
    const elsewhere = server.clients(server.root, 'eu-west-1');
    assert.deepEqual((await elsewhere.codepipeline.listPipelines({})).pipelines, []);
    await assert.rejects(elsewhere.codepipeline.getPipeline({ name: 'p' }), { name: 'PipelineNotFoundException' });
  });
});

test('action types are those that run here', async (t) => {
  const { root_ } = await pipelineServer(t);
  const { actionTypes = [] } = await root_.codepipeline.listActionTypes({});
  const shown = actionTypes.map(
    ({ id, inputArtifactDetails: i, outputArtifactDetails: o }) =>
      `${id!.category}/${id!.provider} ${i!.minimumCount}-${i!.maximumCount} ${o!.minimumCount}-${o!.maximumCount}`,
  );
  assert.deepEqual(shown, [
    'Source/CodeCommit 0-0 1-1',
    'Source/S3 0-0 1-1',
    'Build/CodeBuild 1-5 0-5',
    'Test/CodeBuild 1-5 0-5',
    'Approval/Manual 0-0 0-0',
    'Deploy/S3 1-1 0-0',
  ]);
  assert.deepEqual((await root_.codepipeline.listActionTypes({ actionOwnerFilter: 'Custom' })).actionTypes, []);
});
