import type * as codecommitSdk from '@aws-sdk/client-codecommit';
import { trimEnd } from '../../../kernel/trim-end.ts';
import { writeArtifact } from './objects.ts';
import type { Job, Outcome, Provider } from './provider.ts';

/**
 * Takes the files of a commit as the source artifact: the commit that started the execution, else the branch's newest.
 * @see https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodeCommit.html
 */
export const codeCommitSource: Provider = {
  async start(job): Promise<Outcome> {
    const { RepositoryName: repositoryName = '', BranchName: branchName = '' } = job.configuration;
    const commitId = job.overrides[0]?.revisionValue ?? (await newestCommit(job, repositoryName, branchName));
    const { commit } = await job.role.call<typeof codecommitSdk, 'GetCommit'>('codecommit', 'GetCommit', {
      repositoryName,
      commitId,
    });
    const { stream } = await job.role.sourceArchive({
      repositoryName,
      commitSpecifier: commitId,
      action: 'codecommit:UploadArchive',
    });
    const artifact = await writeArtifact(job.role, job.outputs[0]!, stream);
    return found(repositoryName, branchName, commitId, commit!, artifact);
  },
};

async function newestCommit({ role }: Job, repositoryName: string, branchName: string): Promise<string> {
  const { branch } = await role.call<typeof codecommitSdk, 'GetBranch'>('codecommit', 'GetBranch', {
    repositoryName,
    branchName,
  });
  return branch!.commitId!;
}

function found(
  repositoryName: string,
  branchName: string,
  commitId: string,
  commit: codecommitSdk.Commit,
  artifact: Awaited<ReturnType<typeof writeArtifact>>,
): Outcome {
  // git ends a message with a newline; variables and summaries show it without.
  const message = trimEnd(commit.message ?? '', '\n');
  const committed = dateOf(commit.committer);
  return {
    status: 'Succeeded',
    externalId: commitId,
    summary: message,
    artifacts: [artifact],
    variables: {
      CommitId: commitId,
      CommitMessage: message,
      AuthorDate: isoDate(dateOf(commit.author)),
      CommitterDate: isoDate(committed),
      BranchName: branchName,
      RepositoryName: repositoryName,
    },
    revision: {
      revisionId: commitId,
      changeIdentifier: isoDate(committed),
      summary: message,
      created: committed?.getTime(),
    },
  };
}

/** CodeCommit tells dates as git does: seconds and zone, `1484167798 -0800`. */
function dateOf(user: codecommitSdk.UserInfo | undefined): Date | undefined {
  const seconds = Number(/^[0-9]+/.exec(user?.date ?? '')?.[0] ?? Number.NaN);
  return Number.isNaN(seconds) ? undefined : new Date(seconds * 1000);
}

function isoDate(date: Date | undefined): string {
  return date === undefined ? '' : date.toISOString().replace(/\.\d{3}Z$/, 'Z');
}
