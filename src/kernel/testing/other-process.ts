import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';

/** A server in a process of its own, which a test may kill. */
export interface OtherServer {
  url: string;
  root: { accessKeyId: string; secretAccessKey: string };
  /** Lines that it printed, `ready` not included. */
  readonly lines: string[];
  /** SIGKILL, and its end. */
  kill(): Promise<void>;
}

const IMPORTS = `
  import { startServer } from ${url('../../server.ts')};
  import { readConfig } from ${url('../config.ts')};
  import { ledger } from ${url('./ledger.ts')};
  import { testIdentities } from ${url('./services.ts')};
`;

function url(path: string): string {
  return JSON.stringify(new URL(path, import.meta.url).href);
}

/**
 * Starts a server with a ledger in another process on a data folder.
 * @param options source text of the ledger's options; \`say(text)\` in it prints a line for the test.
 */
export async function startElsewhere(t: TestContext, data: string, options: string): Promise<OtherServer> {
  const script = `${IMPORTS}
    const say = (text) => process.stdout.write(text + '\\n');
    const config = readConfig({ port: '0', data: ${JSON.stringify(data)}, 'log-level': 'silent' }, {});
    const server = await startServer(config, [testIdentities(), ledger(${options})]);
    say(JSON.stringify({ url: server.url, root: server.root }));`;
  const child: ChildProcess = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  t.after(() => child.kill('SIGKILL'));
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout! });
  const [first] = (await Promise.race([once(reader, 'line'), exited])) as [string];
  reader.on('line', (line) => lines.push(line));
  return {
    ...(JSON.parse(first) as Pick<OtherServer, 'url' | 'root'>),
    lines,
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
