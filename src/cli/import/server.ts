import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CodeCommit, type RepositoryMetadata } from '@aws-sdk/client-codecommit';
import type { Config } from '../../kernel/config.ts';
import { signGitPassword } from '../../services/codecommit/git-passwords.ts';
import { rootKeys, serverUrl } from '../env.ts';
import { UsageError } from '../usage-error.ts';
import { type AnswerBudget, boundAnswers } from './bounded-answers.ts';
import { told } from './codecommit-source.ts';
import { type GitEnvironment, loginEnvironment, shown } from './git-command.ts';

/** A server that speaks CodeCommit's API and git, and the keys with which it is asked. */
export interface CodeCommitServer {
  readonly client: CodeCommit;
  readonly region: string;
  /** Address of the API; undefined for AWS's own. */
  readonly endpoint: string | undefined;
  /** Counts what the server answers, of a source. */
  readonly budget?: AnswerBudget;
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
  if (profile !== undefined && !(await hasProfile(profile))) {
    throw new UsageError(`There is no profile ${profile} in the files of AWS's configuration and credentials.`);
  }
  const known = region ?? process.env['AWS_REGION'] ?? process.env['AWS_DEFAULT_REGION'];
  const probe = new CodeCommit({
    logger: QUIET,
    ...(profile === undefined ? {} : { profile }),
    ...(known ? { region: known } : {}),
  });
  const found = await probe.config.region().catch(() => {
    throw new UsageError('Which Region to read from? Name it with --source-region.');
  });
  probe.destroy();
  const endpoint =
    endpointUrl ?? `https://codecommit.${found}.${found.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'}`;
  const server = connect({ endpoint, region: found, ...(profile === undefined ? {} : { profile }) });
  return { ...server, budget: boundAnswers(server.client, endpoint) };
}

/** Whether the files that AWS clients read name a profile: the clients would say of a wrong name that its Region is missing. */
async function hasProfile(profile: string): Promise<boolean> {
  const files = [
    process.env['AWS_CONFIG_FILE'] || join(homedir(), '.aws', 'config'),
    process.env['AWS_SHARED_CREDENTIALS_FILE'] || join(homedir(), '.aws', 'credentials'),
  ];
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '');
    const names = [...text.matchAll(/^\s*\[\s*(?:profile\s+)?(?:"([^"]*)"|([^\]]*?))\s*\]/gm)].map(
      ([, quoted, plain]) => quoted ?? plain,
    );
    if (names.includes(profile)) return true;
  }
  return false;
}

/** The SDK would warn of a profile beside the keys in the environment, which are those of the other server. */
const nothing = () => undefined;
const QUIET = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };

function connect(options: {
  endpoint: string;
  region: string;
  profile?: string;
  credentials?: { accessKeyId: string; secretAccessKey: string };
}): CodeCommitServer {
  const client = new CodeCommit({ ...options, maxAttempts: 8, retryMode: 'adaptive', logger: QUIET });
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
  return isAws
    ? told(cloneUrlHttp, 'cloneUrlHttp')
    : `${server.endpoint!.replace(/\/+$/, '')}/v1/repos/${repositoryName}`;
}

/** What an error of the API is in one line for a user; others are bugs and stay what they are. */
export function asUsageError(error: unknown, doing: string): unknown {
  const { name, message, code } = error as { name?: string; message?: string; code?: string };
  const isAnswer = (error as { $fault?: string }).$fault !== undefined || name === 'CredentialsProviderError';
  if (!isAnswer && code === undefined) return error;
  return new UsageError(`${doing}: ${name === 'Error' ? code : name}: ${shown(String(message)).slice(0, 1_000)}`);
}
