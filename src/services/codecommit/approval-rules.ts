import * as sdk from '@aws-sdk/client-codecommit';
import type { Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { sha256Of } from './approval-rules-content.ts';
import { addRule, requireContent, requireRuleName, tellOfRule } from './approval-rules-made.ts';
import { actor } from './events.ts';
import { knownId } from './import-ids.ts';
import { ofPullRequest, openPullRequestById, repositoryOf } from './pull-requests-access.ts';
import { changePullRequest, ruleShape } from './pull-requests-store.ts';
import { type ApprovalRuleRow, type PullRequestRow, reviews } from './review-tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** AWS's limit of rules on a pull request, those from templates included. */
const MAX_RULES = 30;

export const CreatePullRequestApprovalRule: Op<'CreatePullRequestApprovalRule'> = {
  resource: ofPullRequest('CreatePullRequestApprovalRule'),
  async handle({ pullRequestId, approvalRuleName: name, approvalRuleContent: content }, ctx) {
    requireRuleName(name, sdk.InvalidApprovalRuleNameException);
    requireContent(content, sdk.InvalidApprovalRuleContentException);
    const row = await ctx.tx(async (tx) => {
      const pullRequest = await openPullRequestById(tx, ctx, pullRequestId);
      if ((await findRule(tx, pullRequest, name)) !== undefined) {
        throw fault(
          sdk.ApprovalRuleNameAlreadyExistsException,
          `Pull request ${pullRequestId} already has an approval rule named ${name}`,
        );
      }
      await requireRoom(tx, pullRequest);
      const changed = await changePullRequest(tx, ctx, pullRequest);
      return addRule(tx, ctx, await repositoryOf(tx, pullRequest), changed, { name, content });
    });
    return { approvalRule: ruleShape(row) };
  },
};

async function requireRoom(tx: Tx, pullRequest: PullRequestRow): Promise<void> {
  const { count } = await reviews(tx)
    .selectFrom('codecommit_approval_rules')
    .select((e) => e.fn.countAll<number>().as('count'))
    .where('pull_request', '=', pullRequest.id)
    .executeTakeFirstOrThrow();
  if (Number(count) < MAX_RULES) return;
  throw fault(sdk.NumberOfRulesExceededException, `A pull request can have at most ${MAX_RULES} approval rules.`);
}

function findRule(tx: Tx, { id }: PullRequestRow, name: string): Promise<ApprovalRuleRow | undefined> {
  return reviews(tx)
    .selectFrom('codecommit_approval_rules')
    .selectAll()
    .where('pull_request', '=', id)
    .where('name', '=', name)
    .executeTakeFirst();
}

export const UpdatePullRequestApprovalRuleContent: Op<'UpdatePullRequestApprovalRuleContent'> = {
  resource: ofPullRequest('UpdatePullRequestApprovalRuleContent'),
  async handle({ pullRequestId, approvalRuleName: name, existingRuleContentSha256, newRuleContent: content }, ctx) {
    requireRuleName(name, sdk.InvalidApprovalRuleNameException);
    requireContent(content, sdk.InvalidApprovalRuleContentException);
    const row = await ctx.tx(async (tx) => {
      const pullRequest = await openPullRequestById(tx, ctx, pullRequestId);
      const rule = await findRule(tx, pullRequest, name);
      if (rule === undefined) {
        throw fault(
          sdk.ApprovalRuleDoesNotExistException,
          `Pull request ${pullRequestId} has no approval rule named ${name}`,
        );
      }
      if (rule.template_id !== null) {
        throw fault(
          sdk.CannotModifyApprovalRuleFromTemplateException,
          `The approval rule ${name} was made by a template and cannot be modified`,
        );
      }
      requireSha256(existingRuleContentSha256, rule.content_sha256);
      const changed = {
        ...rule,
        content,
        content_sha256: sha256Of(content),
        modified_at: ctx.now().getTime(),
        modified_by: actor(ctx.caller),
      };
      await reviews(tx).updateTable('codecommit_approval_rules').set(changed).where('id', '=', rule.id).execute();
      const active = await changePullRequest(tx, ctx, pullRequest);
      await tellOfRule(tx, ctx, await repositoryOf(tx, pullRequest), active, changed, 'Updated');
      return changed;
    });
    return { approvalRule: ruleShape(row) };
  },
};

/** Holds what the caller believes the content to be against what it is. @throws InvalidRuleContentSha256Exception */
export function requireSha256(expected: string | undefined, present: string): void {
  if (expected === undefined || expected === present) return;
  throw fault(
    sdk.InvalidRuleContentSha256Exception,
    'The SHA-256 hash does not match the present content of the rule.',
  );
}

/** Deletes a rule that was made for this pull request; one that is not there is fine. */
export const DeletePullRequestApprovalRule: Op<'DeletePullRequestApprovalRule'> = {
  resource: ofPullRequest('DeletePullRequestApprovalRule'),
  async handle({ pullRequestId, approvalRuleName: name }, ctx) {
    requireRuleName(name, sdk.InvalidApprovalRuleNameException);
    return ctx.tx(async (tx) => {
      const pullRequest = await openPullRequestById(tx, ctx, pullRequestId);
      const rule = await findRule(tx, pullRequest, name);
      if (rule === undefined) return { approvalRuleId: undefined };
      if (rule.template_id !== null) {
        throw fault(
          sdk.CannotDeleteApprovalRuleFromTemplateException,
          `The approval rule ${name} was made by a template and cannot be deleted`,
        );
      }
      await reviews(tx).deleteFrom('codecommit_approval_rules').where('id', '=', rule.id).execute();
      const active = await changePullRequest(tx, ctx, pullRequest);
      await tellOfRule(tx, ctx, await repositoryOf(tx, pullRequest), active, rule, 'Deleted');
      return { approvalRuleId: knownId(rule.id) };
    });
  },
};
