import * as sdk from '@aws-sdk/client-codecommit';
import type { Updateable } from 'kysely';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { requireSha256 } from './approval-rules.ts';
import { sha256Of } from './approval-rules-content.ts';
import { requireContent, requireRuleName } from './approval-rules-made.ts';
import { actor, type TemplateEvent, templateChange } from './events.ts';
import { invalidToken } from './repositories.ts';
import { type ApprovalTemplateRow, reviews } from './review-tables.ts';
import { type RepositoryRow, tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** AWS's limit of templates in an account and region. */
const MAX_TEMPLATES = 1_000;
/** AWS does not say how many templates a page holds. */
const PAGE = 100;
/** Templates belong to an account and region; AWS evaluates no resource for them. */
const nothing = () => '*';

export const CreateApprovalRuleTemplate: Op<'CreateApprovalRuleTemplate'> = {
  resource: nothing,
  async handle(input, ctx) {
    const { approvalRuleTemplateName: name, approvalRuleTemplateContent: content } = input;
    requireTemplateName(name);
    requireContent(content, sdk.InvalidApprovalRuleTemplateContentException);
    const now = ctx.now().getTime();
    const row: ApprovalTemplateRow = {
      id: ctx.ids.uuid(),
      account: ctx.account,
      region: ctx.region,
      name,
      description: input.approvalRuleTemplateDescription || null,
      content,
      content_sha256: sha256Of(content),
      created_at: now,
      modified_at: now,
      modified_by: actor(ctx.caller),
    };
    await ctx.tx(async (tx) => {
      await requireFreeName(tx, ctx, name);
      await requireRoom(tx, ctx);
      await reviews(tx).insertInto('codecommit_approval_templates').values(row).execute();
      await tx.emit(templateChange(row, 'approvalRuleTemplateCreated', [], ctx.caller));
    });
    return { approvalRuleTemplate: templateShape(row) };
  },
};

/** @throws InvalidApprovalRuleTemplateNameException */
function requireTemplateName(name: string): void {
  requireRuleName(name, sdk.InvalidApprovalRuleTemplateNameException);
}

async function requireFreeName(tx: Tx, ctx: Context, name: string): Promise<void> {
  if ((await findTemplate(tx, ctx, name)) === undefined) return;
  throw fault(
    sdk.ApprovalRuleTemplateNameAlreadyExistsException,
    `An approval rule template named ${name} already exists`,
  );
}

async function requireRoom(tx: Tx, { account, region }: Context): Promise<void> {
  const { count } = await reviews(tx)
    .selectFrom('codecommit_approval_templates')
    .select((e) => e.fn.countAll<number>().as('count'))
    .where('account', '=', account)
    .where('region', '=', region)
    .executeTakeFirstOrThrow();
  if (Number(count) < MAX_TEMPLATES) return;
  throw fault(
    sdk.NumberOfRuleTemplatesExceededException,
    `There can be at most ${MAX_TEMPLATES} approval rule templates in a Region.`,
  );
}

export const GetApprovalRuleTemplate: Op<'GetApprovalRuleTemplate'> = {
  resource: nothing,
  async handle({ approvalRuleTemplateName: name }, ctx) {
    return { approvalRuleTemplate: templateShape(await templateByName(ctx, ctx, name)) };
  },
};

/** Lists by name. */
export const ListApprovalRuleTemplates: Op<'ListApprovalRuleTemplates'> = {
  resource: nothing,
  async handle({ nextToken, maxResults = PAGE }, ctx) {
    const limit = pageSize(maxResults);
    const after = cursorOf<string>(ctx, 'ListApprovalRuleTemplates', nextToken, invalidToken) ?? '';
    const rows = await reviews(ctx)
      .selectFrom('codecommit_approval_templates')
      .select('name')
      .where('account', '=', ctx.account)
      .where('region', '=', ctx.region)
      .where('name', '>', after)
      .orderBy('name')
      .limit(limit + 1)
      .execute();
    const { items, token } = page(ctx, 'ListApprovalRuleTemplates', rows, limit, ({ name }) => name);
    return { approvalRuleTemplateNames: items.map(({ name }) => name), nextToken: token };
  },
};

/** @throws InvalidMaxResultsException */
export function pageSize(maxResults: number): number {
  if (maxResults >= 1) return Math.min(maxResults, PAGE);
  throw fault(sdk.InvalidMaxResultsException, 'maxResults must be greater than zero.');
}

export const UpdateApprovalRuleTemplateContent: Op<'UpdateApprovalRuleTemplateContent'> = {
  resource: nothing,
  async handle({ approvalRuleTemplateName: name, newRuleContent: content, existingRuleContentSha256 }, ctx) {
    requireContent(content, sdk.InvalidApprovalRuleTemplateContentException);
    const row = await ctx.tx(async (tx) => {
      const template = await templateByName(tx, ctx, name);
      requireSha256(existingRuleContentSha256, template.content_sha256);
      return update(tx, ctx, template, { content, content_sha256: sha256Of(content) });
    });
    return { approvalRuleTemplate: templateShape(row) };
  },
};

export const UpdateApprovalRuleTemplateDescription: Op<'UpdateApprovalRuleTemplateDescription'> = {
  resource: nothing,
  async handle({ approvalRuleTemplateName: name, approvalRuleTemplateDescription: description }, ctx) {
    const row = await ctx.tx(async (tx) => {
      return update(tx, ctx, await templateByName(tx, ctx, name), { description: description || null });
    });
    return { approvalRuleTemplate: templateShape(row) };
  },
};

/** Gives a template another name; rules that it has made keep theirs. */
export const UpdateApprovalRuleTemplateName: Op<'UpdateApprovalRuleTemplateName'> = {
  resource: nothing,
  async handle({ oldApprovalRuleTemplateName: oldName, newApprovalRuleTemplateName: name }, ctx) {
    requireTemplateName(name);
    const row = await ctx.tx(async (tx) => {
      const template = await templateByName(tx, ctx, oldName);
      if (name !== oldName) await requireFreeName(tx, ctx, name);
      return update(tx, ctx, template, { name });
    });
    return { approvalRuleTemplate: templateShape(row) };
  },
};

async function update(
  tx: Tx,
  ctx: Context,
  template: ApprovalTemplateRow,
  set: Updateable<ApprovalTemplateRow>,
): Promise<ApprovalTemplateRow> {
  const change = { ...set, modified_at: ctx.now().getTime(), modified_by: actor(ctx.caller) };
  await reviews(tx).updateTable('codecommit_approval_templates').set(change).where('id', '=', template.id).execute();
  const changed = { ...template, ...change } as ApprovalTemplateRow;
  await emitChange(tx, ctx, changed, 'approvalRuleTemplateUpdated', await repositoriesOf(tx, template));
  return changed;
}

/** Sends the event of a template's change. */
export async function emitChange(
  tx: Tx,
  ctx: Context,
  template: ApprovalTemplateRow,
  event: TemplateEvent,
  repositories: readonly RepositoryRow[],
): Promise<void> {
  await tx.emit(templateChange(template, event, repositories, ctx.caller));
}

function repositoriesOf(tx: Tx, { id }: ApprovalTemplateRow): Promise<RepositoryRow[]> {
  const associated = reviews(tx)
    .selectFrom('codecommit_template_repositories')
    .select('repository_id')
    .where('template_id', '=', id);
  return tables(tx)
    .selectFrom('codecommit_repositories')
    .selectAll()
    .where('id', 'in', associated)
    .orderBy('name')
    .execute();
}

/** Deletes a template that no repository uses; one that is not there is fine. Rules that it has made stay. */
export const DeleteApprovalRuleTemplate: Op<'DeleteApprovalRuleTemplate'> = {
  resource: nothing,
  async handle({ approvalRuleTemplateName: name }, ctx) {
    return ctx.tx(async (tx) => {
      const template = await findTemplate(tx, ctx, name);
      if (template === undefined) return { approvalRuleTemplateId: undefined };
      if ((await repositoriesOf(tx, template)).length > 0) {
        throw fault(
          sdk.ApprovalRuleTemplateInUseException,
          `The approval rule template ${name} is associated with one or more repositories`,
        );
      }
      await reviews(tx).deleteFrom('codecommit_approval_templates').where('id', '=', template.id).execute();
      await emitChange(tx, ctx, template, 'approvalRuleTemplateDeleted', []);
      return { approvalRuleTemplateId: template.id };
    });
  },
};

/** The template of that name, if there is one. @throws InvalidApprovalRuleTemplateNameException */
export function findTemplate(
  source: Context | Tx,
  { account, region }: Context,
  name: string,
): Promise<ApprovalTemplateRow | undefined> {
  requireTemplateName(name);
  return reviews(source)
    .selectFrom('codecommit_approval_templates')
    .selectAll()
    .where('account', '=', account)
    .where('region', '=', region)
    .where('name', '=', name)
    .executeTakeFirst();
}

/** @throws InvalidApprovalRuleTemplateNameException, ApprovalRuleTemplateDoesNotExistException */
export async function templateByName(source: Context | Tx, ctx: Context, name: string): Promise<ApprovalTemplateRow> {
  const template = await findTemplate(source, ctx, name);
  if (template !== undefined) return template;
  throw fault(sdk.ApprovalRuleTemplateDoesNotExistException, `There is no approval rule template named ${name}`);
}

export function templateShape(row: ApprovalTemplateRow): sdk.ApprovalRuleTemplate {
  return {
    approvalRuleTemplateId: row.id,
    approvalRuleTemplateName: row.name,
    ...(row.description === null ? {} : { approvalRuleTemplateDescription: row.description }),
    approvalRuleTemplateContent: row.content,
    ruleContentSha256: row.content_sha256,
    creationDate: new Date(Number(row.created_at)),
    lastModifiedDate: new Date(Number(row.modified_at)),
    lastModifiedUser: row.modified_by,
  };
}
