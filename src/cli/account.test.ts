import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer, temporaryFolder } from '../../test/harness.ts';

/** The hash of the SDK's signer, by Node's. */
class Sha256 {
  readonly #secret: unknown;
  readonly #chunks: Uint8Array[] = [];
  constructor(secret?: unknown) {
    this.#secret = secret;
  }
  update(data: Uint8Array | string) {
    this.#chunks.push(Buffer.from(data as Uint8Array));
  }
  async digest() {
    const hash = this.#secret === undefined ? createHash('sha256') : createHmac('sha256', this.#secret as Buffer);
    for (const chunk of this.#chunks) hash.update(chunk);
    return new Uint8Array(hash.digest());
  }
  reset() {
    this.#chunks.length = 0;
  }
}

const MAIN = new URL('../main.ts', import.meta.url).pathname;

test('slipway account: made, listed, used, closed, opened, its key replaced', async (t) => {
  const server = await startServer(t);
  const run = (...args: string[]) =>
    new Promise<{ code: number; out: string; err: string }>((resolve) => {
      const options = ['--public-url', server.url, '--data', server.config.data];
      execFile(process.execPath, [MAIN, 'account', ...args, ...options], (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code), out, err });
      });
    });
  const made = await run('create', '--name', "Tëst & 'Co' (1)", '--email', 'ops+b@example.com');
  assert.equal(made.code, 0, made.err);
  const [, id] = /^# Root user of account (\d{12}) \(Tëst & 'Co' \(1\)\)\./.exec(made.out)!;
  const value = (name: string) => new RegExp(`^export ${name}=(\\S+)$`, 'm').exec(made.out)![1]!;
  const root = server.clients({
    accessKeyId: value('AWS_ACCESS_KEY_ID'),
    secretAccessKey: value('AWS_SECRET_ACCESS_KEY'),
  });
  assert.deepEqual((({ Account, Arn, UserId }) => [Account, Arn, UserId])(await root.sts.getCallerIdentity({})), [
    id,
    `arn:aws:iam::${id}:root`,
    id,
  ]);
  assert.equal((await root.sts.getAccessKeyInfo({ AccessKeyId: root.keys.accessKeyId })).Account, id);
  const listed = await run('list');
  assert.match(listed.out, /^123456789012 {2}ACTIVE {2}default\n/);
  assert.match(listed.out, new RegExp(`^${id} {2}ACTIVE {2}Tëst & 'Co' \\(1\\) {2}ops\\+b@example\\.com$`, 'm'));
  assert.match((await run('close', id!)).out, /SUSPENDED/);
  await assert.rejects(root.sts.getCallerIdentity({}), { name: 'InvalidClientTokenId' });
  const replaced = await run('root-key', id!);
  assert.match(replaced.out, /export AWS_SECRET_ACCESS_KEY=/);
  await assert.rejects(root.sts.getCallerIdentity({}), { name: 'InvalidClientTokenId' });
  const wrong = await run('close', '123456789012');
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /^slipway: the server answered 403: The account 123456789012 is the one/m);
  const { Events = [] } = await server.root_.cloudtrail.lookupEvents({
    LookupAttributes: [{ AttributeKey: 'EventSource', AttributeValue: 'organizations.amazonaws.com' }],
  });
  const names = Events.map(({ EventName }) => EventName).sort();
  assert.deepEqual(names, ['CloseAccount', 'CreateAccount', 'ReplaceRootKey']);
  assert.ok(!JSON.stringify(Events).includes(root.keys.secretAccessKey));
});

test('accounts are administered by the default account, signed; the secret stands sealed', async (t) => {
  const data = await temporaryFolder(t);
  const server = await startServer(t, { settings: { data } });
  const { root } = await server.account('b');
  const { SignatureV4 } = await import('@smithy/signature-v4');
  const call = async (keys: { accessKeyId: string; secretAccessKey: string }, tamper = '') => {
    const { hostname, port } = new URL(server.url);
    const signer = new SignatureV4({ credentials: keys, region: 'us-east-1', service: 'iam', sha256: Sha256 });
    const headers = { host: `${hostname}:${port}` };
    const path = '/_slipway/accounts';
    const signed = await signer.sign({ method: 'POST', protocol: 'http:', hostname, path, query: {}, headers });
    return fetch(`${server.url}${path}${tamper}`, { method: 'POST', headers: signed.headers });
  };
  assert.equal((await call(root.keys)).status, 403);
  const alice = await server.user('alice', {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 'iam:*', Resource: '*' }],
  });
  assert.equal((await call(alice.keys)).status, 403);
  assert.equal((await call(server.root, '?name=other')).status, 403);
  assert.equal((await fetch(`${server.url}/_slipway/accounts`)).status, 403);
  assert.equal((await call(server.root)).status, 200);
  if (server.config.databaseUrl !== '') return;
  const files = await Promise.all(['slipway.db', 'slipway.db-wal'].map((name) => readFile(join(data, name), 'latin1')));
  const text = files.join('');
  assert.ok(text.includes(root.keys.accessKeyId) && !text.includes(root.keys.secretAccessKey));
});
