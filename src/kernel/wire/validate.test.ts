import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as logs from '@aws-sdk/client-cloudwatch-logs';
import * as codecommit from '@aws-sdk/client-codecommit';
import * as codepipeline from '@aws-sdk/client-codepipeline';
import * as iam from '@aws-sdk/client-iam';
import { Fault } from '../fault.ts';
import { constraintsOf } from '../testing/services.ts';
import { operationShape } from './shape.ts';
import { type ConstraintTable, validate, violations } from './validate.ts';

const TABLES = {
  codecommit: constraintsOf('codecommit'),
  codepipeline: constraintsOf('codepipeline'),
  iam: constraintsOf('iam'),
  logs: constraintsOf('cloudwatch-logs'),
};
const SDKS: Record<keyof typeof TABLES, Record<string, unknown>> = { codecommit, codepipeline, iam, logs };

function fault(
  service: keyof typeof TABLES,
  operation: string,
  input: object,
  framework = false,
): [string, string] | undefined {
  try {
    validate(
      operationShape(SDKS[service][`${operation}$`]),
      input as Record<string, unknown>,
      TABLES[service],
      framework,
    );
    return undefined;
  } catch (error) {
    assert.ok(error instanceof Fault, String(error));
    return [error.name, error.message];
  }
}

const messages = (operation: string, input: object) =>
  violations(
    operationShape(SDKS.codecommit[`${operation}$`]).input,
    input as Record<string, unknown>,
    TABLES.codecommit,
  ).map(({ message }) => message);

test('violations are told in AWS’s words', () => {
  const words: [string, object, string[]][] = [
    ['CreateRepository', {}, ["Value null at 'repositoryName' failed to satisfy constraint: Member must not be null"]],
    [
      'CreateRepository',
      { repositoryName: '' },
      [
        "Value '' at 'repositoryName' failed to satisfy constraint: Member must have length greater than or equal to 1",
        "Value '' at 'repositoryName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w\\.-]+",
      ],
    ],
    [
      'CreateRepository',
      { repositoryName: 'x'.repeat(300) },
      [
        `Value '${'x'.repeat(256)}...' at 'repositoryName' failed to satisfy constraint: Member must have length less than or equal to 100`,
      ],
    ],
    [
      'ListRepositories',
      { sortBy: 'size' },
      [
        "Value 'size' at 'sortBy' failed to satisfy constraint: Member must satisfy enum value set: [repositoryName, lastModifiedDate]",
      ],
    ],
    [
      'CreateRepository',
      { repositoryName: 'r', tags: { ['k'.repeat(129)]: 'v' } },
      [
        `Value '${'k'.repeat(129)}' at 'tags' failed to satisfy constraint: Member must have length less than or equal to 128`,
      ],
    ],
    [
      'CreatePullRequest',
      { title: 't', targets: [{ repositoryName: 'r', sourceReference: 's' }, { sourceReference: 's' }] },
      ["Value null at 'targets.2.member.repositoryName' failed to satisfy constraint: Member must not be null"],
    ],
  ];
  for (const [operation, input, expected] of words) assert.deepEqual(messages(operation, input), expected);
});

test('the error is the operation’s own where it declares one', () => {
  const cases: [keyof typeof TABLES, string, object, string][] = [
    ['codecommit', 'GetRepository', {}, 'RepositoryNameRequiredException'],
    ['codecommit', 'GetRepository', { repositoryName: 'a/b' }, 'InvalidRepositoryNameException'],
    ['codecommit', 'CreateBranch', { repositoryName: 'r', commitId: 'c' }, 'BranchNameRequiredException'],
    ['codecommit', 'UpdateDefaultBranch', { repositoryName: 'r' }, 'BranchNameRequiredException'],
    [
      'codecommit',
      'UpdateDefaultBranch',
      { repositoryName: 'r', defaultBranchName: 'x'.repeat(300) },
      'InvalidBranchNameException',
    ],
    [
      'codecommit',
      'PutFile',
      { repositoryName: 'r', branchName: 'b', fileContent: Buffer.from('x') },
      'PathRequiredException',
    ],
    ['codecommit', 'PutFile', { repositoryName: 'r', branchName: 'b', filePath: 'p' }, 'FileContentRequiredException'],
    [
      'codecommit',
      'CreateCommit',
      { repositoryName: 'r', branchName: 'b', putFiles: [{ fileContent: Buffer.alloc(0) }] },
      'PathRequiredException',
    ],
    [
      'codecommit',
      'CreatePullRequest',
      { title: 't', targets: [{ sourceReference: 's' }] },
      'RepositoryNameRequiredException',
    ],
    ['codecommit', 'GetDifferences', { repositoryName: 'r' }, 'CommitRequiredException'],
    ['codecommit', 'ListRepositories', { sortBy: 'x' }, 'InvalidSortByException'],
    ['codepipeline', 'StartPipelineExecution', { name: 'a b' }, 'ValidationException'],
    ['codepipeline', 'TagResource', { resourceArn: 'x', tags: [] }, 'ValidationException'],
    ['logs', 'CreateLogGroup', { logGroupName: 'a b' }, 'InvalidParameterException'],
    ['logs', 'CreateLogGroup', {}, 'InvalidParameterException'],
  ];
  for (const [service, operation, input, name] of cases) {
    assert.equal(fault(service, operation, input)?.[0], name, `${operation} ${JSON.stringify(input).slice(0, 80)}`);
  }
  assert.equal(fault('iam', 'CreateUser', { UserName: 'a/b' }, true)?.[0], 'ValidationError');
});

test('a service may name the errors that its members do not tell', () => {
  const table: ConstraintTable = {
    operations: { GetBlob: ['ThisOne', 'InvalidBlobIdException', 'BlobIdRequiredException'] },
    members: { 'GetBlobInput.blobId': { min: 1 } },
    faults: { blobId: { invalid: 'ThisOne', missing: 'NotDeclared' } },
  };
  const shape = operationShape(codecommit.GetBlob$);
  assert.throws(() => validate(shape, { repositoryName: 'r', blobId: '' }, table), { name: 'ThisOne' });
  assert.throws(() => validate(shape, { repositoryName: 'r' }, table), { name: 'BlobIdRequiredException' });
});

test('all violations are counted, and some shown', () => {
  const reviewers = Array.from({ length: 30 }, () => ({}));
  const [name, message] = fault('codecommit', 'CreatePullRequest', { title: 't', targets: reviewers })!;
  assert.equal(name, 'RepositoryNameRequiredException');
  assert.match(message, /^60 validation errors detected: /);
  assert.equal(message.split('; ').length, 10);
  assert.match(fault('codecommit', 'GetRepository', {})![1], /^1 validation error detected: Value null at/);
  const huge = Array.from({ length: 200_000 }, () => ({}));
  assert.match(fault('codecommit', 'CreatePullRequest', { title: 't', targets: huge })![1], /^1000 validation errors/);
});

test('numbers are integers of the model’s size, except where it says otherwise', () => {
  const serialization = (service: keyof typeof TABLES, operation: string, input: object) =>
    assert.equal(fault(service, operation, input)?.[0], 'SerializationException', JSON.stringify(input));
  serialization('codecommit', 'GetMergeConflicts', {
    repositoryName: 'r',
    destinationCommitSpecifier: 'd',
    sourceCommitSpecifier: 's',
    mergeOption: 'SQUASH_MERGE',
    maxConflictFiles: 1.5,
  });
  serialization('codecommit', 'GetMergeConflicts', {
    repositoryName: 'r',
    destinationCommitSpecifier: 'd',
    sourceCommitSpecifier: 's',
    mergeOption: 'SQUASH_MERGE',
    maxConflictFiles: 2 ** 31,
  });
  serialization('logs', 'FilterLogEvents', { logGroupName: 'g', startTime: 0.5 });
  serialization('logs', 'FilterLogEvents', { logGroupName: 'g', startTime: 2 ** 60 });
  assert.equal(fault('logs', 'FilterLogEvents', { logGroupName: 'g', startTime: 1_764_000_000_000 }), undefined);
  const metric = { metricName: 'm', metricNamespace: 'n', metricValue: '1', defaultValue: 0.5 };
  assert.equal(
    fault('logs', 'PutMetricFilter', {
      logGroupName: 'g',
      filterName: 'f',
      filterPattern: 'p',
      metricTransformations: [metric],
    }),
    undefined,
  );
});

test('X3: secrets are not quoted, wherever they stand', () => {
  const short = { UserName: 'u', Password: 'canary'.repeat(30) };
  assert.doesNotMatch(fault('iam', 'CreateLoginProfile', short, true)![1], /canary/);
  const table: ConstraintTable = {
    operations: {},
    members: {
      'PutWebhookInput.tags': { max: 0 },
      'WebhookDefinition.filters': { max: 0 },
      'CreatePipelineInput.tags': { max: 0 },
    },
  };
  const webhook = {
    name: 'n',
    targetPipeline: 'p',
    targetAction: 'a',
    filters: [{ jsonPath: '$' }],
    authentication: 'GITHUB_HMAC',
    authenticationConfiguration: { SecretToken: 'canary' },
  };
  const found = violations(operationShape(codepipeline.PutWebhook$).input, { webhook }, table);
  assert.equal(found.length, 1);
  assert.doesNotMatch(found[0]!.message, /canary/);
});

test('every constraint of a table is about a member that the SDK has', () => {
  for (const service of Object.keys(TABLES) as (keyof typeof TABLES)[]) {
    const members = new Set<string>();
    for (const value of Object.values(SDKS[service])) {
      if (!Array.isArray(value) || value[0] !== 3) continue;
      for (const name of value[4] as string[]) members.add(`${value[2]}.${name}`);
    }
    const keys = Object.keys(TABLES[service].members).map((key) => /^[^[{]+/.exec(key)![0]);
    const unknown = [...new Set(keys.filter((key) => !members.has(key)))];
    assert.ok(
      unknown.length <= keys.length * 0.02,
      `${service}: ${unknown.length} of ${keys.length}: ${unknown.slice(0, 10)}`,
    );
  }
});

test('what is missing is told before what is not valid, wherever it stands', () => {
  const input = { repositoryName: 'a b', branchName: undefined, commitId: 'x' };
  assert.deepEqual(fault('codecommit', 'CreateBranch', input)?.[0], 'BranchNameRequiredException');
});
