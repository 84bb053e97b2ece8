import { createHash } from 'node:crypto';
import * as sdk from '@aws-sdk/client-codebuild';
import { requirePassRole } from '../../kernel/auth/pass-role.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { queueOf } from './build-queue.ts';
import { type BuildSettings, buildSettings } from './build-settings.ts';
import { type BuildResult, buildById, buildOf } from './build-store.ts';
import { buildConditions } from './condition-keys.ts';
import { buildPhaseChange, buildStateChange } from './events.ts';
import { type PhaseRecord, Phases } from './phases.ts';
import { invalid, type ProjectSettings } from './project-rules.ts';
import { projectByName, projectResource } from './project-store.ts';
import { buildIdOf, defaultKeyArn, projectArn, projectNameOf } from './resources.ts';
import type { BuildTable, BuildTables, ProjectTable } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const SERVICE = 'codebuild.amazonaws.com';
/** Builds that may wait in an account and region. */
const MAX_QUEUED = 10_000;
/** AWS remembers tokens for five minutes; a caller that comes back after a longer outage must not start a second build. */
const TOKEN_MS = 24 * 3_600_000;

/** Queues a build of a project. Source: CodeBuild API reference, StartBuild. */
export const StartBuild: Op<'StartBuild'> = {
  resource: ({ projectName }, ctx) => projectResource(ctx, projectName),
  conditions: buildConditions,
  async handle({ projectName, idempotencyToken, ...input }, ctx) {
    const name = projectNameOf(ctx, projectName);
    const { serviceRoleOverride } = input;
    if (serviceRoleOverride !== undefined) {
      const resource = projectArn(ctx, name);
      await requirePassRole(ctx, { roleArn: serviceRoleOverride, service: SERVICE, resource });
    }
    const request = hashOf(['StartBuild', name, input]);
    const row = await ctx.tx((tx) =>
      once(ctx, tx, idempotencyToken, request, async () => {
        const project = await projectByName(ctx, tx, name);
        const document = JSON.parse(project.document) as ProjectSettings;
        const settings = buildSettings(document, input, ctx.caller, defaultKeyArn(ctx));
        return enqueue(ctx, tx, project, settings, resolvedVersion(settings));
      }),
    );
    return { build: buildOf(row) };
  },
};

/** Queues a build once more, as it was. Source: CodeBuild API reference, RetryBuild. */
export const RetryBuild: Op<'RetryBuild'> = {
  resource: ({ id }, ctx) => projectResource(ctx, id ?? ''),
  async handle({ id, idempotencyToken }, ctx) {
    if (id === undefined) throw invalid('id is required');
    const request = hashOf(['RetryBuild', buildIdOf(ctx, id)]);
    const row = await ctx.tx((tx) =>
      once(ctx, tx, idempotencyToken, request, async () => {
        const earlier = await buildById(ctx, tx, id);
        const project = await projectByName(ctx, tx, earlier.project);
        const settings = JSON.parse(earlier.settings) as BuildSettings;
        if (settings.source.type === 'CODEPIPELINE') {
          throw invalid('Builds that a pipeline started cannot be retried; retry the stage of the pipeline');
        }
        return enqueue(ctx, tx, project, settings, {});
      }),
    );
    return { build: buildOf(row) };
  },
};

/** A pipeline names the commit that its artifact was made of; what is downloaded is the artifact. */
function resolvedVersion({ source, sourceVersion }: BuildSettings): BuildResult {
  return source.type === 'CODEPIPELINE' && sourceVersion ? { resolvedSourceVersion: sourceVersion } : {};
}

function hashOf(request: unknown): string {
  return createHash('sha256').update(JSON.stringify(request)).digest('hex');
}

/** Does it once for a token. @throws InvalidInputException when the token comes with another request */
async function once(
  ctx: Context,
  tx: Tx,
  token: string | undefined,
  request: string,
  start: () => Promise<BuildTable>,
): Promise<BuildTable> {
  if (token === undefined || token === '') return start();
  const { account, region } = ctx;
  const db = tx.db<BuildTables>();
  await db.deleteFrom('codebuild_start_tokens').where('expires_at', '<=', ctx.now().getTime()).execute();
  const known = await db
    .selectFrom('codebuild_start_tokens')
    .selectAll()
    .where('account', '=', account)
    .where('region', '=', region)
    .where('token', '=', token)
    .executeTakeFirst();
  if (known !== undefined) {
    if (known.request !== request) {
      throw invalid('The idempotency token was used with other parameters: parameter mismatch');
    }
    return buildById(ctx, tx, known.build_id);
  }
  const row = await start();
  const expires_at = ctx.now().getTime() + TOKEN_MS;
  await db
    .insertInto('codebuild_start_tokens')
    .values({ account, region, token, request, build_id: row.id, expires_at })
    .execute();
  return row;
}

async function enqueue(
  ctx: Context,
  tx: Tx,
  project: ProjectTable,
  settings: BuildSettings,
  result: BuildResult,
): Promise<BuildTable> {
  await requireRoom(tx, project);
  const now = ctx.now().getTime();
  const phases = new Phases();
  phases.begin('SUBMITTED', now);
  phases.end('SUCCEEDED', now);
  phases.begin('QUEUED', now);
  const row: BuildTable = {
    id: `${project.name}:${ctx.ids.uuid()}`,
    account: ctx.account,
    region: ctx.region,
    project: project.name,
    number: project.next_build_number,
    position: nextPosition(now),
    state: 'queued',
    queued_until: now + settings.queuedTimeoutInMinutes * 60_000,
    runner: null,
    lease_until: 0,
    stop_requested: 0,
    status: 'IN_PROGRESS',
    created_at: now,
    ended_at: null,
    settings: JSON.stringify(settings),
    phases: JSON.stringify(phases.records),
    result: JSON.stringify(result),
  };
  const db = tx.db<BuildTables>();
  await db.insertInto('codebuild_builds').values(row).execute();
  await db
    .updateTable('codebuild_projects')
    .set({ next_build_number: project.next_build_number + 1 })
    .where('id', '=', project.id)
    .execute();
  await emitStart(tx, row, settings, result, phases.records);
  tx.afterCommit(() => queueOf(ctx).poke());
  return row;
}

/** @throws AccountLimitExceededException */
async function requireRoom(tx: Tx, project: ProjectTable): Promise<void> {
  const { account, region, name } = project;
  const { concurrentBuildLimit: limit } = JSON.parse(project.document) as ProjectSettings;
  const count = async (state: readonly ('queued' | 'running')[], ofProject: boolean): Promise<number> => {
    let query = tx
      .db<BuildTables>()
      .selectFrom('codebuild_builds')
      .select((e) => e.fn.countAll().as('builds'))
      .where('state', 'in', state)
      .where('account', '=', account)
      .where('region', '=', region);
    if (ofProject) query = query.where('project', '=', name);
    return Number((await query.executeTakeFirst())?.builds ?? 0);
  };
  if (limit !== undefined && (await count(['queued', 'running'], true)) >= limit) {
    throw fault(sdk.AccountLimitExceededException, `Cannot have more than ${limit} active builds for the project`);
  }
  if ((await count(['queued'], false)) >= MAX_QUEUED) {
    throw fault(
      sdk.AccountLimitExceededException,
      `Cannot have more than ${MAX_QUEUED} builds in queue for the account`,
    );
  }
}

async function emitStart(
  tx: Tx,
  row: BuildTable,
  settings: BuildSettings,
  result: BuildResult,
  phases: readonly PhaseRecord[],
): Promise<void> {
  const { account, region, id, project, status, created_at: createdAt } = row;
  const news = { account, region, id, project, status, createdAt, settings, phases, result };
  await tx.emit(buildStateChange(news));
  await tx.emit(buildPhaseChange(news, phases[0]!));
}

let lastPosition = 0;

/** Positions grow within a process and follow the clock across processes. */
function nextPosition(now: number): number {
  lastPosition = Math.max(lastPosition + 1, now * 1000);
  return lastPosition;
}
