import type { OwnWords } from '../../kernel/wire/violation.ts';

const NAME = '[\\w+=,.@-]+';
/** Of users, groups, roles and devices; of policies. */
const PATHS = new Set(['(\\u002F)|(\\u002F[\\u0021-\\u007E]+\\u002F)', '((/[A-Za-z0-9\\.,\\+@=_-]+)*)/']);

/** IAM words malformed names and paths in its own way; everything else, lengths too, is in AWS's common words. */
export const words: OwnWords = (_error, { names, pattern }) => {
  const name = names.at(-1)!;
  const member = name.charAt(0).toLowerCase() + name.slice(1);
  if (pattern === NAME) {
    return `The specified value for ${member} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-`;
  }
  if (pattern !== undefined && PATHS.has(pattern)) {
    return `The specified value for ${member} is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.`;
  }
  return undefined;
};
