import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { inflateSync } from 'node:zlib';
import jsQr from 'jsqr';
import { startServer, type TestServer, temporaryFolder } from '../../../test/harness.ts';
import { systemClock } from '../../kernel/clock.ts';
import { fromBase32, newDevice } from './testing/authenticator.ts';
import { codeAt, stepAt } from './totp.ts';

const ACCOUNT = '123456789012';

/** A server whose wall clock is moved by hand; an authenticator app for the devices it makes. */
async function serverWithClock(t: Parameters<typeof startServer>[0], data?: string) {
  const time = { ms: Date.now() };
  const clock = { ...systemClock, now: () => new Date(time.ms) };
  const server = await startServer(t, { clock, ...(data === undefined ? {} : { settings: { data } }) });
  const code = (seed: Buffer, steps = 0) => codeAt(seed, stepAt(time.ms) + steps);
  return { server, time, code };
}

const callerOf = async (server: TestServer, keyId: string) =>
  (await server.kernel.identity.findCredential(keyId))!.caller;

test('a virtual device: made, scanned, enabled by two codes in a row, listed, tagged, turned off, deleted', async (t) => {
  const { server, code } = await serverWithClock(t);
  const { iam } = server.root_;
  await iam.createUser({ UserName: 'alice' });
  const { serial, seed, png } = await newDevice(iam, 'phone');
  assert.equal(serial, `arn:aws:iam::${ACCOUNT}:mfa/phone`);
  assert.match(
    scan(png),
    new RegExp(`^otpauth://totp/Slipway:phone%40${ACCOUNT}\\?secret=[A-Z2-7]{64}&issuer=Slipway$`),
  );
  assert.deepEqual(fromBase32(new URL(scan(png)).searchParams.get('secret')!), seed);
  await assert.rejects(iam.createVirtualMFADevice({ VirtualMFADeviceName: 'Phone' }), {
    name: 'EntityAlreadyExistsException',
  });
  const elsewhere = await iam.createVirtualMFADevice({ VirtualMFADeviceName: 'phone', Path: '/team/' });
  assert.equal(elsewhere.VirtualMFADevice!.SerialNumber, `arn:aws:iam::${ACCOUNT}:mfa/team/phone`);
  await iam.deleteVirtualMFADevice({ SerialNumber: elsewhere.VirtualMFADevice!.SerialNumber! });
  const enable = (first: string, second: string, serialNumber = serial) =>
    iam.enableMFADevice({
      UserName: 'alice',
      SerialNumber: serialNumber,
      AuthenticationCode1: first,
      AuthenticationCode2: second,
    });
  for (const [first, second] of [
    [code(seed), code(seed)],
    [code(seed), code(seed, -1)],
    [code(seed, -1), code(seed, 1)],
    ['000000', '000000'],
  ] as const) {
    await assert.rejects(enable(first, second), { name: 'InvalidAuthenticationCodeException' });
  }
  await assert.rejects(enable(code(seed, -1), code(seed), `${serial}x`), { name: 'NoSuchEntityException' });
  const unassigned = await iam.listVirtualMFADevices({ AssignmentStatus: 'Unassigned' });
  assert.deepEqual(
    unassigned.VirtualMFADevices!.map((device) => [device.SerialNumber, device.User]),
    [[serial, undefined]],
  );
  await enable(code(seed, -1), code(seed));
  await assert.rejects(enable(code(seed), code(seed, 1)), { name: 'EntityAlreadyExistsException' });
  const { VirtualMFADevices: assigned } = await iam.listVirtualMFADevices({ AssignmentStatus: 'Assigned' });
  assert.deepEqual([assigned![0]!.User!.UserName, assigned![0]!.EnableDate instanceof Date], ['alice', true]);
  assert.equal(assigned![0]!.Base32StringSeed, undefined, 'the seed is shown once');
  const { MFADevices: own } = await iam.listMFADevices({ UserName: 'alice' });
  assert.deepEqual([own![0]!.SerialNumber, own![0]!.UserName], [serial, 'alice']);
  assert.equal((await iam.getMFADevice({ SerialNumber: serial, UserName: 'alice' })).UserName, 'alice');
  await iam.tagMFADevice({ SerialNumber: serial, Tags: [{ Key: 'kind', Value: 'phone' }] });
  assert.deepEqual((await iam.listMFADeviceTags({ SerialNumber: serial })).Tags, [{ Key: 'kind', Value: 'phone' }]);
  const byTag = await server.user('tagged', {
    Version: '2012-10-17',
    Statement: {
      Effect: 'Allow',
      Action: 'iam:UntagMFADevice',
      Resource: '*',
      Condition: { StringEquals: { 'aws:ResourceTag/kind': 'phone' } },
    },
  });
  await byTag.iam.untagMFADevice({ SerialNumber: serial, TagKeys: ['kind'] });
  await assert.rejects(byTag.iam.untagMFADevice({ SerialNumber: serial, TagKeys: ['kind'] }), { name: 'AccessDenied' });
  await assert.rejects(iam.deleteVirtualMFADevice({ SerialNumber: serial }), { name: 'DeleteConflictException' });
  await assert.rejects(iam.deleteUser({ UserName: 'alice' }), {
    name: 'DeleteConflictException',
    message: 'Cannot delete entity, must delete MFA device first.',
  });
  await iam.deactivateMFADevice({ UserName: 'alice', SerialNumber: serial });
  await assert.rejects(iam.deactivateMFADevice({ UserName: 'alice', SerialNumber: serial }), {
    name: 'NoSuchEntityException',
  });
  await iam.deleteVirtualMFADevice({ SerialNumber: serial });
  await assert.rejects(iam.deleteVirtualMFADevice({ SerialNumber: serial }), { name: 'NoSuchEntityException' });
});

test('S10: a code counts once, also in concurrent calls and after a restart; guessing makes the device rest', async (t) => {
  const { server, time, code } = await serverWithClock(t);
  const { iam } = server.root_;
  const alice = await server.user('alice');
  const bob = await server.user('bob');
  const { serial, seed } = await newDevice(iam, 'phone');
  const caller = await callerOf(server, alice.keys.accessKeyId);
  const verify = (value: string, who = caller) => server.kernel.identity.verifyMfa(who, serial, value);
  assert.equal(await verify(code(seed)), false, 'not enabled yet');
  await alice.iam.enableMFADevice({
    UserName: 'alice',
    SerialNumber: serial,
    AuthenticationCode1: code(seed, -1),
    AuthenticationCode2: code(seed),
  });
  assert.equal(await verify(code(seed)), false, 'spent by enabling');
  assert.equal(await verify(code(seed, 1), await callerOf(server, bob.keys.accessKeyId)), false, 'not his device');
  time.ms += 60_000;
  const results = await Promise.all(Array.from({ length: 8 }, () => verify(code(seed))));
  assert.equal(results.filter(Boolean).length, 1);
  await server.restart();
  assert.equal(await verify(code(seed)), false);
  assert.equal(await verify(code(seed, -1)), false, 'earlier than one that was taken');
  assert.equal(await verify(code(seed, 1)), true, 'one step early');
  time.ms += 10 * 60_000;
  assert.equal(await verify(code(seed, 2)), false, 'two steps early');
  for (let n = 0; n < 1000; n++) {
    if (String(n).padStart(6, '9') !== code(seed)) assert.equal(await verify(String(n).padStart(6, '9')), false);
  }
  assert.equal(await verify(code(seed)), false, 'the device rests');
  await server.restart();
  assert.equal(await verify(code(seed)), false, 'also after a restart');
  time.ms += 20_000;
  assert.equal(await verify(code(seed)), false);
  time.ms += 10_000;
  assert.equal(await verify(code(seed)), true);
});

test('a device whose clock is off is brought in step by two codes', async (t) => {
  const { server, time, code } = await serverWithClock(t);
  const { iam } = server.root_;
  const alice = await server.user('alice');
  const { serial, seed } = await newDevice(iam, 'phone');
  const name = { UserName: 'alice', SerialNumber: serial };
  await iam.enableMFADevice({ ...name, AuthenticationCode1: code(seed, -1), AuthenticationCode2: code(seed) });
  const caller = await callerOf(server, alice.keys.accessKeyId);
  const verify = (value: string) => server.kernel.identity.verifyMfa(caller, serial, value);
  time.ms += 120_000;
  assert.equal(await verify(code(seed, 10)), false);
  await assert.rejects(
    iam.resyncMFADevice({ ...name, AuthenticationCode1: code(seed, 10), AuthenticationCode2: code(seed, 12) }),
    { name: 'InvalidAuthenticationCodeException', message: 'Authentication code for device is not valid.' },
  );
  await iam.resyncMFADevice({ ...name, AuthenticationCode1: code(seed, 10), AuthenticationCode2: code(seed, 11) });
  assert.equal(await verify(code(seed, 11)), false, 'spent');
  time.ms += 30_000;
  assert.equal(await verify(code(seed, 11)), true);
});

test('the root user has a device of his own, which nobody else makes or enables', async (t) => {
  const { server, time, code } = await serverWithClock(t);
  const { iam } = server.root_;
  const alice = await server.user('alice');
  await assert.rejects(alice.iam.createVirtualMFADevice({ VirtualMFADeviceName: 'root-account-mfa-device' }), {
    name: 'AccessDenied',
  });
  const { serial, seed } = await newDevice(iam, 'root-account-mfa-device');
  const codes = { AuthenticationCode1: code(seed, -1), AuthenticationCode2: code(seed) };
  await assert.rejects(alice.iam.enableMFADevice({ UserName: 'alice', SerialNumber: serial, ...codes }), {
    name: 'NoSuchEntityException',
  });
  await assert.rejects(alice.iam.deleteVirtualMFADevice({ SerialNumber: serial }), { name: 'AccessDenied' });
  await iam.enableMFADevice({ UserName: ACCOUNT, SerialNumber: serial, ...codes });
  assert.deepEqual(
    (await iam.listMFADevices({})).MFADevices!.map((device) => device.UserName),
    ['root'],
  );
  const { SummaryMap: summary } = await iam.getAccountSummary({});
  assert.equal(summary!['AccountMFAEnabled'], 1);
  time.ms += 60_000;
  const caller = await callerOfRoot(server);
  assert.equal(await server.kernel.identity.verifyMfa(caller, serial, code(seed)), true);
  await assert.rejects(alice.iam.deactivateMFADevice({ UserName: 'alice', SerialNumber: serial }), {
    name: 'NoSuchEntityException',
  });
  await iam.deactivateMFADevice({ SerialNumber: serial });
});

async function callerOfRoot(server: TestServer) {
  const { Arn, Account } = await server.root_.sts.getCallerIdentity({});
  return { type: 'Root', account: Account!, arn: Arn!, principalId: Account! } as const;
}

test('X3: seeds are nowhere in the data folder or in the record', async (t) => {
  const data = await temporaryFolder(t);
  const { server } = await serverWithClock(t, data);
  const { seed } = await newDevice(server.root_.iam, 'phone');
  const { Events = [] } = await server.root_.cloudtrail.lookupEvents({});
  assert.ok(Events.some(({ EventName }) => EventName === 'CreateVirtualMFADevice'));
  const forms = [seed, ...(['hex', 'base64'] as const).map((form) => Buffer.from(seed.toString(form)))];
  const texts = [JSON.stringify(Events), ...filesBelow(data).map((path) => readFileSync(path))];
  for (const text of texts) for (const form of forms) assert.ok(!Buffer.from(text).includes(form));
});

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** What a camera reads of a PNG of one bit a pixel. */
function scan(png: Uint8Array): string {
  const bytes = Buffer.from(png);
  const width = bytes.readUInt32BE(16);
  const at = bytes.indexOf('IDAT');
  const rows = inflateSync(bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at - 4)));
  const rowBytes = Math.ceil(width / 8) + 1;
  const pixels = new Uint8ClampedArray(width * width * 4).fill(255);
  for (let y = 0; y < width; y++) {
    for (let x = 0; x < width; x++) {
      const isWhite = (rows[y * rowBytes + 1 + (x >> 3)]! & (0x80 >> (x & 7))) !== 0;
      if (!isWhite) pixels.fill(0, (y * width + x) * 4, (y * width + x) * 4 + 3);
    }
  }
  return jsQr.default(pixels, width, width)!.data;
}
