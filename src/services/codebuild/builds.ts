import type * as sdk from '@aws-sdk/client-codebuild';
import type { Context } from '../../kernel/context.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { queueOf } from './build-queue.ts';
import { buildById, buildOf } from './build-store.ts';
import { endQueuedIn } from './ended-builds.ts';
import { invalid } from './project-rules.ts';
import { projectByName, projectResource } from './project-store.ts';
import { buildIdOf, projectNameOf } from './resources.ts';
import type { BuildTable, BuildTables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const PAGE = 100;

/** Ends a build that waits at once, one that runs as soon as its processes are gone; one that is over stays as it is. */
export const StopBuild: Op<'StopBuild'> = {
  resource: ({ id }, ctx) => projectResource(ctx, id),
  async handle({ id }, ctx) {
    const row = await ctx.tx(async (tx) => {
      const found = await buildById(ctx, tx, id);
      if (found.state === 'queued') await endQueuedIn(ctx, tx, found, 'STOPPED');
      if (found.state === 'running') {
        await tx
          .db<BuildTables>()
          .updateTable('codebuild_builds')
          .set({ stop_requested: 1 })
          .where('id', '=', found.id)
          .execute();
        tx.afterCommit(() => queueOf(ctx).stopBuild(found.id));
      }
      return buildById(ctx, tx, id);
    });
    return { build: buildOf(row) };
  },
};

export const BatchGetBuilds: Op<'BatchGetBuilds'> = {
  resource: ({ ids }, ctx) => ids.map((id) => projectResource(ctx, id)),
  async handle({ ids }, ctx) {
    const wanted = [...new Set(ids.map((id) => buildIdOf(ctx, id)))];
    const byId = new Map((await rowsOf(ctx, wanted)).map((row) => [row.id, row]));
    return {
      builds: wanted.flatMap((id) => (byId.has(id) ? [buildOf(byId.get(id)!)] : [])),
      buildsNotFound: ids.filter((id) => !byId.has(buildIdOf(ctx, id))),
    };
  },
};

/** Deletes builds that are over, with their numbers; their logs and artifacts stay. */
export const BatchDeleteBuilds: Op<'BatchDeleteBuilds'> = {
  resource: ({ ids }, ctx) => ids.map((id) => projectResource(ctx, id)),
  async handle({ ids }, ctx) {
    const wanted = [...new Set(ids.map((id) => buildIdOf(ctx, id)))];
    return ctx.tx(async (tx) => {
      const byId = new Map((await rowsOf(ctx, wanted, tx)).map((row) => [row.id, row]));
      const buildsDeleted = wanted.filter((id) => byId.get(id)?.state === 'over');
      if (buildsDeleted.length > 0) {
        await tx.db<BuildTables>().deleteFrom('codebuild_builds').where('id', 'in', buildsDeleted).execute();
      }
      const buildsNotDeleted = wanted
        .filter((id) => !buildsDeleted.includes(id))
        .map((id) => ({ id, statusCode: byId.has(id) ? 'BUILD_IN_PROGRESS' : 'BUILD_NOT_FOUND' }));
      return {
        ...(buildsDeleted.length === 0 ? {} : { buildsDeleted }),
        ...(buildsNotDeleted.length === 0 ? {} : { buildsNotDeleted }),
      };
    });
  },
};

function rowsOf(ctx: Context, ids: readonly string[], source: Pick<Context, 'db'> = ctx): Promise<BuildTable[]> {
  return source
    .db<BuildTables>()
    .selectFrom('codebuild_builds')
    .selectAll()
    .where('account', '=', ctx.account)
    .where('region', '=', ctx.region)
    .where('id', 'in', ids)
    .execute();
}

export const ListBuilds: Op<'ListBuilds'> = {
  resource: () => '*',
  async handle({ sortOrder = 'DESCENDING', nextToken }, ctx) {
    const { ids, token } = await list(ctx, 'ListBuilds', 'position', sortOrder, nextToken, undefined);
    return { ids, ...(token === undefined ? {} : { nextToken: token }) };
  },
};

export const ListBuildsForProject: Op<'ListBuildsForProject'> = {
  resource: ({ projectName }, ctx) => projectResource(ctx, projectName),
  async handle({ projectName, sortOrder = 'DESCENDING', nextToken }, ctx) {
    const { name } = await projectByName(ctx, ctx, projectNameOf(ctx, projectName));
    const { ids, token } = await list(ctx, `ListBuildsForProject ${name}`, 'number', sortOrder, nextToken, name);
    return { ids, ...(token === undefined ? {} : { nextToken: token }) };
  },
};

async function list(
  ctx: Context,
  operation: string,
  column: 'position' | 'number',
  sortOrder: string,
  nextToken: string | undefined,
  project: string | undefined,
): Promise<{ ids: string[]; token: string | undefined }> {
  const scope = `${operation} ${sortOrder}`;
  const after = cursorOf<{ at: number }>(ctx, scope, nextToken, () => invalid('The next token is not valid.'));
  const isDescending = sortOrder === 'DESCENDING';
  let query = ctx
    .db<BuildTables>()
    .selectFrom('codebuild_builds')
    .select(['id', 'position', 'number'])
    .where('account', '=', ctx.account)
    .where('region', '=', ctx.region);
  if (project !== undefined) query = query.where('project', '=', project);
  if (after !== undefined) query = query.where(column, isDescending ? '<' : '>', after.at);
  const rows = await query
    .orderBy(column, isDescending ? 'desc' : 'asc')
    .limit(PAGE + 1)
    .execute();
  const { items, token } = page(ctx, scope, rows, PAGE, (row) => ({ at: row[column] }));
  return { ids: items.map(({ id }) => id), token };
}
