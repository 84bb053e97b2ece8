import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort, runProgram, until } from './program.ts';
import type { Workspace } from './workspace.ts';

/** `git daemon`: git's own server, without HTTP, passwords or anything else in its way. */
export interface GitDaemon {
  /** Makes an empty repository that takes pushes. @returns its URL */
  makeRepository(name: string): Promise<string>;
}

export const DAEMON = 'git daemon';

/** Starts `git daemon` on a free port; it ends with the row. */
export async function startGitDaemon(workspace: Workspace): Promise<GitDaemon> {
  const folder = await workspace.makeFolder('git-daemon');
  const port = await freePort();
  const child = spawn(
    'git',
    [
      'daemon',
      '--export-all',
      '--enable=receive-pack',
      `--base-path=${folder}`,
      '--listen=127.0.0.1',
      `--port=${port}`,
      folder,
    ],
    { stdio: 'ignore', detached: true },
  );
  workspace.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    process.kill(-child.pid!, 'SIGTERM');
    await gone;
  });
  await until(async () => ((await answers(port)) ? true : undefined), DAEMON);
  return {
    async makeRepository(name) {
      await makeBareRepository(join(folder, name));
      return `git://127.0.0.1:${port}/${name}`;
    },
  };
}

/** Makes an empty bare repository on the local disk. @returns its folder */
export async function makeBareRepository(folder: string): Promise<string> {
  await runProgram('git', ['init', '--quiet', '--bare', '--initial-branch=main', folder]);
  return folder;
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
