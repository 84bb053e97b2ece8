import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, systemClock } from './kernel/clock.ts';
import type { Config } from './kernel/config.ts';
import { type Ids, systemIds } from './kernel/ids.ts';
import { createLogger } from './kernel/log.ts';
import { Kernel } from './kernel/runtime.ts';
import { Secrets } from './kernel/secrets.ts';
import type { Service } from './kernel/service.ts';
import { FolderBlobStore } from './kernel/store/blobs.ts';
import { loadRootCredentials, type RootCredentials, takeDataFolder } from './kernel/store/data-folder.ts';
import { Database } from './kernel/store/database.ts';
import { kernelMigrations } from './kernel/store/kernel-tables.ts';
import { type Migrations, migrate } from './kernel/store/migrate.ts';
import { openRootKey } from './kernel/store/root-key.ts';
import { Gateway } from './kernel/wire/gateway.ts';
import { CONNECTION_LIMITS } from './kernel/wire/limits.ts';
import { listen } from './kernel/wire/listen.ts';

/** A server that answers. */
export interface RunningServer {
  /** `http://127.0.0.1:4566`, without a trailing slash. */
  url: string;
  /** Port that it listens on, also where `url` is the address of a proxy. */
  port: number;
  /** Where it listens besides: `ssh://127.0.0.1:2222`. */
  addresses: readonly string[];
  config: Config;
  root: RootCredentials;
  kernel: Kernel;
  /** Finishes what runs, writes what waits, and lets the data folder go. */
  stop(): Promise<void>;
}

export interface ServerOptions {
  clock?: Clock;
  ids?: Ids;
  /** For tests of the PostgreSQL dialect. */
  database?: Database;
}

/** Starts a server: data folder, store, services, gateway, in this order; stops in the opposite one. */
export async function startServer(
  settings: Config,
  services: readonly Service[],
  options: ServerOptions = {},
): Promise<RunningServer> {
  const { clock = systemClock, ids = systemIds } = options;
  const folder = await takeDataFolder(settings.data);
  try {
    const root =
      settings.rootAccessKeyId === ''
        ? await loadRootCredentials(settings.data, ids)
        : { accessKeyId: settings.rootAccessKeyId, secretAccessKey: settings.rootSecretAccessKey };
    const config: Config = {
      ...settings,
      rootAccessKeyId: root.accessKeyId,
      rootSecretAccessKey: root.secretAccessKey,
    };
    const kernel = await openKernel(config, services, clock, ids, options.database);
    const started = Promise.withResolvers<void>();
    const gateway = new Gateway(kernel, started.promise);
    const tls =
      config.tlsCert === '' ? undefined : { cert: await readFile(config.tlsCert), key: await readFile(config.tlsKey) };
    const { server, port } = await listen(gateway, config.host, config.port, CONNECTION_LIMITS, tls);
    const stop = async () => {
      kernel.beginStop();
      server.close();
      server.closeIdleConnections();
      await kernel.work.stop();
      await kernel.outbox.stop();
      server.closeAllConnections();
      for (const service of services) await service.lifecycle?.stop?.(kernel.serviceContext(service.eventSource));
      await kernel.audit.stop();
      await kernel.database.close();
      folder.release();
    };
    const scheme = tls === undefined ? 'http' : 'https';
    kernel.publicUrl = config.publicUrl === '' ? `${scheme}://${urlHost(config.host)}:${port}` : config.publicUrl;
    const addresses: string[] = [];
    try {
      const starting = services.map(async (service) => {
        addresses.push(...((await service.lifecycle?.start?.(kernel.serviceContext(service.eventSource))) ?? []));
      });
      const failed = (await Promise.allSettled(starting)).find((one) => one.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      await kernel.work.start();
    } catch (error) {
      // What has started already would keep the process, and its ports, for ever.
      await stop();
      throw error;
    }
    kernel.outbox.poke();
    started.resolve();
    return { url: kernel.publicUrl, port, addresses, config, root, kernel, stop };
  } catch (error) {
    folder.release();
    throw error;
  }
}

async function openKernel(
  config: Config,
  services: readonly Service[],
  clock: Clock,
  ids: Ids,
  given?: Database,
): Promise<Kernel> {
  const secrets = new Secrets(await openRootKey(config));
  const blobs = new FolderBlobStore(join(config.data, 'blobs'));
  await blobs.open();
  const database =
    given ??
    (config.databaseUrl === ''
      ? Database.sqlite(join(config.data, 'slipway.db'))
      : await Database.postgres(config.databaseUrl));
  await migrate(database, migrationsOf(services), clock);
  return new Kernel({ config, database, blobs, secrets, clock, ids, log: createLogger(config.logLevel), services });
}

/** The steps of the whole schema, by who owns them and in the order in which they run. */
export function migrationsOf(services: readonly Service[]): Map<string, Migrations> {
  const owners = new Map<string, Migrations>([['kernel', kernelMigrations]]);
  for (const service of services) if (service.migrations !== undefined) owners.set(service.name, service.migrations);
  return owners;
}

/** A host as it stands in a URL; an address that means "every interface" is reached on loopback. */
function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
