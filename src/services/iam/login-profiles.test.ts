import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';

test('login profiles: made, shown, changed, deleted; the password itself is shown nowhere', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  await iam.createUser({ UserName: 'alice' });
  const name = { UserName: 'alice' };
  await assert.rejects(iam.getLoginProfile(name), {
    name: 'NoSuchEntityException',
    message: 'Login Profile for User alice cannot be found.',
  });
  await assert.rejects(iam.createLoginProfile({ ...name, Password: 'short' }), {
    name: 'PasswordPolicyViolationException',
  });
  await assert.rejects(iam.createLoginProfile({ ...name, Password: 'onlylowercaseletters' }), {
    name: 'PasswordPolicyViolationException',
  });
  const password = 'good Password 1';
  const { LoginProfile: made } = await iam.createLoginProfile({ ...name, Password: password });
  assert.deepEqual([made!.UserName, made!.PasswordResetRequired], ['alice', false]);
  await assert.rejects(iam.createLoginProfile({ ...name, Password: password }), {
    name: 'EntityAlreadyExistsException',
    message: 'Login Profile for user alice already exists.',
  });
  await iam.updateLoginProfile({ ...name, PasswordResetRequired: true });
  assert.equal((await iam.getLoginProfile(name)).LoginProfile!.PasswordResetRequired, true);
  await assert.rejects(iam.deleteUser(name), {
    name: 'DeleteConflictException',
    message: 'Cannot delete entity, must delete login profile first.',
  });
  const rows = await server.kernel.database.reader.selectFrom('iam_login_profiles').selectAll().execute();
  const { Events = [] } = await server.root_.cloudtrail.lookupEvents({});
  assert.ok(Events.some(({ EventName }) => EventName === 'CreateLoginProfile'));
  assert.ok(!JSON.stringify([rows, Events]).includes(password));
  await iam.deleteLoginProfile(name);
  await assert.rejects(iam.deleteLoginProfile(name), { name: 'NoSuchEntityException' });
  await iam.deleteUser(name);
});

test('the password policy of the account: every rule, its defaults, and its absence', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  await iam.createUser({ UserName: 'alice' });
  await assert.rejects(iam.getAccountPasswordPolicy({}), {
    name: 'NoSuchEntityException',
    message: 'The Password Policy with domain name 123456789012 cannot be found.',
  });
  await assert.rejects(iam.deleteAccountPasswordPolicy({}), { name: 'NoSuchEntityException' });
  await iam.updateAccountPasswordPolicy({});
  assert.deepEqual((await iam.getAccountPasswordPolicy({})).PasswordPolicy, {
    MinimumPasswordLength: 6,
    RequireSymbols: false,
    RequireNumbers: false,
    RequireUppercaseCharacters: false,
    RequireLowercaseCharacters: false,
    AllowUsersToChangePassword: false,
    ExpirePasswords: false,
    HardExpiry: false,
  });
  await iam.createLoginProfile({ UserName: 'alice', Password: 'simple' });
  await assert.rejects(iam.updateAccountPasswordPolicy({ MinimumPasswordLength: 5 }), { name: 'ValidationError' });
  await iam.updateAccountPasswordPolicy({
    MinimumPasswordLength: 10,
    RequireSymbols: true,
    RequireNumbers: true,
    RequireUppercaseCharacters: true,
    RequireLowercaseCharacters: true,
    MaxPasswordAge: 90,
    PasswordReusePrevention: 1,
  });
  const cases: [string, string][] = [
    ['Ab1!', 'minimum length of 10'],
    ['Abcdefghi1', 'one symbol'],
    ['Abcdefghi!', 'one number'],
    ['abcdefgh1!', 'one uppercase letter'],
    ['ABCDEFGH1!', 'one lowercase letter'],
    ['simple', 'minimum length'],
  ];
  for (const [Password, rule] of cases) {
    await assert.rejects(iam.updateLoginProfile({ UserName: 'alice', Password }), (error: Error) => {
      assert.equal(error.name, 'PasswordPolicyViolationException');
      assert.match(error.message, new RegExp(rule));
      return true;
    });
  }
  const update = (Password: string) => iam.updateLoginProfile({ UserName: 'alice', Password });
  await update('Abcdefgh1!');
  await assert.rejects(update('Abcdefgh1!'), { name: 'PasswordPolicyViolationException', message: /used before/ });
  await update('Abcdefgh2!');
  await update('Abcdefgh1!');
  const { PasswordPolicy: policy } = await iam.getAccountPasswordPolicy({});
  assert.deepEqual([policy!.ExpirePasswords, policy!.MaxPasswordAge, policy!.PasswordReusePrevention], [true, 90, 1]);
  await iam.deleteAccountPasswordPolicy({});
});

test('users change their own passwords, where they may', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const alice = await server.user('alice', {
    Version: '2012-10-17',
    Statement: { Effect: 'Allow', Action: 'iam:GetUser', Resource: '*' },
  });
  const change = (OldPassword: string, NewPassword: string, who = alice) =>
    who.iam.changePassword({ OldPassword, NewPassword });
  await assert.rejects(change('a', 'b', server.root_), { name: 'InvalidUserTypeException' });
  await assert.rejects(change('a', 'b'), { name: 'AccessDenied' });
  await iam.updateAccountPasswordPolicy({ AllowUsersToChangePassword: true });
  await assert.rejects(change('a', 'b'), { name: 'NoSuchEntityException' });
  await iam.createLoginProfile({ UserName: 'alice', Password: 'first password', PasswordResetRequired: true });
  await assert.rejects(change('not it', 'second password'), {
    name: 'AccessDenied',
    message: 'The old password was incorrect.',
  });
  await assert.rejects(change('first password', 'short'), { name: 'PasswordPolicyViolationException' });
  assert.ok((await alice.iam.getAccountPasswordPolicy({})).PasswordPolicy);
  const [one, two] = await Promise.allSettled([
    change('first password', 'second password'),
    change('first password', 'third password'),
  ]);
  assert.equal([one, two].filter(({ status }) => status === 'fulfilled').length, 1, 'of two changes one wins');
  assert.equal((await iam.getLoginProfile({ UserName: 'alice' })).LoginProfile!.PasswordResetRequired, false);
  await iam.putUserPolicy({
    UserName: 'alice',
    PolicyName: 'no',
    PolicyDocument: JSON.stringify({
      Version: '2012-10-17',
      Statement: { Effect: 'Deny', Action: 'iam:ChangePassword', Resource: '*' },
    }),
  });
  await assert.rejects(change('second password', 'fourth password'), {
    name: 'AccessDenied',
    message: /explicit deny/,
  });
});
