import { createHash, createHmac } from 'node:crypto';
import { signingKey } from '../kernel/auth/signing-key.ts';
import type { Config } from '../kernel/config.ts';
import type { RootCredentials } from '../kernel/store/data-folder.ts';
import { exportLines, rootKeys, serverUrl } from './env.ts';
import type { AccountCall } from './program.ts';
import { UsageError } from './usage-error.ts';

interface Account {
  Id: string;
  Name: string;
  Email: string;
  Status: string;
  JoinedTimestamp: string;
  RootKey?: { accessKeyId: string; secretAccessKey: string };
}

const PATH = '/_slipway/accounts';
const TIMEOUT_MS = 30_000;

/**
 * Asks the running server to do something with its accounts, as the root user of the account that it is set up with.
 * @throws UsageError where no server answers or it refuses
 */
export async function administerAccounts(config: Config, call: AccountCall): Promise<void> {
  const url = serverUrl(config);
  const keys = await rootKeys(config);
  switch (call.verb) {
    case 'list': {
      const { Accounts } = (await ask(url, 'GET', PATH, config.region, keys)) as { Accounts: Account[] };
      process.stdout.write(table(Accounts));
      return;
    }
    case 'create': {
      const query = queryOf({ email: call.email, id: call.id, name: call.name });
      const { Account: account } = (await ask(url, 'POST', `${PATH}${query}`, config.region, keys)) as Answer;
      process.stdout.write(withKey(account, url, config.region));
      return;
    }
    default: {
      if (!/^\d{12}$/.test(call.id)) throw new UsageError(`${call.id} is no account id: it has 12 digits`);
      const path = `${PATH}/${call.id}/${call.verb}`;
      const { Account: account } = (await ask(url, 'POST', path, config.region, keys)) as Answer;
      process.stdout.write(account.RootKey === undefined ? table([account]) : withKey(account, url, config.region));
    }
  }
}

interface Answer {
  Account: Account;
}

function table(accounts: readonly Account[]): string {
  const rows = accounts.map(({ Id, Status, Name, Email }) => [Id, Status, Name, Email]);
  const width = (column: number) => Math.max(...rows.map((row) => row[column]!.length));
  const widths = [0, 1, 2].map(width);
  return rows
    .map((row) => `${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')}`.trimEnd())
    .join('\n')
    .concat('\n');
}

/** Lines for a shell: a comment with the account, then those that make its root user the caller. */
function withKey(account: Account, url: string, region: string): string {
  const name = account.Name === account.Id ? '' : ` (${account.Name})`;
  return `# Root user of account ${account.Id}${name}. The key is shown this once.\n${exportLines(url, region, account.RootKey!).join('\n')}\n`;
}

/** A query string in the order and spelling in which it is signed; empty without values. */
function queryOf(values: Record<string, string | undefined>): string {
  const encoded = (text: string) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  const pairs = Object.entries(values).filter(([, value]) => value !== undefined);
  if (pairs.length === 0) return '';
  return `?${pairs.map(([name, value]) => `${name}=${encoded(value!)}`).join('&')}`;
}

async function ask(
  url: string,
  method: string,
  target: string,
  region: string,
  keys: RootCredentials,
): Promise<object> {
  let response: Response;
  try {
    response = await fetch(`${url}${target}`, {
      method,
      headers: { ...signature(url, method, target, region, keys), 'content-type': 'application/json' },
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    const reason = ((error as Error).cause as Error | undefined)?.message ?? (error as Error).message;
    throw new UsageError(`no answer from ${url}: ${reason}. Start the server, or name it with --port or --public-url.`);
  }
  const text = await response.text();
  if (response.ok) return JSON.parse(text) as object;
  let message = text;
  try {
    message = (JSON.parse(text) as { message?: string; Message?: string }).message ?? text;
  } catch {
    // It is not a server of ours that answers; its words are all there is to tell.
  }
  throw new UsageError(`the server answered ${response.status}: ${message.slice(0, 500)}`);
}

/** Headers that sign a request without a body (SigV4). */
function signature(
  url: string,
  method: string,
  target: string,
  region: string,
  { accessKeyId, secretAccessKey }: RootCredentials,
): Record<string, string> {
  const time = `${new Date().toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;
  const date = time.slice(0, 8);
  const [path, query = ''] = target.split('?');
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
  const signed = 'host;x-amz-date';
  const canonical = `${method}\n${path}\n${query}\nhost:${new URL(url).host}\nx-amz-date:${time}\n\n${signed}\n${sha256('')}`;
  const scope = `${date}/${region}/iam/aws4_request`;
  const key = signingKey(accessKeyId, secretAccessKey, date, region, 'iam');
  const value = createHmac('sha256', key)
    .update(`AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`)
    .digest('hex');
  return {
    'x-amz-date': time,
    authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${value}`,
  };
}
