import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../kernel/config.ts';
import type { RootCredentials } from '../kernel/store/data-folder.ts';
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

/** Prints the export lines with the root user's key. @throws UsageError before the first start */
export async function printEnv(config: Config): Promise<void> {
  process.stdout.write(`${exportLines(serverUrl(config), config.region, await rootKeys(config)).join('\n')}\n`);
}

/** Where the server of these settings is reached. */
export function serverUrl({ publicUrl, host, port, tlsCert }: Config): string {
  return publicUrl === '' ? `${tlsCert === '' ? 'http' : 'https'}://${host}:${port}` : publicUrl;
}

/** The root key of the account that a server of these settings is set up with. @throws UsageError before the first start */
export async function rootKeys(config: Config): Promise<RootCredentials> {
  if (config.rootAccessKeyId !== '') {
    return { accessKeyId: config.rootAccessKeyId, secretAccessKey: config.rootSecretAccessKey };
  }
  try {
    return JSON.parse(await readFile(join(config.data, 'root-credentials.json'), 'utf8')) as RootCredentials;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new UsageError(`no root key in ${config.data}: start the server once, or name its folder with --data`);
  }
}
