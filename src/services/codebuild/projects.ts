import * as sdk from '@aws-sdk/client-codebuild';
import { requirePassRole } from '../../kernel/auth/pass-role.ts';
import type { Context } from '../../kernel/context.ts';
import { fault, isFault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { requestTagKeys } from '../../kernel/tags.ts';
import { projectConditions } from './condition-keys.ts';
import { checkProject, invalid, type ProjectSettings, withDefaults } from './project-rules.ts';
import { findProject, projectByName, projectOf, projectResource, tagsFrom } from './project-store.ts';
import { projectArn, projectNameOf } from './resources.ts';
import type { ProjectTable, ProjectTables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const SERVICE = 'codebuild.amazonaws.com';
const PAGE = 100;

export const CreateProject: Op<'CreateProject'> = {
  resource: ({ name }, ctx) => projectArn(ctx, name),
  conditions: (input) => ({ ...projectConditions(input), ...requestTagKeys(tagsFrom(input.tags)) }),
  async handle({ name, ...settings }, ctx) {
    const project = withDefaults({ name, ...settings });
    checkProject(project);
    await requireRole(ctx, name, project.serviceRole!);
    const now = ctx.now().getTime();
    const row: ProjectTable = {
      id: ctx.ids.uuid(),
      account: ctx.account,
      region: ctx.region,
      name,
      created_at: now,
      modified_at: now,
      next_build_number: 1,
      document: JSON.stringify(project),
    };
    await ctx.tx(async (tx) => {
      if ((await findProject(ctx, tx, name)) !== undefined) {
        throw fault(sdk.ResourceAlreadyExistsException, `Project already exists: ${projectArn(ctx, name)}`);
      }
      await tx.db<ProjectTables>().insertInto('codebuild_projects').values(row).execute();
    });
    return { project: projectOf(ctx, row) };
  },
};

/**
 * The caller may pass the role, and CodeBuild may work as it.
 * @throws AccessDenied, InvalidInputException (Terraform waits for new roles by these words)
 */
async function requireRole(ctx: Context, project: string, roleArn: string): Promise<void> {
  await requirePassRole(ctx, { roleArn, service: SERVICE, resource: projectArn(ctx, project) });
  try {
    await ctx.asService(SERVICE, ctx.account, ctx.region).as(roleArn, {
      service: SERVICE,
      sessionName: 'AWSCodeBuild',
      sourceArn: projectArn(ctx, project),
    });
  } catch (error) {
    if (!isFault(error, 'AccessDenied')) throw error;
    throw invalid(`CodeBuild is not authorized to perform: sts:AssumeRole on ${roleArn}`);
  }
}

/** Replaces what is given and leaves the rest as it is. */
export const UpdateProject: Op<'UpdateProject'> = {
  resource: ({ name }, ctx) => projectResource(ctx, name),
  conditions: (input) => ({ ...projectConditions(input), ...requestTagKeys(tagsFrom(input.tags)) }),
  async handle({ name: given, ...changes }, ctx) {
    const name = projectNameOf(ctx, given);
    if (changes.serviceRole !== undefined) {
      await requireRole(ctx, name, changes.serviceRole);
    }
    return ctx.tx(async (tx) => {
      const row = await projectByName(ctx, tx, name);
      const known = JSON.parse(row.document) as ProjectSettings;
      const project = withDefaults({ ...known, ...definedOnly(changes), name });
      checkProject(project);
      const changed = { ...row, document: JSON.stringify(project), modified_at: ctx.now().getTime() };
      const { document, modified_at } = changed;
      await tx
        .db<ProjectTables>()
        .updateTable('codebuild_projects')
        .set({ document, modified_at })
        .where('id', '=', row.id)
        .execute();
      return { project: projectOf(ctx, changed) };
    });
  },
};

function definedOnly<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Partial<T>;
}

/** Deletes the project; builds of it stay readable. One that is not there is fine, as with AWS. */
export const DeleteProject: Op<'DeleteProject'> = {
  resource: ({ name }, ctx) => projectResource(ctx, name),
  async handle({ name }, ctx) {
    await ctx.tx(async (tx) => {
      const row = await findProject(ctx, tx, projectNameOf(ctx, name));
      if (row !== undefined)
        await tx.db<ProjectTables>().deleteFrom('codebuild_projects').where('id', '=', row.id).execute();
    });
    return {};
  },
};

export const BatchGetProjects: Op<'BatchGetProjects'> = {
  resource: ({ names }, ctx) => names.map((name) => projectResource(ctx, name)),
  async handle({ names }, ctx) {
    const wanted = [...new Set(names.map((name) => projectNameOf(ctx, name)))];
    const rows = await ctx
      .db<ProjectTables>()
      .selectFrom('codebuild_projects')
      .selectAll()
      .where('account', '=', ctx.account)
      .where('region', '=', ctx.region)
      .where('name', 'in', wanted)
      .execute();
    const byName = new Map(rows.map((row) => [row.name, row]));
    return {
      projects: wanted.flatMap((name) => (byName.has(name) ? [projectOf(ctx, byName.get(name)!)] : [])),
      projectsNotFound: names.filter((name) => !byName.has(projectNameOf(ctx, name))),
    };
  },
};

const SORT_COLUMNS = { NAME: 'name', CREATED_TIME: 'created_at', LAST_MODIFIED_TIME: 'modified_at' } as const;

interface Cursor {
  value: string | number;
  name: string;
}

export const ListProjects: Op<'ListProjects'> = {
  resource: () => '*',
  async handle({ sortBy = 'NAME', sortOrder = 'ASCENDING', nextToken }, ctx) {
    const column = SORT_COLUMNS[sortBy];
    const scope = `ListProjects ${sortBy} ${sortOrder}`;
    const after = cursorOf<Cursor>(ctx, scope, nextToken, () => invalid('The next token is not valid.'));
    const rows = await select(ctx, column, sortOrder === 'DESCENDING', after);
    const { items, token } = page(ctx, scope, rows, PAGE, (row): Cursor => ({ value: row[column], name: row.name }));
    return { projects: items.map(({ name }) => name), nextToken: token };
  },
};

function select(
  ctx: Context,
  column: 'name' | 'created_at' | 'modified_at',
  descending: boolean,
  after: Cursor | undefined,
): Promise<ProjectTable[]> {
  const order = descending ? 'desc' : 'asc';
  const beyond = descending ? '<' : '>';
  let query = ctx
    .db<ProjectTables>()
    .selectFrom('codebuild_projects')
    .selectAll()
    .where('account', '=', ctx.account)
    .where('region', '=', ctx.region);
  if (after !== undefined) {
    query = query.where((e) =>
      e.or([
        e(column, beyond, after.value as never),
        e.and([e(column, '=', after.value as never), e('name', beyond, after.name)]),
      ]),
    );
  }
  return query
    .orderBy(column, order)
    .orderBy('name', order)
    .limit(PAGE + 1)
    .execute();
}
