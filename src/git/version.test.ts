import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeGitVersion, readGitVersion } from './version.ts';

const TABLE: [string, string][] = [
  ['git version 2.39.5', 'good'],
  ['git version 2.50.1', 'good'],
  ['git version 2.51.0 (Apple Git-155)', 'good'],
  ['git version 3.0.0', 'good'],
  ['git version 2.47.3', 'good'],
  ['git version 2.47.2', 'warn'],
  ['git version 2.43.0', 'warn'],
  ['git version 2.50.0', 'warn'],
  ['git version 2.40.1', 'warn'],
  ['git version 2.39.4', 'warn'],
  ['git version 2.39.0', 'refuse'],
  ['git version 2.38.1', 'refuse'],
  ['git version 2.34.1', 'refuse'],
  ['git version 1.8.3.1', 'refuse'],
  ['hello', 'refuse'],
];

for (const [output, verdict] of TABLE) {
  test(`G8: ${output} is ${verdict}`, () => {
    const judged = judgeGitVersion(output);
    assert.equal(judged.verdict, verdict);
    assert.equal(judged.reason === '', verdict === 'good');
  });
}

test('a git that is not there is refused with a reason', async () => {
  const judged = await readGitVersion('/nonexistent/git');
  assert.equal(judged.verdict, 'refuse');
  assert.match(judged.reason, /cannot be run/);
});

test('the installed git is usable', async () => {
  assert.notEqual((await readGitVersion()).verdict, 'refuse');
});
