import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';

const ACCOUNT = '123456789012';
const Url = 'https://token.actions.githubusercontent.com';
const arn = `arn:aws:iam::${ACCOUNT}:oidc-provider/token.actions.githubusercontent.com`;
const THUMBPRINT = '6938FD4D98BAB03FAADB97B34396831E3780AEA1';

test('OIDC providers: made, read, changed, tagged, deleted', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const Tags = [{ Key: 'team', Value: 'blue' }];
  const made = await iam.createOpenIDConnectProvider({
    Url,
    ClientIDList: ['sts.amazonaws.com'],
    ThumbprintList: [THUMBPRINT],
    Tags,
  });
  assert.equal(made.OpenIDConnectProviderArn, arn);
  const one = { OpenIDConnectProviderArn: arn };
  const { Url: shown, ClientIDList, ThumbprintList, Tags: tags } = await iam.getOpenIDConnectProvider(one);
  assert.deepEqual(
    [shown, ClientIDList, ThumbprintList, tags],
    ['token.actions.githubusercontent.com', ['sts.amazonaws.com'], [THUMBPRINT.toLowerCase()], Tags],
  );
  await assert.rejects(iam.createOpenIDConnectProvider({ Url }), { name: 'EntityAlreadyExistsException' });
  await iam.addClientIDToOpenIDConnectProvider({ ...one, ClientID: 'other' });
  await iam.addClientIDToOpenIDConnectProvider({ ...one, ClientID: 'other' });
  await iam.removeClientIDFromOpenIDConnectProvider({ ...one, ClientID: 'sts.amazonaws.com' });
  assert.deepEqual((await iam.getOpenIDConnectProvider(one)).ClientIDList, ['other']);
  await iam.updateOpenIDConnectProviderThumbprint({ ...one, ThumbprintList: ['a'.repeat(40)] });
  assert.deepEqual((await iam.getOpenIDConnectProvider(one)).ThumbprintList, ['a'.repeat(40)]);
  await iam.tagOpenIDConnectProvider({ ...one, Tags: [{ Key: 'a', Value: 'b' }] });
  await iam.untagOpenIDConnectProvider({ ...one, TagKeys: ['team'] });
  assert.deepEqual((await iam.listOpenIDConnectProviderTags(one)).Tags, [{ Key: 'a', Value: 'b' }]);
  assert.deepEqual((await iam.listOpenIDConnectProviders({})).OpenIDConnectProviderList, [{ Arn: arn }]);
  await server.restart();
  assert.deepEqual((await iam.listOpenIDConnectProviders({})).OpenIDConnectProviderList, [{ Arn: arn }]);

  const { root } = await server.account('b');
  assert.deepEqual((await root.iam.listOpenIDConnectProviders({})).OpenIDConnectProviderList, []);
  for (const call of [
    () => root.iam.getOpenIDConnectProvider(one),
    () => root.iam.addClientIDToOpenIDConnectProvider({ ...one, ClientID: 'mine' }),
    () => root.iam.deleteOpenIDConnectProvider(one),
  ]) {
    await assert.rejects(call(), /AccessDenied|NoSuchEntity/);
  }
  const bob = await server.user('bob', {
    Version: '2012-10-17',
    Statement: {
      Effect: 'Allow',
      Action: 'iam:*',
      Resource: arn,
      Condition: { StringEquals: { 'aws:ResourceTag/a': 'c' } },
    },
  });
  await assert.rejects(bob.iam.deleteOpenIDConnectProvider(one), { name: 'AccessDenied' });
  await iam.deleteOpenIDConnectProvider(one);
  await iam.deleteOpenIDConnectProvider(one);
  await assert.rejects(iam.getOpenIDConnectProvider(one), { name: 'NoSuchEntityException' });
});

test('N1: a URL of a provider is one to be reached by HTTPS, or on loopback', async (t) => {
  const { iam } = (await startServer(t)).root_;
  for (const bad of [
    'http://gitlab.example.com',
    'http://10.0.0.7',
    'http://127.0.0.1.example.com',
    'http://2130706433',
    'https://user:password@example.com',
    'https://example.com?x=1',
    'https://example.com/#x',
    'https://EXAMPLE.com',
    'https://example.com:443',
    'https://example.com/a/../b',
    'ftp://example.com',
    'example.com',
    'file:///etc/passwd',
  ]) {
    const refused = { name: 'ValidationError', message: 'Invalid Open ID Connect Provider URL' };
    await assert.rejects(iam.createOpenIDConnectProvider({ Url: bad }), refused, bad);
  }
  for (const good of ['https://gitlab.inside:8443', 'https://tenant.auth0.com/', 'http://localhost:8080/realms/x']) {
    await iam.createOpenIDConnectProvider({ Url: good });
  }
  await assert.rejects(iam.createOpenIDConnectProvider({ Url, ThumbprintList: ['x'.repeat(40)] }), {
    name: 'InvalidInputException',
  });
  await assert.rejects(iam.createOpenIDConnectProvider({ Url, ThumbprintList: Array(6).fill(THUMBPRINT) }), {
    name: 'InvalidInputException',
  });
});
