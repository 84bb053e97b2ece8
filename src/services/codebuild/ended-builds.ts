import type * as logsSdk from '@aws-sdk/client-cloudwatch-logs';
import type { Context, Tx } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import type { BuildSettings } from './build-settings.ts';
import type { BuildResult } from './build-store.ts';
import { type BuildNews, buildPhaseChange, buildStateChange } from './events.ts';
import { type EndStatus, type PhaseContext, type PhaseRecord, Phases } from './phases.ts';
import { projectArn } from './resources.ts';
import type { BuildTable, BuildTables } from './tables.ts';

const QUEUE_TIMEOUT: PhaseContext = {
  statusCode: 'BUILD_TIMED_OUT',
  message: 'Build timed out while it was in the queue',
};
const STOPPED_IN_QUEUE: PhaseContext = { statusCode: 'BUILD_STOPPED', message: 'Build has been stopped' };
const LOST: PhaseContext = {
  statusCode: 'INTERNAL_ERROR',
  message:
    'The server went away while the build was running; what the build had started was ended, and it does not run again',
};

/** Ends a build that still waits. One that does not wait any more is left alone. */
export async function endQueued(ctx: Context, id: string, status: 'STOPPED' | 'TIMED_OUT'): Promise<void> {
  await ctx.tx(async (tx) => {
    const row = await tx
      .db<BuildTables>()
      .selectFrom('codebuild_builds')
      .selectAll()
      .where('id', '=', id)
      .where('state', '=', 'queued')
      .executeTakeFirst();
    if (row !== undefined) await endQueuedIn(ctx, tx, row, status);
  });
}

/** As {@link endQueued}, in a transaction that has read the row. */
export function endQueuedIn(ctx: Context, tx: Tx, row: BuildTable, status: 'STOPPED' | 'TIMED_OUT'): Promise<void> {
  return writeEnd(ctx, tx, row, status, status === 'STOPPED' ? STOPPED_IN_QUEUE : QUEUE_TIMEOUT);
}

/** Ends a build whose process is gone; its log says so. */
export async function endOrphan(ctx: Context, row: BuildTable): Promise<void> {
  await sayInLog(ctx, row, LOST.message);
  await ctx.tx(async (tx) => {
    const current = await tx
      .db<BuildTables>()
      .selectFrom('codebuild_builds')
      .selectAll()
      .where('id', '=', row.id)
      .where('state', '=', 'running')
      .where('runner', '=', row.runner)
      .executeTakeFirst();
    if (current !== undefined) await writeEnd(ctx, tx, current, 'FAULT', LOST);
  });
}

async function writeEnd(
  ctx: Context,
  tx: Tx,
  row: BuildTable,
  status: EndStatus,
  context: PhaseContext,
): Promise<void> {
  const nowMs = ctx.now().getTime();
  const phases = new Phases(JSON.parse(row.phases) as PhaseRecord[]);
  const ended = phases.current.status === undefined ? phases.end(status, nowMs, context) : undefined;
  phases.begin('COMPLETED', nowMs);
  await tx
    .db<BuildTables>()
    .updateTable('codebuild_builds')
    .set({
      state: 'over',
      status,
      ended_at: nowMs,
      runner: null,
      lease_until: 0,
      phases: JSON.stringify(phases.records),
    })
    .where('id', '=', row.id)
    .execute();
  const news: BuildNews = {
    account: row.account,
    region: row.region,
    id: row.id,
    project: row.project,
    status,
    createdAt: row.created_at,
    settings: JSON.parse(row.settings) as BuildSettings,
    phases: phases.records,
    result: JSON.parse(row.result) as BuildResult,
  };
  if (ended !== undefined) await tx.emit(buildPhaseChange(news, ended));
  await tx.emit(buildStateChange(news));
}

async function sayInLog(ctx: Context, row: BuildTable, message: string): Promise<void> {
  const { logs } = JSON.parse(row.result) as BuildResult;
  if (logs === undefined) return;
  const { serviceRole } = JSON.parse(row.settings) as BuildSettings;
  try {
    const role = await ctx.as(serviceRole, {
      service: 'codebuild.amazonaws.com',
      sessionName: `AWSCodeBuild-${row.id.split(':')[1]}`,
      sourceArn: projectArn(row, row.project),
    });
    await role.call<typeof logsSdk, 'PutLogEvents'>('cloudwatch-logs', 'PutLogEvents', {
      logGroupName: logs.groupName,
      logStreamName: logs.streamName,
      logEvents: [{ timestamp: ctx.now().getTime(), message: `[Container] ${message}\n` }],
    });
  } catch (error) {
    // The role or the log may have been deleted since; the phase of the build says the same.
    if (!(error instanceof Fault)) throw error;
  }
}
