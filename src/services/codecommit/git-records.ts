import type { RecordedEvent } from '../../kernel/context.ts';
import type { RepositoryRow } from './tables.ts';

/**
 * A pull or push for the audit trail.
 * Source: CodeCommit User Guide, "Logging CodeCommit API calls with AWS CloudTrail".
 * @param dataTransferred false while client and server only agree on what there is.
 */
export function gitRecord(
  isPush: boolean,
  about: { name: string; repository: RepositoryRow | undefined; arn: string },
  dataTransferred: boolean,
  more: Partial<RecordedEvent> = {},
  protocol: 'HTTP' | 'SSH' = 'HTTP',
): RecordedEvent {
  const { name, repository, arn } = about;
  return {
    eventSource: 'codecommit.amazonaws.com',
    eventName: isPush ? 'GitPush' : 'GitPull',
    readOnly: !isPush,
    resources: [arn],
    additionalEventData: {
      protocol,
      dataTransferred,
      repositoryName: name,
      ...(repository === undefined ? {} : { repositoryId: repository.id }),
    },
    ...more,
  };
}
