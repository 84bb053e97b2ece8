import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IAM } from '@aws-sdk/client-iam';
import fc from 'fast-check';
import type { Kysely } from 'kysely';
import { startServer } from '../../../test/harness.ts';
import { type ModelStep, outcome } from '../../kernel/testing/model-step.ts';
import type { IamTables } from './tables.ts';

const POLICY_ARN = (name: string) => `arn:aws:iam::123456789012:policy/${name}`;
const DOCUMENT = JSON.stringify({
  Version: '2012-10-17',
  Statement: { Effect: 'Allow', Action: 's3:Get*', Resource: '*' },
});

/** What the account should look like. */
interface Model {
  /** User to his attached policies, and how many keys he has. */
  users: Map<string, { policies: Set<string>; keys: number; groups: Set<string> }>;
  policies: Set<string>;
  groups: Set<string>;
}

type Step = ModelStep<Model, IAM>;

const names = fc.constantFrom('a', 'b');

const createUser = (UserName: string): Step => ({
  expect({ users }) {
    if (users.has(UserName)) return 'EntityAlreadyExists';
    users.set(UserName, { policies: new Set(), keys: 0, groups: new Set() });
    return 'done';
  },
  call: (iam) => iam.createUser({ UserName }),
});
const deleteUser = (UserName: string): Step => ({
  expect({ users }) {
    const user = users.get(UserName);
    if (user === undefined) return 'NoSuchEntity';
    if (user.keys + user.policies.size + user.groups.size > 0) return 'DeleteConflict';
    users.delete(UserName);
    return 'done';
  },
  call: (iam) => iam.deleteUser({ UserName }),
});
const createPolicy = (PolicyName: string): Step => ({
  expect({ policies }) {
    if (policies.has(PolicyName)) return 'EntityAlreadyExists';
    policies.add(PolicyName);
    return 'done';
  },
  call: (iam) => iam.createPolicy({ PolicyName, PolicyDocument: DOCUMENT }),
});
const deletePolicy = (name: string): Step => ({
  expect({ policies, users }) {
    if (!policies.has(name)) return 'NoSuchEntity';
    if ([...users.values()].some((user) => user.policies.has(name))) return 'DeleteConflict';
    policies.delete(name);
    return 'done';
  },
  call: (iam) => iam.deletePolicy({ PolicyArn: POLICY_ARN(name) }),
});
const attach = (UserName: string, name: string): Step => ({
  expect({ users, policies }) {
    const user = users.get(UserName);
    if (user === undefined || !policies.has(name)) return 'NoSuchEntity';
    user.policies.add(name);
    return 'done';
  },
  call: (iam) => iam.attachUserPolicy({ UserName, PolicyArn: POLICY_ARN(name) }),
});
const detach = (UserName: string, name: string): Step => ({
  expect: ({ users }) => (users.get(UserName)?.policies.delete(name) === true ? 'done' : 'NoSuchEntity'),
  call: (iam) => iam.detachUserPolicy({ UserName, PolicyArn: POLICY_ARN(name) }),
});
const createKey = (UserName: string): Step => ({
  expect({ users }) {
    const user = users.get(UserName);
    if (user === undefined) return 'NoSuchEntity';
    if (user.keys === 2) return 'LimitExceeded';
    user.keys++;
    return 'done';
  },
  call: (iam) => iam.createAccessKey({ UserName }),
});
const deleteKey = (UserName: string): Step => ({
  expect({ users }) {
    const user = users.get(UserName);
    if (user === undefined || user.keys === 0) return 'NoSuchEntity';
    user.keys--;
    return 'done';
  },
  async call(iam) {
    const { AccessKeyMetadata: keys } = await iam.listAccessKeys({ UserName });
    const AccessKeyId = keys![0]?.AccessKeyId ?? 'AKIAAAAAAAAAAAAAAAAA';
    await iam.deleteAccessKey({ UserName, AccessKeyId });
  },
});
const createGroup = (GroupName: string): Step => ({
  expect({ groups }) {
    if (groups.has(GroupName)) return 'EntityAlreadyExists';
    groups.add(GroupName);
    return 'done';
  },
  call: (iam) => iam.createGroup({ GroupName }),
});
const deleteGroup = (GroupName: string): Step => ({
  expect({ groups, users }) {
    if (!groups.has(GroupName)) return 'NoSuchEntity';
    if ([...users.values()].some((user) => user.groups.has(GroupName))) return 'DeleteConflict';
    groups.delete(GroupName);
    return 'done';
  },
  call: (iam) => iam.deleteGroup({ GroupName }),
});
const join = (UserName: string, GroupName: string): Step => ({
  expect({ users, groups }) {
    const user = users.get(UserName);
    if (user === undefined || !groups.has(GroupName)) return 'NoSuchEntity';
    user.groups.add(GroupName);
    return 'done';
  },
  call: (iam) => iam.addUserToGroup({ UserName, GroupName }),
});

const steps: fc.Arbitrary<Step> = fc.oneof(
  names.map(createUser),
  names.map(createUser),
  names.map(deleteUser),
  names.map(createPolicy),
  names.map(deletePolicy),
  fc.tuple(names, names).map(([user, policy]) => attach(user, policy)),
  fc.tuple(names, names).map(([user, policy]) => detach(user, policy)),
  names.map(createKey),
  names.map(deleteKey),
  names.map(createGroup),
  names.map(deleteGroup),
  fc.tuple(names, names).map(([user, group]) => join(user, group)),
);

/** Takes everything away, whatever is there. */
async function clear(iam: IAM): Promise<void> {
  for (const UserName of ['a', 'b']) {
    for (const name of ['a', 'b']) {
      await outcome(iam.detachUserPolicy({ UserName, PolicyArn: POLICY_ARN(name) }));
      await outcome(iam.removeUserFromGroup({ UserName, GroupName: name }));
    }
    const { AccessKeyMetadata: keys = [] } = await iam.listAccessKeys({ UserName }).catch(() => ({}) as never);
    for (const { AccessKeyId } of keys) await iam.deleteAccessKey({ UserName, AccessKeyId: AccessKeyId! });
    await outcome(iam.deleteUser({ UserName }));
  }
  for (const name of ['a', 'b']) {
    await outcome(iam.deletePolicy({ PolicyArn: POLICY_ARN(name) }));
    await outcome(iam.deleteGroup({ GroupName: name }));
  }
}

test('R7: users, groups, policies and keys behave as the model says', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 10, maxLength: 30 }), async (run) => {
      const model: Model = { users: new Map(), policies: new Set(), groups: new Set() };
      for (const step of run) assert.equal(await outcome(step.call(iam)), step.expect(model));
      await clear(iam);
    }),
    { numRuns: 4, endOnFailure: true },
  );
});

test('R7: writers that race leave no torn state: nothing hangs on what is gone, and quotas hold', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const db = server.kernel.database.reader as unknown as Kysely<IamTables>;
  const idsOf = async (table: 'iam_users' | 'iam_groups') =>
    new Set(
      (
        await db
          .selectFrom(table as 'iam_users')
          .select('id')
          .execute()
      ).map(({ id }) => id),
    );
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 30, maxLength: 40 }), async (run) => {
      const outcomes = await Promise.all(run.map((step) => outcome(step.call(iam))));
      const known = /^(done|EntityAlreadyExists|NoSuchEntity|DeleteConflict|LimitExceeded)$/;
      for (const one of outcomes) assert.match(one, known);
      const users = await idsOf('iam_users');
      const groups = await idsOf('iam_groups');
      const policies = new Set((await db.selectFrom('iam_policies').select('arn').execute()).map(({ arn }) => arn));
      for (const { owner_id, policy_arn } of await db.selectFrom('iam_attachments').selectAll().execute()) {
        assert.ok(users.has(owner_id) && policies.has(policy_arn));
      }
      for (const { user_id, group_id } of await db.selectFrom('iam_group_members').selectAll().execute()) {
        assert.ok(users.has(user_id) && groups.has(group_id));
      }
      const keys = await db.selectFrom('iam_access_keys').select('user_id').execute();
      for (const { user_id } of keys) assert.ok(users.has(user_id));
      for (const id of users) assert.ok(keys.filter(({ user_id }) => user_id === id).length <= 2);
      const versions = await db.selectFrom('iam_policy_versions').select('policy_id').execute();
      assert.equal(versions.length, policies.size);
      await clear(iam);
    }),
    { numRuns: 3, endOnFailure: true },
  );
});
