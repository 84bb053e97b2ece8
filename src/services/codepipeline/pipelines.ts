import * as sdk from '@aws-sdk/client-codepipeline';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { deleteAllTags, putTags, requestTagKeys } from '../../kernel/tags.ts';
import { callerArn } from './callers.ts';
import { deleteEverything } from './deletion.ts';
import { advance } from './engine.ts';
import { pipelineArn, pipelineResource } from './resources.ts';
import { requireRoles } from './roles.ts';
import { replaceSources } from './sources.ts';
import { startExecution } from './start.ts';
import { findDeclaration, findPipeline, type Pipeline, pipelineByName, tables } from './store.ts';
import { admitStructure } from './structure.ts';
import type { PipelineRow } from './tables.ts';
import { checkTags, tagsFrom } from './tagging.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** AWS's default quota of an account and region. */
const MAX_PIPELINES = 1_000;
const MAX_LISTED = 1_000;

/** Creates a pipeline and starts its first execution. */
export const CreatePipeline: Op<'CreatePipeline'> = {
  resource: (input, ctx) => pipelineArn(ctx, input.pipeline.name!),
  conditions: ({ tags = [] }) => requestTagKeys(tagsFrom(tags)),
  async handle({ pipeline: given, tags = [] }, ctx) {
    const declaration = admitStructure(given, 1, ctx);
    const name = declaration.name!;
    const arn = pipelineArn(ctx, name);
    checkTags(arn, tags);
    await requireRoles(ctx, declaration);
    await ctx.tx(async (tx) => {
      if ((await findPipeline(tx, ctx, name)) !== undefined) {
        throw fault(
          sdk.PipelineNameInUseException,
          `A pipeline with the name '${name}' already exists in account '${ctx.account}'`,
        );
      }
      await requireQuota(tx, ctx);
      const now = ctx.now().getTime();
      const { account, region } = ctx;
      const times = { created_at: now, updated_at: now };
      const row: PipelineRow = { id: ctx.ids.uuid(), account, region, name, version: 1, counter: 0, ...times };
      const pipeline: Pipeline = { ...row, declaration };
      await tables(tx).insertInto('codepipeline_pipelines').values(row).execute();
      await writeDeclaration(tx, pipeline);
      await putTags(tx, arn, tagsFrom(tags));
      await startExecution(tx, ctx, pipeline, { trigger: { type: 'CreatePipeline', detail: callerArn(ctx) } });
    });
    return { pipeline: declaration, tags };
  },
};

async function requireQuota(tx: Tx, ctx: Context): Promise<void> {
  const { count } = await tables(tx)
    .selectFrom('codepipeline_pipelines')
    .select((e) => e.fn.countAll<number>().as('count'))
    .where('account', '=', ctx.account)
    .where('region', '=', ctx.region)
    .executeTakeFirstOrThrow();
  if (Number(count) < MAX_PIPELINES) return;
  throw fault(
    sdk.LimitExceededException,
    `Account '${ctx.account}' has reached the limit of ${MAX_PIPELINES} pipelines`,
  );
}

async function writeDeclaration(tx: Tx, pipeline: Pipeline): Promise<void> {
  await tables(tx)
    .insertInto('codepipeline_definitions')
    .values({
      pipeline_id: pipeline.id,
      version: pipeline.version,
      declaration: JSON.stringify(pipeline.declaration),
    })
    .execute();
  await replaceSources(tx, pipeline);
}

/** Replaces the declaration; executions of the earlier one finish what runs and are cancelled, as in AWS. */
export const UpdatePipeline: Op<'UpdatePipeline'> = {
  resource: (input, ctx) => pipelineResource(ctx, input.pipeline.name!),
  async handle({ pipeline: given }, ctx) {
    admitStructure(given, 1, ctx);
    await requireRoles(ctx, given);
    const declaration = await ctx.tx(async (tx) => {
      const existing = await findPipeline(tx, ctx, given.name!);
      if (existing === undefined) {
        throw fault(
          sdk.ResourceNotFoundException,
          `The account with id '${ctx.account}' does not include a pipeline with the name '${given.name}'`,
        );
      }
      const version = existing.version + 1;
      const pipeline: Pipeline = { ...existing, version, declaration: admitStructure(given, version, ctx) };
      await tables(tx)
        .updateTable('codepipeline_pipelines')
        .set({ version, updated_at: ctx.now().getTime() })
        .where('id', '=', pipeline.id)
        .execute();
      await writeDeclaration(tx, pipeline);
      await advance(tx, ctx, pipeline);
      return pipeline.declaration;
    });
    return { pipeline: declaration };
  },
};

export const GetPipeline: Op<'GetPipeline'> = {
  resource: (input, ctx) => pipelineResource(ctx, input.name),
  async handle({ name, version }, ctx) {
    const pipeline = await pipelineByName(ctx, ctx, name);
    const declaration = version === undefined ? pipeline.declaration : await findDeclaration(ctx, pipeline.id, version);
    if (declaration === undefined) {
      throw fault(
        sdk.PipelineVersionNotFoundException,
        `The pipeline with name '${name}' does not have a version '${version}'`,
      );
    }
    return {
      pipeline: declaration,
      metadata: {
        pipelineArn: pipelineArn(ctx, name),
        created: new Date(pipeline.created_at),
        updated: new Date(pipeline.updated_at),
      },
    };
  },
};

/** Lists the pipelines by name. */
export const ListPipelines: Op<'ListPipelines'> = {
  // AWS's denials name all pipelines, not `*`.
  resource: (_input, ctx) => pipelineArn(ctx, '*'),
  async handle({ nextToken, maxResults: limit = MAX_LISTED }, ctx) {
    const after = cursorOf<string>(ctx, 'ListPipelines', nextToken, invalidToken);
    const rows = await tables(ctx)
      .selectFrom('codepipeline_pipelines')
      .innerJoin('codepipeline_definitions', (join) =>
        join
          .onRef('codepipeline_definitions.pipeline_id', '=', 'codepipeline_pipelines.id')
          .onRef('codepipeline_definitions.version', '=', 'codepipeline_pipelines.version'),
      )
      .selectAll('codepipeline_pipelines')
      .select('codepipeline_definitions.declaration')
      .where('account', '=', ctx.account)
      .where('region', '=', ctx.region)
      .$if(after !== undefined, (query) => query.where('name', '>', after!))
      .orderBy('name')
      .limit(limit + 1)
      .execute();
    const { items, token } = page(ctx, 'ListPipelines', rows, limit, ({ name }) => name);
    return {
      pipelines: items.map(({ name, version, declaration, created_at, updated_at }) => {
        const { pipelineType, executionMode } = JSON.parse(declaration) as sdk.PipelineDeclaration;
        const times = { created: new Date(created_at), updated: new Date(updated_at) };
        return { name, version, pipelineType, executionMode, ...times };
      }),
      nextToken: token,
    };
  },
};

/** What the service answers to a token that it did not make for this list. */
export function invalidToken() {
  return fault(sdk.InvalidNextTokenException, 'The next token is not valid');
}

/** Deletes a pipeline with its history; what its actions left running elsewhere is stopped. One that is not there is fine. */
export const DeletePipeline: Op<'DeletePipeline'> = {
  resource: (input, ctx) => pipelineResource(ctx, input.name),
  async handle({ name }, ctx) {
    await ctx.tx(async (tx) => {
      const pipeline = await findPipeline(tx, ctx, name);
      if (pipeline === undefined) return;
      await deleteEverything(tx, pipeline);
      await deleteAllTags(tx, pipelineArn(ctx, name));
    });
    return {};
  },
};
