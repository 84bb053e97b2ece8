import type { Config } from '../kernel/config.ts';
import type { RootCredentials } from '../kernel/store/data-folder.ts';
import { exportLines, rootKeys, serverUrl } from './env.ts';
import type { AccountCall } from './program.ts';
import { queryOf, sendSigned } from './signed-request.ts';
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

function ask(url: string, method: 'GET' | 'POST', target: string, region: string, keys: RootCredentials) {
  return sendSigned({ url, method, target, region, service: 'iam', keys });
}
