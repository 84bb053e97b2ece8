import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { services } from '../../services.ts';
import { buildCommands, phaseOf, setRolePolicy, startBuildServer } from './fixtures.ts';

const POLICY = {
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: 'logs:*', Resource: '*' },
    { Effect: 'Allow', Action: 's3:CreateBucket', Resource: 'arn:aws:s3:::allowed' },
  ],
};
const isThere = (program: string) => spawnSync(program, ['--version']).status === 0;
const FETCH = `node -e "fetch(process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI, { headers: { authorization: process.env.TOKEN ?? process.env.AWS_CONTAINER_AUTHORIZATION_TOKEN } }).then(async (r) => console.log(r.status, Object.keys(await r.json()).join()))"`;

test('a build gets credentials of its role, and no others do', async (t) => {
  const { project, build, log, server } = await startBuildServer(t, services);
  await project(
    'app',
    buildCommands(FETCH, `TOKEN=wrong ${FETCH}`, 'echo "$AWS_CONTAINER_AUTHORIZATION_TOKEN" | tr a-z A-Z'),
  );
  const done = await build('app');
  const text = await log(done);
  assert.match(text, /^200 RoleArn,AccessKeyId,SecretAccessKey,Token,Expiration$/m);
  assert.match(text, /^401 code,message$/m);
  const url = `${server.url}/_codebuild/credentials`;
  assert.equal((await fetch(url)).status, 401);
  assert.equal((await fetch(url, { headers: { authorization: '' } })).status, 401);
});

test('B3: a token is of no use once its build is over', async (t) => {
  const { project, build, server } = await startBuildServer(t, services);
  const keep = `env: {exported-variables: [KEPT]}`;
  await project('app', `version: 0.2\n${keep}\nphases: {build: {commands: [KEPT=$AWS_CONTAINER_AUTHORIZATION_TOKEN]}}`);
  const done = await build('app');
  const token = done.exportedEnvironmentVariables![0]!.value!;
  assert.ok(token.length > 40);
  const answer = await fetch(`${server.url}/_codebuild/credentials`, { headers: { authorization: token } });
  assert.equal(answer.status, 401);
});

test('B1: neither the token nor the secrets that it gives stand in the log or in a failure', async (t) => {
  const { project, build, log } = await startBuildServer(t, services);
  const show = `node -e "fetch(process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI, { headers: { authorization: process.env.AWS_CONTAINER_AUTHORIZATION_TOKEN } }).then(async (r) => { const c = await r.json(); console.log(JSON.stringify(c)); console.log(Buffer.from(c.SecretAccessKey).toString('base64')); require('fs').writeFileSync('secret', c.SecretAccessKey); process.exit(1); })"`;
  await project(
    'app',
    `version: 0.2\nphases:\n  build:\n    commands: [${JSON.stringify(show)}]\n  post_build:\n    commands: ["env; tr 0-9a-zA-Z+/ b-zA-Z0-9+/a < secret"]\n`,
  );
  const done = await build('app');
  const text = await log(done);
  const failure = phaseOf(done, 'BUILD')!.contexts![0]!.message!;
  for (const shown of [text, failure]) {
    assert.match(shown, /"AccessKeyId":"\*\*\*","SecretAccessKey":"\*\*\*","Token":"\*\*\*"/);
  }
  assert.match(text, /AWS_CONTAINER_AUTHORIZATION_TOKEN=\*\*\*/);
});

test('the AWS CLI in a build works with the permissions of the role, and with no more', {
  skip: isThere('aws') ? false : 'needs aws',
}, async (t) => {
  const { project, build, log, clients } = await startBuildServer(t, services);
  await setRolePolicy(clients, POLICY);
  await project(
    'app',
    buildCommands(
      // Command lines from before 2023 read no address from the environment.
      'to="--endpoint-url $AWS_ENDPOINT_URL"',
      'aws $to sts get-caller-identity --query Arn --output text',
      'aws $to s3 mb s3://allowed',
      'aws $to s3 mb s3://denied',
    ),
  );
  const done = await build('app');
  const text = await log(done);
  assert.match(text, /^arn:aws:sts::123456789012:assumed-role\/build\/AWSCodeBuild-[0-9a-f-]{36}$/m);
  assert.match(text, /^make_bucket: allowed$/m);
  assert.match(text, /AccessDenied/);
  assert.equal(done.buildStatus, 'FAILED');
  const { Buckets = [] } = await clients.s3.listBuckets({});
  assert.deepEqual(
    Buckets.map(({ Name }) => Name),
    ['allowed'],
  );
});

test('git in a build reads repositories with the permissions of the role, when the buildspec asks for it', {
  skip: isThere('aws') ? false : 'needs aws',
}, async (t) => {
  const { project, build, log, clients } = await startBuildServer(t, services);
  await clients.codecommit.createRepository({ repositoryName: 'other' });
  const putFiles = [{ filePath: 'file.txt', fileContent: Buffer.from('from another repository\n') }];
  await clients.codecommit.createCommit({ repositoryName: 'other', branchName: 'main', putFiles });
  const commands = buildCommands('git clone --quiet "$AWS_ENDPOINT_URL/v1/repos/other"', 'cat other/file.txt');
  await project('with', `${commands}env: {git-credential-helper: yes}`);
  assert.match(await log(await build('with')), /^from another repository$/m);
  await project('without', commands);
  assert.equal((await build('without')).buildStatus, 'FAILED');
});
