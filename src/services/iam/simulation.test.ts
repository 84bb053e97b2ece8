import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';

test('I3: a simulation of millions of pairs evaluates the page that it answers with', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const Statement = Array.from({ length: 40 }, (_, at) => ({
    Effect: 'Allow',
    Action: `s3:*a*b*c${at}`,
    Resource: `arn:aws:s3:::*a*b*c${at}`,
  }));
  const resources = Array.from({ length: 2_000 }, (_, at) => `arn:aws:s3:::bucket-${at}`);
  const input = {
    PolicyInputList: [JSON.stringify({ Version: '2012-10-17', Statement })],
    ActionNames: Array.from({ length: 2_000 }, (_, at) => `s3:GetObject${at}`),
    ResourceArns: resources,
  };
  const before = process.cpuUsage();
  const first = await iam.simulateCustomPolicy(input);
  const { user, system } = process.cpuUsage(before);
  assert.ok((user + system) / 1000 < 3_000, `took ${(user + system) / 1000} ms of CPU`);
  const next = await iam.simulateCustomPolicy({ ...input, Marker: first.Marker, MaxItems: 2 });
  assert.deepEqual(
    [...first.EvaluationResults!, ...next.EvaluationResults!].map(({ EvalResourceName: name }) => name),
    resources.slice(0, 102),
  );
  assert.equal(next.IsTruncated, true);
});

test('the pages of a simulation hold every pair once', async (t) => {
  const { iam } = (await startServer(t)).root_;
  const Statement = { Effect: 'Allow', Action: 's3:*', Resource: 'arn:aws:s3:::two' };
  const input = {
    PolicyInputList: [JSON.stringify({ Version: '2012-10-17', Statement })],
    ActionNames: ['s3:ListBucket', 'iam:ListUsers'],
    ResourceArns: ['arn:aws:s3:::one', 'arn:aws:s3:::two', 'arn:aws:s3:::three'],
    MaxItems: 4,
  };
  const first = await iam.simulateCustomPolicy(input);
  const second = await iam.simulateCustomPolicy({ ...input, Marker: first.Marker });
  const found = [...first.EvaluationResults!, ...second.EvaluationResults!];
  assert.equal(second.IsTruncated, false);
  assert.deepEqual(
    found.map(({ EvalDecision: decision }) => decision),
    ['implicitDeny', 'allowed', 'implicitDeny', 'implicitDeny', 'implicitDeny', 'implicitDeny'],
  );
});

test('a simulation across accounts tells what each side says, one inside an account does not', async (t) => {
  const { iam } = (await startServer(t)).root_;
  const document = (...Statement: object[]) => JSON.stringify({ Version: '2012-10-17', Statement });
  const CallerArn = 'arn:aws:iam::123456789012:user/alice';
  const resource = 'arn:aws:s3:::bucket/key';
  const own = { Effect: 'Allow', Action: 's3:*', Resource: '*' };
  const theirs = { Effect: 'Allow', Principal: { AWS: CallerArn }, Action: 's3:GetObject', Resource: resource };
  const one = async (owner: string, identity: object, policy: object, ResourceArns?: string[]) => {
    const { EvaluationResults } = await iam.simulateCustomPolicy({
      PolicyInputList: [document(identity)],
      ActionNames: ['s3:GetObject'],
      ...(ResourceArns === undefined ? {} : { ResourceArns, ResourcePolicy: document(policy) }),
      ResourceOwner: `arn:aws:iam::${owner}:root`,
      CallerArn,
    });
    const { EvalDecision, EvalDecisionDetails, ResourceSpecificResults: specific } = EvaluationResults![0]!;
    return [EvalDecision, EvalDecisionDetails, specific?.[0]?.EvalDecisionDetails];
  };
  const sides = (identity: string, resourcePolicy: string) => ({
    'IAM Policy': identity,
    'Resource Policy': resourcePolicy,
  });
  const elsewhere = '999999999999';
  const both = sides('allowed', 'allowed');
  assert.deepEqual(await one(elsewhere, own, theirs, [resource]), ['allowed', both, both]);
  const other = { ...theirs, Action: 's3:PutObject' };
  const closed = sides('allowed', 'implicitDeny');
  assert.deepEqual(await one(elsewhere, own, other, [resource]), ['implicitDeny', closed, closed]);
  const deny = { ...theirs, Effect: 'Deny' };
  const denied = sides('allowed', 'explicitDeny');
  assert.deepEqual(await one(elsewhere, own, deny, [resource]), ['explicitDeny', denied, denied]);
  const nothing = { ...own, Action: 'iam:*' };
  const poor = sides('implicitDeny', 'allowed');
  assert.deepEqual(await one(elsewhere, nothing, theirs, [resource]), ['implicitDeny', poor, poor]);
  const account = '123456789012';
  assert.deepEqual(await one(account, own, theirs, [resource]), ['allowed', {}, undefined]);
  assert.deepEqual(await one(account, own, theirs), ['allowed', undefined, undefined]);
});
