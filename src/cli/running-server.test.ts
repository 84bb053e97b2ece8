import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { cleanUp, temporaryFolder } from '../../test/harness.ts';
import { startServerProcess } from '../../test/server-process.ts';
import { readConfig } from '../kernel/config.ts';
import { startNoted } from './serve.ts';

const MAIN = new URL('../main.ts', import.meta.url).pathname;

interface Ended {
  code: number;
  out: string;
  err: string;
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let begun: Promise<T> | undefined;
  return () => {
    begun ??= work();
    return begun;
  };
}

/** The command line in a process of its own, which knows of no server but by what it is given. */
function slipway(args: string[], variables: Record<string, string> = {}): Promise<Ended> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(AWS|SLIPWAY)_/.test(name));
  const env = { ...Object.fromEntries(inherited), AWS_EC2_METADATA_DISABLED: 'true', ...variables };
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { env }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}

test('env and account find the server that runs on the folder, say which it is, and refuse another port', async (t) => {
  const data = await temporaryFolder(t);
  const server = await startServerProcess(t, data);
  const { port } = new URL(server.url);
  const env = await slipway(['env', '--data', data]);
  assert.equal(env.code, 0, env.err);
  assert.match(env.out, new RegExp(`^export AWS_ENDPOINT_URL=${server.url}$`, 'm'));
  assert.equal(env.err, `# ${server.url}, root user of account 123456789012; data folder ${data}\n`);
  assert.deepEqual(await slipway(['env'], { SLIPWAY_DATA: data, SLIPWAY_PORT: port }), env);
  const listed = await slipway(['account', 'list', '--data', data]);
  assert.deepEqual(listed, { code: 0, out: '123456789012  ACTIVE  default\n', err: env.err });

  for (const command of [['env'], ['account', 'list'], ['import', 'file:///nowhere']]) {
    const other = await slipway([...command, '--data', data, '--port', '1']);
    assert.equal(other.code, 2);
    assert.match(
      other.err,
      new RegExp(`^slipway: the server that works on ${data} listens on port ${port}, not on 1\\.`),
    );
  }

  const foreign = { SLIPWAY_ROOT_ACCESS_KEY_ID: 'AKIAOTHER', SLIPWAY_ROOT_SECRET_ACCESS_KEY: 'secret' };
  const otherKey = await slipway(['env', '--data', data], foreign);
  assert.equal(otherKey.code, 2);
  assert.match(
    otherKey.err,
    new RegExp(`started with the root key ${server.keys.accessKeyId}, and here it is AKIAOTHER`),
  );

  await server.kill();
  const killed = await slipway(['env', '--data', data]);
  assert.match(
    killed.out,
    /^export AWS_ENDPOINT_URL=http:\/\/127\.0\.0\.1:4566$/m,
    'the note of a killed server is none',
  );
  assert.match(killed.err, new RegExp(`data folder ${data}, where no server is known to run now$`, 'm'));
  const nowhere = await slipway(['account', 'list', '--data', data, '--port', '1']);
  assert.match(nowhere.err, /, where no server is known to run now\nslipway: no answer from http:\/\/127\.0\.0\.1:1: /);
});

test('account goes where AWS_ENDPOINT_URL says, with the credentials of AWS clients, unless a server is named', async (t) => {
  const data = await temporaryFolder(t);
  const { url, keys } = await startServerProcess(t, data);
  const clients = {
    AWS_ENDPOINT_URL: `${url}/`,
    AWS_ACCESS_KEY_ID: keys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
  };
  const made = await slipway(['account', 'create', '--name', 'staging'], clients);
  assert.equal(made.code, 0, made.err);
  assert.equal(made.err, `# ${url} (AWS_ENDPOINT_URL), access key ${keys.accessKeyId}\n`);
  assert.match(made.out, new RegExp(`^export AWS_ENDPOINT_URL=${url}$`, 'm'));
  const wrong = { ...clients, AWS_ENDPOINT_URL: 'http://127.0.0.1:1' };
  assert.match((await slipway(['account', 'list'], wrong)).err, /^slipway: no answer from http:\/\/127\.0\.0\.1:1: /m);
  assert.match((await slipway(['account', 'list', '--data', data], wrong)).out, /ACTIVE {2}staging/);
  const nobody = { AWS_ENDPOINT_URL: url, HOME: data };
  const none = await slipway(['account', 'list'], nobody);
  assert.match(none.err, /^slipway: AWS_ENDPOINT_URL is http.*, but there are no credentials for it: /);
});

test('a server that stops takes its note with it', async (t) => {
  const data = await temporaryFolder(t);
  const server = await startNoted(readConfig({ data, port: '0', 'ssh-port': 'off', 'log-level': 'silent' }, {}));
  const stop = once(server.stop);
  cleanUp(t, stop);
  assert.ok((await readdir(data)).includes('server.json'));
  assert.match((await slipway(['env', '--data', data, '--port', '0'])).out, new RegExp(`=${server.url}$`, 'm'));
  await stop();
  assert.ok(!(await readdir(data)).some((name) => name.startsWith('server.json')));
});
