import { type GitBackend, startGitBackend } from './git-backend.ts';
import { type GitDaemon, startGitDaemon } from './git-daemon.ts';
import { type Slipway, startSlipway } from './slipway.ts';
import type { Workspace } from './workspace.ts';

/** Where repositories can be made: each gives the URL of an empty one, with user and password. */
export interface GitHosts {
  slipway: Slipway;
  ours(repositoryName: string): Promise<string>;
  /** Absent where nginx or fcgiwrap is not installed. */
  baseline: ((repositoryName: string) => Promise<string>) | undefined;
  backend: GitBackend | undefined;
  /** git's own server, for clones. */
  daemon: GitDaemon;
}

export const BASELINE = 'nginx + git http-backend';

/** Starts a Slipway and the baseline beside it. */
export async function startGitHosts(workspace: Workspace): Promise<GitHosts> {
  const slipway = await startSlipway(workspace);
  const makeOurs = await gitUser(slipway);
  const backend = await startGitBackend(workspace);
  const daemon = await startGitDaemon(workspace);
  return { slipway, ours: makeOurs, backend, daemon, baseline: backend && ((name) => backend.makeRepository(name)) };
}

/** Makes an IAM user with git credentials. @returns makes a repository and gives the URL at which this user reaches it */
export async function gitUser({ clients: { iam, codecommit } }: Slipway): Promise<(name: string) => Promise<string>> {
  const UserName = 'bench-git';
  const Statement = [{ Effect: 'Allow', Action: ['codecommit:GitPull', 'codecommit:GitPush'], Resource: '*' }];
  await iam.createUser({ UserName });
  const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement });
  await iam.putUserPolicy({ UserName, PolicyName: 'git', PolicyDocument });
  const { ServiceSpecificCredential: credential } = await iam.createServiceSpecificCredential({
    UserName,
    ServiceName: 'codecommit.amazonaws.com',
  });
  return async (repositoryName) => {
    const { repositoryMetadata } = await codecommit.createRepository({ repositoryName });
    const url = new URL(repositoryMetadata!.cloneUrlHttp!);
    url.username = encodeURIComponent(credential!.ServiceUserName!);
    url.password = encodeURIComponent(credential!.ServicePassword!);
    return url.href;
  };
}
