import type { ConstraintTable } from '../../kernel/wire/validate.ts';

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
