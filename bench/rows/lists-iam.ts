import { IAM } from '@aws-sdk/client-iam';
import { STS } from '@aws-sdk/client-sts';
import type { Crowd } from '../crowd.ts';
import { numbered } from '../row-copies.ts';
import { ACCOUNT, REGION, type Slipway } from '../slipway.ts';

const PAGE = 50;
const statement = (more: object) =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', ...more }] });
const TRUST = statement({ Principal: { AWS: ACCOUNT }, Action: 'sts:AssumeRole' });
const ALLOW = statement({ Action: ['sts:*', 'iam:*'], Resource: '*' });
const arnOf = (kind: string, name: string) => `arn:aws:iam::${ACCOUNT}:${kind}/${name}`;

/** Clients of the user `signer`, whose key is one among those of all users. */
async function clientsOfSigner({ url, clients: { iam } }: Slipway): Promise<{ iam: IAM; sts: STS }> {
  const UserName = 'signer';
  const { AccessKeyMetadata: keys = [] } = await iam.listAccessKeys({ UserName });
  for (const { AccessKeyId } of keys) await iam.deleteAccessKey({ UserName, AccessKeyId: AccessKeyId! });
  const { AccessKey: key } = await iam.createAccessKey({ UserName });
  const credentials = { accessKeyId: key!.AccessKeyId!, secretAccessKey: key!.SecretAccessKey! };
  const settings = { endpoint: url, region: REGION, credentials, maxAttempts: 1 };
  return { iam: new IAM(settings), sts: new STS(settings) };
}

/** IAM users with a key and an attached policy each, roles and managed policies: as many of each. */
export const iamLists: Crowd = {
  service: 'IAM',
  async seed({ clients: { iam } }) {
    await iam.createUser({ UserName: 'seed' });
    await iam.createAccessKey({ UserName: 'seed' });
    await iam.createRole({ RoleName: 'seed', AssumeRolePolicyDocument: TRUST });
    await iam.createPolicy({ PolicyName: 'seed', PolicyDocument: ALLOW });
    await iam.attachUserPolicy({ UserName: 'seed', PolicyArn: arnOf('policy', 'seed') });
    await iam.createUser({ UserName: 'signer' });
    await iam.putUserPolicy({ UserName: 'signer', PolicyName: 'allow', PolicyDocument: ALLOW });
  },
  fill(tables, count) {
    const named = (kind: string, n: number) => {
      const name = `${kind}-${numbered(n)}`;
      return { name, name_key: name };
    };
    const user_id = tables.value('iam_users', 'id', { name: 'seed' });
    const policy_id = tables.value('iam_policies', 'id', { name: 'seed' });
    tables.copy('iam_users', { name: 'seed' }, count, (n) => ({
      id: `AIDABENCH${numbered(n)}`,
      ...named('user', n),
    }));
    tables.copy('iam_access_keys', { user_id }, count, (n) => ({
      id: `AKIABENCHKEY${numbered(n)}`,
      user_id: `AIDABENCH${numbered(n)}`,
    }));
    tables.copy('iam_roles', { name: 'seed' }, count, (n) => ({ id: `AROABENCH${numbered(n)}`, ...named('role', n) }));
    tables.copy('iam_policies', { name: 'seed' }, count, (n) => ({
      id: `ANPABENCH${numbered(n)}`,
      ...named('policy', n),
      arn: arnOf('policy', `policy-${numbered(n)}`),
    }));
    tables.copy('iam_policy_versions', { policy_id }, count, (n) => ({ policy_id: `ANPABENCH${numbered(n)}` }));
    tables.copy('iam_attachments', { owner_id: user_id }, count, (n) => ({
      owner_id: `AIDABENCH${numbered(n)}`,
      policy_arn: arnOf('policy', `policy-${numbered(n)}`),
    }));
  },
  calls: [
    {
      name: 'GetUser',
      async prepare({ clients: { iam } }, count) {
        return () => iam.getUser({ UserName: `user-${numbered(count - 1)}` });
      },
    },
    {
      name: 'GetRole',
      async prepare({ clients: { iam } }, count) {
        return () => iam.getRole({ RoleName: `role-${numbered(count - 1)}` });
      },
    },
    {
      name: 'GetPolicy',
      async prepare({ clients: { iam } }, count) {
        return () => iam.getPolicy({ PolicyArn: arnOf('policy', `policy-${numbered(count - 1)}`) });
      },
    },
    {
      name: 'ListAttachedUserPolicies',
      async prepare({ clients: { iam } }, count) {
        return () => iam.listAttachedUserPolicies({ UserName: `user-${numbered(count - 1)}` });
      },
    },
    {
      name: 'ListEntitiesForPolicy',
      async prepare({ clients: { iam } }, count) {
        return () => iam.listEntitiesForPolicy({ PolicyArn: arnOf('policy', `policy-${numbered(count - 1)}`) });
      },
    },
    {
      name: 'ListUsers, first page',
      async prepare({ clients: { iam } }) {
        return () => iam.listUsers({ MaxItems: PAGE });
      },
    },
    {
      name: 'ListRoles, first page',
      async prepare({ clients: { iam } }) {
        return () => iam.listRoles({ MaxItems: PAGE });
      },
    },
    {
      name: 'ListPolicies, first page',
      async prepare({ clients: { iam } }) {
        return () => iam.listPolicies({ Scope: 'Local', MaxItems: PAGE });
      },
    },
    {
      name: 'ListUsers, last page',
      async prepare({ clients: { iam } }, count) {
        let Marker: string | undefined;
        for (let left = count - PAGE; left > 0; left -= 1_000) {
          ({ Marker } = await iam.listUsers({ MaxItems: Math.min(left, 1_000), Marker }));
        }
        return () => iam.listUsers({ MaxItems: PAGE, Marker });
      },
    },
    {
      name: 'GetUser by a user, signed and authorised',
      async prepare(slipway, count) {
        const { iam } = await clientsOfSigner(slipway);
        return () => iam.getUser({ UserName: `user-${numbered(count - 1)}` });
      },
    },
    {
      // A change of IAM empties the caches: key, user and policies are read again.
      name: 'CreateUser, then a call by a user',
      async prepare(slipway) {
        const { sts } = await clientsOfSigner(slipway);
        let made = 0;
        return async () => {
          await slipway.clients.iam.createUser({ UserName: `made-${made++}` });
          return sts.getCallerIdentity({});
        };
      },
    },
    {
      name: 'AssumeRole',
      async prepare(slipway, count) {
        const { sts } = await clientsOfSigner(slipway);
        const RoleArn = arnOf('role', `role-${numbered(count - 1)}`);
        return () => sts.assumeRole({ RoleArn, RoleSessionName: 'bench' });
      },
    },
  ],
};
