import * as sdk from '@aws-sdk/client-iam';
import { arn } from '../../kernel/arn.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { UPPER_ALNUM } from '../../kernel/ids.ts';
import type { Operation, OperationName, ResourceRef } from '../../kernel/service.ts';
import { XmlError } from '../../kernel/strict-xml.ts';
import { deleteAllTags, putTags, tagsOf } from '../../kernel/tags.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { providerTables, type SamlProviderRow } from './provider-tables.ts';
import { quotaExceeded } from './quotas.ts';
import { readSamlMetadata } from './saml-metadata.ts';
import { checkTags, tagConditions, tagsFrom, toTags } from './tag-sets.ts';
import { list, tag, untag, untagConditions } from './tagging.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const MAX_PROVIDERS = 100;
/** AWS gives every provider a hundred years. */
const VALID_MS = 100 * 365 * 86_400_000;

type ArnInput = { SAMLProviderArn: string };

const byArn = ({ SAMLProviderArn: providerArn }: ArnInput, ctx: Context): ResourceRef => ({
  arn: providerArn,
  tags: () => tagsOf(ctx, providerArn),
});

const providerArnOf = (account: string, name: string) => arn('iam', '', account, `saml-provider/${name}`);

/** @throws NoSuchEntity */
async function providerByArn(source: Context | Tx, ctx: Context, providerArn: string): Promise<SamlProviderRow> {
  const row = await providerTables(source)
    .selectFrom('iam_saml_providers')
    .selectAll()
    .where('arn', '=', providerArn)
    .where('account', '=', ctx.account)
    .executeTakeFirst();
  if (row === undefined) throw fault(sdk.NoSuchEntityException, `Manifest not found for arn ${providerArn}`);
  return row;
}

/** @throws InvalidInput */
function checkMetadata(document: string): void {
  try {
    readSamlMetadata(document);
  } catch (error) {
    if (!(error instanceof XmlError)) throw error;
    throw fault(sdk.InvalidInputException, `Could not parse metadata: ${error.message}`);
  }
}

/** Assertions are read as they are signed, not encrypted. @throws NotImplemented */
function refuseEncryption(input: {
  AssertionEncryptionMode?: string | undefined;
  AddPrivateKey?: string | undefined;
  RemovePrivateKey?: string | undefined;
}): void {
  const { AssertionEncryptionMode: mode, AddPrivateKey: added, RemovePrivateKey: removed } = input;
  if (mode === undefined && added === undefined && removed === undefined) return;
  throw commonFault('NotImplemented', 'Encrypted SAML assertions are not implemented by Slipway.');
}

export const CreateSAMLProvider: Op<'CreateSAMLProvider'> = {
  resource: ({ Name: name }, { account }) => providerArnOf(account, name),
  conditions: ({ Tags: tags }) => tagConditions(tags),
  content: ['SAMLMetadataDocument'],
  async handle(input, ctx) {
    const { Name: name, SAMLMetadataDocument: metadata, Tags: tags = [] } = input;
    refuseEncryption(input);
    checkMetadata(metadata);
    checkTags(tags);
    const now = ctx.now().getTime();
    const row: SamlProviderRow = {
      arn: providerArnOf(ctx.account, name),
      account: ctx.account,
      name,
      uuid: `SAMLSP${ctx.ids.string(20, UPPER_ALNUM)}`,
      metadata,
      created_at: now,
      valid_until: now + VALID_MS,
    };
    await ctx.tx(async (tx) => {
      const rows = await ofAccount(tx, ctx.account);
      if (rows.some(({ arn: taken }) => taken === row.arn)) {
        throw fault(sdk.EntityAlreadyExistsException, `Provider with name ${name} already exists.`);
      }
      if (rows.length >= MAX_PROVIDERS) throw quotaExceeded('SAMLProvidersPerAccount', MAX_PROVIDERS);
      await providerTables(tx).insertInto('iam_saml_providers').values(row).execute();
      await putTags(tx, row.arn, tagsFrom(tags));
    });
    return { SAMLProviderArn: row.arn, ...(tags.length === 0 ? {} : { Tags: tags }) };
  },
};

function ofAccount(source: Context | Tx, account: string) {
  return providerTables(source)
    .selectFrom('iam_saml_providers')
    .select(['arn', 'created_at', 'valid_until'])
    .where('account', '=', account)
    .orderBy('arn')
    .execute();
}

export const GetSAMLProvider: Op<'GetSAMLProvider'> = {
  resource: byArn,
  async handle({ SAMLProviderArn: providerArn }, ctx) {
    const row = await providerByArn(ctx, ctx, providerArn);
    return {
      SAMLProviderUUID: row.uuid,
      SAMLMetadataDocument: row.metadata,
      CreateDate: new Date(Number(row.created_at)),
      ValidUntil: new Date(Number(row.valid_until)),
      Tags: toTags(await tagsOf(ctx, providerArn)),
    };
  },
};

export const ListSAMLProviders: Op<'ListSAMLProviders'> = {
  resource: () => '*',
  async handle(_input, ctx) {
    const rows = await ofAccount(ctx, ctx.account);
    return {
      SAMLProviderList: rows.map((row) => ({
        Arn: row.arn,
        CreateDate: new Date(Number(row.created_at)),
        ValidUntil: new Date(Number(row.valid_until)),
      })),
    };
  },
};

export const UpdateSAMLProvider: Op<'UpdateSAMLProvider'> = {
  resource: byArn,
  content: ['SAMLMetadataDocument'],
  async handle(input, ctx) {
    const { SAMLProviderArn: providerArn, SAMLMetadataDocument: metadata } = input;
    refuseEncryption(input);
    if (metadata === undefined) throw fault(sdk.InvalidInputException, 'There is nothing to update.');
    checkMetadata(metadata);
    await ctx.tx(async (tx) => {
      await providerByArn(tx, ctx, providerArn);
      await providerTables(tx)
        .updateTable('iam_saml_providers')
        .set({ metadata })
        .where('arn', '=', providerArn)
        .execute();
    });
    return { SAMLProviderArn: providerArn };
  },
};

export const DeleteSAMLProvider: Op<'DeleteSAMLProvider'> = {
  resource: byArn,
  async handle({ SAMLProviderArn: providerArn }, ctx) {
    await ctx.tx(async (tx) => {
      await providerByArn(tx, ctx, providerArn);
      await providerTables(tx).deleteFrom('iam_saml_providers').where('arn', '=', providerArn).execute();
      await deleteAllTags(tx, providerArn);
    });
    return {};
  },
};

const finder = (ctx: Context, providerArn: string) => async (source: Context | Tx) =>
  (await providerByArn(source, ctx, providerArn)).arn;

export const TagSAMLProvider: Op<'TagSAMLProvider'> = {
  resource: byArn,
  conditions: ({ Tags: tags }) => tagConditions(tags),
  handle: (input, ctx) => tag(ctx, finder(ctx, input.SAMLProviderArn), input.Tags),
};
export const UntagSAMLProvider: Op<'UntagSAMLProvider'> = {
  resource: byArn,
  conditions: untagConditions,
  handle: (input, ctx) => untag(ctx, finder(ctx, input.SAMLProviderArn), input.TagKeys),
};
export const ListSAMLProviderTags: Op<'ListSAMLProviderTags'> = {
  resource: byArn,
  handle: (input, ctx) => list(ctx, finder(ctx, input.SAMLProviderArn), input),
};
