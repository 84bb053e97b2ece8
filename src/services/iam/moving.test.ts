import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';

const ACCOUNT = '123456789012';

test('I7: who may change users of one path brings none of them under another path or name', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  await iam.createUser({ UserName: 'temp', Path: '/dev/' });
  await iam.createGroup({ GroupName: 'crew', Path: '/dev/' });
  const resources = ['user/dev/*', 'group/dev/*'].map((name) => `arn:aws:iam::${ACCOUNT}:${name}`);
  const lead = await server.user('lead', {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: ['iam:UpdateUser', 'iam:UpdateGroup'], Resource: resources }],
  });
  const denied = { name: 'AccessDenied' };
  await assert.rejects(lead.iam.updateUser({ UserName: 'temp', NewPath: '/admin/' }), denied);
  await assert.rejects(lead.iam.updateUser({ UserName: 'temp', NewUserName: 'x', NewPath: '/' }), denied);
  await assert.rejects(lead.iam.updateGroup({ GroupName: 'crew', NewPath: '/admin/' }), denied);
  await lead.iam.updateUser({ UserName: 'temp', NewUserName: 'helper' });
  await lead.iam.updateUser({ UserName: 'helper', NewPath: '/dev/two/' });
  await lead.iam.updateGroup({ GroupName: 'crew', NewGroupName: 'team' });
  assert.equal((await iam.getUser({ UserName: 'helper' })).User!.Arn, `arn:aws:iam::${ACCOUNT}:user/dev/two/helper`);
});
