import * as sdk from '@aws-sdk/client-iam';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { UPPER_ALNUM } from '../../kernel/ids.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { isValidAt, readCertificates } from './certificate-format.ts';
import { slicePage } from './markers.ts';
import { QUOTAS, quotaExceeded } from './quotas.ts';
import type { SigningCertificateRow } from './report-tables.ts';
import { entityByName, entityResource, ownUserName } from './store.ts';
import { tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const ID_LENGTH = 32;

const userResource = ({ UserName: name }: { UserName?: string | undefined }, ctx: Context) =>
  entityResource(ctx, 'user', name ?? ownUserName(ctx));

/** Signing certificates of a user. */
export function signingCertificatesOf(source: Context | Tx, userId: string): Promise<SigningCertificateRow[]> {
  return tables(source)
    .selectFrom('iam_signing_certificates')
    .selectAll()
    .where('user_id', '=', userId)
    .orderBy('id')
    .execute();
}

function certificateOf(userName: string, row: SigningCertificateRow): sdk.SigningCertificate {
  return {
    UserName: userName,
    CertificateId: row.id,
    CertificateBody: row.body,
    Status: row.status as sdk.StatusType,
    UploadDate: new Date(row.uploaded_at),
  };
}

export const UploadSigningCertificate: Op<'UploadSigningCertificate'> = {
  resource: userResource,
  async handle({ UserName: name, CertificateBody: body }, ctx) {
    const [certificate, ...more] = readCertificates(body) ?? [];
    if (certificate === undefined || more.length > 0) {
      throw fault(sdk.MalformedCertificateException, 'Unable to parse certificate; it must be one in PEM format.');
    }
    if (!isValidAt(certificate, ctx.now().getTime())) {
      throw fault(sdk.MalformedCertificateException, 'The certificate has expired or is not valid yet.');
    }
    const fingerprint = certificate.fingerprint256;
    return ctx.tx(async (tx) => {
      const user = await entityByName(tx, ctx.account, 'user', name ?? ownUserName(ctx));
      const rows = await signingCertificatesOf(tx, user.id);
      if (rows.some((row) => readCertificates(row.body)![0]!.fingerprint256 === fingerprint)) {
        throw fault(sdk.DuplicateCertificateException, 'The certificate is associated with the user already.');
      }
      if (rows.length >= QUOTAS.signingCertificatesPerUser) {
        throw quotaExceeded('CertificatesPerUser', QUOTAS.signingCertificatesPerUser);
      }
      const row: SigningCertificateRow = {
        id: ctx.ids.string(ID_LENGTH, UPPER_ALNUM),
        user_id: user.id,
        account: ctx.account,
        body,
        status: 'Active',
        uploaded_at: ctx.now().getTime(),
      };
      await tables(tx).insertInto('iam_signing_certificates').values(row).execute();
      return { Certificate: certificateOf(user.name, row) };
    });
  },
};

export const ListSigningCertificates: Op<'ListSigningCertificates'> = {
  resource: userResource,
  async handle(input, ctx) {
    const user = await entityByName(ctx, ctx.account, 'user', input.UserName ?? ownUserName(ctx));
    const rows = await signingCertificatesOf(ctx, user.id);
    const scope = `ListSigningCertificates ${user.id}`;
    const { items, truncation } = await slicePage(ctx, scope, input, rows, ({ id }) => id);
    return { Certificates: items.map((row) => certificateOf(user.name, row)), ...truncation };
  },
};

async function certificateById(tx: Tx, ctx: Context, name: string | undefined, id: string): Promise<void> {
  const user = await entityByName(tx, ctx.account, 'user', name ?? ownUserName(ctx));
  if ((await signingCertificatesOf(tx, user.id)).some((row) => row.id === id)) return;
  throw fault(sdk.NoSuchEntityException, `The Certificate with id ${id} cannot be found.`);
}

export const UpdateSigningCertificate: Op<'UpdateSigningCertificate'> = {
  resource: userResource,
  async handle({ UserName: name, CertificateId: id, Status: status }, ctx) {
    await ctx.tx(async (tx) => {
      await certificateById(tx, ctx, name, id);
      await tables(tx).updateTable('iam_signing_certificates').set({ status }).where('id', '=', id).execute();
    });
    return {};
  },
};

export const DeleteSigningCertificate: Op<'DeleteSigningCertificate'> = {
  resource: userResource,
  async handle({ UserName: name, CertificateId: id }, ctx) {
    await ctx.tx(async (tx) => {
      await certificateById(tx, ctx, name, id);
      await tables(tx).deleteFrom('iam_signing_certificates').where('id', '=', id).execute();
    });
    return {};
  },
};
