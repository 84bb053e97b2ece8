import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readConfig } from '../src/kernel/config.ts';
import { openRootKey } from '../src/kernel/store/root-key.ts';
import { cleanUp, startServer, temporaryFolder } from './harness.ts';

/** Everything that stands under a folder, as one text of bytes. */
async function everything(folder: string): Promise<Buffer> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return Buffer.concat(await Promise.all(files.map((file) => readFile(join(file.parentPath, file.name)))));
}

test('a root key from the environment is not written down, and another one is refused', async (t) => {
  const rootKey = randomBytes(32).toString('base64');
  const data = await temporaryFolder(t);
  const server = await startServer(t, { settings: { data, rootKey } });
  const { kms } = server.root_;
  const KeyId = (await kms.createKey({})).KeyMetadata!.KeyId!;
  const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: Buffer.from('x') });
  await server.restart();
  assert.deepEqual(Buffer.from((await kms.decrypt({ CiphertextBlob })).Plaintext!), Buffer.from('x'));
  const stored = await everything(data);
  assert.equal(stored.includes(Buffer.from(rootKey, 'base64')), false);
  assert.equal(stored.includes(rootKey), false);
  const other = randomBytes(32).toString('base64');
  const settings = { data, rootKmsKey: '', rootKmsEndpoint: '' };
  await assert.rejects(openRootKey({ ...settings, rootKey: other }), /not the one that the data/);
  await assert.rejects(openRootKey({ ...settings, rootKey: '' }), /not the one that the data/);
});

test('settings of the root key are checked, and a wrong one is not shown', () => {
  const secret = randomBytes(16).toString('base64');
  const read = (env: Record<string, string>) => () => readConfig({}, env);
  assert.throws(read({ SLIPWAY_ROOT_KEY: secret }), (error: Error) => {
    assert.match(error.message, /SLIPWAY_ROOT_KEY=\(hidden\): must be 32 bytes/);
    return !error.message.includes(secret);
  });
  const arn = 'arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
  const good = randomBytes(32).toString('base64');
  assert.throws(read({ SLIPWAY_ROOT_KEY: good, SLIPWAY_ROOT_KMS_KEY: arn }), /give one of them/);
  assert.throws(read({ SLIPWAY_ROOT_KMS_KEY: 'alias/mine' }), /ARN of a KMS key/);
  assert.throws(read({ SLIPWAY_ROOT_KMS_ENDPOINT: 'http://x' }), /needs --root-kms-key/);
  assert.throws(read({ SLIPWAY_ROOT_KMS_KEY: arn, SLIPWAY_ROOT_KMS_ENDPOINT: 'x' }), /http or https/);
  assert.equal(read({ SLIPWAY_ROOT_KEY: good })().rootKey, good);
});

test('an external KMS opens the root key at start, for as long as it wants to', async (t) => {
  const vault = await startServer(t);
  const guard = vault.root_.kms;
  const rootKmsKey = (await guard.createKey({})).KeyMetadata!.Arn!;
  const caller = await vault.user('slipway', {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Action: ['kms:Encrypt', 'kms:Decrypt'],
        Resource: '*',
        Condition: { StringEquals: { 'kms:EncryptionContext:slipway:purpose': 'root-key' } },
      },
    ],
  });
  const before = { ...process.env };
  cleanUp(t, () => {
    process.env = before;
  });
  process.env['AWS_ACCESS_KEY_ID'] = caller.keys.accessKeyId;
  process.env['AWS_SECRET_ACCESS_KEY'] = caller.keys.secretAccessKey;

  // An installation that kept its root key in a file moves it.
  const data = await temporaryFolder(t);
  const plain = randomBytes(32);
  await writeFile(join(data, 'root.key'), `${plain.toString('base64')}\n`);
  const settings = { data, rootKmsKey, rootKmsEndpoint: vault.url };
  const server = await startServer(t, { settings });
  const { kms } = server.root_;
  const KeyId = (await kms.createKey({})).KeyMetadata!.KeyId!;
  const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: Buffer.from('x') });
  const stored = await everything(data);
  assert.equal(stored.includes(plain) || stored.includes(plain.toString('base64')), false);
  assert.equal((await stat(join(data, 'root.key.wrapped'))).mode & 0o777, 0o600);
  await assert.rejects(stat(join(data, 'root.key')), /ENOENT/);

  await server.restart();
  assert.deepEqual(Buffer.from((await kms.decrypt({ CiphertextBlob })).Plaintext!), Buffer.from('x'));
  await guard.disableKey({ KeyId: rootKmsKey });
  const refusal = /external KMS did not open the root key with arn:aws:kms:.*DisabledException/;
  await assert.rejects(openRootKey({ ...settings, rootKey: '' }), refusal);
  await guard.enableKey({ KeyId: rootKmsKey });

  // Another external key takes over, and the former one is of no use any more.
  const next = (await guard.createKey({})).KeyMetadata!.Arn!;
  const moved = { ...settings, rootKey: '', rootKmsKey: next };
  assert.deepEqual(await openRootKey(moved), plain);
  await guard.disableKey({ KeyId: rootKmsKey });
  assert.deepEqual(await openRootKey(moved), plain);
});
