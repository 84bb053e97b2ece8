import type { Config } from '../kernel/config.ts';
import { type RunningServer, startServer } from '../server.ts';
import { services } from '../services.ts';
import { noteServer } from './running-server.ts';

/** Starts the server of the settings; while it runs, its data folder tells other commands where it answers. */
export async function startNoted(config: Config): Promise<RunningServer> {
  const server = await startServer(config, services);
  let takeBack: () => Promise<void>;
  try {
    takeBack = await noteServer(server);
  } catch (error) {
    await server.stop();
    throw error;
  }
  const stop = async () => {
    await takeBack();
    await server.stop();
  };
  return { ...server, stop };
}

/** Runs the server until SIGTERM or SIGINT. Prints one line when it answers. */
export async function serve(config: Config): Promise<void> {
  const server = await startNoted(config);
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
