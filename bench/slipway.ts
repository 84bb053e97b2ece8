import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { CloudTrail } from '@aws-sdk/client-cloudtrail';
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { CodeBuild } from '@aws-sdk/client-codebuild';
import { CodeCommit } from '@aws-sdk/client-codecommit';
import { CodePipeline } from '@aws-sdk/client-codepipeline';
import { IAM } from '@aws-sdk/client-iam';
import { S3 } from '@aws-sdk/client-s3';
import { STS } from '@aws-sdk/client-sts';
import type { Workspace } from './workspace.ts';

const ROOT = new URL('..', import.meta.url).pathname;

export const ACCOUNT = '123456789012';
export const REGION = 'us-east-1';

export interface Keys {
  accessKeyId: string;
  secretAccessKey: string;
}

/** Real SDK clients of the root user. */
export interface Clients {
  cloudtrail: CloudTrail;
  codebuild: CodeBuild;
  codecommit: CodeCommit;
  codepipeline: CodePipeline;
  iam: IAM;
  logs: CloudWatchLogs;
  s3: S3;
  sts: STS;
}

/** `slipway serve` in a process of its own, as a user starts it. */
export interface Slipway {
  url: string;
  pid: number;
  data: string;
  keys: Keys;
  clients: Clients;
  /** Stops it cleanly; the data stays. */
  stop(): Promise<void>;
}

export interface SlipwayOptions {
  /** Data folder of an earlier server; a new one by default. */
  data?: string;
  /** Further flags of `slipway serve`. */
  flags?: readonly string[];
}

/** Starts a server on a free port; it ends with the row. @throws with what it wrote to standard error */
export async function startSlipway(workspace: Workspace, options: SlipwayOptions = {}): Promise<Slipway> {
  const data = options.data ?? workspace.path('data');
  const { child, url } = await launch(workspace, data, options.flags ?? []);
  const keys = JSON.parse(await readFile(join(data, 'root-credentials.json'), 'utf8')) as Keys;
  const clients = makeClients(url, keys);
  const stop = async () => {
    for (const client of Object.values(clients)) client.destroy();
    await end(child);
  };
  workspace.defer(stop);
  return { url, pid: child.pid!, data, keys, clients, stop };
}

/** Starts the program and waits for the line that says it answers. */
export async function launch(
  workspace: Workspace,
  data: string,
  flags: readonly string[],
): Promise<{ child: ChildProcess; url: string }> {
  const errors = workspace.path('slipway.log');
  const log = openSync(errors, 'w');
  const child = spawn(
    process.execPath,
    [...(await programArguments()), 'serve', '--port', '0', '--ssh-port', '0', '--data', data, ...flags],
    {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', log],
    },
  );
  closeSync(log);
  for await (const line of createInterface({ input: child.stdout! })) {
    const ready = /^slipway ready (\S+)/.exec(line);
    if (ready !== null) return { child, url: ready[1]! };
  }
  throw new Error(`the server did not start: ${(await readFile(errors, 'utf8')).slice(-2000)}`);
}

/** What stands behind `node` in `npm run slipway`: users start it with these flags. */
async function programArguments(): Promise<string[]> {
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: { slipway: string };
  };
  const [program, ...args] = scripts.slipway.split(' ');
  if (program !== 'node') throw new Error(`npm run slipway does not start node but ${program}`);
  return args;
}

/** SIGTERM, and SIGKILL for a server that does not end within ten seconds. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const impatience = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await gone;
  clearTimeout(impatience);
}

/** Clients for a server. They try once: a retry would hide a failure in a longer time. */
function makeClients(endpoint: string, credentials: Keys): Clients {
  const settings = { endpoint, region: REGION, credentials, maxAttempts: 1 };
  return {
    cloudtrail: new CloudTrail(settings),
    codebuild: new CodeBuild(settings),
    codecommit: new CodeCommit(settings),
    codepipeline: new CodePipeline(settings),
    iam: new IAM(settings),
    logs: new CloudWatchLogs(settings),
    s3: new S3({ ...settings, forcePathStyle: true }),
    sts: new STS(settings),
  };
}

/** Resident memory of a process in bytes. Source: proc(5), VmRSS and VmHWM in kB. */
export async function residentBytes(pid: number, field: 'VmRSS' | 'VmHWM' = 'VmRSS'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status);
  if (match === null) throw new Error(`process ${pid} shows no ${field}`);
  return Number(match[1]) * 1024;
}

/** Processor time that a process has used, in milliseconds. Source: proc(5), utime and stime, in hundredths of a second. */
export async function processorMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** A user who may do nothing but look at one repository. */
export async function makeCaller(iam: IAM, repositoryName: string): Promise<Keys> {
  const UserName = 'caller';
  const Resource = `arn:aws:codecommit:${REGION}:${ACCOUNT}:${repositoryName}`;
  const Statement = [{ Effect: 'Allow', Action: 'codecommit:GetRepository', Resource }];
  await iam.createUser({ UserName });
  const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement });
  await iam.putUserPolicy({ UserName, PolicyName: 'read', PolicyDocument });
  const { AccessKey } = await iam.createAccessKey({ UserName });
  return { accessKeyId: AccessKey!.AccessKeyId!, secretAccessKey: AccessKey!.SecretAccessKey! };
}
