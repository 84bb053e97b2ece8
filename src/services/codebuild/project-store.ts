import * as sdk from '@aws-sdk/client-codebuild';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { ResourceRef } from '../../kernel/service.ts';
import type { Tags } from '../../kernel/tags.ts';
import { projectArn, projectArnOf, projectNameOf } from './resources.ts';
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
    throw fault(sdk.ResourceNotFoundException, `Project cannot be found: ${projectArnOf(ctx, name)}`);
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

/** What IAM evaluates for everything about a project and its builds: its ARN, and its tags where a policy asks for one. */
export function projectResource(ctx: Context, nameOrArn: string): ResourceRef {
  const name = projectNameOf(ctx, nameOrArn);
  return {
    arn: projectArnOf(ctx, nameOrArn),
    async tags() {
      const row = await findProject(ctx, ctx, name);
      return row === undefined ? {} : tagsFrom((JSON.parse(row.document) as sdk.Project).tags);
    },
  };
}

export function tagsFrom(tags: readonly sdk.Tag[] = []): Tags {
  return Object.fromEntries(tags.map(({ key, value }) => [key!, value!]));
}
