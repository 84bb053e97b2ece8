/** For scenarios that do a server harm from outside: a user of the repository `app` with a password and a key for git. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { CodeCommit } from '@aws-sdk/client-codecommit';
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { IAM } from '@aws-sdk/client-iam';
import ssh2 from 'ssh2';
import { GitClient } from '../../src/git/harness.ts';
import { sshOptions } from '../../src/services/codecommit/ssh-harness.ts';
import { temporaryFolder } from '../harness.ts';
import type { ServerProcess } from '../server-process.ts';

export interface Clients {
  codecommit: CodeCommit;
  events: EventBridge;
  iam: IAM;
  logs: CloudWatchLogs;
}

export function clientsOf(t: TestContext, { url, keys }: ServerProcess): Clients {
  // The port stays; a call that meets a dead server fails at once, and the writer goes on.
  const settings = { endpoint: url, region: 'us-east-1', credentials: keys, maxAttempts: 1 };
  const clients = {
    codecommit: new CodeCommit(settings),
    events: new EventBridge(settings),
    iam: new IAM(settings),
    logs: new CloudWatchLogs(settings),
  };
  t.after(() => Object.values(clients).forEach((client) => void client.destroy()));
  return clients;
}

/** Makes the user `writer` and answers the address of the repository with a git password in it. */
export async function remoteOf(server: ServerProcess, { iam }: Clients): Promise<string> {
  await iam.createUser({ UserName: 'writer' });
  await iam.putUserPolicy({
    UserName: 'writer',
    PolicyName: 'all',
    PolicyDocument: JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }],
    }),
  });
  const { ServiceSpecificCredential: made } = await iam.createServiceSpecificCredential({
    UserName: 'writer',
    ServiceName: 'codecommit.amazonaws.com',
  });
  const url = new URL(`${server.url}/v1/repos/app`);
  url.username = encodeURIComponent(made!.ServiceUserName!);
  url.password = encodeURIComponent(made!.ServicePassword!);
  return url.href;
}

/** A client that pushes over SSH with a key of `writer`, and the address for it. */
export async function overSsh(t: TestContext, server: ServerProcess, { iam }: Clients) {
  const pair = ssh2.utils.generateKeyPairSync('rsa', { bits: 2048 });
  const { SSHPublicKey: key } = await iam.uploadSSHPublicKey({ UserName: 'writer', SSHPublicKeyBody: pair.public });
  const keyPath = join(await temporaryFolder(t), 'key');
  await writeFile(keyPath, pair.private);
  await chmod(keyPath, 0o600);
  const client = new GitClient(await temporaryFolder(t));
  client.config.push(`core.sshCommand=ssh ${sshOptions(keyPath).join(' ')}`);
  const keyId = key!.SSHPublicKeyId!;
  return { client, keyId, privateKey: pair.private, remote: `ssh://${keyId}@127.0.0.1:${server.sshPort}/v1/repos/app` };
}
