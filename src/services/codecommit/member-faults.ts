import type { ConstraintTable } from '../../kernel/wire/validate.ts';
import type { OwnWords } from '../../kernel/wire/violation.ts';

const path = { missing: 'PathRequiredException', invalid: 'InvalidPathException' };
const repositoryName = { missing: 'RepositoryNameRequiredException', invalid: 'InvalidRepositoryNameException' };
const blobId = { missing: 'BlobIdRequiredException', invalid: 'InvalidBlobIdException' };
const tags = { missing: 'TagsMapRequiredException', invalid: 'InvalidTagsMapException' };

/** Errors that CodeCommit names after the kind of a member rather than after the member. */
export const memberFaults: NonNullable<ConstraintTable['faults']> = {
  oldName: repositoryName,
  newName: repositoryName,
  repositoryNames: { missing: 'RepositoryNamesRequiredException', invalid: 'InvalidRepositoryNameException' },
  defaultBranchName: { missing: 'BranchNameRequiredException', invalid: 'InvalidBranchNameException' },
  filePath: path,
  folderPath: path,
  fileContent: { missing: 'FileContentRequiredException', invalid: 'FileContentSizeLimitExceededException' },
  fileMode: { missing: 'FileModeRequiredException', invalid: 'InvalidFileModeException' },
  afterCommitSpecifier: { missing: 'CommitRequiredException' },
  sourceCommitSpecifier: { missing: 'CommitRequiredException' },
  destinationCommitSpecifier: { missing: 'CommitRequiredException' },
  tags,
  beforeBlobId: blobId,
  afterBlobId: blobId,
  sourceReference: { missing: 'ReferenceNameRequiredException', invalid: 'InvalidReferenceNameException' },
  newRuleContent: {
    missing: ['ApprovalRuleContentRequiredException', 'ApprovalRuleTemplateContentRequiredException'],
    invalid: ['InvalidApprovalRuleContentException', 'InvalidApprovalRuleTemplateContentException'],
  },
  inReplyTo: { missing: 'CommentIdRequiredException', invalid: 'InvalidCommentIdException' },
  content: {
    missing: 'CommentContentRequiredException',
    invalid: ['CommentContentSizeLimitExceededException', 'FileContentSizeLimitExceededException'],
  },
  relativeFileVersion: { invalid: 'InvalidRelativeFileVersionEnumException' },
  tagKeys: { missing: 'TagKeysListRequiredException', invalid: 'InvalidTagKeysListException' },
  triggers: { missing: 'RepositoryTriggersListRequiredException' },
  name: { missing: 'RepositoryTriggerNameRequiredException', invalid: 'InvalidRepositoryTriggerNameException' },
  destinationArn: {
    missing: 'RepositoryTriggerDestinationArnRequiredException',
    invalid: 'InvalidRepositoryTriggerDestinationArnException',
  },
  events: {
    missing: 'RepositoryTriggerEventsListRequiredException',
    invalid: 'InvalidRepositoryTriggerEventsException',
  },
  branches: { invalid: 'InvalidRepositoryTriggerBranchNameException' },
  kmsKeyId: { missing: 'EncryptionKeyRequiredException', invalid: 'EncryptionKeyInvalidIdException' },
};

const NAME_IS_NOT_VALID =
  'The repository name is not valid. Repository names can be any valid combination of letters, numbers, periods, underscores, and dashes between 1 and 100 characters in length. Names are case sensitive. For more information, see Limits in the AWS CodeCommit User Guide. ';

/** What CodeCommit says of a malformed name, whatever is wrong with it. */
export const ownWords: OwnWords = (error) =>
  error === 'InvalidRepositoryNameException' ? NAME_IS_NOT_VALID : undefined;
