import type {
  ApprovalRuleTemplate,
  CodeCommit,
  CommentsForPullRequest,
  PullRequest,
  PullRequestEvent,
  ReactionForComment,
  RepositoryTrigger,
} from '@aws-sdk/client-codecommit';

/** A pull request with everything about it, as CodeCommit's API tells it: what the import route takes. */
export interface ExportedPullRequest {
  pullRequest: PullRequest;
  events: PullRequestEvent[];
  revisions: { revisionId: string; approvers: string[]; overrider?: string | undefined }[];
  comments: CommentsForPullRequest[];
  reactions: Record<string, ReactionForComment[]>;
}

/** All pages of a list. */
async function* pages<O extends { nextToken?: string | undefined }>(
  ask: (nextToken: { nextToken?: string }) => Promise<O>,
): AsyncGenerator<O> {
  let nextToken: string | undefined;
  do {
    const answer = await ask(nextToken === undefined ? {} : { nextToken });
    yield answer;
    nextToken = answer.nextToken;
  } while (nextToken !== undefined);
}

/** Names of all repositories of the account and Region. */
export async function repositoryNames(client: CodeCommit): Promise<string[]> {
  const names: string[] = [];
  for await (const { repositories = [] } of pages((page) => client.listRepositories(page))) {
    names.push(...repositories.map(({ repositoryName }) => repositoryName!));
  }
  return names;
}

/** Ids of the pull requests of a repository, the oldest first. */
export async function pullRequestIds(client: CodeCommit, repositoryName: string): Promise<string[]> {
  const ids = new Set<string>();
  for (const pullRequestStatus of ['OPEN', 'CLOSED'] as const) {
    const list = pages((page) => client.listPullRequests({ repositoryName, pullRequestStatus, ...page }));
    for await (const { pullRequestIds: found = [] } of list) for (const id of found) ids.add(id);
  }
  return [...ids].sort((a, b) => Number(a) - Number(b));
}

/** Reads one pull request with its history, approvals, comments and reactions. */
export async function readPullRequest(client: CodeCommit, pullRequestId: string): Promise<ExportedPullRequest> {
  const { pullRequest } = await client.getPullRequest({ pullRequestId });
  const events: PullRequestEvent[] = [];
  for await (const page of pages((more) => client.describePullRequestEvents({ pullRequestId, ...more }))) {
    events.push(...(page.pullRequestEvents ?? []));
  }
  const comments: CommentsForPullRequest[] = [];
  // With the id alone AWS gives all comments; with a repository it wants two commits as well.
  for await (const page of pages((more) => client.getCommentsForPullRequest({ pullRequestId, ...more }))) {
    comments.push(...(page.commentsForPullRequestData ?? []));
  }
  const reactions: Record<string, ReactionForComment[]> = {};
  for (const { commentId, reactionCounts, deleted } of comments.flatMap((group) => group.comments ?? [])) {
    if (deleted === true || Object.keys(reactionCounts ?? {}).length === 0) continue;
    const list: ReactionForComment[] = [];
    for await (const page of pages((more) => client.getCommentReactions({ commentId: commentId!, ...more }))) {
      list.push(...(page.reactionsForComment ?? []));
    }
    reactions[commentId!] = list;
  }
  const revisions = [];
  for (const revisionId of revisionsOf(pullRequest!, events)) {
    revisions.push(await readRevision(client, pullRequestId, revisionId));
  }
  return { pullRequest: pullRequest!, events, revisions, comments, reactions };
}

/** Ids of the revisions that anybody can still know: the present one, and those that the history names. */
function revisionsOf({ revisionId }: PullRequest, events: readonly PullRequestEvent[]): Set<string> {
  const named = events.flatMap((event) => [
    event.approvalStateChangedEventMetadata?.revisionId,
    event.approvalRuleOverriddenEventMetadata?.revisionId,
  ]);
  return new Set([...named, revisionId].filter((id) => id !== undefined));
}

async function readRevision(client: CodeCommit, pullRequestId: string, revisionId: string) {
  const { approvals = [] } = await client.getPullRequestApprovalStates({ pullRequestId, revisionId });
  const { overridden, overrider } = await client.getPullRequestOverrideState({ pullRequestId, revisionId });
  const approvers = approvals.filter(({ approvalState }) => approvalState === 'APPROVE').map(({ userArn }) => userArn!);
  return { revisionId, approvers, ...(overridden === true && overrider !== undefined ? { overrider } : {}) };
}

/** Triggers of a repository. */
export async function triggersOf(client: CodeCommit, repositoryName: string): Promise<RepositoryTrigger[]> {
  return (await client.getRepositoryTriggers({ repositoryName })).triggers ?? [];
}

/** Approval rule templates that a repository is associated with. */
export async function templatesOf(client: CodeCommit, repositoryName: string): Promise<ApprovalRuleTemplate[]> {
  const templates: ApprovalRuleTemplate[] = [];
  const list = pages((page) => client.listAssociatedApprovalRuleTemplatesForRepository({ repositoryName, ...page }));
  for await (const { approvalRuleTemplateNames = [] } of list) {
    for (const approvalRuleTemplateName of approvalRuleTemplateNames) {
      const { approvalRuleTemplate } = await client.getApprovalRuleTemplate({ approvalRuleTemplateName });
      templates.push(approvalRuleTemplate!);
    }
  }
  return templates;
}
