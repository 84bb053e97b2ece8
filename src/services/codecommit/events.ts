import type { RefUpdate } from '../../git/truth.ts';
import type { Caller } from '../../kernel/auth/identity.ts';
import type { EventDraft } from '../../kernel/context.ts';
import { repositoryArn } from './resources.ts';
import { BRANCHES, TAGS } from './store.ts';
import type { RepositoryRow } from './tables.ts';

/** Object ids on both sides of a moved reference; of an annotated tag, the commit that it leads to. */
export interface MovedRef extends Pick<RefUpdate, 'name'> {
  before: string | null;
  after: string | null;
}

/**
 * The event of a reference that was created, moved or deleted; undefined for what is neither branch nor tag.
 * Source: CodeCommit User Guide, "Monitoring CodeCommit events in Amazon EventBridge".
 */
export function repositoryStateChange(
  repository: RepositoryRow,
  ref: MovedRef,
  caller: Caller,
): EventDraft | undefined {
  const referenceType = ref.name.startsWith(BRANCHES) ? 'branch' : ref.name.startsWith(TAGS) ? 'tag' : undefined;
  if (referenceType === undefined) return undefined;
  const { account, region } = repository;
  return {
    source: 'aws.codecommit',
    detailType: 'CodeCommit Repository State Change',
    resources: [repositoryArn(repository, repository.name)],
    account,
    region,
    detail: {
      event: eventName(ref),
      repositoryName: repository.name,
      repositoryId: repository.id,
      referenceType,
      referenceName: ref.name.slice(referenceType === 'branch' ? BRANCHES.length : TAGS.length),
      referenceFullName: ref.name,
      ...(ref.after === null ? {} : { commitId: ref.after }),
      ...(ref.before === null ? {} : { oldCommitId: ref.before }),
      ...('arn' in caller ? { callerUserArn: caller.arn } : {}),
    },
  };
}

function eventName({ before, after }: MovedRef): string {
  if (after === null) return 'referenceDeleted';
  return before === null ? 'referenceCreated' : 'referenceUpdated';
}
