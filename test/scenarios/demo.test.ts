import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../harness.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;

/** Runs the demo as a program whose output is no terminal. */
function demo(data: string, port = '0'): Promise<{ code: number; out: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [MAIN, 'demo', '--port', port, '--ssh-port', '0', '--data', data],
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), out: stdout + stderr });
      },
    );
  });
}

test('the demo deploys a page and exits 0; again, it carries on; broken, it says so and exits 1', async (t) => {
  const data = join(await temporaryFolder(t), 'data');
  const first = await demo(data);
  assert.equal(first.code, 0, first.out);
  for (const action of ['Source/Source', 'BuildAndTest/BuildAndTest', 'Approve/Approve', 'Deploy/Deploy']) {
    assert.match(first.out, new RegExp(`✔ ${action} +\\w+ +Succeeded in \\d`), first.out);
  }
  assert.match(first.out, /answers 200:[\s\S]*Deployment number 1/);
  assert.match(first.out, /export AWS_ENDPOINT_URL=http:\/\/127\.0\.0\.1:\d+/);
  const second = await demo(data);
  assert.equal(second.code, 0, second.out);
  assert.match(second.out, /Deployment number 2/);
  await writeFile(
    join(data, 'demo/hello-web/buildspec.yml'),
    'version: 0.2\nphases:\n  build:\n    commands: [exit 7]\n',
  );
  const third = await demo(data);
  assert.equal(third.code, 1, third.out);
  assert.match(third.out, /exit 7/);
  assert.match(third.out, /the pipeline ended as Failed/);
});
