import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { cleanUp, type Keys } from './harness.ts';

const MAIN = new URL('../src/main.ts', import.meta.url).pathname;

/** A server in a process of its own, which a test may kill and start again. */
export interface ServerProcess {
  url: string;
  sshPort: number;
  keys: Keys;
  /** Of the process that runs now. */
  pid(): number;
  /** Everything that the process wrote to standard error. */
  errors(): string;
  /** SIGKILL: what a crash or a power cut leaves. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** Starts `slipway serve` on a data folder; the ports stay the same over restarts. The process ends with the test. */
export async function startServerProcess(
  t: TestContext,
  data: string,
  environment: Record<string, string> = {},
): Promise<ServerProcess> {
  const [port, sshPort] = [await freePort(), await freePort()];
  let child: ChildProcess | undefined;
  let errors = '';
  const server: ServerProcess = {
    url: `http://127.0.0.1:${port}`,
    sshPort,
    keys: { accessKeyId: '', secretAccessKey: '' },
    pid: () => child!.pid!,
    errors: () => errors,
    async kill() {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
    async start() {
      const ports = ['--port', String(port), '--ssh-port', String(sshPort)];
      child = spawn(process.execPath, [MAIN, 'serve', ...ports, '--data', data], {
        stdio: ['ignore', 'pipe', 'pipe'],
        // What is killed leaves nothing in memory.
        env: { ...process.env, SLIPWAY_GIT_CACHE: join(data, 'cache', 'git'), ...environment },
      });
      child.stderr!.on('data', (chunk: Buffer) => {
        errors += chunk.toString();
      });
      await ready(child, () => errors);
      server.keys = JSON.parse(await readFile(join(data, 'root-credentials.json'), 'utf8')) as Keys;
    },
  };
  cleanUp(t, () => server.kill());
  await server.start();
  return server;
}

async function ready(child: ChildProcess, errors: () => string): Promise<void> {
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line.startsWith('slipway ready ')) return;
  }
  throw new Error(`the server did not start: ${errors()}`);
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}
