import * as sdk from '@aws-sdk/client-codecommit';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { isSatisfied, MAX_APPROVALS, parseContent } from './approval-rules-content.ts';
import { actor } from './events.ts';
import { ofPullRequest, openPullRequestById, pullRequestById, repositoryOf } from './pull-requests-access.ts';
import { approvalRulesOf, changePullRequest, tell } from './pull-requests-store.ts';
import { type PullRequestRow, type RevisionRow, reviews } from './review-tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Approves the current revision, or takes the caller's approval back. */
export const UpdatePullRequestApprovalState: Op<'UpdatePullRequestApprovalState'> = {
  resource: ofPullRequest('UpdatePullRequestApprovalState'),
  async handle({ pullRequestId, revisionId, approvalState }, ctx) {
    requireRevisionId(revisionId);
    await ctx.tx(async (tx) => {
      const pullRequest = await openPullRequestById(tx, ctx, pullRequestId);
      requireCurrent(pullRequest, revisionId);
      const isChanged =
        approvalState === 'APPROVE' ? await approve(tx, ctx, pullRequest) : await revoke(tx, ctx, pullRequest);
      if (!isChanged) return;
      const active = await changePullRequest(tx, ctx, pullRequest);
      const approvalStateChangedEventMetadata = { revisionId, approvalStatus: approvalState };
      const entry = {
        type: 'PULL_REQUEST_APPROVAL_STATE_CHANGED',
        metadata: { approvalStateChangedEventMetadata },
      } as const;
      await tell(tx, ctx, await repositoryOf(tx, pullRequest), active, entry, {
        event: 'pullRequestApprovalStateChanged',
        approvalStatus: approvalState,
      });
    });
    return {};
  },
};

async function approve(tx: Tx, ctx: Context, pullRequest: PullRequestRow): Promise<boolean> {
  const user_arn = actor(ctx.caller);
  if (user_arn === pullRequest.author_arn) {
    throw fault(
      sdk.PullRequestCannotBeApprovedByAuthorException,
      'A pull request cannot be approved by the user who created it.',
    );
  }
  const approvers = await approversOf(tx, pullRequest, pullRequest.revision_id);
  if (approvers.includes(user_arn)) return false;
  if (approvers.length >= MAX_APPROVALS) {
    throw fault(
      sdk.MaximumNumberOfApprovalsExceededException,
      `A pull request can have at most ${MAX_APPROVALS} approvals.`,
    );
  }
  const { id: pull_request, revision_id } = pullRequest;
  const row = { pull_request, revision_id, user_arn, approved_at: ctx.now().getTime() };
  await reviews(tx).insertInto('codecommit_approvals').values(row).execute();
  return true;
}

async function revoke(tx: Tx, ctx: Context, { id, revision_id }: PullRequestRow): Promise<boolean> {
  const { numDeletedRows } = await reviews(tx)
    .deleteFrom('codecommit_approvals')
    .where('pull_request', '=', id)
    .where('revision_id', '=', revision_id)
    .where('user_arn', '=', actor(ctx.caller))
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

async function approversOf(source: Context | Tx, { id }: PullRequestRow, revisionId: string): Promise<string[]> {
  const rows = await reviews(source)
    .selectFrom('codecommit_approvals')
    .select('user_arn')
    .where('pull_request', '=', id)
    .where('revision_id', '=', revisionId)
    .orderBy('approved_at')
    .orderBy('user_arn')
    .execute();
  return rows.map(({ user_arn }) => user_arn);
}

/** Approvals of any revision, the present or an older one. */
export const GetPullRequestApprovalStates: Op<'GetPullRequestApprovalStates'> = {
  resource: ofPullRequest('GetPullRequestApprovalStates'),
  async handle({ pullRequestId, revisionId }, ctx) {
    const pullRequest = await pullRequestById(ctx, ctx, pullRequestId);
    await revisionById(ctx, pullRequest, revisionId);
    const approvers = await approversOf(ctx, pullRequest, revisionId);
    return { approvals: approvers.map((userArn) => ({ userArn, approvalState: 'APPROVE' })) };
  },
};

export const GetPullRequestOverrideState: Op<'GetPullRequestOverrideState'> = {
  resource: ofPullRequest('GetPullRequestOverrideState'),
  async handle({ pullRequestId, revisionId }, ctx) {
    const pullRequest = await pullRequestById(ctx, ctx, pullRequestId);
    const { overrider } = await revisionById(ctx, pullRequest, revisionId);
    return overrider === null ? { overridden: false } : { overridden: true, overrider };
  },
};

/** Sets all approval rules aside for the current revision, or lets them count again. */
export const OverridePullRequestApprovalRules: Op<'OverridePullRequestApprovalRules'> = {
  resource: ofPullRequest('OverridePullRequestApprovalRules'),
  async handle({ pullRequestId, revisionId, overrideStatus }, ctx) {
    requireRevisionId(revisionId);
    await ctx.tx(async (tx) => {
      const pullRequest = await openPullRequestById(tx, ctx, pullRequestId);
      requireCurrent(pullRequest, revisionId);
      const { overrider } = await revisionById(tx, pullRequest, revisionId);
      const isOverride = overrideStatus === 'OVERRIDE';
      if (isOverride && overrider !== null) {
        throw fault(sdk.OverrideAlreadySetException, 'The approval rules have already been overridden.');
      }
      if (!isOverride && overrider === null) return;
      await reviews(tx)
        .updateTable('codecommit_revisions')
        .set({ overrider: isOverride ? actor(ctx.caller) : null })
        .where('pull_request', '=', pullRequest.id)
        .where('revision_id', '=', revisionId)
        .execute();
      const active = await changePullRequest(tx, ctx, pullRequest);
      const approvalRuleOverriddenEventMetadata = { revisionId, overrideStatus };
      const type = 'PULL_REQUEST_APPROVAL_RULE_OVERRIDDEN';
      const entry = { type, metadata: { approvalRuleOverriddenEventMetadata } } as const;
      await tell(tx, ctx, await repositoryOf(tx, pullRequest), active, entry, {
        event: 'pullRequestApprovalRuleOverridden',
        overrideStatus,
      });
    });
    return {};
  },
};

export const EvaluatePullRequestApprovalRules: Op<'EvaluatePullRequestApprovalRules'> = {
  resource: ofPullRequest('EvaluatePullRequestApprovalRules'),
  readOnly: true,
  async handle({ pullRequestId, revisionId }, ctx) {
    requireRevisionId(revisionId);
    const pullRequest = await pullRequestById(ctx, ctx, pullRequestId);
    requireCurrent(pullRequest, revisionId);
    return { evaluation: await evaluate(ctx, pullRequest) };
  },
};

/** The rules held against the approvals of the current revision. */
async function evaluate(source: Context | Tx, pullRequest: PullRequestRow): Promise<sdk.Evaluation> {
  const rules = await approvalRulesOf(source, pullRequest);
  const approvers = await approversOf(source, pullRequest, pullRequest.revision_id);
  const { overrider } = await revisionById(source, pullRequest, pullRequest.revision_id);
  const satisfied: string[] = [];
  const notSatisfied: string[] = [];
  for (const { name, content } of rules) {
    const isMet = isSatisfied(parseContent(content), approvers, pullRequest.account);
    (isMet ? satisfied : notSatisfied).push(name);
  }
  return {
    approved: notSatisfied.length === 0,
    overridden: overrider !== null,
    approvalRulesSatisfied: satisfied,
    approvalRulesNotSatisfied: notSatisfied,
  };
}

/** @throws PullRequestApprovalRulesNotSatisfiedException */
export async function requireApproved(source: Context | Tx, pullRequest: PullRequestRow): Promise<void> {
  const { approved, overridden, approvalRulesNotSatisfied = [] } = await evaluate(source, pullRequest);
  if (approved || overridden) return;
  throw fault(
    sdk.PullRequestApprovalRulesNotSatisfiedException,
    `The pull request cannot be merged because these approval rules are not satisfied: ${approvalRulesNotSatisfied.join(', ')}`,
  );
}

function requireRevisionId(revisionId: string): void {
  if (/^[0-9a-f]{64}$/.test(revisionId)) return;
  throw fault(sdk.InvalidRevisionIdException, `${revisionId.slice(0, 100)} is not a valid revision ID`);
}

function requireCurrent({ revision_id }: PullRequestRow, revisionId: string): void {
  if (revisionId === revision_id) return;
  throw fault(
    sdk.RevisionNotCurrentException,
    'The revision ID does not match the current revision ID of the pull request.',
  );
}

/** @throws InvalidRevisionIdException for what is no revision of this pull request */
async function revisionById(source: Context | Tx, { id }: PullRequestRow, revisionId: string): Promise<RevisionRow> {
  requireRevisionId(revisionId);
  const row = await reviews(source)
    .selectFrom('codecommit_revisions')
    .selectAll()
    .where('pull_request', '=', id)
    .where('revision_id', '=', revisionId)
    .executeTakeFirst();
  if (row !== undefined) return row;
  throw fault(sdk.InvalidRevisionIdException, `The pull request has no revision ${revisionId}`);
}
