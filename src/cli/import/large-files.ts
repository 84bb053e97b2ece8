import { spawnSync } from 'node:child_process';
import { type Git, GitError } from './git-command.ts';
import type { GitSource } from './import-git.ts';
import type { Progress } from './progress.ts';
import type { PushTarget } from './push.ts';

const BRANCHES_AT_ONCE = 200;

/**
 * Carries the contents of Git LFS, of which a repository holds the names only.
 * @returns false when they could not be carried, which is told
 */
export async function carryLargeFiles(
  git: Git,
  source: GitSource,
  target: PushTarget,
  progress: Progress,
): Promise<boolean> {
  if (!(await usesLargeFiles(git))) return true;
  if (spawnSync('git', ['lfs', 'version'], { stdio: 'ignore' }).status !== 0) {
    progress.line('The repository keeps files in Git LFS: install git-lfs and import again, so that they come, too.');
    return false;
  }
  const quiet = { GIT_LFS_SKIP_SMUDGE: '1' };
  try {
    // The remotes are made of what is not secret; who logs in comes with the environment.
    await git.run(['config', 'remote.source.url', source.url]);
    await git.run(['config', 'remote.target.url', target.url]);
    // Git LFS would add `.git` to the address, for which the password is not signed.
    await git.run(['config', 'remote.target.lfsurl', `${target.url}/info/lfs`]);
    await git.run(['lfs', 'fetch', '--all', 'source'], { environment: { ...(await source.login()), ...quiet } });
    await git.run(['lfs', 'push', '--all', 'target'], { environment: { ...(await target.login()), ...quiet } });
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    progress.line(`The files of Git LFS did not all come: ${error.message}`);
    return false;
  }
  progress.line('The files of Git LFS are here');
  return true;
}

/** Whether a branch has files of Git LFS. */
async function usesLargeFiles(git: Git): Promise<boolean> {
  const branches = (await git.run(['for-each-ref', '--format=%(refname)', 'refs/heads/'])).split('\n').filter(Boolean);
  for (let at = 0; at < branches.length; at += BRANCHES_AT_ONCE) {
    const some = branches.slice(at, at + BRANCHES_AT_ONCE);
    const args = ['grep', '-l', '-I', 'filter=lfs', ...some, '--', '.gitattributes', '**/.gitattributes'];
    // 1 means that nothing was found.
    if ((await git.run(args, { goodStatuses: [0, 1] })) !== '') return true;
  }
  return false;
}
