import * as sdk from '@aws-sdk/client-codecommit';
import { defineService } from '../../kernel/define-service.ts';
import * as approvalRuleTemplates from './approval-rule-templates.ts';
import * as approvalRuleTemplatesRepositories from './approval-rule-templates-repositories.ts';
import * as approvalRules from './approval-rules.ts';
import * as blobDifferences from './blob-differences.ts';
import * as branches from './branches.ts';
import * as comments from './comments.ts';
import * as commentsLists from './comments-lists.ts';
import * as commits from './commits.ts';
import * as conflicts from './conflicts.ts';
import constraints from './constraints.generated.json' with { type: 'json' };
import { addedConstraints } from './constraints-added.ts';
import * as createCommit from './create-commit.ts';
import * as differences from './differences.ts';
import * as encryption from './encryption.ts';
import * as fileChanges from './file-changes.ts';
import * as files from './files.ts';
import { gitLifecycle } from './git-cache.ts';
import { gitHttp } from './git-http.ts';
import { closeSshDoor, openSshDoor } from './git-ssh.ts';
import { importMigrations, importRoute } from './import-pull-requests.ts';
import { lfsMigrations } from './lfs-rows.ts';
import { memberFaults, ownWords } from './member-faults.ts';
import * as merges from './merges.ts';
import * as mergesHistory from './merges-history.ts';
import * as pullRequests from './pull-requests.ts';
import * as pullRequestsApprovals from './pull-requests-approvals.ts';
import * as pullRequestsEvents from './pull-requests-events.ts';
import * as pullRequestsMerges from './pull-requests-merges.ts';
import * as reactions from './reactions.ts';
import * as repositories from './repositories.ts';
import { repositoryBackup } from './repository-backups.ts';
import { reviewMigrations } from './review-tables.ts';
import { sourceArchive } from './source-archives.ts';
import { migrations } from './tables.ts';
import * as tagging from './tagging.ts';
import { triggerMigrations } from './trigger-tables.ts';
import * as triggers from './triggers.ts';
import { triggerDispatch } from './triggers-dispatch.ts';
import { removal, upkeep } from './upkeep.ts';

/** Room for the contents of a commit in base64: AWS allows 6 MB a file. */
const MAX_BODY_BYTES = 32 * 1024 * 1024;

/** CodeCommit: git repositories. */
export const codecommit = defineService({
  name: 'codecommit',
  sdk,
  protocol: 'json-1.1',
  signingName: 'codecommit',
  iamPrefix: 'codecommit',
  eventSource: 'codecommit.amazonaws.com',
  targetPrefix: 'CodeCommit_20150413',
  constraints: {
    operations: { ...constraints.operations, ...addedConstraints.operations },
    members: { ...constraints.members, ...addedConstraints.members },
    faults: memberFaults,
    words: ownWords,
  },
  families: [
    approvalRules,
    approvalRuleTemplates,
    approvalRuleTemplatesRepositories,
    blobDifferences,
    branches,
    comments,
    commentsLists,
    commits,
    conflicts,
    createCommit,
    differences,
    encryption,
    fileChanges,
    files,
    merges,
    mergesHistory,
    pullRequests,
    pullRequestsApprovals,
    pullRequestsEvents,
    pullRequestsMerges,
    reactions,
    repositories,
    tagging,
    triggers,
  ],
  routes: [gitHttp, importRoute],
  reconcilers: [upkeep, removal, triggerDispatch],
  migrations: { ...migrations, ...reviewMigrations, ...lfsMigrations, ...triggerMigrations, ...importMigrations },
  lifecycle: {
    async start(ctx) {
      await gitLifecycle.start(ctx);
      return openSshDoor(ctx);
    },
    async stop(ctx) {
      await closeSshDoor(ctx);
      await gitLifecycle.stop(ctx);
    },
  },
  provides: { sourceArchive, repositoryBackup },
  maxBodyBytes: MAX_BODY_BYTES,
});
