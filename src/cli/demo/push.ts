import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Reads the password from the environment: it never stands in a command line or a URL. */
const CREDENTIAL_HELPER = '!f() { echo "username=$SLIPWAY_GIT_USER"; echo "password=$SLIPWAY_GIT_PASSWORD"; }; f';

export interface GitAccess {
  url: string;
  userName: string;
  password: string;
}

async function git(folder: string, args: string[], access?: GitAccess): Promise<string> {
  const credentials =
    access === undefined ? [] : ['-c', 'credential.helper=', '-c', `credential.helper=${CREDENTIAL_HELPER}`];
  const env = {
    ...process.env,
    GIT_TERMINAL_PROMPT: '0',
    ...(access === undefined ? {} : { SLIPWAY_GIT_USER: access.userName, SLIPWAY_GIT_PASSWORD: access.password }),
  };
  const { stdout } = await run('git', [...credentials, '-C', folder, ...args], { env, maxBuffer: 64 * 1024 * 1024 });
  return stdout.trim();
}

/**
 * Makes the example's working copy, or takes the one of an earlier run, and commits a change to it.
 * @returns the commit's id.
 */
export async function commitExample(example: string, folder: string, access: GitAccess): Promise<string> {
  const isThere = await stat(join(folder, '.git')).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
  if (!isThere) {
    await mkdir(folder, { recursive: true });
    await cp(example, folder, { recursive: true });
    await git(folder, ['init', '--quiet', '--initial-branch=main']);
    await git(folder, ['remote', 'add', 'origin', access.url]);
    await git(folder, ['config', 'user.name', 'Slipway demo']);
    await git(folder, ['config', 'user.email', 'demo@example.com']);
  } else {
    const counter = join(folder, 'visit.txt');
    await writeFile(counter, `${Number(await readFile(counter, 'utf8')) + 1}\n`);
  }
  await git(folder, ['remote', 'set-url', 'origin', access.url]);
  await rememberPassword(folder, access);
  await git(folder, ['add', '--all']);
  await git(folder, ['commit', '--quiet', '--message', isThere ? 'Count up' : 'The first page']);
  return git(folder, ['rev-parse', 'HEAD']);
}

/** Lets a plain `git push` in the working copy work: git keeps the password in a file that only its owner reads. */
async function rememberPassword(folder: string, { url, userName, password }: GitAccess): Promise<void> {
  const file = `${folder}.credentials`;
  const address = new URL(url);
  address.username = encodeURIComponent(userName);
  address.password = encodeURIComponent(password);
  await writeFile(file, `${address.protocol}//${address.username}:${address.password}@${address.host}\n`, {
    mode: 0o600,
  });
  await chmod(file, 0o600);
  await git(folder, ['config', 'credential.helper', `store --file='${file}'`]);
  await git(folder, ['config', 'branch.main.remote', 'origin']);
  await git(folder, ['config', 'branch.main.merge', 'refs/heads/main']);
}

/** Pushes HEAD of a repository to a branch. @returns the commit's id. */
export async function push(folder: string, branch: string, access: GitAccess): Promise<string> {
  await git(folder, ['push', '--quiet', access.url, `HEAD:refs/heads/${branch}`], access);
  return git(folder, ['rev-parse', 'HEAD']);
}
