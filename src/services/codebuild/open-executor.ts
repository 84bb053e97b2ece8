import { homedir } from 'node:os';
import { ProcessExecutor } from '../../executors/process.ts';
import type { OpenExecutor } from './build-queue.ts';

/** PATH of the server: where builds on the host, and the git that fetches their sources, find programs. */
export function hostSearchPath(): string {
  return process.env['PATH'] ?? '';
}

/** The executor that the server is set to. `auto` is `process`: there is no other one yet. */
export const openConfiguredExecutor: OpenExecutor = (ctx, folder) =>
  ProcessExecutor.open({
    folder,
    hidden: [ctx.config.data],
    clock: ctx.clock,
    ids: ctx.ids,
    hostEnvironment: process.env,
    home: homedir(),
  });
