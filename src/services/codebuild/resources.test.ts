import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildIdOf, projectArnOf, projectNameOf } from './resources.ts';

const HERE = { account: '123456789012', region: 'us-east-1' };

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
    assert.equal(projectNameOf(HERE, text), name, text);
  }
});

test('I11: an ARN of another account or region names nothing here, and is evaluated where it says that it is', () => {
  for (const place of ['us-east-1:210987654321', 'eu-west-1:123456789012']) {
    const project = `arn:aws:codebuild:${place}:project/app`;
    const build = `arn:aws:codebuild:${place}:build/app:5d6bbf3c-0d7a-4f1c-9d3c-000000000000`;
    for (const text of [project, build]) {
      assert.notEqual(projectNameOf(HERE, text), 'app');
      assert.equal(projectArnOf(HERE, text), project);
    }
    assert.equal(buildIdOf(HERE, build), build);
  }
});
