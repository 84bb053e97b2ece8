import type { Config } from '../kernel/config.ts';
import { exportLines, rootKeys, serverInWords, serverUrl } from './env.ts';
import type { AccountCall } from './program.ts';
import type { Aim } from './running-server.ts';
import { queryOf, type SigningKeys, sendSigned } from './signed-request.ts';
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

/**
 * Asks the running server to do something with its accounts, as the root user of the account that it is set up with. Where no
 * server or folder is named and `AWS_ENDPOINT_URL` is, it is that server, with the credentials that AWS clients find.
 * @throws UsageError where no server answers or it refuses
 */
export async function administerAccounts(aim: Aim, call: AccountCall): Promise<void> {
  const endpoint = process.env['AWS_ENDPOINT_URL'];
  const server = endpoint && !aim.named ? await serverOfClients(endpoint, aim.config) : await serverOfSettings(aim);
  process.stderr.write(`# ${server.told}\n`);
  switch (call.verb) {
    case 'list': {
      const { Accounts } = (await ask(server, 'GET', PATH)) as { Accounts: Account[] };
      process.stdout.write(table(Accounts));
      return;
    }
    case 'create': {
      const query = queryOf({ email: call.email, id: call.id, name: call.name });
      const { Account: account } = (await ask(server, 'POST', `${PATH}${query}`)) as Answer;
      process.stdout.write(withKey(account, server));
      return;
    }
    default: {
      if (!/^\d{12}$/.test(call.id)) throw new UsageError(`${call.id} is no account id: it has 12 digits`);
      const { Account: account } = (await ask(server, 'POST', `${PATH}/${call.id}/${call.verb}`)) as Answer;
      process.stdout.write(account.RootKey === undefined ? table([account]) : withKey(account, server));
    }
  }
}

/** A server, and as whom it is asked. */
interface Server {
  url: string;
  region: string;
  keys: SigningKeys;
  /** Both in words. */
  told: string;
}

async function serverOfSettings(aim: Aim): Promise<Server> {
  const { config, running } = aim;
  const keys = await rootKeys(config, running);
  return { url: serverUrl(config), region: config.region, keys, told: serverInWords(aim) };
}

async function serverOfClients(endpoint: string, { region: fallback }: Config): Promise<Server> {
  const { STS } = await import('@aws-sdk/client-sts');
  const region = process.env['AWS_REGION'] || process.env['AWS_DEFAULT_REGION'] || fallback;
  const client = new STS({ region, endpoint });
  const keys = await client.config.credentials().catch((error: Error) => {
    throw new UsageError(`AWS_ENDPOINT_URL is ${endpoint}, but there are no credentials for it: ${error.message}`);
  });
  client.destroy();
  const url = endpoint.replace(/\/+$/, '');
  return { url, region, keys, told: `${url} (AWS_ENDPOINT_URL), access key ${keys.accessKeyId}` };
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
function withKey(account: Account, { url, region }: Server): string {
  const name = account.Name === account.Id ? '' : ` (${account.Name})`;
  return `# Root user of account ${account.Id}${name}. The key is shown this once.\n${exportLines(url, region, account.RootKey!).join('\n')}\n`;
}

function ask({ url, region, keys }: Server, method: 'GET' | 'POST', target: string) {
  return sendSigned({ url, method, target, region, service: 'iam', keys });
}
