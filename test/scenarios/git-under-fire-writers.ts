/** The writers of the scenario `git-under-fire`: what each does goes on over any number of ends of the server. */
import { setTimeout as wait } from 'node:timers/promises';
import type { CodeCommit } from '@aws-sdk/client-codecommit';
import type { GitClient } from '../../src/git/harness.ts';

const app = { repositoryName: 'app' };
/** Before a server that is not there is asked again. */
const RETRY_MS = 50;

/** What a writer was told. */
interface Told {
  /** The operation, or the road of a push. */
  how: string;
  /** As the event of it tells it: {@link movedKey} or {@link reviewKey}. */
  key: string;
  /** The branch that was moved, and where to. */
  branch?: string;
  commit?: string;
}

/** Everything that was acknowledged, in order. */
export class Ledger {
  readonly told: Told[] = [];

  moved(how: string, branch: string, commit: string | undefined): void {
    this.told.push({ how, key: movedKey(branch, commit), branch, commit: commit! });
  }

  reviewed(how: string, pullRequestId: string, event: string): void {
    this.told.push({ how, key: reviewKey(pullRequestId, event) });
  }

  /** How often each was acknowledged. */
  counts(): string {
    const counts = new Map<string, number>();
    for (const { how } of this.told) counts.set(how, (counts.get(how) ?? 0) + 1);
    return [...counts].map(([how, count]) => `${count} ${how}`).join(', ');
  }
}

export const movedKey = (branch: string, commit: string | undefined) => `${branch} ${commit}`;
export const reviewKey = (pullRequestId: string, event: string) => `#${pullRequestId} ${event}`;

/** What every writer has. */
export interface Desk {
  ledger: Ledger;
  /** Says that it is over. */
  signal: AbortSignal;
}

/**
 * Does one step until it is done. An answer that did not come may stand for a change that was made, so a step looks before
 * it acts. What the server does answer must be what was asked for: every branch has one writer.
 */
async function insist<T>(signal: AbortSignal, step: () => Promise<T>): Promise<T | undefined> {
  while (!signal.aborted) {
    try {
      return await step();
    } catch (error) {
      const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
      if ($metadata?.httpStatusCode !== undefined) throw error;
      await wait(RETRY_MS);
    }
  }
  return undefined;
}

/** Pushes one commit after the other to its own branch. */
export async function pushing(
  how: string,
  branch: string,
  remote: string,
  client: GitClient,
  { ledger, signal }: Desk,
): Promise<void> {
  await client.run('init', '-q', '-b', branch);
  for (let number = 0; !signal.aborted; number += 1) {
    await client.commitFile(`file-${number % 10}`, `${branch} ${number}\n`);
    const commit = await client.run('rev-parse', 'HEAD');
    while (!signal.aborted && (await client.attempt(['push', '-q', remote, branch])).status !== 0) await wait(RETRY_MS);
    if (!signal.aborted) ledger.moved(how, branch, commit);
  }
}

/** Makes one commit after the other by the API, on its own branch. */
export async function committing(branchName: string, codecommit: CodeCommit, { ledger, signal }: Desk): Promise<void> {
  const branch = { ...app, branchName };
  await insist(signal, () => branchFrom(codecommit, branchName, 'main', ledger));
  for (let number = 0; !signal.aborted; number += 1) {
    const before = await insist(signal, () => tipOf(codecommit, branchName));
    await insist(signal, async () => {
      const parentCommitId = await tipOf(codecommit, branchName);
      if (parentCommitId !== before) return;
      const fileContent = Buffer.from(`${number}`);
      const filePath = `${branchName}/file-${number}`;
      if (number % 2 === 0) {
        const { commitId } = await codecommit.putFile({ ...branch, parentCommitId, filePath, fileContent });
        ledger.moved('PutFile', branchName, commitId);
        return;
      }
      const putFiles = [0, 1, 2].map((at) => ({ filePath: `${filePath}/${at}`, fileContent }));
      const { commitId } = await codecommit.createCommit({ ...branch, parentCommitId, putFiles });
      ledger.moved('CreateCommit', branchName, commitId);
    });
  }
}

const OPTIONS = ['ThreeWay', 'Squash', 'FastForward'] as const;
/** Every way to merge. */
export const MERGES = ['MergeBranchesBy', 'MergePullRequestBy'].flatMap((how) => OPTIONS.map((option) => how + option));

/** Merges one branch after the other into its own, each by another of the six operations. */
export async function merging(trunk: string, codecommit: CodeCommit, { ledger, signal }: Desk): Promise<void> {
  await insist(signal, () => branchFrom(codecommit, trunk, 'main', ledger));
  for (let number = 0; !signal.aborted; number += 1) {
    const option = OPTIONS[number % OPTIONS.length]!;
    const source = `${trunk}-source-${number}`;
    await insist(signal, () => branchFrom(codecommit, source, trunk, ledger));
    await put(source);
    // Or there would be nothing but to move forward.
    if (option !== 'FastForward') await put(trunk);
    if (number % 2 === 0) await mergeBranches(option, source);
    else await mergePullRequest(option, source, `${trunk}-token-${number}`);

    async function put(branchName: string) {
      const before = await insist(signal, () => tipOf(codecommit, branchName));
      await insist(signal, async () => {
        if ((await tipOf(codecommit, branchName)) !== before) return;
        const file = { filePath: `${branchName}-${number}`, fileContent: Buffer.from(`${number}`) };
        const { commitId } = await codecommit.putFile({ ...app, branchName, parentCommitId: before, ...file });
        ledger.moved('PutFile', branchName, commitId);
      });
    }
  }

  async function mergeBranches(option: (typeof OPTIONS)[number], source: string) {
    const before = await insist(signal, () => tipOf(codecommit, trunk));
    await insist(signal, async () => {
      if ((await tipOf(codecommit, trunk)) !== before) return;
      const sides = { ...app, sourceCommitSpecifier: source, destinationCommitSpecifier: trunk };
      const { commitId } = await codecommit[`mergeBranchesBy${option}`](sides);
      ledger.moved(`MergeBranchesBy${option}`, trunk, commitId);
    });
  }

  async function mergePullRequest(option: (typeof OPTIONS)[number], source: string, clientRequestToken: string) {
    const pullRequestId = await insist(signal, async () => {
      const targets = [{ ...app, sourceReference: source, destinationReference: trunk }];
      // The token makes the second try answer what the first one has made.
      const { pullRequest } = await codecommit.createPullRequest({ title: source, targets, clientRequestToken });
      ledger.reviewed('CreatePullRequest', pullRequest!.pullRequestId!, 'pullRequestCreated');
      return pullRequest!.pullRequestId!;
    });
    await insist(signal, async () => {
      const present = await codecommit.getPullRequest({ pullRequestId });
      if (present.pullRequest!.pullRequestStatus === 'CLOSED') return;
      const { pullRequest } = await codecommit[`mergePullRequestBy${option}`]({ ...app, pullRequestId });
      const { mergeMetadata } = pullRequest!.pullRequestTargets![0]!;
      ledger.reviewed(`MergePullRequestBy${option}`, pullRequestId!, 'pullRequestMergeStatusUpdated');
      ledger.moved('branches moved by these', trunk, mergeMetadata!.mergeCommitId);
    });
  }
}

async function branchFrom(codecommit: CodeCommit, branchName: string, from: string, ledger: Ledger): Promise<void> {
  if ((await tipOf(codecommit, branchName)) !== undefined) return;
  const commitId = await tipOf(codecommit, from);
  await codecommit.createBranch({ ...app, branchName, commitId });
  ledger.moved('CreateBranch', branchName, commitId);
}

/** Where a branch is; undefined where there is none. */
async function tipOf(codecommit: CodeCommit, branchName: string): Promise<string | undefined> {
  try {
    return (await codecommit.getBranch({ ...app, branchName })).branch!.commitId;
  } catch (error) {
    if ((error as Error).name !== 'BranchDoesNotExistException') throw error;
    return undefined;
  }
}
