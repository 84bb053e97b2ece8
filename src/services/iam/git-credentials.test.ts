import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { systemClock } from '../../kernel/clock.ts';

const SERVICE = 'codecommit.amazonaws.com';

test('git credentials: shown once, checked, turned off, reset, two at most', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const verify = (user: string, password: string, service = SERVICE) =>
    server.kernel.identity.verifyServicePassword(service, user, password, '192.0.2.1');
  await iam.createUser({ UserName: 'alice' });
  const { ServiceSpecificCredential: first } = await iam.createServiceSpecificCredential({
    UserName: 'alice',
    ServiceName: SERVICE,
  });
  const { ServiceUserName: user, ServicePassword: password, ServiceSpecificCredentialId: id } = first!;
  assert.equal(user, 'alice-at-123456789012');
  assert.match(password!, /^[A-Za-z0-9+/]{43}=$/);
  assert.match(id!, /^ACCA[A-Z2-7]{17}$/);
  const caller = await verify(user!, password!);
  assert.deepEqual([caller?.type, 'userName' in caller! && caller.userName], ['IAMUser', 'alice']);
  assert.equal(await verify(user!, `${password}x`), undefined);
  assert.equal(await verify('bob-at-123456789012', password!), undefined);
  assert.equal(await verify(user!, password!, 'other.amazonaws.com'), undefined);
  const { ServiceSpecificCredential: second } = await iam.createServiceSpecificCredential({
    UserName: 'alice',
    ServiceName: SERVICE,
  });
  assert.equal(second!.ServiceUserName, 'alice+1-at-123456789012');
  await assert.rejects(iam.createServiceSpecificCredential({ UserName: 'alice', ServiceName: SERVICE }), {
    name: 'LimitExceededException',
  });
  await assert.rejects(
    iam.createServiceSpecificCredential({ UserName: 'alice', ServiceName: 'nothing.amazonaws.com' }),
    (error: { name: string; $metadata: { httpStatusCode: number } }) => {
      assert.deepEqual([error.name, error.$metadata.httpStatusCode], ['ServiceNotSupportedException', 404]);
      return true;
    },
  );
  const { ServiceSpecificCredentials: listed } = await iam.listServiceSpecificCredentials({
    UserName: 'alice',
    ServiceName: SERVICE,
  });
  assert.equal(listed!.length, 2);
  assert.ok(!JSON.stringify(listed).includes(password!));
  const name = { UserName: 'alice', ServiceSpecificCredentialId: id! };
  await iam.updateServiceSpecificCredential({ ...name, Status: 'Inactive' });
  assert.equal(await verify(user!, password!), undefined);
  await iam.updateServiceSpecificCredential({ ...name, Status: 'Active' });
  assert.ok(await verify(user!, password!));
  const { ServiceSpecificCredential: reset } = await iam.resetServiceSpecificCredential(name);
  assert.equal(await verify(user!, password!), undefined, 'S10: the old password ends with the reset');
  assert.ok(await verify(user!, reset!.ServicePassword!));
  await iam.deleteServiceSpecificCredential(name);
  assert.equal(await verify(user!, reset!.ServicePassword!), undefined);
  await assert.rejects(iam.deleteServiceSpecificCredential(name), {
    name: 'NoSuchEntityException',
    message: `No such credential ${id} exists`,
  });
  const rows = JSON.stringify(
    await server.kernel.database.reader.selectFrom('iam_service_credentials').selectAll().execute(),
  );
  const { Events = [] } = await server.root_.cloudtrail.lookupEvents({});
  for (const secret of [password!, reset!.ServicePassword!, second!.ServicePassword!]) {
    assert.ok(!rows.includes(secret));
    assert.ok(!JSON.stringify(Events).includes(secret));
  }
});

test('what is done with a credential can depend on the service that it is for', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  await iam.createUser({ UserName: 'alice' });
  const { ServiceSpecificCredential: made } = await iam.createServiceSpecificCredential({
    UserName: 'alice',
    ServiceName: SERVICE,
  });
  const name = { UserName: 'alice', ServiceSpecificCredentialId: made!.ServiceSpecificCredentialId! };
  const actions = ['Reset', 'Update', 'Delete'].map((verb) => `iam:${verb}ServiceSpecificCredential`);
  const withService = (service: string) => ({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Action: actions,
        Resource: '*',
        Condition: { StringEquals: { 'iam:ServiceSpecificCredentialServiceName': service } },
      },
    ],
  });
  const other = await server.user('other', withService('cassandra.amazonaws.com'));
  const denied = { name: 'AccessDenied' };
  await assert.rejects(other.iam.resetServiceSpecificCredential(name), denied);
  await assert.rejects(other.iam.updateServiceSpecificCredential({ ...name, Status: 'Inactive' }), denied);
  await assert.rejects(other.iam.deleteServiceSpecificCredential(name), denied);
  const keeper = await server.user('keeper', withService(SERVICE));
  await keeper.iam.resetServiceSpecificCredential(name);
  await keeper.iam.updateServiceSpecificCredential({ ...name, Status: 'Inactive' });
  await keeper.iam.deleteServiceSpecificCredential(name);
  // One that is not there is for no service.
  await assert.rejects(keeper.iam.deleteServiceSpecificCredential(name), denied);
});

test('S10: who guesses has to wait, a client that repeats one password and everybody else has not', async (t) => {
  let nowMs = 0;
  const server = await startServer(t, { clock: { ...systemClock, monotonicMs: () => nowMs } });
  const { iam } = server.root_;
  await iam.createUser({ UserName: 'alice' });
  const { ServiceSpecificCredential: credential } = await iam.createServiceSpecificCredential({
    UserName: 'alice',
    ServiceName: SERVICE,
  });
  const { ServiceUserName: user, ServicePassword: right } = credential!;
  const verify = (password: string, address = '192.0.2.1') =>
    server.kernel.identity.verifyServicePassword(SERVICE, user!, password, address);
  for (let n = 0; n < 1000; n++) assert.equal(await verify('the same old one'), undefined);
  assert.ok(await verify(right!));
  for (let n = 0; n < 1000; n++) assert.equal(await verify(`guess ${n}`, '192.0.2.66'), undefined);
  assert.equal(await verify(right!, '192.0.2.66'), undefined, 'the guesser rests');
  assert.ok(await verify(right!), 'the user does not');
  for (let n = 0; n < 1000; n++) assert.equal(await verify(`guess ${n}`, `198.51.100.${n % 250}`), undefined);
  assert.equal(await verify(right!, '203.0.113.9'), undefined, 'many guess together: the name rests');
  assert.ok(await verify(right!), 'but not where it was used before');
  for (let n = 0; n < 1000; n++) assert.equal(await verify(`guess ${n}`, `2001:db8::${n.toString(16)}`), undefined);
  nowMs += 60_000;
  assert.ok(await verify(right!, '192.0.2.66'));
});
