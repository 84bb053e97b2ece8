import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer, type TestServer, temporaryFolder } from '../../../test/harness.ts';
import { systemClock } from '../../kernel/clock.ts';
import { newDevice } from './testing/authenticator.ts';
import { codeAt, stepAt } from './totp.ts';

const ACCOUNT = '123456789012';
const PASSWORD = 'correct Horse 7';

interface Answer {
  status: number;
  error?: string;
  mfaSerialNumbers?: string[];
  mfaAuthenticated?: boolean;
  arn?: string;
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken: string; expiration: string };
}

async function signIn(
  server: TestServer,
  body: object | string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${server.url}/_signin`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify({ account: ACCOUNT, ...body }),
  });
  assert.equal(response.headers.get('cache-control'), 'no-store');
  return { status: response.status, ...((await response.json()) as object) };
}

async function records(server: TestServer) {
  const { Events = [] } = await server.root_.cloudtrail.lookupEvents({
    LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'ConsoleLogin' }],
  });
  return Events.map(({ CloudTrailEvent }) => JSON.parse(CloudTrailEvent!));
}

async function startWithTime(t: Parameters<typeof startServer>[0], data?: string) {
  const time = { ms: Date.now(), monotonic: 0 };
  const clock = { ...systemClock, now: () => new Date(time.ms), monotonicMs: () => time.monotonic };
  return { time, server: await startServer(t, { clock, ...(data === undefined ? {} : { settings: { data } }) }) };
}

test('a person signs in with password and code; the session is his, and recorded', async (t) => {
  const data = await temporaryFolder(t);
  const { server, time } = await startWithTime(t, data);
  const { iam } = server.root_;
  await server.user('alice');
  await iam.createLoginProfile({ UserName: 'alice', Password: PASSWORD });
  await iam.createAccountAlias({ AccountAlias: 'the-company' });
  const first = await signIn(server, { account: 'the-company', userName: 'Alice', password: PASSWORD });
  assert.deepEqual(
    [first.status, first.arn, first.mfaAuthenticated],
    [200, `arn:aws:iam::${ACCOUNT}:user/alice`, false],
  );
  const { expiration: _, ...keys } = first.credentials!;
  const console_ = server.clients(keys);
  assert.equal((await console_.sts.getCallerIdentity({})).Arn, first.arn);
  // As on AWS's console, and unlike with GetSessionToken, people administer IAM.
  const { User } = await console_.iam.getUser({});
  assert.equal(User!.PasswordLastUsed!.getTime(), Math.floor(time.ms / 1000) * 1000);

  const { serial, seed } = await newDevice(iam, 'phone');
  const code = (steps = 0) => codeAt(seed, stepAt(time.ms) + steps);
  await iam.enableMFADevice({
    UserName: 'alice',
    SerialNumber: serial,
    AuthenticationCode1: code(-1),
    AuthenticationCode2: code(),
  });
  const without = await signIn(server, { userName: 'alice', password: PASSWORD });
  assert.deepEqual([without.status, without.error, without.mfaSerialNumbers], [401, 'MfaRequired', [serial]]);
  const spent = await signIn(server, { userName: 'alice', password: PASSWORD, mfaCode: code() });
  assert.deepEqual([spent.status, spent.error], [401, 'AuthenticationFailure']);
  time.ms += 60_000;
  const withCode = { userName: 'alice', password: PASSWORD, mfaCode: code(), durationSeconds: 900 };
  const second = await signIn(server, withCode);
  assert.deepEqual([second.status, second.mfaAuthenticated], [200, true]);
  assert.equal(Date.parse(second.credentials!.expiration), time.ms + 900_000);
  assert.equal((await signIn(server, withCode)).error, 'AuthenticationFailure', 'S10: a code counts once');
  const wrong = await signIn(server, { userName: 'alice', password: 'wrong' });
  const unknown = await signIn(server, { userName: 'nobody', password: PASSWORD });
  assert.deepEqual(wrong, unknown, 'the answer does not tell whether there is such a user');

  // All at the same time of this clock, so in no order.
  const seen = (await records(server)).map((record) => [
    record.userIdentity.userName,
    record.responseElements.ConsoleLogin,
    record.additionalEventData.MFAUsed,
    record.errorMessage,
  ]);
  const sorted = (rows: unknown[][]) => rows.map((row) => JSON.stringify(row)).sort();
  const expected = [
    ['alice', 'Success', 'No', undefined],
    ['alice', 'Failure', 'Yes', 'Failed authentication'],
    ['alice', 'Success', 'Yes', undefined],
    ['alice', 'Failure', 'Yes', 'Failed authentication'],
    ['alice', 'Failure', 'No', 'Failed authentication'],
    ['HIDDEN_DUE_TO_SECURITY_REASONS', 'Failure', 'No', 'No username found in supplied account'],
  ];
  assert.deepEqual(sorted(seen), sorted(expected));
  const [record] = await records(server);
  assert.deepEqual([record.eventSource, record.eventType], ['signin.amazonaws.com', 'AwsConsoleSignIn']);

  // X3: neither the password nor a session's secret is in the data folder.
  const texts = readdirSync(data, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
  for (const secret of [PASSWORD, second.credentials!.secretAccessKey, second.credentials!.sessionToken]) {
    for (const text of texts) assert.ok(!text.includes(secret));
  }
});

test('requests that are none are refused by name', async (t) => {
  const server = await startServer(t);
  const good = { account: ACCOUNT, userName: 'alice', password: 'x' };
  const cases: [object | string, string, Record<string, string>?][] = [
    ['', 'InvalidRequest'],
    ['null', 'InvalidRequest'],
    ['[]', 'InvalidRequest'],
    [{ ...good, password: undefined }, 'InvalidRequest'],
    [{ ...good, userName: { $ne: '' } }, 'InvalidRequest'],
    [{ ...good, durationSeconds: 899 }, 'InvalidRequest'],
    [{ ...good, durationSeconds: 43_201 }, 'InvalidRequest'],
    [{ ...good, mfaCode: '1234567' }, 'InvalidRequest'],
    [JSON.stringify(good), 'UnsupportedMediaType', { 'content-type': 'text/plain' }],
    ['x'.repeat(9000), 'RequestEntityTooLarge'],
    [good, 'AuthenticationFailure'],
    [{ ...good, account: 'no-such-alias' }, 'AuthenticationFailure'],
    [{ ...good, account: '__proto__', userName: '__proto__' }, 'AuthenticationFailure'],
  ];
  for (const [body, error, headers] of cases) {
    assert.equal((await signIn(server, body, headers)).error, error, JSON.stringify(body).slice(0, 80));
  }
  const got = await fetch(`${server.url}/_signin`);
  assert.equal(got.status, 405);
});

test('S10: guessing makes the guesser wait', async (t) => {
  const { server, time } = await startWithTime(t);
  await server.root_.iam.createUser({ UserName: 'alice' });
  await server.root_.iam.createLoginProfile({ UserName: 'alice', Password: PASSWORD });
  const errors: (string | undefined)[] = [];
  for (let n = 0; n < 11; n++) {
    errors.push((await signIn(server, { userName: n % 2 === 0 ? 'alice' : 'Alice', password: `guess ${n}` })).error);
  }
  assert.deepEqual(errors, [...Array(10).fill('AuthenticationFailure'), 'ThrottlingException']);
  const resting = await signIn(server, { userName: 'alice', password: PASSWORD });
  assert.deepEqual([resting.status, resting.error], [429, 'ThrottlingException']);
  time.monotonic += 60_000;
  assert.equal((await signIn(server, { userName: 'alice', password: PASSWORD })).status, 200);
});

test('a password that must be changed is changed while signing in; an expired one too, unless the policy is hard', async (t) => {
  const { server, time } = await startWithTime(t);
  const { iam } = server.root_;
  await iam.createUser({ UserName: 'alice' });
  await iam.createLoginProfile({ UserName: 'alice', Password: PASSWORD, PasswordResetRequired: true });
  const alice = { userName: 'alice', password: PASSWORD };
  assert.equal((await signIn(server, alice)).error, 'PasswordChangeRequired');
  const change = { ...alice, newPassword: 'another Horse 8' };
  assert.equal((await signIn(server, change)).error, 'AccessDenied', 'she may not, as on AWS');
  await iam.updateAccountPasswordPolicy({ AllowUsersToChangePassword: true, PasswordReusePrevention: 2 });
  assert.equal((await signIn(server, { ...change, newPassword: PASSWORD })).error, 'PasswordPolicyViolationException');
  assert.equal((await signIn(server, { ...change, newPassword: 'short' })).error, 'PasswordPolicyViolationException');
  assert.equal((await signIn(server, change)).status, 200);
  assert.equal((await iam.getLoginProfile({ UserName: 'alice' })).LoginProfile!.PasswordResetRequired, false);
  assert.equal((await signIn(server, alice)).error, 'AuthenticationFailure');
  const now = { userName: 'alice', password: 'another Horse 8' };
  assert.equal((await signIn(server, { ...now, newPassword: PASSWORD })).error, 'PasswordPolicyViolationException');

  await iam.updateAccountPasswordPolicy({ AllowUsersToChangePassword: true, MaxPasswordAge: 1 });
  const day = 86_400_000;
  const realMs = time.ms;
  time.ms += day - 1000;
  assert.equal((await signIn(server, now)).status, 200);
  time.ms = realMs + day + 1000;
  assert.equal((await signIn(server, now)).error, 'PasswordChangeRequired');
  time.ms = realMs;
  await iam.updateAccountPasswordPolicy({ AllowUsersToChangePassword: true, MaxPasswordAge: 1, HardExpiry: true });
  time.ms = realMs + day + 1000;
  assert.equal((await signIn(server, { ...now, newPassword: 'third Horse 99' })).error, 'PasswordExpired');
});
