import * as sdk from '@aws-sdk/client-codebuild';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { projectArn } from './resources.ts';
import type { ProjectTable, ProjectTables } from './tables.ts';

/** The project of that name in the caller's account and region, if there is one. */
export function findProject(ctx: Context, source: Context | Tx, name: string): Promise<ProjectTable | undefined> {
  return source
    .db<ProjectTables>()
    .selectFrom('codebuild_projects')
    .selectAll()
    .where('account', '=', ctx.account)
    .where('region', '=', ctx.region)
    .where('name', '=', name)
    .executeTakeFirst();
}

/** @throws ResourceNotFoundException */
export async function projectByName(ctx: Context, source: Context | Tx, name: string): Promise<ProjectTable> {
  const project = await findProject(ctx, source, name);
  if (project === undefined)
    throw fault(sdk.ResourceNotFoundException, `Project cannot be found: ${projectArn(ctx, name)}`);
  return project;
}

/** The project as the API shows it. */
export function projectOf(ctx: Context, row: ProjectTable): sdk.Project {
  return {
    ...(JSON.parse(row.document) as sdk.Project),
    name: row.name,
    arn: projectArn(ctx, row.name),
    created: new Date(row.created_at),
    lastModified: new Date(row.modified_at),
  };
}
