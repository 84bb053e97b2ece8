import type { Config } from '../kernel/config.ts';
import { startServer } from '../server.ts';
import { services } from '../services.ts';

/** Runs the server until SIGTERM or SIGINT. Prints one line when it answers. */
export async function serve(config: Config): Promise<void> {
  const server = await startServer(config, services);
  process.stdout.write(`slipway ready ${[server.url, ...server.addresses].join(' ')}\n`);
  await stopSignal();
  await server.stop();
}

/** Resolves at the first SIGTERM or SIGINT; a second one ends the process at once. */
export function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      process.once('SIGINT', () => process.exit(130));
      process.once('SIGTERM', () => process.exit(143));
      resolve();
    };
    let stopping = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        if (!stopping) stop();
        stopping = true;
      });
    }
  });
}
