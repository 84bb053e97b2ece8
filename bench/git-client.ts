import { rm } from 'node:fs/promises';
import { runProgram, timeMs } from './program.ts';
import type { Workspace } from './workspace.ts';

/** git as a user has it, but with no configuration of this machine, and never asking anything. */
function environment(workspace: Workspace): Record<string, string | undefined> {
  return {
    PATH: process.env['PATH'],
    HOME: workspace.folder,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_AUTHOR_NAME: 'Bench',
    GIT_AUTHOR_EMAIL: 'bench@example.com',
    GIT_COMMITTER_NAME: 'Bench',
    GIT_COMMITTER_EMAIL: 'bench@example.com',
  };
}

/** Runs git in a folder. @returns what it printed */
export async function git(workspace: Workspace, folder: string, ...args: string[]): Promise<string> {
  return (await runProgram('git', args, { cwd: folder, env: environment(workspace) })).trim();
}

/**
 * Clones without a working copy, which would be the client's own work, the same for every server, and hide a slow one.
 * @returns milliseconds
 */
export async function timeClone(workspace: Workspace, url: string): Promise<number> {
  const folder = workspace.path('clone');
  const ms = await timeMs(() => git(workspace, workspace.folder, 'clone', '--quiet', '--bare', url, folder));
  await rm(folder, { recursive: true });
  return ms;
}

/** Pushes a repository's `main`. @returns milliseconds */
export async function timePush(workspace: Workspace, folder: string, url: string): Promise<number> {
  return timeMs(() => git(workspace, folder, 'push', '--quiet', url, 'main:main'));
}
