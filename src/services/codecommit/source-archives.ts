import * as sdk from '@aws-sdk/client-codecommit';
import { archiveCommit } from '../../git/archive.ts';
import { isGitFailure } from '../../git/failure.ts';
import type { Context } from '../../kernel/context.ts';
import { fault, isFault } from '../../kernel/fault.ts';
import type { ResourceRef } from '../../kernel/service.ts';
import type { SourceArchive, SourceArchiveRequest } from '../../kernel/source-archive.ts';
import { BY_ID, gitFault, openRepository } from './git-cache.ts';
import { repositoryResource } from './resources.ts';
import { resolveCommit } from './specifiers.ts';
import { repositoryByName } from './store.ts';

/** Archives are read once and soon, on the same machine: little time is worth more than little space. */
const ZIP_LEVEL = 1;

/** Gives pipelines and builds the files of a commit: authorised and recorded like a call. */
export async function sourceArchive(request: SourceArchiveRequest, ctx: Context): Promise<SourceArchive> {
  const { repositoryName, commitSpecifier, action } = request;
  const resource = await repositoryResource(ctx, repositoryName);
  const record = (outcome: { commitId?: string; errorCode?: string; errorMessage?: string }) => {
    const { commitId, ...error } = outcome;
    ctx.record({
      eventSource: 'codecommit.amazonaws.com',
      eventName: action.slice('codecommit:'.length),
      readOnly: action === 'codecommit:GitPull',
      resources: [resource.arn],
      requestParameters: { repositoryName, commitSpecifier, commitId },
      ...error,
    });
  };
  try {
    const archive = await open(request, ctx, resource);
    record({ commitId: archive.commitId });
    return archive;
  } catch (error) {
    if (isFault(error)) record({ errorCode: error.name, errorMessage: error.message });
    throw error;
  }
}

async function open(request: SourceArchiveRequest, ctx: Context, resource: ResourceRef): Promise<SourceArchive> {
  const { repositoryName, commitSpecifier, action, format = 'zip' } = request;
  await ctx.authorize(action, resource);
  const row = await repositoryByName(ctx, ctx, repositoryName);
  try {
    const repository = await openRepository(ctx, row.id);
    const commitId = await repository.read((lease) => resolveCommit(lease, commitSpecifier), BY_ID);
    const options = { commitId, format, level: ZIP_LEVEL, signal: ctx.signal };
    return { commitId, stream: await archiveCommit(repository, options) };
  } catch (error) {
    if (isGitFailure(error, 'tree-too-large')) throw fault(sdk.InvalidCommitException, error.message);
    throw gitFault(error, repositoryName);
  }
}
