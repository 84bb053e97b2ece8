import * as sdk from '@aws-sdk/client-codecommit';
import { isObjectId, shortNameProblem } from '../../git/ref-name.ts';
import { fault } from '../../kernel/fault.ts';
import { trimEnd } from '../../kernel/trim-end.ts';

/** AWS's limit of a file that goes through the API. */
export const MAX_FILE_BYTES = 6 * 1024 * 1024;
/** AWS's limit of a commit message. */
const MAX_MESSAGE_BYTES = 256 * 1024;
/** AWS's limit of all new contents in one commit. */
const MAX_COMBINED_BYTES = 7 * 1024 * 1024;
/** AWS's limits of author names and addresses in commits made in its console. */
const MAX_NAME_CHARACTERS = 1_024;
const MAX_EMAIL_CHARACTERS = 256;
const MAX_PATH_CHARACTERS = 4_096;
/** AWS's limit of folders above a file. */
const MAX_FOLDERS = 20;

/** Characters and length are checked by the constraint table. @throws InvalidRepositoryNameException */
export function requireRepositoryName(name: string): void {
  if (/\.git$/i.test(name) || /^\.+$/.test(name)) {
    throw fault(
      sdk.InvalidRepositoryNameException,
      `${name} is not a valid repository name: it must not end with .git`,
    );
  }
}

/** @throws InvalidBranchNameException */
export function requireBranchName(name: string): void {
  const problem = shortNameProblem(name);
  if (problem !== null) throw fault(sdk.InvalidBranchNameException, `${name} is not a valid branch name: ${problem}`);
}

/** @throws InvalidTargetBranchException */
export function requireTargetBranchName(name: string): void {
  const problem = shortNameProblem(name);
  if (problem !== null) {
    throw fault(sdk.InvalidTargetBranchException, `${name} is not a valid target branch: ${problem}`);
  }
}

/** @throws InvalidCommitIdException unless it is a full commit id */
export function requireCommitId(id: string): void {
  if (!isObjectId(id)) throw fault(sdk.InvalidCommitIdException, `${shown(id)} is not a valid commit ID`);
}

/** @throws InvalidParentCommitIdException unless it is a full commit id */
export function requireParentCommitId(id: string): void {
  if (!isObjectId(id)) throw fault(sdk.InvalidParentCommitIdException, `${shown(id)} is not a valid commit ID`);
}

/** @throws CommitMessageLengthExceededException, NameLengthExceededException, InvalidEmailException */
export function checkCommitTexts(texts: {
  message?: string | undefined;
  name?: string | undefined;
  email?: string | undefined;
}): void {
  const { message = '', name = '', email = '' } = texts;
  if (Buffer.byteLength(message) > MAX_MESSAGE_BYTES) {
    throw fault(sdk.CommitMessageLengthExceededException, 'A commit message can have at most 256 KB.');
  }
  if (name.length > MAX_NAME_CHARACTERS) {
    throw fault(sdk.NameLengthExceededException, `A name can have at most ${MAX_NAME_CHARACTERS} characters.`);
  }
  if (email.length > MAX_EMAIL_CHARACTERS || /[\s<>\p{Cc}]/u.test(email)) {
    throw fault(sdk.InvalidEmailException, 'The email address is not valid.');
  }
}

/**
 * The path of a file or folder as git has it: without leading or trailing slash, '' for the root.
 * @throws InvalidPathException
 */
export function gitPath(path: string): string {
  const trimmed = trimEnd(path.replace(/^\/+/, ''), '/');
  if (trimmed === '') return '';
  const isBad =
    trimmed.length > MAX_PATH_CHARACTERS ||
    trimmed.includes('\0') ||
    trimmed.split('/').some((name) => name === '' || name === '.' || name === '..');
  if (isBad) throw fault(sdk.InvalidPathException, `${shown(path)} is not a valid path`);
  return trimmed;
}

/** As {@link gitPath}, of a file. @throws PathRequiredException, InvalidPathException */
export function filePathOf(path: string): string {
  const clean = gitPath(path);
  if (clean === '') throw fault(sdk.PathRequiredException, 'A file path is required.');
  return clean;
}

/**
 * As {@link filePathOf}, of a file that shall be written. What others may have pushed can be read and deleted; what
 * some system would take for something else on checkout is not written.
 * @throws PathRequiredException, InvalidPathException
 */
export function newFilePathOf(path: string): string {
  const clean = filePathOf(path);
  const isBad =
    !clean.isWellFormed() ||
    clean.split('/').length > MAX_FOLDERS + 1 ||
    /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/u.test(clean) ||
    clean.split(/[/\\]/).some(isBadName);
  if (isBad) throw fault(sdk.InvalidPathException, `${shown(path)} is not a valid path`);
  return clean;
}

/** @throws FileContentSizeLimitExceededException beyond 6 MB */
export function requireFileSize(content: Uint8Array): void {
  if (content.byteLength <= MAX_FILE_BYTES) return;
  throw fault(
    sdk.FileContentSizeLimitExceededException,
    'A file can have at most 6 MB; use a Git client for larger ones.',
  );
}

/** @throws FileContentSizeLimitExceededException beyond 7 MB in all */
export function requireCombinedSize(contents: Iterable<Uint8Array>): void {
  let bytes = 0;
  for (const content of contents) bytes += content.byteLength;
  if (bytes <= MAX_COMBINED_BYTES) return;
  throw fault(
    sdk.FileContentSizeLimitExceededException,
    'The new contents of one commit can have at most 7 MB in all; use a Git client for more.',
  );
}

/** Characters that HFS+ ignores in names. */
const IGNORABLE = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g;

/** What some file system takes for a step upwards or for git's own folder. */
function isBadName(name: string): boolean {
  const plain = name.replace(IGNORABLE, '').toLowerCase();
  const stem = trimEnd(plain.replace(/:.*$/, ''), '. ');
  return /^[. ]*$/.test(plain) || stem === '.git' || /^git~\d+$/.test(stem);
}

function shown(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}...` : text;
}
