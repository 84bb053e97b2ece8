import type {
  ActionDeclaration,
  ArtifactRevision,
  SourceRevision,
  SourceRevisionOverride,
} from '@aws-sdk/client-codepipeline';
import type { Context } from '../../kernel/context.ts';
import type { FoundRevision } from './providers/provider.ts';
import { tables } from './store.ts';
import type { ActionRow, ExecutionRow } from './tables.ts';

/** The source actions of executions that found a revision. */
export async function sourceActionsOf(ctx: Context, executionIds: readonly string[]): Promise<ActionRow[]> {
  if (executionIds.length === 0) return [];
  return tables(ctx)
    .selectFrom('codepipeline_action_executions')
    .selectAll()
    .where('execution_id', 'in', [...executionIds])
    .where('category', '=', 'Source')
    .where('current', '=', 1)
    .where('revision', 'is not', null)
    .orderBy('sequence')
    .execute();
}

/** What the executions' sources found, artifact by artifact. */
export function artifactRevisions(sources: readonly ActionRow[]): ArtifactRevision[] {
  return sources.flatMap((row) => {
    const { outputArtifacts = [] } = JSON.parse(row.declaration) as ActionDeclaration;
    const found = JSON.parse(row.revision!) as FoundRevision;
    return outputArtifacts.map(({ name }) => ({
      name,
      revisionId: found.revisionId,
      revisionChangeIdentifier: found.changeIdentifier,
      revisionSummary: found.summary,
      created: found.created === undefined ? undefined : new Date(found.created),
      revisionUrl: found.url,
    }));
  });
}

/** What an execution's sources found or, before they ran, what it was started with. */
export function sourceRevisions(execution: ExecutionRow, sources: readonly ActionRow[]): SourceRevision[] {
  const found = sources
    .filter(({ execution_id }) => execution_id === execution.id)
    .map((row): SourceRevision => {
      const { revisionId, summary, url } = JSON.parse(row.revision!) as FoundRevision;
      return { actionName: row.action_name, revisionId, revisionSummary: summary, revisionUrl: url };
    });
  const pinned = (JSON.parse(execution.source_revisions) as SourceRevisionOverride[])
    .filter(({ actionName }) => !found.some((one) => one.actionName === actionName))
    .map(({ actionName, revisionValue }): SourceRevision => ({ actionName, revisionId: revisionValue }));
  return [...found, ...pinned];
}
