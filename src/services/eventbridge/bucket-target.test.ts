import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bucket } from './bucket-target.ts';

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
