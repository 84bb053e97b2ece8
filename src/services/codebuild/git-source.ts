import { spawn } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import type { TemporaryCredentials } from '../../kernel/auth/identity.ts';

/** A commit could not be fetched. The message is fit for a build's log. */
export class GitSourceError extends Error {
  override readonly name = 'GitSourceError';
}

export interface GitSource {
  /** `http://127.0.0.1:4566/v1/repos/app` */
  url: string;
  region: string;
  credentials: TemporaryCredentials;
  now: Date;
  /** Branch, tag, full reference or commit id; the default branch when undefined. */
  version?: string;
  /** Commits of history; 0 is all of it. */
  depth: number;
  /** Made by the clone. */
  folder: string;
  searchPath: string;
  signal: AbortSignal;
}

const COMMIT_ID = /^[0-9a-f]{40}$/;
const REFERENCE = /^[^\s~^:?*[\\\x00-\x20\x7f-][^\s~^:?*[\\\x00-\x20\x7f]*$/;
const MAX_ERROR_CHARS = 1_000;

/**
 * Nothing of the machine's configuration and nothing of the repository's content decides what git does: no hooks, no
 * filters, no submodules, no other protocols.
 */
const SAFE = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'protocol.allow=never',
  'submodule.recurse=false',
  'safe.bareRepository=explicit',
];

/**
 * Clones a repository with the build's own credentials and checks one commit out, detached, as CodeBuild does.
 * @returns the commit's id
 * @throws {GitSourceError}
 */
export async function cloneSource(source: GitSource): Promise<string> {
  const { version, depth, folder, url } = source;
  if (version !== undefined && !REFERENCE.test(version)) throw notFound(version);
  const isCommit = version !== undefined && COMMIT_ID.test(version);
  const branch = version?.replace(/^refs\/(heads|tags)\//, '');
  const limits =
    depth === 0 || isCommit ? [] : ['--depth', String(depth), ...(branch === undefined ? [] : ['--branch', branch])];
  await git(source, ['clone', '--quiet', '--no-checkout', ...limits, '--', url, folder]);
  const commit = await resolve(source);
  await git(source, ['-C', folder, 'checkout', '--quiet', '--detach', commit]);
  return commit;
}

/** The id of the commit that the version stands for in the clone. */
async function resolve(source: GitSource): Promise<string> {
  const { version, folder } = source;
  const candidates =
    version === undefined
      ? ['HEAD']
      : COMMIT_ID.test(version)
        ? [version]
        : version.startsWith('refs/heads/')
          ? [`refs/remotes/origin/${version.slice('refs/heads/'.length)}`]
          : version.startsWith('refs/')
            ? [version]
            : [`refs/remotes/origin/${version}`, `refs/tags/${version}`];
  for (const candidate of candidates) {
    const { code, stdout } = await runGit(source, [
      ...['-C', folder, 'rev-parse', '--quiet', '--verify', '--end-of-options'],
      `${candidate}^{commit}`,
    ]);
    if (code === 0) return stdout.trim();
  }
  throw notFound(version);
}

function notFound(version: string | undefined): GitSourceError {
  return new GitSourceError(`reference not found for primary source and source version ${version ?? ''}`.trim());
}

async function git(source: GitSource, args: readonly string[]): Promise<void> {
  const { code, stderr } = await runGit(source, args);
  if (code !== 0) throw new GitSourceError(`git ${args.find((arg) => /^[a-z]/.test(arg))} failed: ${stderr.trim()}`);
}

async function runGit(source: GitSource, args: readonly string[]) {
  const child = spawn('git', [...SAFE.flatMap((setting) => ['-c', setting]), ...args], {
    env: {
      PATH: source.searchPath,
      HOME: '/nonexistent',
      LC_ALL: 'C',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_ATTR_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_NO_REPLACE_OBJECTS: '1',
      // Not among the arguments, which other users of the machine can see, and not in the clone's configuration.
      ...configuration([
        ['http.extraHeader', `Authorization: Basic ${basicCredentials(source)}`],
        ['http.followRedirects', 'false'],
        ['protocol.http.allow', 'always'],
        ['protocol.https.allow', 'always'],
      ]),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: source.signal,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout = (stdout + chunk.toString()).slice(0, MAX_ERROR_CHARS);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-MAX_ERROR_CHARS);
  });
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((settle, fail) => {
    child.once('error', fail);
    child.once('close', (code) => settle({ code, stdout, stderr }));
  });
}

function configuration(settings: readonly [string, string][]): Record<string, string> {
  const variables: Record<string, string> = { GIT_CONFIG_COUNT: String(settings.length) };
  for (const [at, [key, value]] of settings.entries()) {
    variables[`GIT_CONFIG_KEY_${at}`] = key;
    variables[`GIT_CONFIG_VALUE_${at}`] = value;
  }
  return variables;
}

/** User and password as `aws codecommit credential-helper` makes them of temporary credentials. */
export function basicCredentials({ url, region, credentials, now }: Omit<GitSource, 'folder'>): string {
  const { hostname, pathname } = new URL(url);
  const time = now.toISOString().replace(/[-:]|\.\d{3}Z$/g, '');
  const date = time.slice(0, 8);
  const canonical = `GIT\n${pathname}\n\nhost:${hostname}\n\nhost\n`;
  const scope = `${date}/${region}/codecommit/aws4_request`;
  const toSign = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`;
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
  const key = [region, 'codecommit', 'aws4_request'].reduce(hmac, hmac(`AWS4${credentials.secretAccessKey}`, date));
  const user = `${credentials.accessKeyId}%${credentials.sessionToken}`;
  return Buffer.from(`${user}:${time}Z${hmac(key, toSign).toString('hex')}`).toString('base64');
}
