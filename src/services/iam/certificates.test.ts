import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startServer, temporaryFolder } from '../../../test/harness.ts';

interface Pair {
  body: string;
  key: string;
}

/** A certificate authority, a certificate of it, and one of nobody; undefined (and the test skipped) without openssl. */
async function makePairs(
  t: TestContext,
): Promise<{ authority: Pair; issued: Pair; other: Pair; over: string } | undefined> {
  const folder = await temporaryFolder(t);
  const run = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const selfSigned = (name: string) =>
    run(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '30',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
    );
  try {
    run('version');
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') throw error;
    t.skip('openssl is not installed');
    return undefined;
  }
  selfSigned('authority');
  selfSigned('other');
  run('req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=issued', '-keyout', 'issued.key', '-out', 'issued.csr');
  run(
    'x509',
    '-req',
    '-in',
    'issued.csr',
    '-CA',
    'authority.pem',
    '-CAkey',
    'authority.key',
    '-CAcreateserial',
    '-days',
    '30',
    '-out',
    'issued.pem',
  );
  // As long as it takes to make it.
  run('x509', '-req', '-in', 'issued.csr', '-signkey', 'issued.key', '-days', '0', '-out', 'over.pem');
  const read = (name: string) => readFileSync(join(folder, name), 'utf8');
  const pair = (name: string) => ({ body: read(`${name}.pem`), key: read(`${name}.key`) });
  return { authority: pair('authority'), issued: pair('issued'), other: pair('other'), over: read('over.pem') };
}

test('server certificates: key and chain must fit; renamed with their tags; the key is shown nowhere', async (t) => {
  const pairs = await makePairs(t);
  if (pairs === undefined) return;
  const { authority, issued, other, over } = pairs;
  const server = await startServer(t);
  const { iam } = server.root_;
  const upload = (CertificateBody: string, PrivateKey: string, CertificateChain?: string) =>
    iam.uploadServerCertificate({
      ServerCertificateName: 'web',
      Path: '/cdn/',
      CertificateBody,
      PrivateKey,
      Tags: [{ Key: 'for', Value: 'web' }],
      ...(CertificateChain === undefined ? {} : { CertificateChain }),
    });
  await assert.rejects(upload(issued.body, other.key), { name: 'KeyPairMismatchException' });
  await assert.rejects(upload('nothing', issued.key), { name: 'MalformedCertificateException' });
  await assert.rejects(upload(issued.body + authority.body, issued.key), { name: 'MalformedCertificateException' });
  await assert.rejects(upload(issued.body, 'nothing'), { name: 'MalformedCertificateException' });
  await assert.rejects(upload(issued.body, issued.key, other.body), {
    name: 'MalformedCertificateException',
    message: 'Unable to validate certificate chain.',
  });
  const expired = { name: 'MalformedCertificateException', message: /expired/ };
  await assert.rejects(upload(over, issued.key), expired);
  const { ServerCertificateMetadata: made } = await upload(issued.body, issued.key, authority.body);
  assert.equal(made!.Arn, 'arn:aws:iam::123456789012:server-certificate/cdn/web');
  assert.match(made!.ServerCertificateId!, /^ASCA/);
  await assert.rejects(upload(issued.body, issued.key), { name: 'EntityAlreadyExistsException' });
  await iam.updateServerCertificate({ ServerCertificateName: 'WEB', NewServerCertificateName: 'site', NewPath: '/' });
  const { ServerCertificate: got } = await iam.getServerCertificate({ ServerCertificateName: 'site' });
  assert.deepEqual(
    [got!.CertificateBody, got!.CertificateChain, got!.Tags, got!.ServerCertificateMetadata!.Arn],
    [
      issued.body.trim(),
      authority.body.trim(),
      [{ Key: 'for', Value: 'web' }],
      'arn:aws:iam::123456789012:server-certificate/site',
    ],
  );
  await iam.untagServerCertificate({ ServerCertificateName: 'site', TagKeys: ['for'] });
  assert.deepEqual((await iam.listServerCertificateTags({ ServerCertificateName: 'site' })).Tags, []);
  const { ServerCertificateMetadataList: listed } = await iam.listServerCertificates({});
  assert.deepEqual(
    listed!.map(({ ServerCertificateName }) => ServerCertificateName),
    ['site'],
  );
  const rows = await server.kernel.database.reader.selectFrom('iam_server_certificates').selectAll().execute();
  const { Events = [] } = await server.root_.cloudtrail.lookupEvents({});
  const secret = issued.key.split('\n')[3]!;
  assert.ok(!JSON.stringify([rows, Events]).includes(secret), 'X3');
  await iam.deleteServerCertificate({ ServerCertificateName: 'site' });
  await assert.rejects(iam.getServerCertificate({ ServerCertificateName: 'site' }), {
    name: 'NoSuchEntityException',
    message: 'The Server Certificate with name site cannot be found.',
  });

  // Signing certificates, on the same server.
  await iam.createUser({ UserName: 'alice' });
  const sign = (CertificateBody: string) => iam.uploadSigningCertificate({ UserName: 'alice', CertificateBody });
  const { Certificate: first } = await sign(issued.body);
  await assert.rejects(sign(issued.body), { name: 'DuplicateCertificateException' });
  await assert.rejects(sign('nothing'), { name: 'MalformedCertificateException' });
  await assert.rejects(sign(over), expired);
  await sign(other.body);
  await assert.rejects(sign(authority.body), { name: 'LimitExceededException' });
  const name = { UserName: 'alice', CertificateId: first!.CertificateId! };
  await iam.updateSigningCertificate({ ...name, Status: 'Inactive' });
  const { Certificates: shown } = await iam.listSigningCertificates({ UserName: 'alice' });
  assert.deepEqual(shown!.map(({ Status }) => Status).sort(), ['Active', 'Inactive']);
  await assert.rejects(iam.deleteUser({ UserName: 'alice' }), { name: 'DeleteConflictException' });
  await iam.deleteSigningCertificate(name);
  await assert.rejects(iam.deleteSigningCertificate(name), { name: 'NoSuchEntityException' });
});
