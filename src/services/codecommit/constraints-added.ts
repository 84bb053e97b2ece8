import type { ConstraintTable } from '../../kernel/wire/validate.ts';

/** Of operations that the SDK has and the public service model not yet; from the SDK's documentation. */
export const addedConstraints: Pick<ConstraintTable, 'operations' | 'members'> = {
  operations: {
    // It declares ValidationException, too, which elsewhere means that there are no errors for single members.
    GetBlobDifferences: [
      'BlobIdDoesNotExistException',
      'BlobIdRequiredException',
      'EncryptionIntegrityChecksFailedException',
      'EncryptionKeyAccessDeniedException',
      'EncryptionKeyDisabledException',
      'EncryptionKeyNotFoundException',
      'EncryptionKeyUnavailableException',
      'FileTooLargeException',
      'InvalidBlobIdException',
      'InvalidContinuationTokenException',
      'InvalidMaxResultsException',
      'InvalidRepositoryNameException',
      'RepositoryDoesNotExistException',
      'RepositoryNameRequiredException',
    ],
  },
  members: {
    'GetBlobDifferencesInput.repositoryName': { min: 1, max: 100, pattern: '[\\w\\.-]+' },
    'GetBlobDifferencesInput.contextLines': { min: 0, max: 20 },
  },
};
