import type * as sdk from '@aws-sdk/client-codecommit';
import type { Context, Tx } from '../../kernel/context.ts';
import { type FaultClass, fault } from '../../kernel/fault.ts';
import { type ApprovalContent, appliesTo, BadContent, parseContent, sha256Of } from './approval-rules-content.ts';
import { actor } from './events.ts';
import { tell } from './pull-requests-store.ts';
import { type ApprovalRuleRow, type ApprovalTemplateRow, type PullRequestRow, reviews } from './review-tables.ts';
import type { RepositoryRow } from './tables.ts';

/** Letters, digits, periods, spaces, underscores and dashes. Source: CodeCommit User Guide, "Quotas". */
const NAME = /^[\p{L}\p{N}._ -]{1,100}$/u;

/** @param invalid InvalidApprovalRuleNameException or InvalidApprovalRuleTemplateNameException */
export function requireRuleName(name: string, invalid: FaultClass): void {
  if (NAME.test(name) && !/\.git$/i.test(name)) return;
  throw fault(invalid, `${name.slice(0, 100)} is not a valid name`);
}

/** @param invalid InvalidApprovalRuleContentException or InvalidApprovalRuleTemplateContentException */
export function requireContent(text: string, invalid: FaultClass): ApprovalContent {
  try {
    return parseContent(text);
  } catch (error) {
    if (error instanceof BadContent) throw fault(invalid, `The content is not valid: ${error.message}.`);
    throw error;
  }
}

/** Makes a rule and tells of it. */
export async function addRule(
  tx: Tx,
  ctx: Context,
  repository: RepositoryRow,
  pullRequest: PullRequestRow,
  rule: { name: string; content: string; template?: ApprovalTemplateRow },
): Promise<ApprovalRuleRow> {
  const now = ctx.now().getTime();
  const row: ApprovalRuleRow = {
    id: ctx.ids.uuid(),
    pull_request: pullRequest.id,
    name: rule.name,
    content: rule.content,
    content_sha256: sha256Of(rule.content),
    created_at: now,
    modified_at: now,
    // AWS names whoever wrote the content, which for a template's rule is not the author of the pull request.
    modified_by: rule.template?.modified_by ?? actor(ctx.caller),
    template_id: rule.template?.id ?? null,
    template_name: rule.template?.name ?? null,
  };
  await reviews(tx).insertInto('codecommit_approval_rules').values(row).execute();
  await tellOfRule(tx, ctx, repository, pullRequest, row, 'Created');
  return row;
}

const ENTRIES = {
  Created: 'PULL_REQUEST_APPROVAL_RULE_CREATED',
  Updated: 'PULL_REQUEST_APPROVAL_RULE_UPDATED',
  Deleted: 'PULL_REQUEST_APPROVAL_RULE_DELETED',
} as const;

/** History and event of a rule that was made, changed or deleted. */
export async function tellOfRule(
  tx: Tx,
  ctx: Context,
  repository: RepositoryRow,
  pullRequest: PullRequestRow,
  rule: ApprovalRuleRow,
  change: keyof typeof ENTRIES,
): Promise<void> {
  const approvalRuleEventMetadata: sdk.ApprovalRuleEventMetadata = {
    approvalRuleName: rule.name,
    approvalRuleId: rule.id,
    approvalRuleContent: rule.content,
  };
  const entry = { type: ENTRIES[change], metadata: { approvalRuleEventMetadata } };
  await tell(tx, ctx, repository, pullRequest, entry, { event: `pullRequestApprovalRule${change}`, rule });
}

/** Makes the rules that the repository's templates have for pull requests into that branch. */
export async function addTemplateRules(
  tx: Tx,
  ctx: Context,
  repository: RepositoryRow,
  pullRequest: PullRequestRow,
): Promise<void> {
  const templates = await reviews(tx)
    .selectFrom('codecommit_approval_templates')
    .innerJoin('codecommit_template_repositories', 'template_id', 'id')
    .selectAll('codecommit_approval_templates')
    .where('repository_id', '=', repository.id)
    .orderBy('name')
    .execute();
  for (const template of templates) {
    const { name, content } = template;
    if (!appliesTo(parseContent(content), pullRequest.destination_reference)) continue;
    await addRule(tx, ctx, repository, pullRequest, { name, content, template });
  }
}
