import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { STS } from '@aws-sdk/client-sts';
import { cleanUp, startServer, type TestServer } from '../../../test/harness.ts';
import { type IdentityProvider, startIdentityProvider } from '../../../test/identity-provider.ts';
import { type Clock, systemClock } from '../../kernel/clock.ts';

const ACCOUNT = '123456789012';
const AUDIENCE = 'sts.amazonaws.com';
const document = (...Statement: object[]) => JSON.stringify({ Version: '2012-10-17', Statement });
const allow = (Action: unknown) => document({ Effect: 'Allow', Action, Resource: '*' });
const providerArn = ({ name }: IdentityProvider) => `arn:aws:iam::${ACCOUNT}:oidc-provider/${name}`;

function trust(provider: IdentityProvider, Condition: object = {}, Action: unknown = 'sts:AssumeRoleWithWebIdentity') {
  const Principal = { Federated: providerArn(provider) };
  return document({ Effect: 'Allow', Principal, Action, Condition });
}

/** The system's clock, set off by an amount that tests change. */
function movableClock() {
  let offsetMs = 0;
  const clock: Clock = {
    ...systemClock,
    now: () => new Date(Date.now() + offsetMs),
    monotonicMs: () => systemClock.monotonicMs() + offsetMs,
  };
  return { clock, forward: (ms: number) => (offsetMs += ms), now: () => Date.now() + offsetMs };
}

/** A client that has no credentials: the calls are not signed. */
function unsigned(t: TestContext, server: TestServer): STS {
  const credentials = async () => assert.fail('an unsigned call needs no credentials');
  const sts = new STS({ endpoint: server.url, region: 'us-east-1', credentials, maxAttempts: 1 });
  cleanUp(t, () => sts.destroy());
  return sts;
}

async function setup(t: TestContext, condition?: (provider: IdentityProvider) => object) {
  const time = movableClock();
  const server = await startServer(t, { clock: time.clock });
  const provider = await startIdentityProvider(t, { now: time.now });
  const { iam } = server.root_;
  await iam.createOpenIDConnectProvider({ Url: provider.url, ClientIDList: [AUDIENCE] });
  await iam.createRole({ RoleName: 'CI', AssumeRolePolicyDocument: trust(provider, condition?.(provider)) });
  await iam.putRolePolicy({ RoleName: 'CI', PolicyName: 'p', PolicyDocument: allow('codecommit:*') });
  const sts = unsigned(t, server);
  const RoleArn = `arn:aws:iam::${ACCOUNT}:role/CI`;
  const signIn = async (WebIdentityToken: string, more: object = {}) => {
    const answer = await sts.assumeRoleWithWebIdentity({
      RoleArn,
      RoleSessionName: 'job-1',
      WebIdentityToken,
      ...more,
    });
    const { AccessKeyId, SecretAccessKey, SessionToken } = answer.Credentials!;
    const keys = { accessKeyId: AccessKeyId!, secretAccessKey: SecretAccessKey!, sessionToken: SessionToken! };
    return { answer, clients: server.clients(keys) };
  };
  return { server, provider, signIn, time, RoleArn };
}

const MAIN_ONLY = ({ name }: IdentityProvider) => ({
  StringEquals: { [`${name}:aud`]: AUDIENCE },
  StringLike: { [`${name}:sub`]: 'repo:acme/app:*' },
});

test('a token opens a session of the role, for whom the trust policy names', async (t) => {
  const { server, provider, signIn } = await setup(t, MAIN_ONLY);
  const sub = 'repo:acme/app:ref:refs/heads/main';
  const { answer, clients } = await signIn(await provider.token({ sub, repository: 'acme/app' }));
  assert.deepEqual(
    [answer.Audience, answer.Provider, answer.SubjectFromWebIdentityToken, answer.AssumedRoleUser!.Arn],
    [AUDIENCE, providerArn(provider), sub, `arn:aws:sts::${ACCOUNT}:assumed-role/CI/job-1`],
  );
  await clients.codecommit.createRepository({ repositoryName: 'made-by-ci' });
  await assert.rejects(clients.iam.listUsers({}), { name: 'AccessDenied' });
  await assert.rejects(signIn(await provider.token({ sub: 'repo:acme/other:ref:refs/heads/main' })), {
    name: 'AccessDenied',
    message: 'Not authorized to perform sts:AssumeRoleWithWebIdentity',
  });
  const { Events = [] } = await server.root_.cloudtrail.lookupEvents({});
  const records = Events.map(({ CloudTrailEvent }) => JSON.parse(CloudTrailEvent!));
  const opened = records.find(({ eventName, errorCode }) => eventName === 'AssumeRoleWithWebIdentity' && !errorCode);
  assert.deepEqual(opened.userIdentity, {
    type: 'WebIdentityUser',
    principalId: `${providerArn(provider)}:${AUDIENCE}:${sub}`,
    userName: sub,
    identityProvider: providerArn(provider),
  });
  assert.equal(opened.requestParameters.webIdentityToken, 'HIDDEN_DUE_TO_SECURITY_REASONS');
  const made = records.find(({ eventName }) => eventName === 'CreateRepository');
  const { webIdFederationData: data, attributes } = made.userIdentity.sessionContext;
  assert.equal(data.federatedProvider, providerArn(provider));
  assert.equal(attributes.mfaAuthenticated, 'false');
});

test('only these operations take unsigned calls', async (t) => {
  const server = await startServer(t);
  const post = async (body: string) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const response = await fetch(server.url, { method: 'POST', headers, body });
    return { status: response.status, text: await response.text() };
  };
  for (const action of [
    'GetCallerIdentity',
    'AssumeRole',
    'GetFederationToken',
    'ListUsers',
    'Nonsense',
    'constructor',
  ]) {
    const { status, text } = await post(`Action=${action}&Version=2011-06-15`);
    assert.equal(status, 403, action);
    assert.match(text, /<Code>MissingAuthenticationToken<\/Code>/);
  }
  assert.match((await post('')).text, /MissingAuthenticationToken/);
  assert.match((await post('Action=AssumeRoleWithWebIdentity&Version=2011-06-15')).text, /<Code>ValidationError</);
  const large = await post(`Action=AssumeRoleWithWebIdentity&WebIdentityToken=${'x'.repeat(600_000)}`);
  assert.equal(large.status, 413);
});

test('S13: tokens that are refused: of nobody, for somebody else, late, early, forged', async (t) => {
  const { provider, signIn, RoleArn, time } = await setup(t);
  const stranger = await startIdentityProvider(t, { now: time.now });
  const seconds = Math.floor(time.now() / 1000);
  const good = await provider.token();
  const [head, body, signature] = good.split('.') as [string, string, string];
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const publicKey = JSON.stringify(provider.documents['/keys']);
  const hmac = `${encode({ alg: 'HS256', kid: 'key-1' })}.${body}`;
  const changed = encode({ ...JSON.parse(Buffer.from(body, 'base64url').toString()), sub: 'admin' });
  const refused: [string, string, RegExp][] = [
    ['xxxx.yyyy', 'InvalidIdentityTokenException', /not a valid JWT/],
    [`${head}.${body}`.padEnd(20), 'InvalidIdentityTokenException', /not a valid JWT/],
    [await stranger.token(), 'InvalidIdentityTokenException', /No OpenIDConnect provider found/],
    [await stranger.token({ iss: provider.url }), 'InvalidIdentityTokenException', /signature/],
    [await provider.token({ iss: `${provider.url}/` }), 'InvalidIdentityTokenException', /No OpenIDConnect provider/],
    [await provider.token({ aud: 'other' }), 'InvalidIdentityTokenException', /Incorrect token audience/],
    [await provider.token({ aud: undefined }), 'InvalidIdentityTokenException', /Incorrect token audience/],
    [await provider.token({ azp: 'other' }), 'InvalidIdentityTokenException', /Incorrect token audience/],
    [await provider.token({ exp: seconds - 1 }), 'ExpiredTokenException', /Token expired: current date/],
    [await provider.token({ exp: undefined }), 'InvalidIdentityTokenException', /exp or iat/],
    [await provider.token({ nbf: seconds + 600 }), 'InvalidIdentityTokenException', /not valid yet/],
    [await provider.token({ iat: seconds + 600 }), 'InvalidIdentityTokenException', /not valid yet/],
    [await provider.token({ sub: undefined }), 'InvalidIdentityTokenException', /no subject/],
    [`${head}.${changed}.${signature}`, 'InvalidIdentityTokenException', /signature/],
    [`${head}.${body}.`, 'InvalidIdentityTokenException', /signature/],
    [`${encode({ alg: 'none' })}.${body}.`, 'InvalidIdentityTokenException', /algorithm/],
    [
      `${hmac}.${createHmac('sha256', publicKey).update(hmac).digest('base64url')}`,
      'InvalidIdentityTokenException',
      /algorithm/,
    ],
    [await provider.token({}, { alg: 'PS256' }), 'InvalidIdentityTokenException', /algorithm/],
  ];
  for (const [token, name, message] of refused) await assert.rejects(signIn(token), { name, message }, token);
  for (const arn of [`arn:aws:iam::${ACCOUNT}:role/Ghost`, `arn:aws:iam::999999999999:role/CI`]) {
    await assert.rejects(signIn(good, { RoleArn: arn }), /AccessDenied|InvalidIdentityToken/);
  }
  await assert.rejects(signIn(good, { ProviderId: 'www.amazon.com' }), { name: 'NotImplemented' });
  await signIn(good, { RoleArn });
});

test('keys are kept, rotated ones found, withdrawn ones forgotten, and forged key ids do not hammer the provider', async (t) => {
  const { provider, signIn, time } = await setup(t);
  const asks = () => provider.asked.filter((path) => path === '/keys').length;
  await Promise.all(Array.from({ length: 5 }, async () => signIn(await provider.token())));
  assert.equal(asks(), 1);
  const old = await provider.token({ exp: Math.floor(time.now() / 1000) + 7200 });
  await provider.rotate();
  for (let n = 0; n < 3; n++) await assert.rejects(signIn(await provider.token()), /InvalidIdentityToken/);
  assert.equal(asks(), 1);
  time.forward(10_000);
  await signIn(await provider.token());
  assert.equal(asks(), 2);
  await assert.rejects(signIn(old), { name: 'InvalidIdentityTokenException' });
  assert.equal(asks(), 2);
});

test('N1: what a provider may not do: redirect, answer much, nonsense, somebody else, or send us elsewhere', async (t) => {
  const { provider, signIn, time } = await setup(t);
  const DISCOVERY = '/.well-known/openid-configuration';
  const { [DISCOVERY]: discovery, '/keys': keys } = provider.documents;
  const inner = await startIdentityProvider(t, { now: time.now });
  const cases: [string, IdentityProvider['documents'][string]][] = [
    [DISCOVERY, (_request, response) => void response.writeHead(302, { location: `${inner.url}${DISCOVERY}` }).end()],
    [DISCOVERY, (_request, response) => void response.end('not json')],
    [DISCOVERY, (_request, response) => void response.end(`"${'x'.repeat(600_000)}"`)],
    [DISCOVERY, { issuer: inner.url, jwks_uri: `${provider.url}/keys` }],
    [DISCOVERY, { issuer: provider.url }],
    [DISCOVERY, { issuer: provider.url, jwks_uri: 'file:///etc/passwd' }],
    [DISCOVERY, { issuer: provider.url, jwks_uri: 'http://169.254.169.254/latest/meta-data' }],
    [DISCOVERY, { issuer: provider.url, jwks_uri: 'https://[::ffff:169.254.169.254]/keys' }],
    [DISCOVERY, { issuer: provider.url, jwks_uri: 'http://0.0.0.0/keys' }],
    ['/keys', { keys: 'none' }],
    ['/keys', { keys: [] }],
    ['/keys', (_request, response) => void response.writeHead(500).end()],
  ];
  for (const [path, document] of cases) {
    provider.documents[DISCOVERY] = discovery!;
    provider.documents['/keys'] = keys!;
    provider.documents[path] = document;
    time.forward(11 * 60_000);
    const token = await provider.token();
    await assert.rejects(signIn(token), { name: 'InvalidIdentityTokenException' }, JSON.stringify(document));
  }
  assert.deepEqual(inner.asked, []);
  provider.documents[DISCOVERY] = (request) => request.socket.destroy();
  time.forward(6_000);
  await assert.rejects(signIn(await provider.token()), { name: 'IDPCommunicationErrorException' });
  provider.documents[DISCOVERY] = discovery!;
  provider.documents['/keys'] = keys!;
  await assert.rejects(
    signIn(await provider.token()),
    { name: 'IDPCommunicationErrorException' },
    'left alone for 5 s',
  );
  time.forward(5_000);
  await signIn(await provider.token());
});

test('session tags, source identity, claims and the provider reach policies; each needs its right', async (t) => {
  const { server, provider, signIn } = await setup(t);
  const { iam } = server.root_;
  const tagged = await provider.token({
    sub: 'robin',
    'https://aws.amazon.com/tags': { principal_tags: { team: ['blue'] }, transitive_tag_keys: ['team'] },
    'https://aws.amazon.com/source_identity': 'robin',
    groups: ['dev', 'ops'],
  });
  await assert.rejects(signIn(tagged), { name: 'AccessDenied', message: 'Not authorized to perform sts:TagSession' });
  const actions = ['sts:AssumeRoleWithWebIdentity', 'sts:TagSession', 'sts:SetSourceIdentity'];
  const condition = {
    'ForAnyValue:StringEquals': { [`${provider.name}:groups`]: 'ops' },
    StringEqualsIfExists: { 'aws:RequestTag/team': 'blue', 'sts:SourceIdentity': 'robin' },
  };
  await iam.updateAssumeRolePolicy({ RoleName: 'CI', PolicyDocument: trust(provider, condition, actions) });
  await iam.putRolePolicy({
    RoleName: 'CI',
    PolicyName: 'p',
    PolicyDocument: document({
      Effect: 'Allow',
      Action: '*',
      Resource: '*',
      Condition: {
        StringEquals: {
          'aws:PrincipalTag/team': 'blue',
          'aws:SourceIdentity': 'robin',
          'aws:FederatedProvider': providerArn(provider),
          [`${provider.name}:sub`]: 'robin',
        },
      },
    }),
  });
  const { clients, answer } = await signIn(tagged);
  assert.equal(answer.SourceIdentity, 'robin');
  await clients.iam.listUsers({});
  const plain = await signIn(await provider.token({ groups: ['ops'] }));
  await assert.rejects(plain.clients.iam.listUsers({}), { name: 'AccessDenied' });
  await assert.rejects(signIn(await provider.token({ groups: ['dev'] })), { name: 'AccessDenied' });
  const narrow = await signIn(tagged, { Policy: allow('iam:ListRoles') });
  await narrow.clients.iam.listRoles({});
  await assert.rejects(narrow.clients.iam.listUsers({}), { name: 'AccessDenied' });
  await iam.deleteOpenIDConnectProvider({ OpenIDConnectProviderArn: providerArn(provider) });
  await assert.rejects(signIn(tagged), { name: 'InvalidIdentityTokenException' });
});
