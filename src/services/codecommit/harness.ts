/** For tests only: git users of a real server, and the real git client. */
import type { TestContext } from 'node:test';
import { ALLOW_ALL, type Clients, startServer, type TestServer, temporaryFolder } from '../../../test/harness.ts';
import { GitClient } from '../../git/harness.ts';

export interface GitUser extends Clients {
  userName: string;
  password: string;
  /** Address of a repository with the user's git password in it. */
  remote(repositoryName: string): string;
}

/** Makes an IAM user with a git password. */
export async function gitUser(server: TestServer, name: string, policy: object = ALLOW_ALL): Promise<GitUser> {
  const clients = await server.user(name, policy);
  const { ServiceSpecificCredential: made } = await server.root_.iam.createServiceSpecificCredential({
    UserName: name,
    ServiceName: 'codecommit.amazonaws.com',
  });
  const [userName, password] = [made!.ServiceUserName!, made!.ServicePassword!];
  const remote = (repositoryName: string) => remoteOf(server, repositoryName, userName, password);
  return Object.assign(Object.create(clients), { userName, password, remote }) as GitUser;
}

/** Address of a repository for the git client, with a user name and password in it. */
export function remoteOf(server: TestServer, repositoryName: string, userName: string, password: string): string {
  const url = new URL(`${server.url}/v1/repos/${repositoryName}`);
  url.username = encodeURIComponent(userName);
  url.password = encodeURIComponent(password);
  return url.href;
}

/** A server with the repository `app` and a user who may do everything. */
export async function startWithRepository(t: TestContext): Promise<{ server: TestServer; alice: GitUser }> {
  const server = await startServer(t);
  const alice = await gitUser(server, 'alice');
  await server.root_.codecommit.createRepository({ repositoryName: 'app' });
  return { server, alice };
}

/** A new working copy on `main` whose `origin` is that address. */
export async function workingCopy(t: TestContext, remote: string): Promise<GitClient> {
  const client = new GitClient(await temporaryFolder(t));
  await client.run('init', '-q', '-b', 'main');
  await client.run('remote', 'add', 'origin', remote);
  return client;
}
