import type { Context } from '../../kernel/context.ts';
import type { Route } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import type { AccountRow } from './account-tables.ts';
import { createAccount, listAccounts, type RootKey, replaceRootKey, setAccountStatus } from './accounts.ts';

const PATH = '/_slipway/accounts';
const ONE = /^\/_slipway\/accounts\/(\d{12})\/(close|reopen|root-key)$/;
/** AWS Organizations' limits of a name and an address. */
const MAX_NAME_CHARS = 50;
const MAX_EMAIL_CHARS = 64;

/** An account as the route tells of it, with its root key when that was just made. */
export interface AccountAnswer {
  readonly Id: string;
  readonly Name: string;
  readonly Email: string;
  readonly Status: string;
  /** ISO 8601. */
  readonly JoinedTimestamp: string;
  readonly RootKey?: RootKey;
}

/**
 * Administration of the installation's accounts, for `slipway account`. Requests are signed (signing name `iam`) by the
 * root user of the account that the server is set up with, or by whom that account allows the actions of AWS Organizations.
 * They have no body.
 */
export const accountsRoute: Route = {
  name: 'accounts',
  matches: ({ path }) => path === PATH || path.startsWith(`${PATH}/`),
  async handle({ request, response, authenticate }) {
    const ctx = await authenticate();
    if (ctx.account !== ctx.config.account) {
      throw commonFault('AccessDenied', `Accounts are administered by the account ${ctx.config.account} alone.`);
    }
    const answer = await answerOf(ctx, request.method, request.path, request.query);
    response.setHeader('content-type', 'application/json');
    response.setHeader('cache-control', 'no-store');
    response.end(`${JSON.stringify(answer)}\n`);
  },
};

async function answerOf(ctx: Context, method: string, path: string, query: string): Promise<object> {
  if (path === PATH && method === 'GET') {
    await ctx.authorize('organizations:ListAccounts', '*');
    return { Accounts: (await listAccounts(ctx)).map((row) => shown(row)) };
  }
  const parameters = new URLSearchParams(query);
  if (path === PATH && method === 'POST') {
    await ctx.authorize('organizations:CreateAccount', '*');
    const name = bounded('name', parameters.get('name'), MAX_NAME_CHARS);
    const email = bounded('email', parameters.get('email'), MAX_EMAIL_CHARS);
    const { account, key } = await createAccount(ctx, { id: parameters.get('id') ?? undefined, name, email });
    return { Account: shown(account, key) };
  }
  const [, id, verb] = ONE.exec(path) ?? [];
  if (id === undefined || method !== 'POST') {
    throw commonFault('InvalidAction', 'There is no such administrative call.');
  }
  if (verb === 'root-key') {
    await ctx.authorize('organizations:CreateAccount', '*');
    const { account, key } = await replaceRootKey(ctx, id);
    return { Account: shown(account, key) };
  }
  await ctx.authorize('organizations:CloseAccount', `arn:aws:organizations::${ctx.account}:account/o-slipway/${id}`);
  return { Account: shown(await setAccountStatus(ctx, id, verb === 'close' ? 'SUSPENDED' : 'ACTIVE')) };
}

/** @throws ValidationError for a text that is too long or holds control characters */
function bounded(what: string, value: string | null, maxChars: number): string | undefined {
  if (value === null) return undefined;
  if (value.length === 0 || value.length > maxChars || /[\u0000-\u001f\u007f]/.test(value)) {
    throw commonFault('ValidationError', `The ${what} of an account has 1 to ${maxChars} characters.`);
  }
  return value;
}

function shown(row: AccountRow, key?: RootKey): AccountAnswer {
  return {
    Id: row.id,
    Name: row.name,
    Email: row.email,
    Status: row.status,
    JoinedTimestamp: new Date(Number(row.created_at)).toISOString(),
    ...(key === undefined ? {} : { RootKey: key }),
  };
}
