import type {
  ApprovalRuleTemplate,
  CodeCommit,
  CommentsForPullRequest,
  PullRequest,
  PullRequestEvent,
  ReactionForComment,
  RepositoryTrigger,
} from '@aws-sdk/client-codecommit';
import { UsageError } from '../usage-error.ts';
import { shown } from './git-command.ts';

/** A pull request with everything about it, as CodeCommit's API tells it: what the import route takes. */
export interface ExportedPullRequest {
  pullRequest: PullRequest;
  events: PullRequestEvent[];
  revisions: { revisionId: string; approvers: string[]; overrider?: string | undefined }[];
  comments: CommentsForPullRequest[];
  reactions: Record<string, ReactionForComment[]>;
}

/** No list of CodeCommit is longer, and no server of ours takes more with one pull request. */
const MAX_ITEMS = 100_000;
/** Pages without anything on them: AWS may filter some out, but not for ever. */
const MAX_EMPTY_PAGES = 100;

/**
 * All pages of a list.
 * @param itemsOf what is on a page
 * @throws UsageError where the list does not end
 */
async function* pages<O extends { nextToken?: string | undefined }, I>(
  ask: (nextToken: { nextToken?: string }) => Promise<O>,
  itemsOf: (answer: O) => readonly I[] | undefined,
): AsyncGenerator<readonly I[]> {
  const tokens = new Set<string>();
  let count = 0;
  let empty = 0;
  let nextToken: string | undefined;
  do {
    const answer = await ask(nextToken === undefined ? {} : { nextToken });
    const items = (itemsOf(answer) ?? []).filter((item) => item !== null && item !== undefined);
    yield items;
    count += items.length;
    empty = items.length === 0 ? empty + 1 : 0;
    nextToken = answer.nextToken ?? undefined;
    if (nextToken === undefined) return;
    const isEndless = tokens.has(nextToken) || count > MAX_ITEMS || empty > MAX_EMPTY_PAGES;
    if (isEndless) throw new UsageError('The source gives a list that does not end.');
    tokens.add(nextToken);
  } while (nextToken !== undefined);
}

/** A member that every answer of CodeCommit has. @throws UsageError */
export function told<T>(value: T | null | undefined, what: string): T {
  if (value !== undefined && value !== null) return value;
  throw new UsageError(`The source answers as no CodeCommit does: ${what} is missing.`);
}

async function all<O extends { nextToken?: string | undefined }, I>(
  ask: (nextToken: { nextToken?: string }) => Promise<O>,
  itemsOf: (answer: O) => readonly I[] | undefined,
): Promise<I[]> {
  const found: I[] = [];
  for await (const some of pages(ask, itemsOf)) found.push(...some);
  return found;
}

/** Names of all repositories of the account and Region. */
export async function repositoryNames(client: CodeCommit): Promise<string[]> {
  const names: string[] = [];
  const list = pages(
    (page) => client.listRepositories(page),
    ({ repositories }) => repositories,
  );
  for await (const some of list) names.push(...some.map((one) => told(one.repositoryName, 'repositoryName')));
  return names;
}

/** Ids of the pull requests of a repository, the oldest first. */
export async function pullRequestIds(client: CodeCommit, repositoryName: string): Promise<string[]> {
  const ids = new Set<string>();
  for (const pullRequestStatus of ['OPEN', 'CLOSED'] as const) {
    const list = pages(
      (page) => client.listPullRequests({ repositoryName, pullRequestStatus, ...page }),
      ({ pullRequestIds: found }) => found,
    );
    for await (const some of list) for (const id of some) ids.add(id);
  }
  const bad = [...ids].find((id) => !/^\d{1,15}$/.test(id));
  if (bad !== undefined)
    throw new UsageError(`The source has a pull request of the number ${shown(bad).slice(0, 40)}.`);
  return [...ids].sort((a, b) => Number(a) - Number(b));
}

/** Reads one pull request with its history, approvals, comments and reactions. */
export async function readPullRequest(client: CodeCommit, pullRequestId: string): Promise<ExportedPullRequest> {
  const pullRequest = told((await client.getPullRequest({ pullRequestId })).pullRequest, 'pullRequest');
  const events = await all(
    (more) => client.describePullRequestEvents({ pullRequestId, ...more }),
    (page) => page.pullRequestEvents,
  );
  // With the id alone AWS gives all comments; with a repository it wants two commits as well.
  const comments = await all(
    (more) => client.getCommentsForPullRequest({ pullRequestId, ...more }),
    (page) => page.commentsForPullRequestData,
  );
  const reactions: Record<string, ReactionForComment[]> = {};
  for (const { commentId, reactionCounts, deleted } of comments.flatMap((group) => group.comments ?? [])) {
    if (deleted === true || Object.keys(reactionCounts ?? {}).length === 0) continue;
    const id = told(commentId, 'commentId');
    reactions[id] = await all(
      (more) => client.getCommentReactions({ commentId: id, ...more }),
      (page) => page.reactionsForComment,
    );
  }
  const revisions = [];
  for (const revisionId of revisionsOf(pullRequest, events)) {
    revisions.push(await readRevision(client, pullRequestId, revisionId));
  }
  return { pullRequest, events, revisions, comments, reactions };
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
  const names = await all(
    (page) => client.listAssociatedApprovalRuleTemplatesForRepository({ repositoryName, ...page }),
    (page) => page.approvalRuleTemplateNames,
  );
  for (const approvalRuleTemplateName of names) {
    const { approvalRuleTemplate } = await client.getApprovalRuleTemplate({ approvalRuleTemplateName });
    templates.push(told(approvalRuleTemplate, 'approvalRuleTemplate'));
  }
  return templates;
}
