import { Command } from 'commander';
import packageFile from '../../package.json' with { type: 'json' };
import { type Config, readConfig, SETTINGS } from '../kernel/config.ts';
import { DataFolderBusyError, UnfinishedRestoreError } from '../kernel/store/data-folder.ts';
import { type Aim, aimAt } from './running-server.ts';
import { UsageError } from './usage-error.ts';

export type AccountCall =
  | { verb: 'create'; name: string | undefined; email: string | undefined; id: string | undefined }
  | { verb: 'list' }
  | { verb: 'close' | 'reopen' | 'root-key'; id: string };

function withSettings(command: Command): Command {
  for (const { flag, help, fallback, env } of SETTINGS) {
    const shown = fallback === '' ? '' : `, default ${fallback}`;
    command.option(`--${flag} <value>`, `${help} (${env}${shown})`);
  }
  return command;
}

/** Reads the settings out of a command's options. */
function configOf(options: Record<string, string | undefined>): Config {
  const flags = Object.fromEntries(SETTINGS.map(({ flag }) => [flag, options[camel(flag)]]));
  try {
    return readConfig(flags, process.env);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** The settings of a command that speaks to a server that runs. */
async function aimOf(options: Record<string, string | undefined>): Promise<Aim> {
  const given = SETTINGS.filter(({ flag, env }) => (options[camel(flag)] ?? process.env[env]) !== undefined);
  return aimAt(configOf(options), new Set(given.map(({ key }) => key)));
}

function camel(flag: string): string {
  return flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** Runs the command line. Exit status 0 for success, 1 for a failure, 2 for a wrong use. */
export async function run(argv: string[]): Promise<void> {
  const program = new Command('slipway').description('CI/CD on your own machines that speaks AWS.').exitOverride();
  program.version(packageFile.version, '--version');
  withSettings(program.command('serve').description('start the server')).action(async (options) => {
    const { serve } = await import('./serve.ts');
    await serve(configOf(options));
  });
  withSettings(
    program.command('env').description('print the export lines that point AWS clients at the server'),
  ).action(async (options) => {
    const { printEnv } = await import('./env.ts');
    await printEnv(await aimOf(options));
  });
  withSettings(program.command('demo').description('push an example app through a pipeline to a deployed page'))
    .option('--keep', 'leave the server running when the demo is done')
    .option('--self', "push this project's own repository instead of the example")
    .action(async (options) => {
      const { demo } = await import('./demo.ts');
      process.exitCode = await demo(configOf(options), { keep: options.keep === true, self: options.self === true });
    });
  withSettings(
    program.command('backup').argument('<folder>').description('copy the installation, also while it serves'),
  )
    .option('--without-keys', 'leave out what opens the data; keep that elsewhere')
    .action(async (folder: string, options) => {
      const { backup } = await import('./backup/backup.ts');
      await backup(configOf(options), folder, { keys: options.withoutKeys !== true });
    });
  withSettings(
    program
      .command('restore')
      .argument('<folder>')
      .description('make an empty data folder, and an empty database, what a backup holds'),
  ).action(async (folder: string, options) => {
    const { restore } = await import('./backup/restore.ts');
    await restore(configOf(options), folder);
  });
  addAccountCommands(program);
  addImportCommand(program);
  try {
    await program.parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** Accounts of a server that runs: it alone writes its data. */
function addAccountCommands(program: Command): void {
  const account = program.command('account').description('make, list and close accounts of a running server');
  const administer = async (options: Record<string, string | undefined>, call: AccountCall) => {
    const { administerAccounts } = await import('./account.ts');
    await administerAccounts(await aimOf(options), call);
  };
  withSettings(account.command('create').description('make an account; prints the key of its root user, once'))
    .option('--name <name>', 'name of the account')
    .option('--email <email>', 'e-mail address of its owner')
    .option('--id <id>', '12 digits; made when left out')
    .action(({ name, email, id, ...options }) => administer(options, { verb: 'create', name, email, id }));
  withSettings(account.command('list').description('list the accounts')).action((options) =>
    administer(options, { verb: 'list' }),
  );
  const onOne = (verb: 'close' | 'reopen' | 'root-key', description: string) =>
    withSettings(account.command(verb).argument('<id>', '12 digits').description(description)).action((id, options) =>
      administer(options, { verb, id }),
    );
  onOne('close', 'end all access of an account; its data stays');
  onOne('reopen', 'give a closed account its access back');
  onOne('root-key', "replace the key of an account's root user; prints the new one, once");
}

/** Brings repositories in, by the API and git of a server that runs. */
function addImportCommand(program: Command): void {
  withSettings(
    program.command('import').argument('[source]', 'address of a git repository').description('bring a repository in'),
  )
    .option('--repository <name>', 'name that it gets; the last part of its address when left out')
    .option('--description <text>', 'description that it gets when it is made')
    .option('--overwrite', 'move references that were rewritten in the source, also over what was pushed here')
    .option('--from-codecommit', 'the source is the name of a repository in AWS CodeCommit; pull requests come along')
    .option('--all', 'with --from-codecommit: all repositories of the account and Region')
    .option('--source-region <region>', 'with --from-codecommit: Region to read from')
    .option('--profile <name>', 'with --from-codecommit: profile of the credentials to read with')
    .option('--endpoint-url <url>', 'with --from-codecommit: another address than that of AWS')
    .option('--cache <folder>', 'keep what was fetched there, so that another import fetches only what is new')
    .action(async (source: string | undefined, options) => {
      const { config } = await aimOf(options);
      const { sourceRegion: region, profile, endpointUrl, all } = options;
      if (options.fromCodecommit === true) {
        if ((source === undefined) !== (all === true)) throw new UsageError('Name one repository, or give --all.');
        const { importCodeCommit } = await import('./import/import-codecommit.ts');
        const { repository, overwrite } = options;
        if (all === true && repository !== undefined) throw new UsageError('--all takes the names as they are.');
        const given = { name: source, repository, overwrite, region, profile, endpointUrl };
        process.exitCode = await importCodeCommit(config, given);
        return;
      }
      if (source === undefined) throw new UsageError('Name the address of a git repository.');
      const { importGit } = await import('./import/import-git.ts');
      const { repository, description, overwrite, cache } = options;
      process.exitCode = await importGit(config, { source, repository, description, overwrite, cache });
    });
}

function report(error: unknown): number {
  const { code, exitCode, message } = error as { code?: string; exitCode?: number; message: string };
  if (code?.startsWith('commander.')) return exitCode === 0 ? 0 : 2;
  const isFolder = error instanceof DataFolderBusyError || error instanceof UnfinishedRestoreError;
  if (error instanceof UsageError || isFolder) {
    process.stderr.write(`slipway: ${message}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
  if (code === 'EADDRINUSE') {
    const { address, port } = error as { address?: string; port?: number };
    process.stderr.write(
      `slipway: ${address}:${port} is in use by another program. Choose another port with --port, or 0 for a free one.\n`,
    );
    return 1;
  }
  process.stderr.write(`slipway: ${(error as Error).stack ?? message}\n`);
  return 1;
}
