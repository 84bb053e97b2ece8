import * as sdk from '@aws-sdk/client-iam';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import type { SshKeyRow } from './credential-tables.ts';
import { newId } from './identifiers.ts';
import { changeIdentities } from './identities.ts';
import { slicePage } from './markers.ts';
import { QUOTAS, quotaExceeded } from './quotas.ts';
import { fingerprintOf, readSshKey, type SshKey, toPem, toSshLine } from './ssh-key-format.ts';
import { entityByName, entityResource, ownUserName } from './store.ts';
import { tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const userResource = ({ UserName: name }: { UserName?: string | undefined }, ctx: Context) =>
  entityResource(ctx, 'user', name ?? ownUserName(ctx));

function keysOf(source: Context | Tx, userId: string): Promise<SshKeyRow[]> {
  return tables(source).selectFrom('iam_ssh_keys').selectAll().where('user_id', '=', userId).orderBy('id').execute();
}

/** @throws NoSuchEntity when there is no such user, or he has no such key */
async function keyById(
  source: Context | Tx,
  ctx: Context,
  userName: string,
  id: string,
): Promise<{ userName: string; row: SshKeyRow }> {
  const user = await entityByName(source, ctx.account, 'user', userName);
  const row = (await keysOf(source, user.id)).find((key) => key.id === id);
  if (row === undefined) throw fault(sdk.NoSuchEntityException, `The Public Key with id ${id} cannot be found.`);
  return { userName: user.name, row };
}

function keyOf(userName: string, row: SshKeyRow, body: string): sdk.SSHPublicKey {
  return {
    UserName: userName,
    SSHPublicKeyId: row.id,
    Fingerprint: row.fingerprint,
    SSHPublicKeyBody: body,
    Status: row.status as sdk.StatusType,
    UploadDate: new Date(row.uploaded_at),
  };
}

/** @throws UnrecognizedPublicKeyEncoding or InvalidPublicKey */
function parsed(body: string): SshKey {
  const key = readSshKey(body);
  if (key === 'encoding') {
    throw fault(
      sdk.UnrecognizedPublicKeyEncodingException,
      'The public key encoding format is unsupported or unrecognized.',
    );
  }
  if (key === 'key') throw fault(sdk.InvalidPublicKeyException, 'The public key is malformed or otherwise invalid.');
  return key;
}

export const UploadSSHPublicKey: Op<'UploadSSHPublicKey'> = {
  resource: userResource,
  async handle({ UserName: name, SSHPublicKeyBody: body }, ctx) {
    const key = parsed(body);
    const fingerprint = fingerprintOf(key);
    return changeIdentities(ctx, async (tx) => {
      const user = await entityByName(tx, ctx.account, 'user', name);
      const keys = await keysOf(tx, user.id);
      if (keys.some((one) => one.fingerprint === fingerprint && one.public_key === toSshLine(key))) {
        throw fault(
          sdk.DuplicateSSHPublicKeyException,
          'The SSH public key is already associated with the specified IAM user.',
        );
      }
      if (keys.length >= QUOTAS.sshKeysPerUser) throw quotaExceeded('SSHPublicKeysPerUser', QUOTAS.sshKeysPerUser);
      const row: SshKeyRow = {
        id: newId(ctx.ids, 'APKA'),
        user_id: user.id,
        account: ctx.account,
        public_key: toSshLine(key),
        body,
        encoding: key.encoding,
        fingerprint,
        status: 'Active',
        uploaded_at: ctx.now().getTime(),
      };
      await tables(tx).insertInto('iam_ssh_keys').values(row).execute();
      return { SSHPublicKey: keyOf(user.name, row, body) };
    });
  },
};

export const GetSSHPublicKey: Op<'GetSSHPublicKey'> = {
  resource: userResource,
  async handle({ UserName: name, SSHPublicKeyId: id, Encoding: encoding }, ctx) {
    const { userName, row } = await keyById(ctx, ctx, name, id);
    return { SSHPublicKey: keyOf(userName, row, bodyAs(row, encoding)) };
  },
};

/** The key in an encoding: in its own as it was uploaded, its comment included. */
function bodyAs(row: SshKeyRow, encoding: sdk.EncodingType): string {
  if (row.encoding === encoding) return row.body;
  const [type, base64] = row.public_key.split(' ');
  return encoding === 'SSH' ? row.public_key : toPem({ type: type!, blob: Buffer.from(base64!, 'base64') });
}

export const ListSSHPublicKeys: Op<'ListSSHPublicKeys'> = {
  resource: userResource,
  async handle(input, ctx) {
    const user = await entityByName(ctx, ctx.account, 'user', input.UserName ?? ownUserName(ctx));
    const rows = await keysOf(ctx, user.id);
    const { items, truncation } = await slicePage(ctx, `ListSSHPublicKeys ${user.id}`, input, rows, ({ id }) => id);
    const SSHPublicKeys = items.map((row) => ({
      UserName: user.name,
      SSHPublicKeyId: row.id,
      Status: row.status as sdk.StatusType,
      UploadDate: new Date(row.uploaded_at),
    }));
    return { SSHPublicKeys, ...truncation };
  },
};

export const UpdateSSHPublicKey: Op<'UpdateSSHPublicKey'> = {
  resource: userResource,
  async handle({ UserName: name, SSHPublicKeyId: id, Status: status }, ctx) {
    if (status === 'Expired') {
      throw fault(sdk.InvalidInputException, 'The status of an SSH public key is Active or Inactive.');
    }
    await changeIdentities(ctx, async (tx) => {
      const { row } = await keyById(tx, ctx, name, id);
      await tables(tx).updateTable('iam_ssh_keys').set({ status }).where('id', '=', row.id).execute();
    });
    return {};
  },
};

export const DeleteSSHPublicKey: Op<'DeleteSSHPublicKey'> = {
  resource: userResource,
  async handle({ UserName: name, SSHPublicKeyId: id }, ctx) {
    await changeIdentities(ctx, async (tx) => {
      const { row } = await keyById(tx, ctx, name, id);
      await tables(tx).deleteFrom('iam_ssh_keys').where('id', '=', row.id).execute();
    });
    return {};
  },
};
