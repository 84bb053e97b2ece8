import * as sdk from '@aws-sdk/client-iam';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { ConditionKeys, Operation, OperationName } from '../../kernel/service.ts';
import { newId, newServicePassword } from './identifiers.ts';
import { changeIdentities } from './identities.ts';
import { passwordDigest } from './password-guard.ts';
import { QUOTAS, quotaExceeded } from './quotas.ts';
import { entityByName, entityResource, ownUserName } from './store.ts';
import { type ServiceCredentialRow, tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Services that take a user name and password of their own. */
const SERVICES = ['codecommit.amazonaws.com'];

const userResource = ({ UserName: name }: { UserName?: string | undefined }, ctx: Context) =>
  entityResource(ctx, 'user', name ?? ownUserName(ctx));

function credentialsOf(source: Context | Tx, userId: string): Promise<ServiceCredentialRow[]> {
  return tables(source)
    .selectFrom('iam_service_credentials')
    .selectAll()
    .where('user_id', '=', userId)
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}

async function credentialById(tx: Tx, ctx: Context, userName: string, id: string): Promise<ServiceCredentialRow> {
  const user = await entityByName(tx, ctx.account, 'user', userName);
  const row = (await credentialsOf(tx, user.id)).find((one) => one.id === id);
  if (row === undefined) throw fault(sdk.NoSuchEntityException, `No such credential ${id} exists`);
  return row;
}

/** The service of a credential that is there, as a condition of what is done with it. */
async function serviceCondition(
  { ServiceSpecificCredentialId: id }: { ServiceSpecificCredentialId: string },
  ctx: Context,
): Promise<ConditionKeys> {
  const row = await tables(ctx)
    .selectFrom('iam_service_credentials')
    .select('service')
    .where('id', '=', id)
    .where('account', '=', ctx.account)
    .executeTakeFirst();
  return row === undefined ? {} : { 'iam:ServiceSpecificCredentialServiceName': row.service };
}

function withPassword(row: ServiceCredentialRow, userName: string, password: string): sdk.ServiceSpecificCredential {
  return {
    CreateDate: new Date(row.created_at),
    ServiceName: row.service,
    ServiceUserName: row.user_name,
    ServicePassword: password,
    ServiceSpecificCredentialId: row.id,
    UserName: userName,
    Status: row.status as sdk.StatusType,
  };
}

export const CreateServiceSpecificCredential: Op<'CreateServiceSpecificCredential'> = {
  resource: userResource,
  conditions: (input) => ({ 'iam:ServiceSpecificCredentialServiceName': input.ServiceName }),
  async handle({ UserName: userName, ServiceName: service }, ctx) {
    if (!SERVICES.includes(service)) {
      throw fault(
        sdk.ServiceNotSupportedException,
        `No such service ${service} is supported for Service Specific Credentials`,
      );
    }
    const id = newId(ctx.ids, 'ACCA');
    const password = newServicePassword(ctx.ids);
    const row = await changeIdentities(ctx, async (tx) => {
      const user = await entityByName(tx, ctx.account, 'user', userName);
      const existing = (await credentialsOf(tx, user.id)).filter((one) => one.service === service);
      if (existing.length >= QUOTAS.serviceCredentialsPerUser) {
        throw quotaExceeded('ServiceSpecificCredentialsPerUser', QUOTAS.serviceCredentialsPerUser);
      }
      const created: ServiceCredentialRow = {
        id,
        user_id: user.id,
        account: ctx.account,
        service,
        user_name: await freeUserName(tx, ctx.account, user.name),
        password: passwordDigest(ctx.secrets, id, password),
        status: 'Active',
        created_at: ctx.now().getTime(),
      };
      await tables(tx).insertInto('iam_service_credentials').values(created).execute();
      return { ...created, name: user.name };
    });
    return { ServiceSpecificCredential: withPassword(row, row.name, password) };
  },
};

/** `alice-at-123456789012`, or `alice+1-at-...` where that is taken: a rename leaves old names in use. */
async function freeUserName(tx: Tx, account: string, userName: string): Promise<string> {
  for (let n = 0; ; n++) {
    const candidate = `${userName}${n === 0 ? '' : `+${n}`}-at-${account}`;
    const taken = await tables(tx)
      .selectFrom('iam_service_credentials')
      .select('id')
      .where('user_name', '=', candidate)
      .executeTakeFirst();
    if (taken === undefined) return candidate;
  }
}

export const ListServiceSpecificCredentials: Op<'ListServiceSpecificCredentials'> = {
  resource: userResource,
  async handle({ UserName: name, ServiceName: service }, ctx) {
    const userName = name ?? ownUserName(ctx);
    const user = await entityByName(ctx, ctx.account, 'user', userName);
    const rows = await credentialsOf(ctx, user.id);
    return {
      ServiceSpecificCredentials: rows
        .filter((row) => service === undefined || row.service === service)
        .map((row) => ({
          UserName: user.name,
          Status: row.status as sdk.StatusType,
          ServiceUserName: row.user_name,
          CreateDate: new Date(row.created_at),
          ServiceSpecificCredentialId: row.id,
          ServiceName: row.service,
        })),
    };
  },
};

export const ResetServiceSpecificCredential: Op<'ResetServiceSpecificCredential'> = {
  resource: userResource,
  conditions: serviceCondition,
  async handle({ UserName: name, ServiceSpecificCredentialId: id }, ctx) {
    const userName = name ?? ownUserName(ctx);
    const password = newServicePassword(ctx.ids);
    const row = await changeIdentities(ctx, async (tx) => {
      const found = await credentialById(tx, ctx, userName, id);
      const digest = passwordDigest(ctx.secrets, id, password);
      await tables(tx).updateTable('iam_service_credentials').set({ password: digest }).where('id', '=', id).execute();
      return found;
    });
    return { ServiceSpecificCredential: withPassword(row, userName, password) };
  },
};

export const UpdateServiceSpecificCredential: Op<'UpdateServiceSpecificCredential'> = {
  resource: userResource,
  conditions: serviceCondition,
  async handle({ UserName: name, ServiceSpecificCredentialId: id, Status: status }, ctx) {
    await changeIdentities(ctx, async (tx) => {
      await credentialById(tx, ctx, name ?? ownUserName(ctx), id);
      await tables(tx).updateTable('iam_service_credentials').set({ status }).where('id', '=', id).execute();
    });
    return {};
  },
};

export const DeleteServiceSpecificCredential: Op<'DeleteServiceSpecificCredential'> = {
  resource: userResource,
  conditions: serviceCondition,
  async handle({ UserName: name, ServiceSpecificCredentialId: id }, ctx) {
    await changeIdentities(ctx, async (tx) => {
      await credentialById(tx, ctx, name ?? ownUserName(ctx), id);
      await tables(tx).deleteFrom('iam_service_credentials').where('id', '=', id).execute();
    });
    return {};
  },
};
