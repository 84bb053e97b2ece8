import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildConditions, projectConditions } from './condition-keys.ts';

test('what a project says is there as condition keys: members, their presence, items of lists by name', () => {
  const keys = projectConditions({
    name: 'app',
    serviceRole: 'arn:aws:iam::123456789012:role/build',
    source: { type: 'NO_SOURCE', buildspec: 'version: 0.2' },
    artifacts: { type: 'S3', location: 'bucket', encryptionDisabled: false },
    environment: {
      type: 'LINUX_CONTAINER',
      computeType: 'BUILD_GENERAL1_SMALL',
      image: 'x:1',
      privilegedMode: true,
      environmentVariables: [
        { name: 'A', value: '1' },
        { name: 'B', value: '2' },
      ],
    },
    secondarySources: [{ type: 'S3', sourceIdentifier: 'lib', location: 'bucket/lib.zip', buildspec: 'b' }],
  });
  assert.deepEqual(keys, {
    'codebuild:artifacts': 'true',
    'codebuild:artifacts.encryptionDisabled': 'false',
    'codebuild:artifacts.location': 'bucket',
    'codebuild:environment': 'true',
    'codebuild:environment.computeType': 'BUILD_GENERAL1_SMALL',
    'codebuild:environment.environmentVariables': 'true',
    'codebuild:environment.environmentVariables.name': ['A', 'B'],
    'codebuild:environment.environmentVariables.value': ['1', '2'],
    'codebuild:environment.environmentVariables/A.value': '1',
    'codebuild:environment.environmentVariables/B.value': '2',
    'codebuild:environment.image': 'x:1',
    'codebuild:environment.privilegedMode': 'true',
    'codebuild:environment.type': 'LINUX_CONTAINER',
    'codebuild:secondarySources': 'true',
    'codebuild:secondarySources.buildspec': 'true',
    'codebuild:secondarySources.location': ['bucket/lib.zip'],
    'codebuild:secondarySources.sourceIdentifier': ['lib'],
    'codebuild:secondarySources/lib.buildspec': 'true',
    'codebuild:secondarySources/lib.location': 'bucket/lib.zip',
    'codebuild:serviceRole': 'arn:aws:iam::123456789012:role/build',
    'codebuild:source': 'true',
    'codebuild:source.buildspec': 'true',
  });
});

test('what a build overrides goes by the name of what is overridden, and nothing else is there', () => {
  assert.deepEqual(buildConditions({ projectName: 'app' }), {});
  assert.deepEqual(buildConditions({ projectName: 'app', privilegedModeOverride: true, buildspecOverride: 'x' }), {
    'codebuild:environment': 'true',
    'codebuild:environment.privilegedMode': 'true',
    'codebuild:source': 'true',
    'codebuild:source.buildspec': 'true',
  });
});
