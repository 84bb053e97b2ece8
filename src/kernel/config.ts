import { resolve } from 'node:path';
import type { LogLevel } from './log.ts';

/** Every setting of the server. Flags win over environment variables, those over defaults. */
export interface Config {
  host: string;
  port: number;
  /** Port of git over SSH; 0 takes a free one, null has none. */
  sshPort: number | null;
  /** Folder of the embedded store, keys and caches. */
  data: string;
  account: string;
  region: string;
  /** `postgres://...`, or empty for SQLite in the data folder. */
  databaseUrl: string;
  /** Address that clients use, without a trailing slash; empty to derive it from host and port. */
  publicUrl: string;
  /** PEM files for HTTPS; both or neither. */
  tlsCert: string;
  tlsKey: string;
  rootAccessKeyId: string;
  rootSecretAccessKey: string;
  /** Folder of git's cache, which holds packs in plain; empty for memory-backed storage where there is room. */
  gitCache: string;
  /** Days that objects stay in a repository after the last reference to them has gone; null to keep them for ever. */
  gitCollectAfterDays: number | null;
  /** Repositories in an account and region. */
  maxRepositories: number;
  /** References that one push may change. */
  gitMaxPushReferences: number;
  /** Largest pack of one push. */
  gitMaxPushMib: number;
  /** Largest file that a push may bring. */
  gitMaxFileMib: number;
  /** Largest commit object that a push may bring; null without a limit. */
  gitMaxCommitMib: number | null;
  /** Characters of the path of a pushed file, and folders above it; null without a limit. */
  gitMaxPathCharacters: number | null;
  gitMaxFolders: number | null;
  /** The key that seals all others: base64 of 32 bytes, or empty to keep it in the data folder. */
  rootKey: string;
  /** ARN of a key of an external KMS under which the root key is kept, or empty. */
  rootKmsKey: string;
  /** Address of that KMS; AWS's own when empty. */
  rootKmsEndpoint: string;
  executor: 'auto' | 'process';
  /** Days that recorded calls are kept. */
  auditRetentionDays: number;
  /** Builds that run at once. */
  maxConcurrentBuilds: number;
  logLevel: LogLevel;
}

interface Setting<K extends keyof Config> {
  key: K;
  flag: string;
  env: string;
  fallback: string;
  help: string;
  read(text: string): Config[K];
}

const text = (value: string): string => value;

function oneOf<T extends string>(...allowed: T[]): (value: string) => T {
  return (value) => {
    if ((allowed as string[]).includes(value)) return value as T;
    throw new Error(`must be one of ${allowed.join(', ')}`);
  };
}

function whole(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (/^\d+$/.test(value) && number >= min && number <= max) return number;
    throw new Error(`must be a whole number from ${min} to ${max}`);
  };
}

/** The word `off` for null. */
function offOr<T>(read: (value: string) => T): (value: string) => T | null {
  return (value) => (value === 'off' ? null : read(value));
}

function matching(pattern: RegExp, what: string): (value: string) => string {
  return (value) => {
    if (pattern.test(value)) return value;
    throw new Error(`must be ${what}`);
  };
}

function rootKey(value: string): string {
  const bytes = Buffer.from(value, 'base64');
  if (value === '' || (bytes.length === 32 && bytes.toString('base64') === value)) return value;
  throw new Error('must be 32 bytes in base64');
}

function setting<K extends keyof Config>(
  key: K,
  flag: string,
  fallback: string,
  help: string,
  read: (value: string) => Config[K],
): Setting<K> {
  return { key, flag, env: `SLIPWAY_${flag.toUpperCase().replaceAll('-', '_')}`, fallback, help, read };
}

/** The one table of settings; the docs and `slipway serve --help` are made from it. */
export const SETTINGS = [
  setting('host', 'host', '127.0.0.1', 'address to listen on', text),
  setting('port', 'port', '4566', 'port of the API, git and websites; 0 takes a free one', whole(0, 65_535)),
  setting('sshPort', 'ssh-port', '2222', 'port of git over SSH; 0 takes a free one, off has none', (value) =>
    value === 'off' ? null : whole(0, 65_535)(value),
  ),
  setting('data', 'data', '.slipway', 'data folder', (value) => resolve(value)),
  setting('account', 'account', '123456789012', 'account id', matching(/^\d{12}$/, '12 digits')),
  setting(
    'region',
    'region',
    'us-east-1',
    'default region',
    matching(/^[a-z]{2}(-[a-z]+)+-\d$/, 'a region name such as us-east-1'),
  ),
  setting('databaseUrl', 'database-url', '', 'PostgreSQL address; SQLite in the data folder when empty', text),
  setting('publicUrl', 'public-url', '', 'address that clients use; http://host:port when empty', (value) =>
    value.replace(/\/+$/, ''),
  ),
  setting('tlsCert', 'tls-cert', '', 'PEM file with the certificate chain; HTTPS instead of HTTP', text),
  setting('tlsKey', 'tls-key', '', 'PEM file with the private key', text),
  setting(
    'rootAccessKeyId',
    'root-access-key-id',
    '',
    'access key id of the root user; made on first start when empty',
    text,
  ),
  setting('rootSecretAccessKey', 'root-secret-access-key', '', 'secret access key of the root user', text),
  setting('auditRetentionDays', 'audit-retention-days', '90', 'days that recorded calls are kept', whole(1, 3650)),
  setting(
    'gitCache',
    'git-cache',
    '',
    'folder of the git cache, which is not encrypted; memory where there is room, else the data folder, when empty',
    (value) => (value === '' ? '' : resolve(value)),
  ),
  setting(
    'gitCollectAfterDays',
    'git-collect-after-days',
    '14',
    'days that objects stay in a repository after the last branch or tag that led to them has gone, or off to keep them',
    offOr(whole(0, 3650)),
  ),
  setting('maxRepositories', 'max-repositories', '5000', 'repositories in an account and region', whole(1, 1_000_000)),
  setting(
    'gitMaxPushReferences',
    'git-max-push-references',
    '4000',
    'branches and tags that one push may change',
    whole(1, 100_000),
  ),
  setting('gitMaxPushMib', 'git-max-push-mib', '2048', 'largest pack of one push, in MiB', whole(1, 1_048_576)),
  setting('gitMaxFileMib', 'git-max-file-mib', '2048', 'largest file that a push may bring, in MiB', whole(1, 2048)),
  setting(
    'gitMaxCommitMib',
    'git-max-commit-mib',
    'off',
    'largest commit object (people, dates, parents, message) that a push may bring, in MiB, or off',
    offOr(whole(1, 2048)),
  ),
  setting(
    'gitMaxPathCharacters',
    'git-max-path-characters',
    'off',
    'characters that the path of a pushed file may have, or off',
    offOr(whole(1, 65_536)),
  ),
  setting(
    'gitMaxFolders',
    'git-max-folders',
    'off',
    'folders that a pushed file may be in, one in the other, or off',
    offOr(whole(0, 4_096)),
  ),
  setting('rootKey', 'root-key', '', 'key that seals all others, base64 of 32 bytes; a file when empty', rootKey),
  setting(
    'rootKmsKey',
    'root-kms-key',
    '',
    'ARN of an external KMS key under which the root key is kept',
    matching(/^(?:arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[0-9a-zA-Z-]+)?$/, 'the ARN of a KMS key'),
  ),
  setting(
    'rootKmsEndpoint',
    'root-kms-endpoint',
    '',
    "address of that KMS; AWS's own when empty",
    matching(/^(?:https?:\/\/\S+)?$/, 'an http or https address'),
  ),
  setting('executor', 'executor', 'auto', 'where builds run: auto or process', oneOf('auto', 'process')),
  setting('maxConcurrentBuilds', 'max-concurrent-builds', '20', 'builds that run at once', whole(1, 1000)),
  setting(
    'logLevel',
    'log-level',
    'warn',
    'silent, error, warn, info or debug',
    oneOf('silent', 'error', 'warn', 'info', 'debug'),
  ),
] as const;

/**
 * Reads the settings. @param flags by flag name; @param env such as `process.env`.
 * @throws Error naming the flag or variable whose value is not allowed.
 */
export function readConfig(
  flags: Readonly<Record<string, string | undefined>>,
  env: Readonly<Record<string, string | undefined>>,
): Config {
  const config: Record<string, unknown> = {};
  for (const { key, flag, env: variable, fallback, read } of SETTINGS) {
    const fromFlag = flags[flag];
    const value = fromFlag ?? env[variable] ?? fallback;
    try {
      config[key] = read(value);
    } catch (error) {
      const shown = key === 'rootKey' ? '(hidden)' : value;
      throw new Error(`${fromFlag === undefined ? variable : `--${flag}`}=${shown}: ${(error as Error).message}`);
    }
  }
  const { rootAccessKeyId, rootSecretAccessKey } = config as unknown as Config;
  if ((rootAccessKeyId === '') !== (rootSecretAccessKey === '')) {
    throw new Error('SLIPWAY_ROOT_ACCESS_KEY_ID and SLIPWAY_ROOT_SECRET_ACCESS_KEY go together: set both or neither');
  }
  const { rootKey: plain, rootKmsKey, rootKmsEndpoint } = config as unknown as Config;
  if (plain !== '' && rootKmsKey !== '') throw new Error('--root-key and --root-kms-key: give one of them');
  if (rootKmsEndpoint !== '' && rootKmsKey === '') throw new Error('--root-kms-endpoint needs --root-kms-key');
  const { tlsCert, tlsKey } = config as unknown as Config;
  if ((tlsCert === '') !== (tlsKey === ''))
    throw new Error('--tls-cert and --tls-key go together: give both or neither');
  return config as unknown as Config;
}
