import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Clients, startServer } from '../../../test/harness.ts';

const ACCOUNT = '123456789012';
const ASSUME = 'sts:AssumeRole';
const PROBES = ['iam:ListUsers', 'iam:ListRoles', 'iam:ListGroups'] as const;
const CHAIN = 4;
const document = (...Statement: object[]) => JSON.stringify({ Version: '2012-10-17', Statement });
const allow = (actions: readonly string[]) =>
  document({ Effect: 'Allow', Action: [...actions, 'none:None'], Resource: '*' });

const may = (clients: Clients, action: string): Promise<boolean> => {
  const calls: Record<string, () => Promise<unknown>> = {
    'iam:ListUsers': () => clients.iam.listUsers({}),
    'iam:ListRoles': () => clients.iam.listRoles({}),
    'iam:ListGroups': () => clients.iam.listGroups({}),
  };
  return calls[action]!().then(
    () => true,
    (error: Error) => {
      assert.equal(error.name, 'AccessDenied');
      return false;
    },
  );
};

/** What every link needs so that tags and the source identity go on to the next. */
const HANDING_ON = ['sts:SetSourceIdentity', 'sts:TagSession'];
const actions = fc.subarray([...PROBES, ASSUME], { minLength: 1 });
const link = fc.record({ role: actions, session: fc.option(actions, { nil: undefined }) });

test('I7: along a chain of roles a session may do what its role and its session policy both allow, and nothing else', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const names = Array.from({ length: CHAIN }, (_, at) => `R${at}`);
  for (const RoleName of names) {
    await iam.createRole({
      RoleName,
      AssumeRolePolicyDocument: document({
        Effect: 'Allow',
        Principal: { AWS: ACCOUNT },
        Action: [ASSUME, ...HANDING_ON],
      }),
    });
  }
  const first = await server.user('first');
  const chains = fc.array(link, { minLength: CHAIN, maxLength: CHAIN });
  await fc.assert(
    fc.asyncProperty(chains, async (links) => {
      let caller = first;
      let mayGoOn = true;
      for (const [at, { role, session }] of links.entries()) {
        const RoleName = names[at]!;
        const PolicyDocument = allow([...role, ...HANDING_ON]);
        await iam.putRolePolicy({ RoleName, PolicyName: 'p', PolicyDocument });
        const opened = caller.sts.assumeRole({
          RoleArn: `arn:aws:iam::${ACCOUNT}:role/${RoleName}`,
          RoleSessionName: `link-${at}`,
          ...(session === undefined ? {} : { Policy: allow([...session, ...HANDING_ON]) }),
          ...(at === 0
            ? { SourceIdentity: 'first', Tags: [{ Key: 'team', Value: 'blue' }], TransitiveTagKeys: ['team'] }
            : {}),
        });
        if (!mayGoOn) {
          await assert.rejects(opened, { name: 'AccessDenied' });
          return;
        }
        const { Credentials: keys, SourceIdentity: identity } = await opened;
        assert.equal(identity, 'first');
        caller = server.clients({
          accessKeyId: keys!.AccessKeyId!,
          secretAccessKey: keys!.SecretAccessKey!,
          sessionToken: keys!.SessionToken!,
        });
        const rights = role.filter((action) => session === undefined || session.includes(action));
        for (const action of PROBES)
          assert.equal(await may(caller, action), rights.includes(action), `${at} ${action}`);
        await assert.rejects(caller.sts.getSessionToken({}), { name: 'AccessDenied' });
        await assert.rejects(caller.sts.getFederationToken({ Name: 'wide' }), { name: 'AccessDenied' });
        mayGoOn = rights.includes(ASSUME);
      }
    }),
    { numRuns: 6, seed: 7, endOnFailure: true },
  );
});
