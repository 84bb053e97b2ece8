/** For tests only: a repository with two branches, people who review, and a witness of every event. */
import type { TestContext } from 'node:test';
import type * as sdk from '@aws-sdk/client-codecommit';
import {
  allServices,
  type Clients,
  type HarnessOptions,
  startServer,
  type TestServer,
} from '../../../../test/harness.ts';
import type { BusEvent } from '../../../kernel/context.ts';
import { eventually } from '../../../kernel/testing/eventually.ts';
import { codecommit } from '../service.ts';

export const app = { repositoryName: 'app' };
export const ACCOUNT = '123456789012';
export const arnOf = (user: string) => `arn:aws:iam::${ACCOUNT}:user/${user}`;

export type CodeCommit = Clients['codecommit'];

export interface Reviewing {
  server: TestServer;
  root: CodeCommit;
  /** Tips of the two branches. */
  main: string;
  feature: string;
  /** A new user who may do everything, unless a policy says otherwise. */
  person(name: string, policy?: object): Promise<CodeCommit>;
  /** Puts a file at the tip of a branch; answers the new tip. */
  put(branchName: string, filePath: string, content: string): Promise<string>;
  /** A branch at the tip of `main` with a file of its name; answers the tip. */
  branch(name: string): Promise<string>;
  /** Events of CodeCommit so far, once there are at least so many of that `event` (reference events are left out unless asked for). */
  events(event: string, count?: number): Promise<BusEvent[]>;
  seen: BusEvent[];
}

/** Starts a server with the repository `app`: `main`, and `feature` with one commit more. */
export async function reviewing(t: TestContext, options: HarnessOptions = {}): Promise<Reviewing> {
  const seen: BusEvent[] = [];
  const handle = async (event: BusEvent) => {
    if (event.source === 'aws.codecommit') seen.push(event);
  };
  const witnessed = { ...codecommit, consumers: [{ name: 'test.reviews', handle }] };
  const all = allServices.map((service) => (service.name === 'codecommit' ? witnessed : service));
  const server = await startServer(t, { services: all, ...options });
  const root = server.root_.codecommit;
  await root.createRepository(app);
  const put = async (branchName: string, filePath: string, content: string) => {
    const parent = await root.getBranch({ ...app, branchName }).catch(() => undefined);
    const parentCommitId = parent?.branch?.commitId;
    const file = { ...app, branchName, filePath, fileContent: Buffer.from(content) };
    return (await root.putFile(parentCommitId === undefined ? file : { ...file, parentCommitId })).commitId!;
  };
  const main = await put('main', 'a.txt', 'one\ntwo\nthree\n');
  const branch = async (branchName: string) => {
    const { branch: tip } = await root.getBranch({ ...app, branchName: 'main' });
    await root.createBranch({ ...app, branchName, commitId: tip!.commitId! });
    return put(branchName, `${branchName}.txt`, `${branchName}\n`);
  };
  return {
    server,
    root,
    main,
    feature: await branch('feature'),
    person: async (name, policy) => (await server.user(name, policy)).codecommit,
    put,
    branch,
    seen,
    async events(event, count = 1) {
      const wanted = () => seen.filter(({ detail }) => detail['event'] === event);
      await eventually(() => wanted().length >= count);
      return wanted();
    },
  };
}

/** Opens a pull request of a branch into `main`. */
export async function openPullRequest(
  who: CodeCommit,
  sourceReference = 'feature',
  more: Partial<sdk.CreatePullRequestCommandInput> = {},
): Promise<sdk.PullRequest> {
  const targets = [{ ...app, sourceReference, destinationReference: 'main' }];
  return (await who.createPullRequest({ title: `Merge ${sourceReference}`, targets, ...more })).pullRequest!;
}

/** A rule that asks for approvals. */
export function ruleContent(needed: number, pool?: string[], destinations?: string[]): string {
  return JSON.stringify({
    Version: '2018-11-08',
    ...(destinations === undefined ? {} : { DestinationReferences: destinations }),
    Statements: [
      {
        Type: 'Approvers',
        NumberOfApprovalsNeeded: needed,
        ...(pool === undefined ? {} : { ApprovalPoolMembers: pool }),
      },
    ],
  });
}
