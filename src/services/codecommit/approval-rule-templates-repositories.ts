import * as sdk from '@aws-sdk/client-codecommit';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { emitChange, pageSize, templateByName } from './approval-rule-templates.ts';
import { invalidToken } from './repositories.ts';
import { ofRepository, repositoryResource } from './resources.ts';
import { type ApprovalTemplateRow, reviews } from './review-tables.ts';
import { findRepository, repositoryByName } from './store.ts';
import { type RepositoryRow, tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** AWS's limit of templates that one repository uses. */
const MAX_TEMPLATES = 25;
/** AWS's limit of names in a batch. */
const MAX_BATCH = 100;

/** From the next pull request on, the repository has the template's rule. */
export const AssociateApprovalRuleTemplateWithRepository: Op<'AssociateApprovalRuleTemplateWithRepository'> = {
  resource: ofRepository,
  async handle({ approvalRuleTemplateName, repositoryName }, ctx) {
    await ctx.tx(async (tx) => {
      const template = await templateByName(tx, ctx, approvalRuleTemplateName);
      const repository = await repositoryByName(tx, ctx, repositoryName);
      if (await isAssociated(tx, template, repository)) return;
      if (!(await associate(tx, template, repository))) throw tooMany(repositoryName);
      await emitChange(tx, ctx, template, 'approvalRuleTemplateAssociatedWithRepository', [repository]);
    });
    return {};
  },
};

/** Rules that the template has made stay on their pull requests. */
export const DisassociateApprovalRuleTemplateFromRepository: Op<'DisassociateApprovalRuleTemplateFromRepository'> = {
  resource: ofRepository,
  async handle({ approvalRuleTemplateName, repositoryName }, ctx) {
    await ctx.tx(async (tx) => {
      const template = await templateByName(tx, ctx, approvalRuleTemplateName);
      const repository = await repositoryByName(tx, ctx, repositoryName);
      if (!(await disassociate(tx, template, repository))) return;
      await emitChange(tx, ctx, template, 'approvalRuleTemplateDisassociatedFromRepository', [repository]);
    });
    return {};
  },
};

async function isAssociated(tx: Tx, template: ApprovalTemplateRow, repository: RepositoryRow): Promise<boolean> {
  const row = await reviews(tx)
    .selectFrom('codecommit_template_repositories')
    .select('template_id')
    .where('template_id', '=', template.id)
    .where('repository_id', '=', repository.id)
    .executeTakeFirst();
  return row !== undefined;
}

/** @returns false where the repository has as many templates as it can have. */
async function associate(tx: Tx, template: ApprovalTemplateRow, repository: RepositoryRow): Promise<boolean> {
  const { count } = await reviews(tx)
    .selectFrom('codecommit_template_repositories')
    .select((e) => e.fn.countAll<number>().as('count'))
    .where('repository_id', '=', repository.id)
    .executeTakeFirstOrThrow();
  if (Number(count) >= MAX_TEMPLATES) return false;
  const row = { template_id: template.id, repository_id: repository.id };
  await reviews(tx).insertInto('codecommit_template_repositories').values(row).execute();
  return true;
}

/** @returns whether there was anything to undo. */
async function disassociate(tx: Tx, template: ApprovalTemplateRow, repository: RepositoryRow): Promise<boolean> {
  const { numDeletedRows } = await reviews(tx)
    .deleteFrom('codecommit_template_repositories')
    .where('template_id', '=', template.id)
    .where('repository_id', '=', repository.id)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

function tooMany(repositoryName: string) {
  return fault(
    sdk.MaximumRuleTemplatesAssociatedWithRepositoryException,
    `The repository ${repositoryName} cannot have more than ${MAX_TEMPLATES} approval rule templates`,
  );
}

/** `resource` of a batch: each repository by itself. */
function ofRepositories({ repositoryNames }: { repositoryNames: readonly string[] }, ctx: Context) {
  return repositoryNames.length === 0 ? '*' : repositoryNames.map((name) => repositoryResource(ctx, name));
}

interface Outcome {
  changed: RepositoryRow[];
  done: string[];
  errors: { repositoryName: string; errorCode: string; errorMessage: string }[];
}

/** Goes through the repositories of a batch; what is wrong with one of them does not stop the others. */
async function batch(
  tx: Tx,
  ctx: Context,
  names: readonly string[],
  change: (repository: RepositoryRow) => Promise<'changed' | 'unchanged' | ReturnType<typeof tooMany>>,
): Promise<Outcome> {
  const outcome: Outcome = { changed: [], done: [], errors: [] };
  for (const repositoryName of new Set(names)) {
    const repository = await findRepository(tx, ctx, repositoryName);
    if (repository === undefined) {
      const errorMessage = `${repositoryName} does not exist`;
      outcome.errors.push({ repositoryName, errorCode: 'RepositoryDoesNotExistException', errorMessage });
      continue;
    }
    const result = await change(repository);
    if (typeof result !== 'string') {
      outcome.errors.push({ repositoryName, errorCode: result.name, errorMessage: result.message });
      continue;
    }
    outcome.done.push(repositoryName);
    if (result === 'changed') outcome.changed.push(repository);
  }
  return outcome;
}

function requireFewNames(names: readonly string[]): void {
  if (names.length <= MAX_BATCH) return;
  throw fault(sdk.MaximumRepositoryNamesExceededException, `At most ${MAX_BATCH} repository names can be specified.`);
}

export const BatchAssociateApprovalRuleTemplateWithRepositories: Op<'BatchAssociateApprovalRuleTemplateWithRepositories'> =
  {
    resource: ofRepositories,
    async handle({ approvalRuleTemplateName, repositoryNames }, ctx) {
      requireFewNames(repositoryNames);
      const { done, errors } = await ctx.tx(async (tx) => {
        const template = await templateByName(tx, ctx, approvalRuleTemplateName);
        const outcome = await batch(tx, ctx, repositoryNames, async (repository) => {
          if (await isAssociated(tx, template, repository)) return 'unchanged';
          return (await associate(tx, template, repository)) ? 'changed' : tooMany(repository.name);
        });
        const event = 'batchAssociateApprovalRuleTemplateWithRepositories';
        if (outcome.changed.length > 0) await emitChange(tx, ctx, template, event, outcome.changed);
        return outcome;
      });
      return { associatedRepositoryNames: done, errors };
    },
  };

export const BatchDisassociateApprovalRuleTemplateFromRepositories: Op<'BatchDisassociateApprovalRuleTemplateFromRepositories'> =
  {
    resource: ofRepositories,
    async handle({ approvalRuleTemplateName, repositoryNames }, ctx) {
      requireFewNames(repositoryNames);
      const { done, errors } = await ctx.tx(async (tx) => {
        const template = await templateByName(tx, ctx, approvalRuleTemplateName);
        const outcome = await batch(tx, ctx, repositoryNames, async (repository) =>
          (await disassociate(tx, template, repository)) ? 'changed' : 'unchanged',
        );
        const event = 'batchDisassociateApprovalRuleTemplateFromRepositories';
        if (outcome.changed.length > 0) await emitChange(tx, ctx, template, event, outcome.changed);
        return outcome;
      });
      return { disassociatedRepositoryNames: done, errors };
    },
  };

/** Lists by name. */
export const ListAssociatedApprovalRuleTemplatesForRepository: Op<'ListAssociatedApprovalRuleTemplatesForRepository'> =
  {
    resource: ofRepository,
    async handle({ repositoryName, nextToken, maxResults = MAX_BATCH }, ctx) {
      const limit = pageSize(maxResults);
      const repository = await repositoryByName(ctx, ctx, repositoryName);
      const scope = `ListAssociatedApprovalRuleTemplatesForRepository ${repository.id}`;
      const after = cursorOf<string>(ctx, scope, nextToken, invalidToken) ?? '';
      const rows = await reviews(ctx)
        .selectFrom('codecommit_approval_templates')
        .innerJoin('codecommit_template_repositories', 'template_id', 'id')
        .select('name')
        .where('repository_id', '=', repository.id)
        .where('name', '>', after)
        .orderBy('name')
        .limit(limit + 1)
        .execute();
      const { items, token } = page(ctx, scope, rows, limit, ({ name }) => name);
      return { approvalRuleTemplateNames: items.map(({ name }) => name), nextToken: token };
    },
  };

/** Lists by name. */
export const ListRepositoriesForApprovalRuleTemplate: Op<'ListRepositoriesForApprovalRuleTemplate'> = {
  resource: () => '*',
  async handle({ approvalRuleTemplateName, nextToken, maxResults = MAX_BATCH }, ctx) {
    const limit = pageSize(maxResults);
    const template = await templateByName(ctx, ctx, approvalRuleTemplateName);
    const scope = `ListRepositoriesForApprovalRuleTemplate ${template.id}`;
    const after = cursorOf<string>(ctx, scope, nextToken, invalidToken) ?? '';
    const associated = reviews(ctx)
      .selectFrom('codecommit_template_repositories')
      .select('repository_id')
      .where('template_id', '=', template.id);
    const rows = await tables(ctx)
      .selectFrom('codecommit_repositories')
      .select('name')
      .where('id', 'in', associated)
      .where('name', '>', after)
      .orderBy('name')
      .limit(limit + 1)
      .execute();
    const { items, token } = page(ctx, scope, rows, limit, ({ name }) => name);
    return { repositoryNames: items.map(({ name }) => name), nextToken: token };
  },
};
