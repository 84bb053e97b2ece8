import assert from 'node:assert/strict';
import { test } from 'node:test';
import { projectNameOf } from './resources.ts';

test('I11: the project behind a name, an id or an ARN, even for a project called arn', () => {
  const uuid = '5d6bbf3c-0d7a-4f1c-9d3c-000000000000';
  for (const [text, name] of [
    ['app', 'app'],
    [`app:${uuid}`, 'app'],
    ['arn:aws:codebuild:us-east-1:123456789012:project/app', 'app'],
    [`arn:aws:codebuild:us-east-1:123456789012:build/app:${uuid}`, 'app'],
    [`arn:${uuid}`, 'arn'],
    ['arn', 'arn'],
  ] as const) {
    assert.equal(projectNameOf(text), name, text);
  }
});
