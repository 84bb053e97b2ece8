import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Keys, startServer, type TestServer, temporaryFolder } from '../../../test/harness.ts';
import { GitClient } from '../../git/harness.ts';
import { HandClock } from '../../kernel/testing/hand-clock.ts';
import { readBasic, signGitPassword } from './git-passwords.ts';
import { remoteOf, startWithRepository } from './harness.ts';

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

/** A password as the credential helper makes it, each part replaceable. */
function sign(server: TestServer, keys: Keys, parts: Partial<Parameters<typeof signGitPassword>[0]> = {}): string {
  const request = {
    userName: keys.accessKeyId,
    secret: keys.secretAccessKey,
    timestamp: basicTime(server.kernel.clock.now()),
    region: 'us-east-1',
    host: '127.0.0.1',
    path: '/v1/repos/app',
    ...parts,
  };
  return `${request.timestamp}Z${signGitPassword(request)}`;
}

function basicTime(time: Date): string {
  return time.toISOString().slice(0, 19).replace(/[-:]/g, '');
}

/** Asks like git does first and answers the status. */
async function ask(server: TestServer, user: string, password: string, path = '/v1/repos/app'): Promise<number> {
  const url = `${server.url}${path}/info/refs?service=git-upload-pack`;
  const answer = await fetch(url, { headers: { authorization: basic(user, password) } });
  await answer.text();
  return answer.status;
}

test('a signed password is the one that the credential helper makes', () => {
  // Made by the credential helper of aws-cli 1.45.11 and 2.9.19.
  const signature = signGitPassword({
    userName: 'AKIDEXAMPLE',
    secret: 'secretsecret',
    timestamp: '20261120T113455',
    region: 'us-east-1',
    host: 'git-codecommit.us-east-1.amazonaws.com',
    path: '/v1/repos/My',
  });
  assert.equal(signature, '0b683b96d33941e2ca75c34d335c83a7bb62ca27b21da804ce835773cce53cc0');
});

const BASICS: [name: string, header: string | undefined, expected: unknown][] = [
  ['no header', undefined, undefined],
  ['a bearer token', 'Bearer abc', undefined],
  ['not base64', 'Basic ***', undefined],
  ['no colon', `Basic ${Buffer.from('abc').toString('base64')}`, undefined],
  ['no user', basic('', 'x'), undefined],
  ['colons in the password', basic('a', 'x:y:z'), { userName: 'a', sessionToken: undefined, password: 'x:y:z' }],
  [
    'a token that is no percent encoding',
    basic('AKIA%tok/en+x==%zz', 'p'),
    {
      userName: 'AKIA',
      sessionToken: 'tok/en+x==%zz',
      password: 'p',
    },
  ],
  ['a header beyond all measure', basic('a', 'x'.repeat(20_000)), undefined],
];
for (const [name, header, expected] of BASICS) {
  test(`Basic header: ${name}`, () => assert.deepEqual(readBasic(header), expected));
}

test('S4: a signed password is good for 15 minutes on both sides of its time', async (t) => {
  const clock = new HandClock(Date.now());
  const server = await startServer(t, { clock });
  await server.root_.codecommit.createRepository({ repositoryName: 'app' });
  const offsets: [seconds: number, status: number][] = [
    [0, 200],
    [-899, 200],
    [899, 200],
    [-901, 401],
    [901, 401],
    [86_400, 401],
  ];
  for (const [seconds, status] of offsets) {
    const timestamp = basicTime(new Date(clock.now().getTime() + seconds * 1000));
    const answered = await ask(server, server.root.accessKeyId, sign(server, server.root, { timestamp }));
    assert.equal(answered, status, `${seconds} s`);
  }
});

test('S8: signed passwords of anything else than this key, host, path and region are refused', async (t) => {
  const server = await startServer(t);
  const { codecommit, iam } = server.root_;
  await codecommit.createRepository({ repositoryName: 'app' });
  const { port } = new URL(server.url);
  const bob = await server.user('bob');
  const { root } = server;
  const good: [string, Parameters<typeof sign>[2]][] = [
    ['host without port (credential helper)', {}],
    ['host with port (git-remote-codecommit)', { host: `127.0.0.1:${port}` }],
  ];
  for (const [name, parts] of good) {
    assert.equal(await ask(server, root.accessKeyId, sign(server, root, parts)), 200, name);
  }
  // git is asked for a password for the address as it was typed; git-lfs goes to the one with `.git`.
  const forLfs = basic(root.accessKeyId, sign(server, root));
  const lfs = `${server.url}/v1/repos/app.git/info/lfs/objects/batch`;
  const { status } = await fetch(lfs, { method: 'POST', headers: { authorization: forLfs }, body: '{}' });
  assert.ok(![401, 403].includes(status), `git-lfs was answered ${status}`);
  // Somebody else's address, of large files or not, is none of theirs: each is good for its repository alone.
  await codecommit.createRepository({ repositoryName: 'other' });
  const batchOf = async (name: string, password: string) => {
    const headers = { authorization: basic(root.accessKeyId, password) };
    const url = `${server.url}/v1/repos/${name}/info/lfs/objects/batch`;
    return (await fetch(url, { method: 'POST', headers, body: '{}' })).status;
  };
  const forLargeFiles = sign(server, root, { path: '/v1/repos/app/info/lfs' });
  assert.equal(await batchOf('app', forLargeFiles), 422);
  for (const password of [sign(server, root), forLargeFiles]) assert.equal(await batchOf('other', password), 403);
  assert.equal(await ask(server, root.accessKeyId, forLargeFiles), 401, 'and not for git itself');
  const bad: [string, string, string][] = [
    ['another path', root.accessKeyId, sign(server, root, { path: '/v1/repos/other' })],
    ['another host', root.accessKeyId, sign(server, root, { host: 'example.com' })],
    ['another port', root.accessKeyId, sign(server, root, { host: '127.0.0.1:1' })],
    ['another region', root.accessKeyId, sign(server, root, { region: 'eu-west-1' })],
    ['another secret', root.accessKeyId, sign(server, root, { secret: 'guessed' })],
    ["another user's key", root.accessKeyId, sign(server, bob.keys)],
    ['the key of nobody', 'AKIAAAAAAAAAAAAAAAAA', sign(server, root, { userName: 'AKIAAAAAAAAAAAAAAAAA' })],
    [
      'the key of nobody, signed with the word that stands in for it',
      'AKIANOBODY',
      sign(server, root, { secret: 'none' }),
    ],
    ['no such day', root.accessKeyId, sign(server, root, { timestamp: '20260231T101010' })],
    ['the signature in capitals', root.accessKeyId, sign(server, root).toUpperCase()],
    ['a cut signature', root.accessKeyId, sign(server, root).slice(0, -1)],
    ['the secret key itself', root.accessKeyId, root.secretAccessKey],
  ];
  for (const [name, user, password] of bad) assert.equal(await ask(server, user, password), 401, name);
  assert.equal(await ask(server, bob.keys.accessKeyId, sign(server, bob.keys)), 200, "bob's own key");
  await iam.updateAccessKey({ UserName: 'bob', AccessKeyId: bob.keys.accessKeyId, Status: 'Inactive' });
  assert.equal(await ask(server, bob.keys.accessKeyId, sign(server, bob.keys)), 401, 'a key that was switched off');
});

test('S8: temporary keys need their own session token', async (t) => {
  const server = await startServer(t);
  const { codecommit, iam, sts } = server.root_;
  await codecommit.createRepository({ repositoryName: 'app' });
  const trust = { Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { AWS: 'arn:aws:iam::123456789012:root' } };
  const document = (statement: object) => JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
  await iam.createRole({ RoleName: 'reader', AssumeRolePolicyDocument: document(trust) });
  await iam.putRolePolicy({
    RoleName: 'reader',
    PolicyName: 'pull',
    PolicyDocument: document({ Effect: 'Allow', Action: 'codecommit:GitPull', Resource: '*' }),
  });
  const bob = await server.user('bob');
  const { Credentials: made } = await bob.sts.assumeRole({
    RoleArn: 'arn:aws:iam::123456789012:role/reader',
    RoleSessionName: 'git',
  });
  const { Credentials: others } = await sts.getSessionToken({});
  const keys = { accessKeyId: made!.AccessKeyId!, secretAccessKey: made!.SecretAccessKey! };
  const password = sign(server, keys);
  assert.equal(await ask(server, `${keys.accessKeyId}%${made!.SessionToken}`, password), 200);
  assert.equal(await ask(server, keys.accessKeyId, password), 403, 'without a token');
  assert.equal(await ask(server, `${keys.accessKeyId}%${others!.SessionToken}`, password), 403, 'a foreign token');
  assert.equal(await ask(server, `${keys.accessKeyId}%${made!.SessionToken!.slice(1)}`, password), 403, 'a cut token');
  const root = sign(server, server.root);
  assert.equal(await ask(server, `${server.root.accessKeyId}%token`, root), 403, 'a token with a long-term key');
});

test('a repository of another region is found by the region that signed, or by its name', async (t) => {
  const server = await startServer(t);
  const elsewhere = server.clients(server.root, 'eu-west-1');
  await elsewhere.codecommit.createRepository({ repositoryName: 'app' });
  assert.equal(await ask(server, server.root.accessKeyId, sign(server, server.root, { region: 'eu-west-1' })), 200);
  assert.equal(await ask(server, server.root.accessKeyId, sign(server, server.root)), 404);
});

test('git tells its user that a password was wrong, in the same words for whatever is wrong about it', async (t) => {
  const { server, alice } = await startWithRepository(t);
  const client = new GitClient(await temporaryFolder(t));
  const told = async (userName: string, password: string) => {
    const { status, stderr } = await client.attempt(['ls-remote', remoteOf(server, 'app', userName, password)]);
    assert.notEqual(status, 0);
    assert.match(stderr, /^fatal: Authentication failed for /m);
    return /^remote: (.*)$/m.exec(stderr)?.[1];
  };
  const wrong = await told(alice.userName, 'wrong');
  assert.match(wrong ?? '', /^The user name or the password is wrong, or these git credentials are inactive\./);
  assert.equal(await told('nobody-at-123456789012', 'wrong'), wrong);
  assert.equal(await told('alice', alice.password), wrong, 'the name of the user, not of the credentials');
  const { ServiceSpecificCredentials: all = [] } = await alice.iam.listServiceSpecificCredentials({
    UserName: 'alice',
  });
  const id = { UserName: 'alice', ServiceSpecificCredentialId: all[0]!.ServiceSpecificCredentialId! };
  await server.root_.iam.updateServiceSpecificCredential({ ...id, Status: 'Inactive' });
  assert.equal(await told(alice.userName, alice.password), wrong, 'inactive');
  const { accessKeyId, secretAccessKey } = alice.keys;
  const key = await told(accessKeyId, secretAccessKey);
  assert.match(key ?? '', /^An access key and its secret are no git credentials/);
  assert.equal(await told('AKIAAAAAAAAAAAAAAAAA', secretAccessKey), key, 'a key that is not there');
  const signed = `20200101T000000Z${'0'.repeat(64)}`;
  const old = await told(accessKeyId, signed);
  assert.match(old ?? '', /^This signed password is not accepted: it is older than 15 minutes/);
  assert.equal(await told('AKIAAAAAAAAAAAAAAAAA', signed), old);
  const missing = await fetch(`${server.url}/v1/repos/app/info/refs?service=git-upload-pack`);
  assert.equal(await missing.text(), 'Git credentials are required: a user name and a password.\n');
});
