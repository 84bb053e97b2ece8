import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Context } from '../../kernel/context.ts';
import { bucket } from './bucket-target.ts';
import { targetKindOf } from './target-kinds.ts';

const own = 'arn:aws:codecommit:us-east-1:111122223333:app';
const event = { source: 'aws.codecommit', account: '111122223333', region: 'us-east-1', resources: [own] };

test('a backup is of a repository that CodeCommit itself told of, in its own account and region', () => {
  assert.deepEqual(bucket.subjects!(event), [own]);
  assert.deepEqual(bucket.subjects!({ ...event, source: 'my.app' }), []);
  const foreign = [
    'arn:aws:codecommit:us-east-1:999999999999:app',
    'arn:aws:codecommit:eu-west-1:111122223333:app',
    'arn:aws:s3:::app',
    null,
  ];
  assert.deepEqual(bucket.subjects!({ ...event, resources: foreign }), []);
});

test('I9: a delivery about a repository of another account or Region than the rule is refused before a role is taken', async () => {
  const ctx = { as: () => assert.fail('no role is taken') } as unknown as Context;
  const target = { Id: 't', Arn: 'arn:aws:s3:::backups', RoleArn: 'arn:aws:iam::111122223333:role/r' };
  const delivery = { target, input: '', eventId: 'e', eventTime: 0, ruleName: 'r' };
  for (const subject of [
    'arn:aws:codecommit:us-east-1:999999999999:app',
    'arn:aws:codecommit:eu-west-1:111122223333:app',
  ]) {
    const ruleArn = 'arn:aws:events:us-east-1:111122223333:rule/r';
    await assert.rejects(bucket.invoke({ ...delivery, subject, ruleArn }, ctx), {
      name: 'ValidationError',
      message: /not of the account and Region of the rule/,
    });
  }
});

test('a bucket is named by its own ARN, which has no account: an access point is no bucket', () => {
  assert.equal(targetKindOf('arn:aws:s3:::backups/folder'), bucket);
  assert.equal(targetKindOf('arn:aws:s3:us-east-1:111122223333:accesspoint/x'), undefined);
});
