import { UsageError } from '../usage-error.ts';
import { type Git, type GitEnvironment, GitError, shown } from './git-command.ts';
import type { Progress } from './progress.ts';

/** What a repository holds, as it says itself. */
export interface RemoteRefs {
  /** Object ids by full name: branches, tags, notes. */
  readonly taken: ReadonlyMap<string, string>;
  /** How many references there are of other kinds, by their folder: `refs/pull/` 120. */
  readonly left: ReadonlyMap<string, number>;
  /** Full name of the default branch. */
  readonly head: string | undefined;
}

/** A server that says nothing for so long is not waited for. */
const HTTP_PATIENCE = ['-c', 'http.lowSpeedLimit=1', '-c', 'http.lowSpeedTime=300'];
const NAMESPACES = ['refs/heads/', 'refs/tags/', 'refs/notes/'] as const;

/** Asks a repository for its references. @throws UsageError when it does not answer */
export async function readRefs(git: Git, url: string, environment: GitEnvironment): Promise<RemoteRefs> {
  const taken = new Map<string, string>();
  const left = new Map<string, number>();
  let head: string | undefined;
  let tip: string | undefined;
  const onLine = (line: string) => {
    const symbolic = /^ref: (\S+)\tHEAD$/.exec(line);
    if (symbolic !== null) head = symbolic[1];
    const [id = '', name = ''] = line.split('\t');
    if (name === 'HEAD') tip = id.startsWith('ref:') ? tip : id;
    if (!name.startsWith('refs/') || name.endsWith('^{}')) return;
    if (id.length === 64) throw new UsageError('The source has SHA-256 object ids; CodeCommit has SHA-1 only.');
    if (NAMESPACES.some((prefix) => name.startsWith(prefix))) taken.set(name, id);
    else {
      const folder = /^refs\/[^/]*\/?/.exec(name)![0];
      left.set(folder, (left.get(folder) ?? 0) + 1);
    }
  };
  try {
    await git.lines([...HTTP_PATIENCE, 'ls-remote', '--symref', '--', url], { environment, onLine });
  } catch (error) {
    if (error instanceof GitError) throw new UsageError(`${shown(url)} cannot be read: ${error.message}`);
    throw error;
  }
  // Servers of old tell no name of HEAD: it is then the branch that is where HEAD is, main or master first.
  if (head === undefined && tip !== undefined) {
    const there = [...taken].filter(([name, id]) => name.startsWith('refs/heads/') && id === tip).map(([name]) => name);
    head = ['refs/heads/main', 'refs/heads/master'].find((name) => there.includes(name)) ?? there[0];
  }
  return { taken, left, head: head !== undefined && taken.has(head) ? head : undefined };
}

/** Brings branches, tags and notes of a source into the folder, as they are there. @throws UsageError */
export async function fetchAll(git: Git, url: string, environment: GitEnvironment, progress: Progress): Promise<void> {
  const refspecs = NAMESPACES.map((prefix) => `+${prefix}*:${prefix}*`);
  const args = [
    ...HTTP_PATIENCE,
    '-c',
    'fetch.fsckObjects=false',
    '-c',
    'transfer.fsckObjects=false',
    '-c',
    'gc.auto=0',
    'fetch',
  ];
  args.push('--prune', '--no-tags', '--no-write-fetch-head', progress.isTerminal ? '--progress' : '--quiet');
  try {
    await git.run([...args, '--', url, ...refspecs], { environment, showProgress: progress.isTerminal });
  } catch (error) {
    if (error instanceof GitError) throw new UsageError(`${shown(url)} cannot be fetched: ${error.message}`);
    throw error;
  }
}

/** Full names and object ids of what is in the folder now. */
export async function refsIn(git: Git): Promise<Map<string, string>> {
  const refs = new Map<string, string>();
  await git.lines(['for-each-ref', '--format=%(objectname) %(refname)'], {
    onLine: (line) => refs.set(line.slice(41), line.slice(0, 40)),
  });
  return refs;
}
