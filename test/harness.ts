import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { CloudTrail } from '@aws-sdk/client-cloudtrail';
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { CodeBuild } from '@aws-sdk/client-codebuild';
import { CodeCommit } from '@aws-sdk/client-codecommit';
import { CodePipeline } from '@aws-sdk/client-codepipeline';
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { IAM } from '@aws-sdk/client-iam';
import { KMS } from '@aws-sdk/client-kms';
import { S3 } from '@aws-sdk/client-s3';
import { STS } from '@aws-sdk/client-sts';
import type { Clock } from '../src/kernel/clock.ts';
import { type Config, readConfig } from '../src/kernel/config.ts';
import type { Service } from '../src/kernel/service.ts';
import type { Database } from '../src/kernel/store/database.ts';
import { type RunningServer, startServer as start } from '../src/server.ts';
import { createAccount } from '../src/services/iam/accounts.ts';
import { services as allServices } from '../src/services.ts';
import { placeEmptyDatabase } from './empty-database.ts';
import { ownDatabase } from './postgres.ts';

export interface Keys {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

/** Real SDK clients of one identity; each is made when first used. */
export interface Clients {
  keys: Keys;
  cloudtrail: CloudTrail;
  codebuild: CodeBuild;
  codecommit: CodeCommit;
  codepipeline: CodePipeline;
  events: EventBridge;
  iam: IAM;
  kms: KMS;
  logs: CloudWatchLogs;
  s3: S3;
  sts: STS;
}

const CLIENTS = {
  cloudtrail: CloudTrail,
  codebuild: CodeBuild,
  codecommit: CodeCommit,
  codepipeline: CodePipeline,
  events: EventBridge,
  iam: IAM,
  kms: KMS,
  logs: CloudWatchLogs,
  s3: S3,
  sts: STS,
};

export interface TestServer extends RunningServer {
  /** Clients of the root user. */
  root_: Clients;
  /** Clients for any keys, in any region. */
  clients(keys: Keys, region?: string): Clients;
  /** Makes an IAM user with an inline policy (default: everything) and gives clients with his key. */
  user(name: string, policy?: object, root?: Clients): Promise<Clients>;
  /** Makes another account and gives clients of its root user. */
  account(name: string): Promise<{ id: string; root: Clients }>;
  /** Environment for `aws`, `git` and other programs. */
  env(keys: Keys): Record<string, string>;
  /** Stops the server and starts another one on the same data folder and port. */
  restart(): Promise<void>;
}

export const ALLOW_ALL = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] };

/** For tests that put a witness into one of them. */
export { allServices };

export interface HarnessOptions {
  services?: readonly Service[];
  settings?: Partial<Config>;
  clock?: Clock;
  database?: Database;
}

/** What ends: a test, or a tool that starts a server. */
type Ending = Pick<TestContext, 'after'>;

const stacks = new WeakMap<Ending, (() => unknown)[]>();

/** Runs `undo` when the test ends, the latest first: a server stops before its folder goes. */
export function cleanUp(t: Ending, undo: () => unknown): void {
  const known = stacks.get(t);
  if (known !== undefined) {
    known.push(undo);
    return;
  }
  const stack = [undo];
  stacks.set(t, stack);
  t.after(async () => {
    while (stack.length > 0) await stack.pop()!();
  });
}

/** A folder that goes away with the test. */
export async function temporaryFolder(t: Ending): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-test-'));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts a real server with its own data folder on a free port; it stops with the test. */
export async function startServer(t: Ending, options: HarnessOptions = {}): Promise<TestServer> {
  const data = options.settings?.data ?? (await temporaryFolder(t));
  const base = readConfig(
    {
      port: '0',
      'ssh-port': '0',
      data,
      // A killed test leaves nothing in memory.
      'git-cache': join(data, 'cache', 'git'),
      'log-level': process.env['TEST_LOG'] ?? 'silent',
    },
    {},
  );
  const opened: { destroy(): void }[] = [];
  const postgres = options.database === undefined ? await ownDatabase(options.services ?? allServices) : undefined;
  if (postgres !== undefined) cleanUp(t, () => postgres.drop());
  const databaseUrl = postgres?.url ?? '';
  const isOwn = options.settings?.data === undefined && options.services === undefined;
  if (isOwn && databaseUrl === '' && options.database === undefined) {
    await placeEmptyDatabase(join(data, 'slipway.db'));
  }
  let port = 0;
  const open = () =>
    start({ ...base, port, databaseUrl, ...options.settings, data }, options.services ?? allServices, {
      ...(options.clock === undefined ? {} : { clock: options.clock }),
      ...(options.database === undefined ? {} : { database: options.database }),
    });
  let running = await open();
  port = Number(new URL(running.url).port);
  const clients = (keys: Keys, region = 'us-east-1'): Clients => makeClients(running.url, keys, region, opened);
  const server: TestServer = {
    ...running,
    root_: clients(running.root),
    clients,
    async account(name) {
      const ctx = running.kernel.serviceContext('organizations.amazonaws.com');
      const { account, key } = await createAccount(ctx, { name });
      return { id: account.id, root: clients(key) };
    },
    async user(name, policy = ALLOW_ALL, { iam } = server.root_) {
      await iam.createUser({ UserName: name });
      await iam.putUserPolicy({ UserName: name, PolicyName: 'inline', PolicyDocument: JSON.stringify(policy) });
      const { AccessKey } = await iam.createAccessKey({ UserName: name });
      return clients({ accessKeyId: AccessKey!.AccessKeyId!, secretAccessKey: AccessKey!.SecretAccessKey! });
    },
    env: (keys) => ({
      PATH: process.env['PATH'] ?? '',
      HOME: data,
      AWS_ENDPOINT_URL: running.url,
      AWS_REGION: 'us-east-1',
      AWS_DEFAULT_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: keys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
      ...(keys.sessionToken === undefined ? {} : { AWS_SESSION_TOKEN: keys.sessionToken }),
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_PAGER: '',
      GIT_TERMINAL_PROMPT: '0',
      GIT_CONFIG_NOSYSTEM: '1',
    }),
    async restart() {
      await running.stop();
      running = await open();
      Object.assign(server, running);
    },
    stop: () => running.stop(),
  };
  cleanUp(t, async () => {
    for (const client of opened) client.destroy();
    await running.stop();
  });
  return server;
}

function makeClients(endpoint: string, keys: Keys, region: string, opened: { destroy(): void }[]): Clients {
  const made = new Map<string, object>();
  return new Proxy({ keys } as Clients, {
    get(target, name: string) {
      if (name === 'keys') return target.keys;
      const Client = CLIENTS[name as keyof typeof CLIENTS];
      if (Client === undefined) return undefined;
      let client = made.get(name);
      if (client === undefined) {
        const config = {
          endpoint,
          region,
          credentials: keys,
          maxAttempts: 1,
          ...(name === 's3' ? { forcePathStyle: true } : {}),
        };
        client = new Client(config);
        made.set(name, client);
        opened.push(client as { destroy(): void });
      }
      return client;
    },
  });
}
