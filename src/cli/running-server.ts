import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../kernel/config.ts';
import type { RunningServer } from '../server.ts';
import { UsageError } from './usage-error.ts';

/** What a server leaves in its data folder while it runs, for the commands that look for it. */
export interface ServerNote {
  pid: number;
  /** Address of the API, without a trailing slash. */
  url: string;
  /** Port that it listens on; the address may be that of a proxy. */
  port: number;
  account: string;
  region: string;
  rootAccessKeyId: string;
}

const NOTE = 'server.json';

/**
 * Notes in the data folder where the server answers. A killed server leaves its note: it tells the process, too.
 * @returns takes the note back. Do so before the server stops: afterwards the folder may be another one's.
 */
export async function noteServer(server: RunningServer): Promise<() => Promise<void>> {
  const { config, root, url, port } = server;
  const { account, region } = config;
  const note: ServerNote = { pid: process.pid, url, port, account, region, rootAccessKeyId: root.accessKeyId };
  const path = join(config.data, NOTE);
  await writeFile(`${path}.new`, `${JSON.stringify(note)}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
  return () => rm(path, { force: true });
}

/** The server that runs on a data folder; undefined when none does or it cannot be told. */
export async function findServer(folder: string): Promise<ServerNote | undefined> {
  let note: ServerNote;
  try {
    note = JSON.parse(await readFile(join(folder, NOTE), 'utf8')) as ServerNote;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return isAlive(note.pid) ? note : undefined;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // It is there and somebody else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Settings of a command that speaks to a server, and which server these mean. */
export interface Aim {
  /** With the address, account and region of the server that runs on the data folder, where one does. */
  config: Config;
  /** The server that runs on the data folder, if it is the one that is meant. */
  running: ServerNote | undefined;
  /** Whether the user said which server or folder, by a flag or a variable of Slipway. */
  named: boolean;
}

/**
 * Finds the server that a command's settings mean: a named address, else the server that runs on the data folder, else the
 * one of the settings. @param given the settings that the user gave, by flag or variable
 * @throws UsageError when a server runs on the folder and the settings say another port
 */
export async function aimAt(config: Config, given: ReadonlySet<keyof Config>): Promise<Aim> {
  const named = (['data', 'host', 'port', 'publicUrl'] as const).some((key) => given.has(key));
  if (given.has('publicUrl')) return { config, running: undefined, named };
  const running = await findServer(config.data);
  if (running === undefined) return { config, running, named };
  if (given.has('port') && config.port !== 0 && config.port !== running.port) {
    throw new UsageError(
      `the server that works on ${config.data} listens on port ${running.port}, not on ${config.port}. ` +
        'Leave the port out, or name the folder of the server that you mean with --data.',
    );
  }
  const { url, account, region } = running;
  const known = { publicUrl: url, account, ...(given.has('region') ? {} : { region }) };
  return { config: { ...config, ...known }, running, named };
}
