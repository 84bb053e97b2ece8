import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { fingerprintOf, readSshKey, type SshKey, toPem, toSshLine } from './ssh-key-format.ts';

const pemOf = (key: { export(options: { format: 'pem'; type: 'spki' }): string | Buffer }) =>
  key.export({ format: 'pem', type: 'spki' }).toString();
const rsa = (bits: number) => generateKeyPairSync('rsa', { modulusLength: bits }).publicKey;
const lineOf = (pem: string) => toSshLine(readSshKey(pem) as SshKey);

test('keys are read in both encodings and written back in either', () => {
  const keys = [
    rsa(2048),
    generateKeyPairSync('ed25519').publicKey,
    ...['prime256v1', 'secp384r1', 'secp521r1'].map(
      (namedCurve) => generateKeyPairSync('ec', { namedCurve }).publicKey,
    ),
  ];
  for (const key of keys) {
    const pem = pemOf(key);
    const read = readSshKey(pem) as SshKey;
    assert.equal(read.encoding, 'PEM');
    const again = readSshKey(`${toSshLine(read)} somebody@somewhere`) as SshKey;
    assert.deepEqual([again.encoding, again.type], ['SSH', read.type]);
    assert.equal(toPem(again), pem);
  }
});

test('what is no strong key in its one form is refused', () => {
  const line = lineOf(pemOf(rsa(2048)));
  const [type, base64] = line.split(' ') as [string, string];
  const blob = Buffer.from(base64, 'base64');
  // The modulus with one more leading zero: the same number, in another spelling.
  const at = 4 + 7 + 4 + 3;
  const longer = Buffer.concat([blob.subarray(0, at), Buffer.alloc(4), Buffer.of(0), blob.subarray(at + 4)]);
  longer.writeUInt32BE(blob.readUInt32BE(at) + 1, at);
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const cases: [string, string][] = [
    ['', 'encoding'],
    ['nothing', 'encoding'],
    [base64, 'encoding'],
    [`${line}\n${line}`, 'encoding'],
    [`command="sh" ${line}`, 'encoding'],
    [privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), 'encoding'],
    [pemOf(rsa(1024)), 'key'],
    [`${type} ${base64.slice(0, 40)}`, 'key'],
    [`ssh-ed25519 ${base64}`, 'key'],
    [`ssh-dss ${base64}`, 'key'],
    [`${type} ${Buffer.concat([blob, Buffer.of(0)]).toString('base64')}`, 'key'],
    [`${type} ${longer.toString('base64')}`, 'key'],
    [pemOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey), 'key'],
    [pemOf(generateKeyPairSync('x25519').publicKey), 'key'],
    ['-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----', 'key'],
  ];
  for (const [body, problem] of cases) assert.equal(readSshKey(body), problem, body);
});

test('the fingerprint is the one that ssh-keygen shows', (t) => {
  const line = lineOf(pemOf(rsa(2048)));
  let shown: string;
  try {
    shown = execFileSync('ssh-keygen', ['-E', 'md5', '-lf', '-'], { input: `${line}\n`, encoding: 'utf8' });
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') throw error;
    return t.skip('ssh-keygen is not installed');
  }
  assert.match(shown, new RegExp(`MD5:${fingerprintOf(readSshKey(line) as SshKey)} `));
});

test('SSH public keys: uploaded, shown in both encodings, turned off, deleted; five at most', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const find = (id: string) => server.kernel.identity.findSshKey(id);
  await iam.createUser({ UserName: 'alice' });
  const key = rsa(2048);
  const body = `${lineOf(pemOf(key))} alice@laptop`;
  const { SSHPublicKey: uploaded } = await iam.uploadSSHPublicKey({ UserName: 'alice', SSHPublicKeyBody: body });
  const { SSHPublicKeyId: id, Fingerprint: fingerprint } = uploaded!;
  assert.match(id!, /^APKA[A-Z2-7]{17}$/);
  assert.match(fingerprint!, /^([0-9a-f]{2}:){15}[0-9a-f]{2}$/);
  assert.deepEqual([uploaded!.Status, uploaded!.SSHPublicKeyBody, uploaded!.UserName], ['Active', body, 'alice']);
  const name = { UserName: 'alice', SSHPublicKeyId: id! };
  const asSsh = await iam.getSSHPublicKey({ ...name, Encoding: 'SSH' });
  assert.equal(asSsh.SSHPublicKey!.SSHPublicKeyBody, body);
  const asPem = await iam.getSSHPublicKey({ ...name, Encoding: 'PEM' });
  assert.ok(createPublicKey(asPem.SSHPublicKey!.SSHPublicKeyBody!).equals(key));
  const found = await find(id!);
  assert.deepEqual(
    [found!.caller.userName, found!.caller.arn, found!.publicKey, found!.active],
    ['alice', 'arn:aws:iam::123456789012:user/alice', body.replace(' alice@laptop', ''), true],
  );
  await assert.rejects(iam.uploadSSHPublicKey({ UserName: 'alice', SSHPublicKeyBody: pemOf(key) }), {
    name: 'DuplicateSSHPublicKeyException',
    message: 'The SSH public key is already associated with the specified IAM user.',
  });
  await assert.rejects(iam.uploadSSHPublicKey({ UserName: 'alice', SSHPublicKeyBody: 'hello' }), {
    name: 'UnrecognizedPublicKeyEncodingException',
  });
  await assert.rejects(iam.uploadSSHPublicKey({ UserName: 'alice', SSHPublicKeyBody: pemOf(rsa(1024)) }), {
    name: 'InvalidPublicKeyException',
  });
  await assert.rejects(iam.uploadSSHPublicKey({ UserName: 'nobody', SSHPublicKeyBody: body }), {
    name: 'NoSuchEntityException',
  });
  await iam.updateSSHPublicKey({ ...name, Status: 'Inactive' });
  assert.equal((await find(id!))!.active, false, 'S10: a key that is turned off proves nothing, at once');
  await iam.updateSSHPublicKey({ ...name, Status: 'Active' });
  await server.restart();
  assert.equal((await find(id!))!.active, true);
  for (let n = 0; n < 4; n++) {
    const { publicKey } = generateKeyPairSync('ed25519');
    await iam.uploadSSHPublicKey({ UserName: 'alice', SSHPublicKeyBody: pemOf(publicKey) });
  }
  await assert.rejects(
    iam.uploadSSHPublicKey({
      UserName: 'alice',
      SSHPublicKeyBody: pemOf(generateKeyPairSync('ed25519').publicKey),
    }),
    { name: 'LimitExceededException', message: 'Cannot exceed quota for SSHPublicKeysPerUser: 5' },
  );
  const { SSHPublicKeys: listed, IsTruncated } = await iam.listSSHPublicKeys({ UserName: 'alice', MaxItems: 3 });
  assert.deepEqual([listed!.length, IsTruncated], [3, true]);
  await assert.rejects(iam.deleteUser({ UserName: 'alice' }), { name: 'DeleteConflictException' });
  await iam.deleteSSHPublicKey(name);
  assert.equal(await find(id!), undefined);
  await assert.rejects(iam.deleteSSHPublicKey(name), {
    name: 'NoSuchEntityException',
    message: `The Public Key with id ${id} cannot be found.`,
  });
  // A key is its user's: under another user's name nobody sees, changes or deletes it.
  const bob = await server.user('bob');
  const other = { UserName: 'bob', SSHPublicKeyId: listed![1]!.SSHPublicKeyId! };
  const refusals = [
    bob.iam.getSSHPublicKey({ ...other, Encoding: 'SSH' }),
    bob.iam.updateSSHPublicKey({ ...other, Status: 'Inactive' }),
    bob.iam.deleteSSHPublicKey(other),
  ];
  await Promise.all(refusals.map((refused) => assert.rejects(refused, { name: 'NoSuchEntityException' })));
  const carol = await server.user('carol', {
    Version: '2012-10-17',
    Statement: { Effect: 'Allow', Action: 'iam:GetUser', Resource: '*' },
  });
  await assert.rejects(carol.iam.listSSHPublicKeys({ UserName: 'alice' }), { name: 'AccessDenied' });
});
