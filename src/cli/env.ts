import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../kernel/config.ts';
import type { RootCredentials } from '../kernel/store/data-folder.ts';
import type { Aim, ServerNote } from './running-server.ts';
import { UsageError } from './usage-error.ts';

/** The lines that point `aws`, SDKs and Terraform at a server. */
export function exportLines(url: string, region: string, keys: RootCredentials): string[] {
  return [
    `export AWS_ENDPOINT_URL=${url}`,
    `export AWS_REGION=${region} AWS_DEFAULT_REGION=${region}`,
    `export AWS_ACCESS_KEY_ID=${keys.accessKeyId}`,
    `export AWS_SECRET_ACCESS_KEY=${keys.secretAccessKey}`,
  ];
}

/**
 * Prints the export lines with the root user's key, and to standard error which server and folder they are of: `eval` takes
 * what is printed. @throws UsageError before the first start
 */
export async function printEnv(aim: Aim): Promise<void> {
  const keys = await rootKeys(aim.config, aim.running);
  process.stderr.write(`# ${serverInWords(aim)}\n`);
  process.stdout.write(`${exportLines(serverUrl(aim.config), aim.config.region, keys).join('\n')}\n`);
}

/** Which server and folder the settings mean, and as whom the server is asked. */
export function serverInWords({ config, running }: Aim): string {
  const isGuess = running === undefined && config.publicUrl === '';
  const state = isGuess ? ', where no server is known to run now' : '';
  return `${serverUrl(config)}, root user of account ${config.account}; data folder ${config.data}${state}`;
}

/** Where the server of these settings is reached. */
export function serverUrl({ publicUrl, host, port, tlsCert }: Config): string {
  return publicUrl === '' ? `${tlsCert === '' ? 'http' : 'https'}://${host}:${port}` : publicUrl;
}

/**
 * The root key of the account that a server of these settings is set up with.
 * @throws UsageError before the first start, or when the server that runs was started with another one
 */
export async function rootKeys(config: Config, running?: ServerNote): Promise<RootCredentials> {
  const keys = await storedKeys(config);
  if (keys === undefined && running === undefined) {
    throw new UsageError(`no root key in ${config.data}: start the server once, or name its folder with --data`);
  }
  if (keys !== undefined && (running === undefined || running.rootAccessKeyId === keys.accessKeyId)) return keys;
  const here = keys === undefined ? 'which is not known here' : `and here it is ${keys.accessKeyId}`;
  throw new UsageError(
    `the server at ${running!.url} was started with the root key ${running!.rootAccessKeyId}, ${here} (data folder ` +
      `${config.data}): set SLIPWAY_ROOT_ACCESS_KEY_ID and SLIPWAY_ROOT_SECRET_ACCESS_KEY as they are set for the server`,
  );
}

async function storedKeys(config: Config): Promise<RootCredentials | undefined> {
  if (config.rootAccessKeyId !== '') {
    return { accessKeyId: config.rootAccessKeyId, secretAccessKey: config.rootSecretAccessKey };
  }
  try {
    return JSON.parse(await readFile(join(config.data, 'root-credentials.json'), 'utf8')) as RootCredentials;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
}
