import { CodeCommit, type RepositoryMetadata } from '@aws-sdk/client-codecommit';
import type { Config } from '../../kernel/config.ts';
import { signGitPassword } from '../../services/codecommit/git-passwords.ts';
import { rootKeys, serverUrl } from '../env.ts';
import { UsageError } from '../usage-error.ts';
import { type GitEnvironment, loginEnvironment } from './git-command.ts';

/** A server that speaks CodeCommit's API and git, and the keys with which it is asked. */
export interface CodeCommitServer {
  readonly client: CodeCommit;
  readonly region: string;
  /** Address of the API; undefined for AWS's own. */
  readonly endpoint: string | undefined;
  /** The variables with which git logs in at that address for a quarter of an hour. */
  login(url: string): Promise<GitEnvironment>;
}

/**
 * The server that gets what is imported: the one that `AWS_ENDPOINT_URL` names, with the credentials that AWS clients
 * find; without it the one of the settings, as its root user.
 */
export async function targetServer(config: Config): Promise<CodeCommitServer> {
  const named = process.env['AWS_ENDPOINT_URL_CODECOMMIT'] || process.env['AWS_ENDPOINT_URL'];
  if (named) return connect({ endpoint: named, region: process.env['AWS_REGION'] ?? config.region });
  return connect({ endpoint: serverUrl(config), region: config.region, credentials: await rootKeys(config) });
}

export interface SourceOptions {
  region?: string | undefined;
  profile?: string | undefined;
  endpointUrl?: string | undefined;
}

/**
 * A CodeCommit to read from: AWS's own unless an address is given. `AWS_ENDPOINT_URL` does not count, because it names
 * the server that gets the import.
 */
export async function sourceServer({ region, profile, endpointUrl }: SourceOptions): Promise<CodeCommitServer> {
  const known = region ?? process.env['AWS_REGION'] ?? process.env['AWS_DEFAULT_REGION'];
  const probe = new CodeCommit({ ...(profile === undefined ? {} : { profile }), ...(known ? { region: known } : {}) });
  const found = await probe.config.region().catch(() => {
    throw new UsageError('Which Region to read from? Name it with --source-region.');
  });
  probe.destroy();
  const endpoint =
    endpointUrl ?? `https://codecommit.${found}.${found.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'}`;
  return connect({ endpoint, region: found, ...(profile === undefined ? {} : { profile }) });
}

function connect(options: {
  endpoint: string;
  region: string;
  profile?: string;
  credentials?: { accessKeyId: string; secretAccessKey: string };
}): CodeCommitServer {
  const client = new CodeCommit({ ...options, maxAttempts: 8, retryMode: 'adaptive' });
  return {
    client,
    region: options.region,
    endpoint: options.endpoint,
    async login(address) {
      const { accessKeyId, secretAccessKey, sessionToken } = await client.config.credentials();
      const url = new URL(address);
      const timestamp = new Date().toISOString().slice(0, 19).replace(/[-:]/g, '');
      const signature = signGitPassword({
        userName: accessKeyId,
        secret: secretAccessKey,
        timestamp,
        region: options.region,
        host: url.host,
        path: url.pathname,
      });
      return loginEnvironment({
        origin: url.origin,
        userName: sessionToken === undefined ? accessKeyId : `${accessKeyId}%${sessionToken}`,
        password: `${timestamp}Z${signature}`,
      });
    },
  };
}

/** Address of a repository's git: beside the API that was named, else where AWS says it is. */
export function gitUrl(server: CodeCommitServer, { cloneUrlHttp, repositoryName }: RepositoryMetadata): string {
  const isAws = server.endpoint === undefined || /\.amazonaws\.com(\.cn)?$/.test(new URL(server.endpoint).hostname);
  return isAws ? cloneUrlHttp! : `${server.endpoint!.replace(/\/+$/, '')}/v1/repos/${repositoryName}`;
}

/** What an error of the API is in one line for a user; others are bugs and stay what they are. */
export function asUsageError(error: unknown, doing: string): unknown {
  const { name, message, code } = error as { name?: string; message?: string; code?: string };
  const isAnswer = (error as { $fault?: string }).$fault !== undefined || name === 'CredentialsProviderError';
  if (!isAnswer && code === undefined) return error;
  return new UsageError(`${doing}: ${name === 'Error' ? code : name}: ${message}`);
}
