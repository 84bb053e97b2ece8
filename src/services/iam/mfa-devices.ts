import * as sdk from '@aws-sdk/client-iam';
import { arn } from '../../kernel/arn.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName, ResourceRef } from '../../kernel/service.ts';
import { deleteAllTags, putTags } from '../../kernel/tags.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import type { MfaDeviceRow } from './credential-tables.ts';
import { slicePage } from './markers.ts';
import { isResting, sealSeed, synchronised } from './mfa-codes.ts';
import { qrCodePng } from './qr-code.ts';
import { QUOTAS, quotaExceeded } from './quotas.ts';
import { entityByName, entityResource, ownUserName } from './store.ts';
import { tables, type UserRow } from './tables.ts';
import { checkTags, tagConditions, taggedResource, tagsFrom } from './tag-sets.ts';
import { toBase32 } from './totp.ts';
import { rootUser, userOf } from './users.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** 64 characters in Base32. */
const SEED_BYTES = 40;
/** Name of the device that is the root user's, and that he alone may make and enable. */
const ROOT_DEVICE = 'root-account-mfa-device';

/** Whose devices: a user's, or the root user's. */
interface Owner {
  id: string;
  /** As answers show it; the root user has none but `root`. */
  name: string;
}

/** The named user, or the caller; the root user, who has no name, is meant where he names nobody, or his account. */
async function ownerOf(source: Context | Tx, ctx: Context, name: string | undefined): Promise<Owner> {
  const { caller, account } = ctx;
  if (caller.type === 'Root' && (name === undefined || name === account)) return { id: account, name: 'root' };
  const { id, name: userName } = await entityByName(source, account, 'user', name ?? ownUserName(ctx));
  return { id, name: userName };
}

function userResource(
  { UserName: name }: { UserName?: string | undefined },
  ctx: Context,
): ResourceRef | string | Promise<ResourceRef> {
  const { caller, account } = ctx;
  if (caller.type === 'Root' && (name === undefined || name === account)) return caller.arn;
  return entityResource(ctx, 'user', name ?? ownUserName(ctx));
}

/** A device as a resource, with its tags where a policy asks for them. */
export function mfaResource({ SerialNumber: serial }: { SerialNumber: string }, ctx: Context): ResourceRef {
  return taggedResource(ctx, serial);
}

/** The device of that serial number in the account. @throws NoSuchEntity */
export async function deviceBySerial(source: Context | Tx, ctx: Context, serial: string): Promise<MfaDeviceRow> {
  const row = await tables(source)
    .selectFrom('iam_mfa_devices')
    .selectAll()
    .where('serial', '=', serial)
    .where('account', '=', ctx.account)
    .executeTakeFirst();
  if (row !== undefined) return row;
  throw fault(sdk.NoSuchEntityException, `VirtualMFADevice with serial number ${serial} does not exist.`);
}

/** Devices of a user, by their serial numbers. */
export function devicesOf(source: Context | Tx, ownerId: string): Promise<MfaDeviceRow[]> {
  return tables(source)
    .selectFrom('iam_mfa_devices')
    .selectAll()
    .where('user_id', '=', ownerId)
    .orderBy('serial')
    .execute();
}

/** The account as a person knows it: by its alias, or its number. */
async function accountName(ctx: Context): Promise<string> {
  const row = await tables(ctx)
    .selectFrom('iam_account_aliases')
    .select('alias')
    .where('account', '=', ctx.account)
    .executeTakeFirst();
  return row?.alias ?? ctx.account;
}

export const CreateVirtualMFADevice: Op<'CreateVirtualMFADevice'> = {
  resource: ({ VirtualMFADeviceName: name, Path: path = '/' }, { account }) =>
    arn('iam', '', account, `mfa${path}${name}`),
  conditions: ({ Tags }) => tagConditions(Tags),
  async handle({ VirtualMFADeviceName: name, Path: path = '/', Tags: tags = [] }, ctx) {
    checkTags(tags);
    const serial = arn('iam', '', ctx.account, `mfa${path}${name}`);
    refuseRootDevice(ctx, name);
    const seed = ctx.ids.bytes(SEED_BYTES);
    const row: MfaDeviceRow = {
      serial,
      account: ctx.account,
      name,
      // Devices of one name may be at different paths, unlike users.
      name_key: `${path}${name}`.slice(1).toLowerCase(),
      path,
      seed: sealSeed(ctx, serial, seed),
      created_at: ctx.now().getTime(),
      user_id: null,
      enabled_at: null,
      last_step: 0,
      drift_steps: 0,
      failures: 0,
      failed_at: 0,
    };
    await ctx.tx(async (tx) => {
      const taken = await tables(tx)
        .selectFrom('iam_mfa_devices')
        .select('serial')
        .where('account', '=', ctx.account)
        .where('name_key', '=', row.name_key)
        .executeTakeFirst();
      if (taken !== undefined) {
        throw fault(sdk.EntityAlreadyExistsException, 'MFADevice entity at the same path and name already exists.');
      }
      await tables(tx).insertInto('iam_mfa_devices').values(row).execute();
      await putTags(tx, serial, tagsFrom(tags));
    });
    const secret = toBase32(seed);
    const label = encodeURIComponent(`${name}@${await accountName(ctx)}`);
    return {
      VirtualMFADevice: {
        SerialNumber: serial,
        Base32StringSeed: Buffer.from(secret),
        QRCodePNG: qrCodePng(`otpauth://totp/Slipway:${label}?secret=${secret}&issuer=Slipway`),
        ...(tags.length === 0 ? {} : { Tags: tags }),
      },
    };
  },
};

/** The root user's device answers for him alone: nobody else makes it, deletes it, or has it. */
function refuseRootDevice({ caller, account }: Context, name: string): void {
  if (name.toLowerCase() !== ROOT_DEVICE || caller.type === 'Root') return;
  throw commonFault('AccessDenied', `Only the root user of ${account} may use the device ${ROOT_DEVICE}.`);
}

export const DeleteVirtualMFADevice: Op<'DeleteVirtualMFADevice'> = {
  resource: mfaResource,
  async handle({ SerialNumber: serial }, ctx) {
    await ctx.tx(async (tx) => {
      const row = await deviceBySerial(tx, ctx, serial);
      refuseRootDevice(ctx, row.name);
      if (row.user_id !== null) {
        throw fault(sdk.DeleteConflictException, 'The MFA device is in use: it must be deactivated first.');
      }
      await deleteAllTags(tx, serial);
      await tables(tx).deleteFrom('iam_mfa_devices').where('serial', '=', serial).execute();
    });
    return {};
  },
};

export const EnableMFADevice: Op<'EnableMFADevice'> = {
  resource: userResource,
  async handle({ UserName: name, SerialNumber: serial, AuthenticationCode1, AuthenticationCode2 }, ctx) {
    await ctx.tx(async (tx) => {
      const owner = await ownerOf(tx, ctx, name);
      const row = await deviceBySerial(tx, ctx, serial);
      if ((row.name.toLowerCase() === ROOT_DEVICE) !== (owner.id === ctx.account)) {
        throw fault(sdk.NoSuchEntityException, `The device of the root user, and his only, is ${ROOT_DEVICE}.`);
      }
      if (row.user_id !== null) throw fault(sdk.EntityAlreadyExistsException, 'MFA Device is already in use.');
      if ((await devicesOf(tx, owner.id)).length >= QUOTAS.mfaDevicesPerUser) {
        throw quotaExceeded('MFADevicesPerUser', QUOTAS.mfaDevicesPerUser);
      }
      const values = synchronised(ctx, row, [AuthenticationCode1, AuthenticationCode2]);
      if (values === undefined) throw invalidCode();
      await tables(tx)
        .updateTable('iam_mfa_devices')
        .set({ ...values, user_id: owner.id, enabled_at: ctx.now().getTime() })
        .where('serial', '=', serial)
        .execute();
    });
    return {};
  },
};

function invalidCode() {
  return fault(sdk.InvalidAuthenticationCodeException, 'Authentication code for device is not valid.');
}

/** A device that this user has enabled. @throws NoSuchEntity */
async function deviceOfOwner(
  source: Context | Tx,
  ctx: Context,
  name: string | undefined,
  serial: string,
): Promise<{ owner: Owner; row: MfaDeviceRow }> {
  const owner = await ownerOf(source, ctx, name);
  const row = (await devicesOf(source, owner.id)).find((device) => device.serial === serial);
  if (row !== undefined) return { owner, row };
  throw fault(sdk.NoSuchEntityException, `MFA Device invalid for user ${owner.name}.`);
}

export const ResyncMFADevice: Op<'ResyncMFADevice'> = {
  resource: userResource,
  async handle({ UserName: name, SerialNumber: serial, AuthenticationCode1, AuthenticationCode2 }, ctx) {
    const isValid = await ctx.tx(async (tx) => {
      const { row } = await deviceOfOwner(tx, ctx, name, serial);
      const now = ctx.now().getTime();
      if (isResting(row, now)) return false;
      const values = synchronised(ctx, row, [AuthenticationCode1, AuthenticationCode2]);
      // What failed is counted, so this transaction commits; the fault comes after it.
      await tables(tx)
        .updateTable('iam_mfa_devices')
        .set(values ?? { failures: row.failures + 1, failed_at: now })
        .where('serial', '=', serial)
        .execute();
      return values !== undefined;
    });
    if (!isValid) throw invalidCode();
    return {};
  },
};

export const DeactivateMFADevice: Op<'DeactivateMFADevice'> = {
  resource: userResource,
  async handle({ UserName: name, SerialNumber: serial }, ctx) {
    await ctx.tx(async (tx) => {
      await deviceOfOwner(tx, ctx, name, serial);
      // Which codes were spent stays known: who enables it again does so with later ones.
      await tables(tx)
        .updateTable('iam_mfa_devices')
        .set({ user_id: null, enabled_at: null, failures: 0 })
        .where('serial', '=', serial)
        .execute();
    });
    return {};
  },
};

export const ListMFADevices: Op<'ListMFADevices'> = {
  resource: userResource,
  async handle(input, ctx) {
    const owner = await ownerOf(ctx, ctx, input.UserName);
    const rows = await devicesOf(ctx, owner.id);
    const scope = `ListMFADevices ${owner.id}`;
    const { items, truncation } = await slicePage(ctx, scope, input, rows, ({ serial }) => serial);
    const MFADevices = items.map(({ serial, enabled_at }) => ({
      UserName: owner.name,
      SerialNumber: serial,
      EnableDate: new Date(enabled_at!),
    }));
    return { MFADevices, ...truncation };
  },
};

export const GetMFADevice: Op<'GetMFADevice'> = {
  resource: userResource,
  async handle({ UserName: name, SerialNumber: serial }, ctx) {
    const { owner, row } = await deviceOfOwner(ctx, ctx, name, serial);
    return { UserName: owner.name, SerialNumber: serial, EnableDate: new Date(row.enabled_at!) };
  },
};

export const ListVirtualMFADevices: Op<'ListVirtualMFADevices'> = {
  resource: () => '*',
  async handle(input, ctx) {
    const { AssignmentStatus: status = 'Any' } = input;
    let query = tables(ctx)
      .selectFrom('iam_mfa_devices as d')
      .leftJoin('iam_users as u', 'u.id', 'd.user_id')
      .selectAll('u')
      .select(['d.serial', 'd.user_id', 'd.enabled_at'])
      .where('d.account', '=', ctx.account);
    if (status !== 'Any') query = query.where('d.user_id', status === 'Assigned' ? 'is not' : 'is', null);
    const rows = await query.orderBy('d.serial').execute();
    const scope = `ListVirtualMFADevices ${status}`;
    const { items, truncation } = await slicePage(ctx, scope, input, rows, ({ serial }) => serial);
    const VirtualMFADevices = items.map((row) => ({
      SerialNumber: row.serial,
      ...(row.user_id === null
        ? {}
        : {
            User: row.user_id === ctx.account ? rootUser(ctx) : userOf(row as UserRow),
            EnableDate: new Date(row.enabled_at!),
          }),
    }));
    return { VirtualMFADevices, ...truncation };
  },
};
