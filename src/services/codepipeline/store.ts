import * as sdk from '@aws-sdk/client-codepipeline';
import type { Kysely } from 'kysely';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { PipelineTables } from './tables.ts';

export type { PipelineTables } from './tables.ts';

import type { ActionRow, ExecutionRow, PipelineRow } from './tables.ts';

/** This service's tables, outside or inside a transaction. */
export function tables(source: Context | Tx): Kysely<PipelineTables> {
  return source.db<PipelineTables>();
}

/** A pipeline with its declaration in force. */
export interface Pipeline extends PipelineRow {
  declaration: sdk.PipelineDeclaration;
}

/** The pipeline of that name in the caller's account and region, if there is one. */
export async function findPipeline(source: Context | Tx, ctx: Context, name: string): Promise<Pipeline | undefined> {
  const row = await tables(source)
    .selectFrom('codepipeline_pipelines')
    .selectAll()
    .where('account', '=', ctx.account)
    .where('region', '=', ctx.region)
    .where('name', '=', name)
    .executeTakeFirst();
  return row === undefined ? undefined : withDeclaration(source, row);
}

/** The pipeline with that internal id, `undefined` when it was deleted. */
export async function findPipelineById(source: Context | Tx, id: string): Promise<Pipeline | undefined> {
  const row = await tables(source)
    .selectFrom('codepipeline_pipelines')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst();
  return row === undefined ? undefined : withDeclaration(source, row);
}

async function withDeclaration(source: Context | Tx, row: PipelineRow): Promise<Pipeline> {
  const declaration = await findDeclaration(source, row.id, row.version);
  if (declaration === undefined) throw new Error(`pipeline ${row.id} has no version ${row.version}`);
  return { ...row, declaration };
}

/** What a version of a pipeline declares. */
export async function findDeclaration(
  source: Context | Tx,
  pipelineId: string,
  version: number,
): Promise<sdk.PipelineDeclaration | undefined> {
  const row = await tables(source)
    .selectFrom('codepipeline_definitions')
    .select('declaration')
    .where('pipeline_id', '=', pipelineId)
    .where('version', '=', version)
    .executeTakeFirst();
  return row === undefined ? undefined : (JSON.parse(row.declaration) as sdk.PipelineDeclaration);
}

/** @throws PipelineNotFoundException */
export async function pipelineByName(source: Context | Tx, ctx: Context, name: string): Promise<Pipeline> {
  const pipeline = await findPipeline(source, ctx, name);
  if (pipeline === undefined) {
    throw fault(sdk.PipelineNotFoundException, `Account '${ctx.account}' does not have a pipeline with name '${name}'`);
  }
  return pipeline;
}

/** The execution with that id, if it is one of the pipeline's. */
export function findExecution(
  source: Context | Tx,
  pipelineId: string,
  executionId: string,
): Promise<ExecutionRow | undefined> {
  return tables(source)
    .selectFrom('codepipeline_executions')
    .selectAll()
    .where('id', '=', executionId)
    .where('pipeline_id', '=', pipelineId)
    .executeTakeFirst();
}

/** @throws PipelineExecutionNotFoundException */
export async function executionById(
  source: Context | Tx,
  pipeline: Pipeline,
  executionId: string,
): Promise<ExecutionRow> {
  const execution = await findExecution(source, pipeline.id, executionId);
  if (execution === undefined) {
    throw fault(
      sdk.PipelineExecutionNotFoundException,
      `Pipeline '${pipeline.name}' does not have an execution with id '${executionId}'`,
    );
  }
  return execution;
}

/** One run of an action, wherever it belongs. */
export function findAction(source: Context | Tx, actionExecutionId: string): Promise<ActionRow | undefined> {
  return tables(source)
    .selectFrom('codepipeline_action_executions')
    .selectAll()
    .where('id', '=', actionExecutionId)
    .executeTakeFirst();
}

/** The place of a stage in the declaration in force. @throws StageNotFoundException */
export function stageIndexOf(pipeline: Pipeline, stageName: string): number {
  const index = pipeline.declaration.stages!.findIndex(({ name }) => name === stageName);
  if (index < 0) {
    throw fault(
      sdk.StageNotFoundException,
      `Pipeline '${pipeline.name}' does not have a stage with name '${stageName}'`,
    );
  }
  return index;
}
