import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { get } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { startServer, temporaryFolder } from './harness.ts';

const run = promisify(execFile);

test('with a certificate the server speaks HTTPS, and only HTTPS', async (t) => {
  const folder = await temporaryFolder(t);
  const [tlsCert, tlsKey] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  try {
    await run('openssl', [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-keyout',
      tlsKey,
      '-out',
      tlsCert,
      ...subject,
    ]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    t.skip('needs openssl');
    return;
  }
  const server = await startServer(t, { settings: { tlsCert, tlsKey } });
  assert.match(server.url, /^https:/);
  const status = await new Promise((resolve, reject) => {
    readFile(tlsCert).then(
      (ca) => get(`${server.url}/`, { ca }, (response) => resolve(response.resume().statusCode)).once('error', reject),
      reject,
    );
  });
  assert.equal(status, 403);
  await assert.rejects(fetch(server.url.replace('https:', 'http:')));
});
