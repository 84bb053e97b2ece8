import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { SignedXml } from 'xml-crypto';
import { startServer, temporaryFolder } from '../../../test/harness.ts';
import { type Clock, systemClock } from '../../kernel/clock.ts';

const run = promisify(execFile);
const ACCOUNT = '123456789012';
const PROVIDER = `arn:aws:iam::${ACCOUNT}:saml-provider/company`;
const ROLE = `arn:aws:iam::${ACCOUNT}:role/People`;
const IDP = 'https://idp.example.com/metadata';
const ATTRIBUTE = 'https://aws.amazon.com/SAML/Attributes/';
const document = (...Statement: object[]) => JSON.stringify({ Version: '2012-10-17', Statement });
const skip = spawnSync('openssl', ['version']).status === 0 ? false : 'needs openssl';

interface KeyPair {
  certificate: string;
  privateKey: string;
}

async function makeKeyPair(t: TestContext): Promise<KeyPair> {
  const folder = await temporaryFolder(t);
  const [certificate, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  await run('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    key,
    '-out',
    certificate,
    '-subj',
    '/CN=idp',
  ]);
  return { certificate: await readFile(certificate, 'utf8'), privateKey: await readFile(key, 'utf8') };
}

function metadata({ certificate }: KeyPair, more = ''): string {
  const base64 = certificate.replace(/-----[A-Z ]+-----|\s/g, '');
  return `<?xml version="1.0"?>${more}
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${IDP}">
  <md:IDPSSODescriptor WantAuthnRequestsSigned="false" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <md:KeyDescriptor use="signing">
      <ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>${base64}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>
    </md:KeyDescriptor>
    <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.com/sso"/>
  </md:IDPSSODescriptor>
</md:EntityDescriptor>`;
}

interface Wish {
  id?: string;
  issuer?: string;
  subject?: string;
  audience?: string;
  recipient?: string;
  /** Minutes from now. */
  issuedAt?: number;
  notOnOrAfter?: number;
  notBefore?: number;
  status?: string;
  attributes?: Record<string, string[]>;
  now?: number;
}

function attributesXml(attributes: Record<string, string[]>): string {
  const one = ([name, values]: [string, string[]]) =>
    `<saml:Attribute Name="${name}">${values.map((value) => `<saml:AttributeValue>${value}</saml:AttributeValue>`).join('')}</saml:Attribute>`;
  return `<saml:AttributeStatement>${Object.entries(attributes).map(one).join('')}</saml:AttributeStatement>`;
}

function responseXml(wish: Wish = {}): string {
  const now = wish.now ?? Date.now();
  const time = (minutes: number) => new Date(now + minutes * 60_000).toISOString();
  const recipient = wish.recipient ?? 'https://signin.aws.amazon.com/saml';
  const attributes = {
    [`${ATTRIBUTE}Role`]: [`${ROLE},${PROVIDER}`],
    [`${ATTRIBUTE}RoleSessionName`]: ['robin@example.com'],
    ...wish.attributes,
  };
  const end = time(wish.notOnOrAfter ?? 5);
  return `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_response" Version="2.0" IssueInstant="${time(0)}"><saml:Issuer>${IDP}</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:${wish.status ?? 'Success'}"/></samlp:Status><saml:Assertion ID="${wish.id ?? `_${randomUUID()}`}" Version="2.0" IssueInstant="${time(wish.issuedAt ?? 0)}"><saml:Issuer>${wish.issuer ?? IDP}</saml:Issuer><saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">${wish.subject ?? 'robin'}</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="${end}" Recipient="${recipient}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="${time(wish.notBefore ?? -1)}" NotOnOrAfter="${end}"><saml:AudienceRestriction><saml:Audience>${wish.audience ?? 'urn:amazon:webservices'}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="${time(0)}"/>${attributesXml(attributes)}</saml:Assertion></samlp:Response>`;
}

const SHA256 = 'http://www.w3.org/2001/04/xmlenc#sha256';

function sign(
  xml: string,
  { privateKey }: KeyPair,
  element: 'Assertion' | 'Response' = 'Assertion',
  algorithm = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
): string {
  const signer = new SignedXml({
    privateKey,
    signatureAlgorithm: algorithm as 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    canonicalizationAlgorithm: 'http://www.w3.org/2001/10/xml-exc-c14n#',
  });
  const xpath = `//*[local-name(.)='${element}']`;
  signer.addReference({
    xpath,
    digestAlgorithm: SHA256,
    transforms: ['http://www.w3.org/2000/09/xmldsig#enveloped-signature', 'http://www.w3.org/2001/10/xml-exc-c14n#'],
  });
  signer.computeSignature(xml, { location: { reference: `${xpath}/*[local-name(.)='Issuer']`, action: 'after' } });
  return signer.getSignedXml();
}

const base64 = (xml: string) => Buffer.from(xml).toString('base64');

async function setup(t: TestContext) {
  let offsetMs = 0;
  const clock: Clock = { ...systemClock, now: () => new Date(Date.now() + offsetMs) };
  const server = await startServer(t, { clock });
  const keys = await makeKeyPair(t);
  const { iam, sts } = server.root_;
  await iam.createSAMLProvider({ Name: 'company', SAMLMetadataDocument: metadata(keys) });
  const trust = {
    Effect: 'Allow',
    Principal: { Federated: PROVIDER },
    Action: ['sts:AssumeRoleWithSAML', 'sts:TagSession', 'sts:SetSourceIdentity'],
    Condition: { StringEquals: { 'saml:aud': 'https://signin.aws.amazon.com/saml' } },
  };
  await iam.createRole({ RoleName: 'People', AssumeRolePolicyDocument: document(trust), MaxSessionDuration: 7200 });
  await iam.putRolePolicy({
    RoleName: 'People',
    PolicyName: 'p',
    PolicyDocument: document({
      Effect: 'Allow',
      Action: 'codecommit:*',
      Resource: '*',
      Condition: {
        StringEquals: { 'aws:PrincipalTag/team': 'blue', 'saml:sub': 'robin', 'aws:FederatedProvider': PROVIDER },
      },
    }),
  });
  const signIn = (xml: string, more: object = {}) =>
    sts.assumeRoleWithSAML({ RoleArn: ROLE, PrincipalArn: PROVIDER, SAMLAssertion: base64(xml), ...more });
  return { server, keys, signIn, forward: (ms: number) => (offsetMs += ms) };
}

const TEAM = { [`${ATTRIBUTE}PrincipalTag:team`]: ['blue'] };

test('an assertion opens a session of the role, once; signed on the assertion or on the response', {
  skip,
}, async (t) => {
  const { server, keys, signIn } = await setup(t);
  const xml = sign(responseXml({ attributes: { ...TEAM, [`${ATTRIBUTE}SourceIdentity`]: ['robin'] } }), keys);
  const answer = await signIn(xml);
  assert.deepEqual(
    [answer.Subject, answer.SubjectType, answer.Issuer, answer.Audience, answer.SourceIdentity],
    ['robin', 'persistent', IDP, 'https://signin.aws.amazon.com/saml', 'robin'],
  );
  assert.equal(answer.AssumedRoleUser!.Arn, `arn:aws:sts::${ACCOUNT}:assumed-role/People/robin@example.com`);
  const { AccessKeyId, SecretAccessKey, SessionToken } = answer.Credentials!;
  const session = server.clients({
    accessKeyId: AccessKeyId!,
    secretAccessKey: SecretAccessKey!,
    sessionToken: SessionToken!,
  });
  await session.codecommit.listRepositories({});
  await assert.rejects(signIn(xml), { name: 'InvalidIdentityTokenException', message: /used for this role already/ });
  await signIn(sign(responseXml({ attributes: TEAM }), keys, 'Response'));
  const short = await signIn(sign(responseXml({ attributes: { [`${ATTRIBUTE}SessionDuration`]: ['900'] } }), keys));
  assert.ok(short.Credentials!.Expiration!.getTime() - Date.now() < 901_000);
  const { Events = [] } = await server.root_.cloudtrail.lookupEvents({
    LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'AssumeRoleWithSAML' }],
  });
  const record = JSON.parse(Events.at(-1)!.CloudTrailEvent!);
  assert.deepEqual(record.userIdentity, {
    type: 'SAMLUser',
    principalId: `${answer.NameQualifier}:robin`,
    userName: 'robin',
    identityProvider: answer.NameQualifier,
  });
  assert.ok(!JSON.stringify(Events).includes(base64(xml).slice(0, 200)));
});

test('S13: assertions that are refused: forged, wrapped, late, for somebody else', { skip }, async (t) => {
  const { keys, signIn } = await setup(t);
  const other = await makeKeyPair(t);
  const good = () => sign(responseXml({ attributes: TEAM }), keys);
  const insert = (xml: string, what: string) => xml.replace('</samlp:Response>', `${what}</samlp:Response>`);
  const evil = /<saml:Assertion .*<\/saml:Assertion>/s.exec(responseXml({ subject: 'admin', id: '_evil' }))![0];
  const signedAssertion = (xml: string) => /<saml:Assertion .*<\/saml:Assertion>/s.exec(xml)![0];
  const wrapped = (xml: string) =>
    xml.replace(
      signedAssertion(xml),
      evil.replace('</saml:Assertion>', `<saml:Advice>${signedAssertion(xml)}</saml:Advice></saml:Assertion>`),
    );
  const wrong = 'InvalidIdentityTokenException';
  const cases: [string, string, string][] = [
    ['unsigned', responseXml(), wrong],
    ['signed by somebody else', sign(responseXml(), other), wrong],
    ['the subject changed', good().replace('>robin<', '>admin<'), wrong],
    ['a second assertion after it', insert(good(), evil), wrong],
    ['a second assertion before it', good().replace('<saml:Assertion ', `${evil}<saml:Assertion `), wrong],
    ['wrapped into another assertion', wrapped(good()), wrong],
    [
      'the signature taken out of its place',
      ((xml: string) => {
        const signature = /<Signature .*<\/Signature>/s.exec(xml)![0];
        return insert(xml.replace(signature, ''), `<samlp:Extensions>${signature}</samlp:Extensions>`);
      })(good()),
      wrong,
    ],
    [
      'the same id twice',
      insert(
        good(),
        `<samlp:Extensions ID="${/Assertion ID="([^"]+)"/.exec(good())![1]}"/>`.replace(/ID="[^"]+"/, 'ID="_response"'),
      ),
      wrong,
    ],
    ['a document type', `<!DOCTYPE r [<!ENTITY x "robin">]>${good()}`, wrong],
    ['a comment inside a name', sign(responseXml({ subject: 'admin<!-- -->.evil.com' }), keys), wrong],
    ['sha1', sign(responseXml(), keys, 'Assertion', 'http://www.w3.org/2000/09/xmldsig#rsa-sha1'), wrong],
    ['another issuer', sign(responseXml({ issuer: 'https://evil.example.com' }), keys), wrong],
    ['another audience', sign(responseXml({ audience: 'https://other.example.com' }), keys), wrong],
    ['another recipient', sign(responseXml({ recipient: 'https://signin.aws.amazon.com.evil.com/saml' }), keys), wrong],
    ['not yet valid', sign(responseXml({ notBefore: 3 }), keys), wrong],
    ['expired', sign(responseXml({ notOnOrAfter: -1 }), keys), 'ExpiredTokenException'],
    ['made six minutes ago', sign(responseXml({ issuedAt: -6, notOnOrAfter: 60 }), keys), 'ExpiredTokenException'],
    ['a failed sign-in', sign(responseXml({ status: 'AuthnFailed' }), keys, 'Response'), 'IDPRejectedClaimException'],
    ['no session name', sign(responseXml({ attributes: { [`${ATTRIBUTE}RoleSessionName`]: [] } }), keys), wrong],
    [
      'a bad session name',
      sign(responseXml({ attributes: { [`${ATTRIBUTE}RoleSessionName`]: ['a b'] } }), keys),
      wrong,
    ],
    [
      'a session too long',
      sign(responseXml({ attributes: { [`${ATTRIBUTE}SessionDuration`]: ['99999'] } }), keys),
      wrong,
    ],
    ['no role', sign(responseXml({ attributes: { [`${ATTRIBUTE}Role`]: [] } }), keys), 'AccessDenied'],
    [
      'another role',
      sign(responseXml({ attributes: { [`${ATTRIBUTE}Role`]: [`${ROLE}2,${PROVIDER}`] } }), keys),
      'AccessDenied',
    ],
    [
      'another recipient than the trust policy wants',
      sign(responseXml({ recipient: 'https://eu-west-1.signin.aws.amazon.com/saml' }), keys),
      'AccessDenied',
    ],
    ['no XML', 'nothing at all', wrong],
    ['deeply nested', `${'<a>'.repeat(10_000)}${'</a>'.repeat(10_000)}`, wrong],
  ];
  for (const [what, xml, name] of cases) await assert.rejects(signIn(xml), { name }, what);
  // What nobody here could open is said to be that, and not a wrong signature.
  const encrypted = insert(good(), '<saml:EncryptedAssertion/>');
  await assert.rejects(signIn(encrypted), { name: wrong, message: /Encrypted assertions are not implemented/ });
  await assert.rejects(signIn(good(), { PrincipalArn: `${PROVIDER}2` }), { name: wrong });
  await assert.rejects(signIn(good(), { SAMLAssertion: 'not-base64!' }), { name: wrong });
  await signIn(good());
});

test('SAML providers: made, read, changed, tagged, deleted; metadata that is none is refused', { skip }, async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const [first, second] = [await makeKeyPair(t), await makeKeyPair(t)];
  const refused = { name: 'InvalidInputException', message: /^Could not parse metadata/ };
  const padded = (text: string) => text.padEnd(1000);
  for (const text of [
    padded('<a/>'),
    padded('no xml'),
    metadata(first, '<!DOCTYPE x>'),
    metadata(first).replace(IDP, ''),
    metadata(first).replace('use="signing"', 'use="encryption"'),
    metadata(first).replace('<ds:X509Certificate>', '<ds:X509Certificate>AAAA'),
  ]) {
    await assert.rejects(iam.createSAMLProvider({ Name: 'company', SAMLMetadataDocument: text }), refused);
  }
  const Tags = [{ Key: 'team', Value: 'blue' }];
  const { SAMLProviderArn } = await iam.createSAMLProvider({
    Name: 'company',
    SAMLMetadataDocument: metadata(first),
    Tags,
  });
  assert.equal(SAMLProviderArn, PROVIDER);
  await assert.rejects(iam.createSAMLProvider({ Name: 'company', SAMLMetadataDocument: metadata(first) }), {
    name: 'EntityAlreadyExistsException',
  });
  assert.deepEqual(
    (await iam.listSAMLProviders({})).SAMLProviderList!.map(({ Arn }) => Arn),
    [PROVIDER],
  );
  await iam.updateSAMLProvider({ SAMLProviderArn: PROVIDER, SAMLMetadataDocument: metadata(second) });
  const got = await iam.getSAMLProvider({ SAMLProviderArn: PROVIDER });
  assert.equal(got.SAMLMetadataDocument, metadata(second));
  assert.deepEqual(got.Tags, Tags);
  await iam.untagSAMLProvider({ SAMLProviderArn: PROVIDER, TagKeys: ['team'] });
  await iam.tagSAMLProvider({ SAMLProviderArn: PROVIDER, Tags: [{ Key: 'a', Value: 'b' }] });
  assert.deepEqual((await iam.listSAMLProviderTags({ SAMLProviderArn: PROVIDER })).Tags, [{ Key: 'a', Value: 'b' }]);
  const bob = await server.user('bob', JSON.parse(document({ Effect: 'Allow', Action: 's3:*', Resource: '*' })));
  await assert.rejects(bob.iam.getSAMLProvider({ SAMLProviderArn: PROVIDER }), { name: 'AccessDenied' });
  const { root } = await server.account('b');
  await assert.rejects(root.iam.getSAMLProvider({ SAMLProviderArn: PROVIDER }), /AccessDenied|NoSuchEntity/);
  await iam.deleteSAMLProvider({ SAMLProviderArn: PROVIDER });
  await assert.rejects(iam.getSAMLProvider({ SAMLProviderArn: PROVIDER }), { name: 'NoSuchEntityException' });
});
