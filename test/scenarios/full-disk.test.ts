import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { cleanUp, startServer, temporaryFolder } from '../harness.ts';
import { until } from './road.ts';

const run = promisify(execFile);

test('disk full: the write is refused with an error, and what was stored stays readable', async (t) => {
  const folder = join(await temporaryFolder(t), 'disk');
  await mkdir(folder);
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', folder]);
  } catch {
    t.skip('needs the right to mount a small disk');
    return;
  }
  cleanUp(t, () => run('umount', ['--lazy', folder]));
  const server = await startServer(t, { settings: { data: join(folder, 'data') } });
  const { s3, codecommit } = server.root_;
  await s3.createBucket({ Bucket: 'small' });
  await s3.putObject({ Bucket: 'small', Key: 'kept', Body: 'safe' });
  await codecommit.createRepository({ repositoryName: 'kept' });
  let refused = 0;
  for (let turn = 0; turn < 40 && refused === 0; turn++) {
    await s3
      .putObject({ Bucket: 'small', Key: `filler-${turn}`, Body: Buffer.alloc(1024 * 1024, turn) })
      .catch((error: { $metadata: { httpStatusCode: number } }) => {
        assert.ok(error.$metadata.httpStatusCode >= 500, String(error));
        refused++;
      });
  }
  assert.equal(refused, 1, 'the disk was full at some time');
  const { Body } = await s3.getObject({ Bucket: 'small', Key: 'kept' });
  assert.equal(await Body!.transformToString(), 'safe');
  assert.equal((await codecommit.getRepository({ repositoryName: 'kept' })).repositoryMetadata?.repositoryName, 'kept');
  // With room again it works again, by itself.
  await run('mount', ['-o', 'remount,size=64m', folder]);
  await until(
    () =>
      s3.putObject({ Bucket: 'small', Key: 'after', Body: 'room again' }).then(
        () => true,
        () => undefined,
      ),
    'a write to succeed',
  );
});
