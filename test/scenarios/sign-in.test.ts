import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { systemClock } from '../../src/kernel/clock.ts';
import { BASE32 } from '../../src/kernel/ids.ts';
import { codeAt, stepAt } from '../../src/services/iam/totp.ts';
import { aws, withoutAws } from '../aws-cli.ts';
import { type Clients, startServer, type TestServer, temporaryFolder } from '../harness.ts';
import { startIdentityProvider } from '../identity-provider.ts';

const run = promisify(execFile);
const ACCOUNT = '123456789012';
const document = (...Statement: object[]) => ({ Version: '2012-10-17', Statement });
const isThere = (program: string, flag = '--version') => spawnSync(program, [flag]).status === 0;

/** A job's environment, as GitHub Actions and GitLab leave it for AWS clients: a token in a file and a role. */
async function jobEnvironment(server: TestServer, folder: string, token: string) {
  const { AWS_ACCESS_KEY_ID: _id, AWS_SECRET_ACCESS_KEY: _secret, ...env } = server.env(server.root_.keys);
  const file = join(folder, 'token');
  await writeFile(file, token);
  return {
    ...env,
    HOME: folder,
    AWS_WEB_IDENTITY_TOKEN_FILE: file,
    AWS_ROLE_ARN: `arn:aws:iam::${ACCOUNT}:role/CI`,
    AWS_ROLE_SESSION_NAME: 'job-42',
  };
}

const PROGRAM = `import { STS } from '@aws-sdk/client-sts';
console.log(JSON.stringify(await new STS({}).getCallerIdentity({})));`;

test('a CI job signs in by its token, with no key: the SDK and the aws command line', async (t) => {
  const server = await startServer(t);
  const provider = await startIdentityProvider(t);
  const { iam } = server.root_;
  await iam.createOpenIDConnectProvider({ Url: provider.url, ClientIDList: ['sts.amazonaws.com'] });
  const trust = document({
    Effect: 'Allow',
    Principal: { Federated: `arn:aws:iam::${ACCOUNT}:oidc-provider/${provider.name}` },
    Action: 'sts:AssumeRoleWithWebIdentity',
    Condition: {
      StringEquals: { [`${provider.name}:aud`]: 'sts.amazonaws.com' },
      StringLike: { [`${provider.name}:sub`]: 'repo:acme/app:ref:refs/heads/*' },
    },
  });
  await iam.createRole({ RoleName: 'CI', AssumeRolePolicyDocument: JSON.stringify(trust) });
  const rights = document({ Effect: 'Allow', Action: 'codecommit:ListRepositories', Resource: '*' });
  await iam.putRolePolicy({ RoleName: 'CI', PolicyName: 'p', PolicyDocument: JSON.stringify(rights) });
  const folder = await temporaryFolder(t);
  const good = await jobEnvironment(server, folder, await provider.token({ sub: 'repo:acme/app:ref:refs/heads/main' }));
  const root = new URL('../../', import.meta.url).pathname;
  const sdk = (env: NodeJS.ProcessEnv) =>
    run(process.execPath, ['--input-type=module', '-e', PROGRAM], { cwd: root, env });
  const arn = `arn:aws:sts::${ACCOUNT}:assumed-role/CI/job-42`;
  assert.equal(JSON.parse((await sdk(good)).stdout).Arn, arn);
  const fork = await provider.token({ sub: 'repo:mallory/app:ref:refs/heads/main' });
  if (withoutAws === false) {
    const { stdout } = await aws(['sts', 'get-caller-identity', '--query', 'Arn', '--output', 'text'], good);
    assert.equal(stdout.trim(), arn);
    await aws(['codecommit', 'list-repositories'], good);
    const kept = await readdir(join(folder, '.aws/cli/cache'));
    assert.equal(kept.length, 1, 'the session is kept in the home folder of the one who typed');
  } else t.diagnostic('the aws command line is not there');
  const bad = await jobEnvironment(server, folder, fork);
  await assert.rejects(sdk(bad), /Not authorized to perform sts:AssumeRoleWithWebIdentity/);
});

const openssl = isThere('openssl', 'version') ? false : 'needs openssl';

test('a provider with a certificate of its own is trusted by thumbprint, and by nothing else', {
  skip: openssl,
}, async (t) => {
  const folder = await temporaryFolder(t);
  const at = (name: string) => join(folder, name);
  const make = (...args: string[]) => run('openssl', args);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  for (const name of ['ca', 'other']) {
    await make(
      'req',
      '-x509',
      ...key,
      '-days',
      '2',
      '-keyout',
      at(`${name}.key`),
      '-out',
      at(`${name}.pem`),
      '-subj',
      `/CN=${name}`,
    );
  }
  await make('req', ...key, '-keyout', at('server.key'), '-out', at('server.csr'), '-subj', '/CN=gitlab');
  await writeFile(at('names'), 'subjectAltName=DNS:localhost\n');
  await make(
    'x509',
    '-req',
    '-in',
    at('server.csr'),
    '-CA',
    at('ca.pem'),
    '-CAkey',
    at('ca.key'),
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    at('names'),
    '-out',
    at('server.pem'),
  );
  const fingerprint = async (name: string) => {
    const { stdout } = await make('x509', '-in', at(`${name}.pem`), '-noout', '-fingerprint', '-sha1');
    return stdout.trim().split('=')[1]!.replaceAll(':', '');
  };
  const chain = `${await readFile(at('server.pem'), 'utf8')}${await readFile(at('ca.pem'), 'utf8')}`;
  const tls = { cert: chain, key: await readFile(at('server.key'), 'utf8') };
  const server = await startServer(t);
  const provider = await startIdentityProvider(t, { tls, host: 'localhost' });
  const named = await startIdentityProvider(t, { tls, host: '127.0.0.1' });
  const { iam, sts } = server.root_;
  const trust = (name: string) =>
    JSON.stringify(
      document({
        Effect: 'Allow',
        Principal: { Federated: `arn:aws:iam::${ACCOUNT}:oidc-provider/${name}` },
        Action: 'sts:AssumeRoleWithWebIdentity',
      }),
    );
  await iam.createRole({ RoleName: 'CI', AssumeRolePolicyDocument: trust(provider.name) });
  const signIn = async (who = provider) =>
    sts.assumeRoleWithWebIdentity({
      RoleArn: `arn:aws:iam::${ACCOUNT}:role/CI`,
      RoleSessionName: 'job',
      WebIdentityToken: await who.token(),
    });
  const ClientIDList = ['sts.amazonaws.com'];
  await iam.createOpenIDConnectProvider({ Url: provider.url, ClientIDList });
  const wrong = {
    name: 'InvalidIdentityTokenException',
    message: "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint",
  };
  await assert.rejects(signIn(), wrong);
  const OpenIDConnectProviderArn = `arn:aws:iam::${ACCOUNT}:oidc-provider/${provider.name}`;
  const pin = async (name: string) =>
    iam.updateOpenIDConnectProviderThumbprint({ OpenIDConnectProviderArn, ThumbprintList: [await fingerprint(name)] });
  await pin('other');
  await assert.rejects(signIn(), wrong);
  await pin('ca');
  await signIn();
  await pin('server');
  await signIn();
  // The pinned authority does not vouch for another name.
  await iam.createOpenIDConnectProvider({ Url: named.url, ClientIDList, ThumbprintList: [await fingerprint('ca')] });
  await assert.rejects(signIn(named), { name: 'IDPCommunicationErrorException' });
});

function seedOf(text: string): Buffer {
  const bits = [...text].map((char) => BASE32.indexOf(char).toString(2).padStart(5, '0')).join('');
  return Buffer.from(bits.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2)));
}

test('deleting needs a code of an MFA device: long-term keys and sessions without one do not do', async (t) => {
  let nowMs = Date.now();
  const server = await startServer(t, { clock: { ...systemClock, now: () => new Date(nowMs) } });
  const { iam, codecommit } = server.root_;
  const alice = await server.user(
    'alice',
    document(
      { Effect: 'Allow', Action: ['codecommit:*', 'iam:*', 'sts:AssumeRole'], Resource: '*' },
      {
        Effect: 'Deny',
        Action: 'codecommit:DeleteRepository',
        Resource: '*',
        Condition: { BoolIfExists: { 'aws:MultiFactorAuthPresent': 'false' } },
      },
      {
        Effect: 'Deny',
        Action: 'codecommit:DeleteRepository',
        Resource: '*',
        Condition: { Null: { 'aws:MultiFactorAuthAge': 'true' } },
      },
      {
        Effect: 'Deny',
        Action: 'codecommit:DeleteRepository',
        Resource: '*',
        Condition: { NumericGreaterThan: { 'aws:MultiFactorAuthAge': '300' } },
      },
    ),
  );
  for (const repositoryName of ['one', 'two']) await codecommit.createRepository({ repositoryName });
  const { VirtualMFADevice: device } = await iam.createVirtualMFADevice({ VirtualMFADeviceName: 'phone' });
  const SerialNumber = device!.SerialNumber!;
  const seed = seedOf(Buffer.from(device!.Base32StringSeed!).toString());
  const code = (steps = 0) => codeAt(seed, stepAt(nowMs) + steps);
  await iam.enableMFADevice({
    UserName: 'alice',
    SerialNumber,
    AuthenticationCode1: code(-1),
    AuthenticationCode2: code(),
  });
  nowMs += 60_000;
  const session = async (more: object, who: Clients = alice): Promise<Clients> => {
    who.sts.config.systemClockOffset = nowMs - Date.now();
    const { Credentials: keys } = await who.sts.getSessionToken(more);
    const clients = server.clients({
      accessKeyId: keys!.AccessKeyId!,
      secretAccessKey: keys!.SecretAccessKey!,
      sessionToken: keys!.SessionToken!,
    });
    return clients;
  };
  const drop = (who: Clients, repositoryName: string) => {
    who.codecommit.config.systemClockOffset = nowMs - Date.now();
    return who.codecommit.deleteRepository({ repositoryName });
  };
  await assert.rejects(drop(alice, 'one'), { name: 'AccessDeniedException' });
  await assert.rejects(drop(await session({}), 'one'), { name: 'AccessDeniedException' });
  const failed = /MultiFactorAuthentication failed/;
  await assert.rejects(session({ SerialNumber, TokenCode: '000000' }), failed);
  await assert.rejects(session({ SerialNumber }), failed);
  await assert.rejects(session({ TokenCode: code() }), failed);
  const spent = code();
  const verified = await session({ SerialNumber, TokenCode: spent });
  await assert.rejects(session({ SerialNumber, TokenCode: spent }), failed, 'a code counts once');
  await drop(verified, 'one');
  // With MFA the session may call IAM as well.
  verified.iam.config.systemClockOffset = nowMs - Date.now();
  await verified.iam.listUsers({});
  nowMs += 301_000;
  await assert.rejects(drop(verified, 'two'), { name: 'AccessDeniedException' });

  // A role that is assumed with a code: its trust policy sees it, its session's policies do not.
  const trust = document({
    Effect: 'Allow',
    Principal: { AWS: `arn:aws:iam::${ACCOUNT}:user/alice` },
    Action: 'sts:AssumeRole',
    Condition: { Bool: { 'aws:MultiFactorAuthPresent': 'true' } },
  });
  server.root_.iam.config.systemClockOffset = nowMs - Date.now();
  await iam.createRole({ RoleName: 'Careful', AssumeRolePolicyDocument: JSON.stringify(trust) });
  const RoleArn = `arn:aws:iam::${ACCOUNT}:role/Careful`;
  const assume = (more: object) => {
    alice.sts.config.systemClockOffset = nowMs - Date.now();
    return alice.sts.assumeRole({ RoleArn, RoleSessionName: 'careful', ...more });
  };
  await assert.rejects(assume({}), { name: 'AccessDenied' });
  await assert.rejects(assume({ SerialNumber, TokenCode: '000000' }), failed);
  await assume({ SerialNumber, TokenCode: code() });
  server.root_.cloudtrail.config.systemClockOffset = nowMs - Date.now();
  const { Events = [] } = await server.root_.cloudtrail.lookupEvents({});
  assert.ok(!JSON.stringify(Events).includes(spent), 'codes are not recorded');
  const deletion = Events.map(({ CloudTrailEvent }) => JSON.parse(CloudTrailEvent!)).find(
    ({ eventName, errorCode }) => eventName === 'DeleteRepository' && !errorCode,
  );
  assert.equal(deletion.userIdentity.sessionContext.attributes.mfaAuthenticated, 'true');
});
