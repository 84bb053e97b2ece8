import { BlockList, isIP } from 'node:net';
import * as sdk from '@aws-sdk/client-iam';
import { arn } from '../../kernel/arn.ts';
import { isReservedNamespace } from '../../kernel/auth/key-namespaces.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName, ResourceRef } from '../../kernel/service.ts';
import { deleteAllTags, putTags, tagsOf } from '../../kernel/tags.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { type OpenIdProviderRow, providerTables } from './provider-tables.ts';
import { quotaExceeded } from './quotas.ts';
import { checkTags, tagConditions, tagsFrom, toTags } from './tag-sets.ts';
import { list, tag, untag, untagConditions } from './tagging.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** AWS's quotas. Source: IAM User Guide, "IAM and AWS STS quotas". */
const MAX_PROVIDERS = 100;
const MAX_CLIENT_IDS = 100;
const MAX_THUMBPRINTS = 5;

type ArnInput = { OpenIDConnectProviderArn: string };

const byArn = ({ OpenIDConnectProviderArn: providerArn }: ArnInput, ctx: Context): ResourceRef => ({
  arn: providerArn,
  tags: () => tagsOf(ctx, providerArn),
});

/** Where the provider of a URL stands: the URL without its scheme. */
function providerArnOf(account: string, url: string): string {
  return arn('iam', '', account, `oidc-provider/${url.replace(/^https?:\/\//, '')}`);
}

/** @throws NoSuchEntity */
async function providerByArn(source: Context | Tx, ctx: Context, providerArn: string): Promise<OpenIdProviderRow> {
  const row = await providerTables(source)
    .selectFrom('iam_openid_providers')
    .selectAll()
    .where('arn', '=', providerArn)
    .where('account', '=', ctx.account)
    .executeTakeFirst();
  if (row === undefined) {
    throw fault(sdk.NoSuchEntityException, `OpenIDConnect Provider not found for arn ${providerArn}`);
  }
  return row;
}

export const CreateOpenIDConnectProvider: Op<'CreateOpenIDConnectProvider'> = {
  resource: ({ Url: url }, { account }) => providerArnOf(account, url),
  conditions: ({ Tags: tags }) => tagConditions(tags),
  async handle({ Url: url, ClientIDList: clientIds = [], ThumbprintList: thumbprints = [], Tags: tags = [] }, ctx) {
    checkUrl(url);
    checkTags(tags);
    checkClientIds(clientIds);
    const row: OpenIdProviderRow = {
      arn: providerArnOf(ctx.account, url),
      account: ctx.account,
      url,
      client_ids: JSON.stringify([...new Set(clientIds)]),
      thumbprints: JSON.stringify(checkedThumbprints(thumbprints)),
      created_at: ctx.now().getTime(),
    };
    await ctx.tx(async (tx) => {
      const rows = await ofAccount(tx, ctx.account);
      if (rows.some(({ arn: taken }) => taken === row.arn)) {
        throw fault(sdk.EntityAlreadyExistsException, `Provider with url ${url} already exists.`);
      }
      if (rows.length >= MAX_PROVIDERS) throw quotaExceeded('OpenIdConnectProvidersPerAccount', MAX_PROVIDERS);
      await providerTables(tx).insertInto('iam_openid_providers').values(row).execute();
      await putTags(tx, row.arn, tagsFrom(tags));
    });
    return { OpenIDConnectProviderArn: row.arn, ...(tags.length === 0 ? {} : { Tags: tags }) };
  },
};

function ofAccount(source: Context | Tx, account: string): Promise<OpenIdProviderRow[]> {
  return providerTables(source)
    .selectFrom('iam_openid_providers')
    .selectAll()
    .where('account', '=', account)
    .orderBy('arn')
    .execute();
}

export const GetOpenIDConnectProvider: Op<'GetOpenIDConnectProvider'> = {
  resource: byArn,
  async handle({ OpenIDConnectProviderArn: providerArn }, ctx) {
    const row = await providerByArn(ctx, ctx, providerArn);
    return {
      // AWS shows the URL without its scheme.
      Url: row.url.replace(/^https:\/\//, ''),
      ClientIDList: JSON.parse(row.client_ids) as string[],
      ThumbprintList: JSON.parse(row.thumbprints) as string[],
      CreateDate: new Date(Number(row.created_at)),
      Tags: toTags(await tagsOf(ctx, providerArn)),
    };
  },
};

export const ListOpenIDConnectProviders: Op<'ListOpenIDConnectProviders'> = {
  resource: () => '*',
  async handle(_input, ctx) {
    const rows = await ofAccount(ctx, ctx.account);
    return { OpenIDConnectProviderList: rows.map(({ arn: Arn }) => ({ Arn })) };
  },
};

/** Does not fail where there is no such provider. */
export const DeleteOpenIDConnectProvider: Op<'DeleteOpenIDConnectProvider'> = {
  resource: byArn,
  async handle({ OpenIDConnectProviderArn: providerArn }, ctx) {
    await ctx.tx(async (tx) => {
      const deleted = await providerTables(tx)
        .deleteFrom('iam_openid_providers')
        .where('arn', '=', providerArn)
        .where('account', '=', ctx.account)
        .executeTakeFirst();
      if (deleted.numDeletedRows > 0n) await deleteAllTags(tx, providerArn);
    });
    return {};
  },
};

export const UpdateOpenIDConnectProviderThumbprint: Op<'UpdateOpenIDConnectProviderThumbprint'> = {
  resource: byArn,
  async handle({ OpenIDConnectProviderArn: providerArn, ThumbprintList: thumbprints }, ctx) {
    const checked = checkedThumbprints(thumbprints);
    await ctx.tx(async (tx) => {
      await providerByArn(tx, ctx, providerArn);
      await providerTables(tx)
        .updateTable('iam_openid_providers')
        .set({ thumbprints: JSON.stringify(checked) })
        .where('arn', '=', providerArn)
        .execute();
    });
    return {};
  },
};

export const AddClientIDToOpenIDConnectProvider: Op<'AddClientIDToOpenIDConnectProvider'> = {
  resource: byArn,
  handle: ({ OpenIDConnectProviderArn: providerArn, ClientID: id }, ctx) =>
    changeClientIds(ctx, providerArn, (ids) => [...ids.filter((one) => one !== id), id]),
};

export const RemoveClientIDFromOpenIDConnectProvider: Op<'RemoveClientIDFromOpenIDConnectProvider'> = {
  resource: byArn,
  handle: ({ OpenIDConnectProviderArn: providerArn, ClientID: id }, ctx) =>
    changeClientIds(ctx, providerArn, (ids) => ids.filter((one) => one !== id)),
};

async function changeClientIds(
  ctx: Context,
  providerArn: string,
  change: (ids: readonly string[]) => string[],
): Promise<object> {
  await ctx.tx(async (tx) => {
    const row = await providerByArn(tx, ctx, providerArn);
    const ids = change(JSON.parse(row.client_ids) as string[]);
    checkClientIds(ids);
    await providerTables(tx)
      .updateTable('iam_openid_providers')
      .set({ client_ids: JSON.stringify(ids) })
      .where('arn', '=', providerArn)
      .execute();
  });
  return {};
}

const finder = (ctx: Context, providerArn: string) => async (source: Context | Tx) =>
  (await providerByArn(source, ctx, providerArn)).arn;

export const TagOpenIDConnectProvider: Op<'TagOpenIDConnectProvider'> = {
  resource: byArn,
  conditions: ({ Tags: tags }) => tagConditions(tags),
  handle: (input, ctx) => tag(ctx, finder(ctx, input.OpenIDConnectProviderArn), input.Tags),
};
export const UntagOpenIDConnectProvider: Op<'UntagOpenIDConnectProvider'> = {
  resource: byArn,
  conditions: untagConditions,
  handle: (input, ctx) => untag(ctx, finder(ctx, input.OpenIDConnectProviderArn), input.TagKeys),
};
export const ListOpenIDConnectProviderTags: Op<'ListOpenIDConnectProviderTags'> = {
  resource: byArn,
  handle: (input, ctx) => list(ctx, finder(ctx, input.OpenIDConnectProviderArn), input),
};

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * A provider is reached by HTTPS. Plain HTTP is taken from this machine's own loopback alone, where nobody stands between.
 * @throws ValidationError
 */
function checkUrl(text: string): void {
  const invalid = () => commonFault('ValidationError', 'Invalid Open ID Connect Provider URL');
  if (!URL.canParse(text) || /[\s\\]/.test(text)) throw invalid();
  const url = new URL(text);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isLocal =
    host === 'localhost' || (isIP(host) !== 0 && loopback.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4'));
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLocal)) throw invalid();
  // The URL is the issuer by the letter: what a parser would change cannot be one.
  const plain = url.href === text || url.href === `${text}/`;
  if (!plain || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') throw invalid();
  if (isReservedNamespace(text.replace(/^https?:\/\//, '').replace(/\/$/, ''))) throw invalid();
}

function checkClientIds(ids: readonly string[]): void {
  if (ids.length > MAX_CLIENT_IDS) throw quotaExceeded('ClientIdsPerOpenIdConnectProvider', MAX_CLIENT_IDS);
}

function checkedThumbprints(thumbprints: readonly string[]): string[] {
  if (thumbprints.length > MAX_THUMBPRINTS) {
    throw fault(sdk.InvalidInputException, 'Thumbprint list must contain fewer than 5 entries.');
  }
  if (!thumbprints.every((one) => /^[0-9a-f]{40}$/i.test(one))) {
    throw fault(sdk.InvalidInputException, 'Thumbprint contains invalid characters');
  }
  return [...new Set(thumbprints.map((one) => one.toLowerCase()))];
}
