import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IAM } from '@aws-sdk/client-iam';
import fc from 'fast-check';
import type { Kysely } from 'kysely';
import { startServer } from '../../../test/harness.ts';
import { type ModelStep, outcome } from '../../kernel/testing/model-step.ts';
import type { IamTables } from './tables.ts';

const POLICY = 'arn:aws:iam::aws:policy/AWSCodeCommitReadOnly';
const DOCUMENT = JSON.stringify({
  Version: '2012-10-17',
  Statement: { Effect: 'Allow', Action: 's3:*', Resource: '*' },
});
const TRUST = JSON.stringify({
  Version: '2012-10-17',
  Statement: { Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' },
});

/** What hangs on a role or a group: the name of an inline policy, and whether the managed one is attached. */
interface Held {
  inline: boolean;
  attached: boolean;
}

/** What the account should look like. */
interface Model {
  roles: Map<string, Held>;
  groups: Map<string, Held>;
  /** Role of each instance profile. */
  profiles: Map<string, string | undefined>;
}

type Step = ModelStep<Model, IAM>;
type Kind = 'roles' | 'groups';

const NAMES = ['a', 'b'];

const made = (kind: Kind, name: string, call: Step['call']): Step => ({
  expect(model) {
    if (model[kind].has(name)) return 'EntityAlreadyExists';
    model[kind].set(name, { inline: false, attached: false });
    return 'done';
  },
  call,
});
const deleted = (kind: Kind, name: string, call: Step['call']): Step => ({
  expect(model) {
    const held = model[kind].get(name);
    if (held === undefined) return 'NoSuchEntity';
    const isInProfile = kind === 'roles' && [...model.profiles.values()].includes(name);
    if (held.inline || held.attached || isInProfile) return 'DeleteConflict';
    model[kind].delete(name);
    return 'done';
  },
  call,
});
/** Puts a policy there, or takes it away, which fails where there is none. */
const changed = (kind: Kind, name: string, member: keyof Held, to: boolean, call: Step['call']): Step => ({
  expect(model) {
    const held = model[kind].get(name);
    if (held === undefined || (!to && !held[member])) return 'NoSuchEntity';
    held[member] = to;
    return 'done';
  },
  call,
});
const renamed = (GroupName: string, NewGroupName: string): Step => ({
  expect({ groups }) {
    const held = groups.get(GroupName);
    if (held === undefined) return 'NoSuchEntity';
    if (GroupName === NewGroupName) return 'done';
    if (groups.has(NewGroupName)) return 'EntityAlreadyExists';
    groups.delete(GroupName);
    groups.set(NewGroupName, held);
    return 'done';
  },
  call: (iam) => iam.updateGroup({ GroupName, NewGroupName }),
});
const profileMade = (InstanceProfileName: string): Step => ({
  expect({ profiles }) {
    if (profiles.has(InstanceProfileName)) return 'EntityAlreadyExists';
    profiles.set(InstanceProfileName, undefined);
    return 'done';
  },
  call: (iam) => iam.createInstanceProfile({ InstanceProfileName }),
});
const profileDeleted = (InstanceProfileName: string): Step => ({
  expect({ profiles }) {
    if (!profiles.has(InstanceProfileName)) return 'NoSuchEntity';
    if (profiles.get(InstanceProfileName) !== undefined) return 'DeleteConflict';
    profiles.delete(InstanceProfileName);
    return 'done';
  },
  call: (iam) => iam.deleteInstanceProfile({ InstanceProfileName }),
});
const roleAdded = (InstanceProfileName: string, RoleName: string): Step => ({
  expect({ profiles, roles }) {
    if (!profiles.has(InstanceProfileName) || !roles.has(RoleName)) return 'NoSuchEntity';
    if (profiles.get(InstanceProfileName) !== undefined) return 'LimitExceeded';
    profiles.set(InstanceProfileName, RoleName);
    return 'done';
  },
  call: (iam) => iam.addRoleToInstanceProfile({ InstanceProfileName, RoleName }),
});
const roleRemoved = (InstanceProfileName: string, RoleName: string): Step => ({
  expect({ profiles }) {
    if (profiles.get(InstanceProfileName) !== RoleName) return 'NoSuchEntity';
    profiles.set(InstanceProfileName, undefined);
    return 'done';
  },
  call: (iam) => iam.removeRoleFromInstanceProfile({ InstanceProfileName, RoleName }),
});

const PolicyName = 'p';
const ofRole = (RoleName: string): Step[] => [
  made('roles', RoleName, (iam) => iam.createRole({ RoleName, AssumeRolePolicyDocument: TRUST })),
  made('roles', RoleName, (iam) => iam.createRole({ RoleName, AssumeRolePolicyDocument: TRUST })),
  deleted('roles', RoleName, (iam) => iam.deleteRole({ RoleName })),
  changed('roles', RoleName, 'attached', true, (iam) => iam.attachRolePolicy({ RoleName, PolicyArn: POLICY })),
  changed('roles', RoleName, 'attached', false, (iam) => iam.detachRolePolicy({ RoleName, PolicyArn: POLICY })),
  changed('roles', RoleName, 'inline', true, (iam) =>
    iam.putRolePolicy({ RoleName, PolicyName, PolicyDocument: DOCUMENT }),
  ),
  changed('roles', RoleName, 'inline', false, (iam) => iam.deleteRolePolicy({ RoleName, PolicyName })),
];
const ofGroup = (GroupName: string): Step[] => [
  made('groups', GroupName, (iam) => iam.createGroup({ GroupName })),
  deleted('groups', GroupName, (iam) => iam.deleteGroup({ GroupName })),
  changed('groups', GroupName, 'attached', true, (iam) => iam.attachGroupPolicy({ GroupName, PolicyArn: POLICY })),
  changed('groups', GroupName, 'attached', false, (iam) => iam.detachGroupPolicy({ GroupName, PolicyArn: POLICY })),
  changed('groups', GroupName, 'inline', true, (iam) =>
    iam.putGroupPolicy({ GroupName, PolicyName, PolicyDocument: DOCUMENT }),
  ),
  changed('groups', GroupName, 'inline', false, (iam) => iam.deleteGroupPolicy({ GroupName, PolicyName })),
  ...NAMES.map((other) => renamed(GroupName, other)),
];
const ofProfile = (name: string): Step[] => [
  profileMade(name),
  profileDeleted(name),
  ...NAMES.flatMap((role) => [roleAdded(name, role), roleRemoved(name, role)]),
];
const steps = fc.constantFrom(...NAMES.flatMap((name) => [...ofRole(name), ...ofGroup(name), ...ofProfile(name)]));

/** Takes everything away, whatever is there. */
async function clear(iam: IAM): Promise<void> {
  for (const name of NAMES) {
    for (const role of NAMES) await outcome(roleRemoved(name, role).call(iam));
    await outcome(iam.deleteInstanceProfile({ InstanceProfileName: name }));
  }
  for (const name of NAMES) {
    await outcome(iam.detachRolePolicy({ RoleName: name, PolicyArn: POLICY }));
    await outcome(iam.deleteRolePolicy({ RoleName: name, PolicyName }));
    await outcome(iam.deleteRole({ RoleName: name }));
    await outcome(iam.detachGroupPolicy({ GroupName: name, PolicyArn: POLICY }));
    await outcome(iam.deleteGroupPolicy({ GroupName: name, PolicyName }));
    await outcome(iam.deleteGroup({ GroupName: name }));
  }
}

test('R7: roles, instance profiles and groups behave as the model says', async (t) => {
  const { iam } = (await startServer(t)).root_;
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 40, maxLength: 60 }), async (run) => {
      const model: Model = { roles: new Map(), groups: new Map(), profiles: new Map() };
      for (const step of run) assert.equal(await outcome(step.call(iam)), step.expect(model), String(step.call));
      const { Roles } = await iam.listRoles({});
      assert.deepEqual(Roles!.map(({ RoleName }) => RoleName).sort(), [...model.roles.keys()].sort());
      for (const { InstanceProfileName, Roles: own } of (await iam.listInstanceProfiles({})).InstanceProfiles!) {
        assert.equal(own![0]?.RoleName, model.profiles.get(InstanceProfileName!));
      }
      await clear(iam);
    }),
    { numRuns: 4, endOnFailure: true },
  );
});

test('R7: writers of roles, profiles and groups that race leave nothing hanging on what is gone', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const db = server.kernel.database.reader as unknown as Kysely<IamTables>;
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 50, maxLength: 60 }), async (run) => {
      const outcomes = await Promise.all(run.map((step) => outcome(step.call(iam))));
      for (const one of outcomes) {
        assert.match(one, /^(done|EntityAlreadyExists|NoSuchEntity|DeleteConflict|LimitExceeded)$/);
      }
      const roles = await db.selectFrom('iam_roles').select(['id', 'name']).execute();
      const groups = await db.selectFrom('iam_groups').select(['id', 'name']).execute();
      for (const some of [roles, groups]) assert.equal(new Set(some.map(({ name }) => name)).size, some.length);
      const owners = new Set([...roles, ...groups].map(({ id }) => id));
      for (const table of ['iam_attachments', 'iam_inline_policies'] as const) {
        const rows = await db
          .selectFrom(table as 'iam_attachments')
          .select('owner_id')
          .execute();
        for (const { owner_id } of rows) assert.ok(owners.has(owner_id), table);
      }
      const profiles = await db.selectFrom('iam_instance_profiles').select('role_id').execute();
      for (const { role_id } of profiles) assert.ok(role_id === null || roles.some(({ id }) => id === role_id));
      await clear(iam);
    }),
    { numRuns: 3, endOnFailure: true },
  );
});
