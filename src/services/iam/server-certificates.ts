import type { X509Certificate } from 'node:crypto';
import * as sdk from '@aws-sdk/client-iam';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { deleteAllTags, putTags, tagsOf } from '../../kernel/tags.ts';
import { endOf, isChain, isValidAt, readCertificates, readPrivateKey } from './certificate-format.ts';
import { newId } from './identifiers.ts';
import { listPage } from './markers.ts';
import { QUOTAS, quotaExceeded } from './quotas.ts';
import type { ServerCertificateRow } from './report-tables.ts';
import {
  countEntities,
  entityArn,
  entityByName,
  entityResource,
  listEntities,
  movedResources,
  requireFreeName,
} from './store.ts';
import { tables } from './tables.ts';
import { checkTags, tagConditions, tagsFrom, toTags } from './tag-sets.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const KIND = 'server-certificate';

function metadataOf(row: ServerCertificateRow): sdk.ServerCertificateMetadata {
  return {
    Path: row.path,
    ServerCertificateName: row.name,
    ServerCertificateId: row.id,
    Arn: entityArn(KIND, row),
    UploadDate: new Date(row.created_at),
    Expiration: new Date(row.expires_at),
  };
}

/** The certificate, where it, its key and its chain belong together. @throws MalformedCertificate, KeyPairMismatch */
function checked(body: string, privateKey: string, chain: string | undefined): X509Certificate {
  const malformed = (what: string) => fault(sdk.MalformedCertificateException, `Unable to parse ${what}.`);
  const [certificate, ...more] = readCertificates(body) ?? [];
  if (certificate === undefined || more.length > 0) throw malformed('certificate; it must be one in PEM format');
  const key = readPrivateKey(privateKey);
  if (key === undefined) throw malformed('private key; it must be in PEM format and not encrypted');
  if (!certificate.checkPrivateKey(key)) {
    throw fault(sdk.KeyPairMismatchException, `Public key from certificate body and private key don't match.`);
  }
  const issuers = chain === undefined ? [] : readCertificates(chain);
  if (issuers === undefined || !isChain(certificate, issuers)) {
    throw fault(sdk.MalformedCertificateException, 'Unable to validate certificate chain.');
  }
  return certificate;
}

export const UploadServerCertificate: Op<'UploadServerCertificate'> = {
  resource: ({ ServerCertificateName: name, Path: path = '/' }, { account }) =>
    entityArn(KIND, { account, path, name }),
  conditions: ({ Tags }) => tagConditions(Tags),
  async handle(input, ctx) {
    const { ServerCertificateName: name, Path: path = '/', Tags: tags = [] } = input;
    checkTags(tags);
    const certificate = checked(input.CertificateBody, input.PrivateKey, input.CertificateChain);
    if (!isValidAt(certificate, ctx.now().getTime())) {
      throw fault(sdk.MalformedCertificateException, 'The certificate has expired or is not valid yet.');
    }
    const id = newId(ctx.ids, 'ASCA');
    const row: ServerCertificateRow = {
      id,
      account: ctx.account,
      name,
      name_key: name.toLowerCase(),
      path,
      created_at: ctx.now().getTime(),
      // Without the white space around them: what reads them back (Terraform) compares them so.
      body: input.CertificateBody.trim(),
      chain: input.CertificateChain?.trim() ?? null,
      private_key: ctx.secrets.seal('iam.server-certificate', id, input.PrivateKey),
      expires_at: endOf(certificate),
    };
    await ctx.tx(async (tx) => {
      await requireFreeName(tx, ctx.account, KIND, name);
      if ((await countEntities(tx, KIND, ctx.account)) >= QUOTAS.serverCertificates) {
        throw quotaExceeded('ServerCertificatesPerAccount', QUOTAS.serverCertificates);
      }
      await tables(tx).insertInto('iam_server_certificates').values(row).execute();
      await putTags(tx, entityArn(KIND, row), tagsFrom(tags));
    });
    return { ServerCertificateMetadata: metadataOf(row), ...(tags.length === 0 ? {} : { Tags: tags }) };
  },
};

export const GetServerCertificate: Op<'GetServerCertificate'> = {
  resource: ({ ServerCertificateName: name }, ctx) => entityResource(ctx, KIND, name),
  async handle({ ServerCertificateName: name }, ctx) {
    const row = await entityByName(ctx, ctx.account, KIND, name);
    const tags = toTags(await tagsOf(ctx, entityArn(KIND, row)));
    return {
      ServerCertificate: {
        ServerCertificateMetadata: metadataOf(row),
        CertificateBody: row.body,
        ...(row.chain === null ? {} : { CertificateChain: row.chain }),
        ...(tags.length === 0 ? {} : { Tags: tags }),
      },
    };
  },
};

export const ListServerCertificates: Op<'ListServerCertificates'> = {
  resource: () => '*',
  async handle(input, ctx) {
    const { PathPrefix: pathPrefix } = input;
    const { items, truncation } = await listPage(
      ctx,
      `ListServerCertificates ${pathPrefix}`,
      input,
      (after, limit) => listEntities(ctx, KIND, { pathPrefix, after, limit }),
      ({ name_key }) => name_key,
    );
    return { ServerCertificateMetadataList: items.map(metadataOf), ...truncation };
  },
};

export const UpdateServerCertificate: Op<'UpdateServerCertificate'> = {
  resource: ({ ServerCertificateName: name, NewServerCertificateName: newName, NewPath: newPath }, ctx) =>
    movedResources(ctx, KIND, name, { name: newName, path: newPath }),
  async handle({ ServerCertificateName: name, NewServerCertificateName: newName, NewPath: newPath }, ctx) {
    await ctx.tx((tx) => renameCertificate(tx, ctx, name, newName ?? name, newPath));
    return {};
  },
};

async function renameCertificate(
  tx: Parameters<Parameters<Context['tx']>[0]>[0],
  ctx: Context,
  name: string,
  newName: string,
  newPath: string | undefined,
): Promise<void> {
  const row = await entityByName(tx, ctx.account, KIND, name);
  if (newName.toLowerCase() !== row.name_key) await requireFreeName(tx, ctx.account, KIND, newName);
  const moved = { ...row, name: newName, name_key: newName.toLowerCase(), path: newPath ?? row.path };
  const [from, to] = [entityArn(KIND, row), entityArn(KIND, moved)];
  if (from === to) return;
  const tags = await tagsOf(tx, from);
  await deleteAllTags(tx, from);
  await putTags(tx, to, tags);
  await tables(tx)
    .updateTable('iam_server_certificates')
    .set({ name: moved.name, name_key: moved.name_key, path: moved.path })
    .where('id', '=', row.id)
    .execute();
}

export const DeleteServerCertificate: Op<'DeleteServerCertificate'> = {
  resource: ({ ServerCertificateName: name }, ctx) => entityResource(ctx, KIND, name),
  async handle({ ServerCertificateName: name }, ctx) {
    await ctx.tx(async (tx) => {
      const row = await entityByName(tx, ctx.account, KIND, name);
      await deleteAllTags(tx, entityArn(KIND, row));
      await tables(tx).deleteFrom('iam_server_certificates').where('id', '=', row.id).execute();
    });
    return {};
  },
};
