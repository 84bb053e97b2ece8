import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RepositoryDoesNotExistException, type RepositoryMetadata } from '@aws-sdk/client-codecommit';
import type { Config } from '../../kernel/config.ts';
import { UsageError } from '../usage-error.ts';
import { Git, type GitEnvironment, GitError, loginEnvironment, shown } from './git-command.ts';
import { carryLargeFiles } from './large-files.ts';
import { fetchAll, type RemoteRefs, readRefs, refsIn } from './mirror.ts';
import type { PortionLimits } from './portions.ts';
import { countOf, Progress } from './progress.ts';
import { pushAll, type Refused } from './push.ts';
import { asUsageError, type CodeCommitServer, gitUrl, targetServer } from './server.ts';
import { nameOf, readSourceAddress } from './source-address.ts';

export interface GitImport {
  /** As the user gave it. */
  source: string;
  repository?: string | undefined;
  description?: string | undefined;
  overwrite?: boolean | undefined;
  /** A folder that is kept, so that another import fetches only what is new. */
  cache?: string | undefined;
}

/** `slipway import <git url>`. @returns the exit status: 1 when something was refused */
export async function importGit(config: Config, given: GitImport, limits?: PortionLimits): Promise<number> {
  const address = readSourceAddress(given.source);
  const name = given.repository ?? nameOf(address);
  const server = await targetServer(config);
  const progress = new Progress();
  const { origin, userName, password } = address;
  // A user name that stands alone may be a token, as some hosts take it.
  const login = origin === undefined || userName === undefined ? undefined : { origin, userName };
  const source = {
    url: address.url,
    login: async () => loginEnvironment(login === undefined || password === undefined ? login : { ...login, password }),
  };
  try {
    const make = () => repositoryOf(server, name, { description: given.description }, progress);
    return (await copyGit(source, { server, make }, progress, { ...given, limits })).status;
  } finally {
    server.client.destroy();
  }
}

/** Where a repository comes from. */
export interface GitSource {
  readonly url: string;
  login(): Promise<GitEnvironment>;
}

export interface GitTarget {
  readonly server: CodeCommitServer;
  /** The repository, made where it is missing: called when the source has answered. */
  make(): Promise<RepositoryMetadata>;
}

export interface CopyOptions {
  overwrite?: boolean | undefined;
  cache?: string | undefined;
  limits?: PortionLimits | undefined;
  /** Commits that no reference leads to any more, to be carried over beside the references. */
  strays?: readonly string[];
}

/** Mirrors branches, tags and notes, and the default branch. @returns the exit status, and what they are in */
export async function copyGit(
  source: GitSource,
  { server, make }: GitTarget,
  progress: Progress,
  options: CopyOptions,
): Promise<{ status: number; repository: RepositoryMetadata }> {
  const folder = options.cache ?? (await mkdtemp(join(tmpdir(), 'slipway-import-')));
  const remove = () => (options.cache === undefined ? rm(folder, { recursive: true, force: true }) : undefined);
  const onSignal = async (signal: NodeJS.Signals) => {
    await remove();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    const git = new Git(folder);
    await git.run(['init', '--bare', '--quiet']);
    const there = await readRefs(git, source.url, await source.login());
    progress.line(`${shown(source.url)} has ${countsOf(there.taken.keys())}`);
    // A source that cannot be read leaves nothing behind.
    const repository = await make();
    await fetchAll(git, source.url, await source.login(), progress);
    const url = gitUrl(server, repository);
    const target = { url, login: () => server.login(url) };
    const present = (await readRefs(git, url, await target.login())).taken;
    const wanted = [...(await refsIn(git))].sort(([a], [b]) => rank(a, there.head) - rank(b, there.head));
    const largeFiles = await carryLargeFiles(git, source, target, progress);
    const pushed = await pushAll(git, target, wanted, present, progress, {
      overwrite: options.overwrite === true,
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    });
    await setDefaultBranch(server, repository, there.head, pushed.refused);
    const isNew = `${countOf(pushed.created, 'reference is', 'references are')} new`;
    progress.line(
      `${repository.repositoryName}: ${isNew}, ${pushed.updated} ${pushed.updated === 1 ? 'was' : 'were'} moved`,
    );
    tellWhatIsLeft(progress, there, wanted, present);
    await tellRefused(git, progress, pushed.refused);
    return { status: pushed.refused.length > 0 || !largeFiles ? 1 : 0, repository };
  } catch (error) {
    if (error instanceof GitError) throw new UsageError(error.message);
    throw error;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    await remove();
  }
}

/** The default branch comes first: it is the first that an empty repository gets, and what others grew from. */
function rank(name: string, head: string | undefined): number {
  if (name === head) return 0;
  return name.startsWith('refs/heads/') ? 1 : 2;
}

function countsOf(names: Iterable<string>): string {
  const all = [...names];
  const count = (prefix: string) => all.filter((name) => name.startsWith(prefix)).length;
  const notes = count('refs/notes/');
  const branches = countOf(count('refs/heads/'), 'branch', 'branches');
  return `${branches}, ${countOf(count('refs/tags/'), 'tag')}${notes === 0 ? '' : `, ${notes} of notes`}`;
}

/** The repository of that name, made where it is missing. */
export async function repositoryOf(
  { client }: CodeCommitServer,
  repositoryName: string,
  draft: { description?: string | undefined; tags?: Record<string, string> | undefined },
  progress: Progress,
): Promise<RepositoryMetadata> {
  try {
    const { repositoryMetadata } = await client.getRepository({ repositoryName });
    progress.line(`${repositoryName} is there; it gets what is new`);
    return repositoryMetadata!;
  } catch (error) {
    if (!(error instanceof RepositoryDoesNotExistException))
      throw asUsageError(error, `${repositoryName} cannot be read`);
  }
  try {
    const { repositoryMetadata } = await client.createRepository({
      repositoryName,
      ...(draft.description === undefined ? {} : { repositoryDescription: draft.description }),
      ...(draft.tags === undefined ? {} : { tags: draft.tags }),
    });
    progress.line(`${repositoryName} is made`);
    return repositoryMetadata!;
  } catch (error) {
    throw asUsageError(error, `${repositoryName} cannot be made`);
  }
}

async function setDefaultBranch(
  { client }: CodeCommitServer,
  { repositoryName }: RepositoryMetadata,
  head: string | undefined,
  refused: readonly Refused[],
): Promise<void> {
  if (head === undefined || refused.some(({ name }) => name === head)) return;
  const defaultBranchName = head.slice('refs/heads/'.length);
  const { repositoryMetadata } = await client.getRepository({ repositoryName });
  if (repositoryMetadata!.defaultBranch === defaultBranchName) return;
  try {
    await client.updateDefaultBranch({ repositoryName, defaultBranchName });
  } catch (error) {
    throw asUsageError(error, `${defaultBranchName} cannot be made the default branch`);
  }
}

function tellWhatIsLeft(
  progress: Progress,
  there: RemoteRefs,
  wanted: readonly (readonly [name: string, id: string])[],
  present: ReadonlyMap<string, string>,
): void {
  for (const [folder, count] of there.left) {
    const what = countOf(count, 'reference', 'references');
    const were = count === 1 ? 'was' : 'were';
    progress.line(`${what} below ${shown(folder)} ${were} not taken: CodeCommit has branches, tags and notes`);
  }
  const names = new Set(wanted.map(([name]) => name));
  const more = [...present.keys()].filter((name) => !names.has(name)).length;
  if (more === 1) progress.line('1 reference is here and not in the source; it stays');
  if (more > 1) progress.line(`${more} references are here and not in the source; they stay`);
}

const MAX_FINDINGS = 20;

async function tellRefused(git: Git, progress: Progress, refused: readonly Refused[]): Promise<void> {
  for (const { name, why, byObject } of refused) {
    progress.line(`${shown(name)} was refused: ${shown(why)}`);
    if (byObject || !/non-fast-forward|fetch first|stale info/.test(why)) continue;
    progress.line(
      '  It was rewritten in the source, or somebody has pushed here: --overwrite puts the source through.',
    );
  }
  if (!refused.some(({ byObject }) => byObject)) return;
  progress.line('The server lets in only what `git fsck --strict` finds no fault with. It says:');
  const findings: string[] = [];
  const onLine = (line: string) => findings.push(line);
  // Its status is the sum of what it has found.
  const goodStatuses = Array.from({ length: 16 }, (_, at) => at);
  const said = await git.lines(['fsck', '--strict', '--no-progress', '--no-dangling'], { goodStatuses, onLine });
  const errors = [...findings, ...said.split('\n')].filter((line) => /^(error|missing|broken)/.test(line));
  for (const line of errors.slice(0, MAX_FINDINGS)) progress.line(`  ${shown(line)}`);
  if (errors.length > MAX_FINDINGS) progress.line(`  ... and ${errors.length - MAX_FINDINGS} more`);
  progress.line('Rewrite it in the source, with `git filter-repo` for example, or go without these references.');
}
