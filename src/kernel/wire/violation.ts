import { Fault } from '../fault.ts';
import { commonFault } from './errors.ts';

/** One broken constraint in AWS's words. */
export interface Violation {
  /** The members on the way to the value, as the model spells them, the outermost first. */
  names: readonly string[];
  kind: 'missing' | 'invalid' | 'too-long';
  message: string;
  /** Set where the value does not match it. */
  pattern?: string;
}

/** What a service says of the one thing that is wrong with an input, in words of its own; undefined for AWS's common ones. */
export type OwnWords = (error: string, { names, pattern }: Violation) => string | undefined;

/** Names of errors by the innermost member; of several, the one that the operation declares. */
export type MemberFaults = Readonly<
  Record<string, { readonly missing?: string | readonly string[]; readonly invalid?: string | readonly string[] }>
>;

const MAX_REPORTED = 10;

/** Errors that services declare for whatever is wrong with an input. */
const GENERIC = ['ValidationException', 'InvalidInputException', 'InvalidParameterException'];

/** Suffixes and prefixes of the errors that services declare for one member. */
const SPELLINGS: Record<Violation['kind'], (words: string) => string[]> = {
  missing: (words) => [`${words}RequiredException`, `${words}ListRequiredException`, `${words}MapRequiredException`],
  invalid: (words) => [`Invalid${words}Exception`, `Invalid${words}ListException`, `Invalid${words}MapException`],
  'too-long': (words) => [
    `${words}LengthExceededException`,
    `${words}SizeLimitExceededException`,
    ...SPELLINGS.invalid(words),
  ],
};

/**
 * The fault for what is wrong with an input.
 * @param declared the errors that the operation declares; undefined for a service that leaves it all to AWS's framework.
 * @param faults the service's own choice for some members, which goes before what their names tell.
 */
export function violationFault(
  found: readonly Violation[],
  declared: readonly string[] | undefined,
  faults: MemberFaults = {},
  words: OwnWords = () => undefined,
): Fault {
  const shown = found.slice(0, MAX_REPORTED).map((violation) => violation.message);
  const common = `${found.length} validation error${found.length === 1 ? '' : 's'} detected: ${shown.join('; ')}`;
  const name = declared === undefined ? undefined : errorName(found, declared, faults);
  const message = (found.length === 1 ? words(name ?? 'ValidationError', found[0]!) : undefined) ?? common;
  return name === undefined ? commonFault('ValidationError', message) : new Fault(name, message);
}

function errorName(found: readonly Violation[], declared: readonly string[], faults: MemberFaults): string | undefined {
  // An operation that declares the framework's own error leaves every check of its input to the framework.
  if (declared.includes('ValidationException')) return 'ValidationException';
  // What is missing is told before what is not valid.
  const first = found.find(({ kind }) => kind === 'missing') ?? found[0]!;
  return ownError(first, declared, faults) ?? generic(declared);
}

function generic(declared: readonly string[]): string | undefined {
  return GENERIC.find((name) => declared.includes(name));
}

/**
 * The error that the operation declares for a member, the innermost first: `InvalidBranchNameException` for
 * `defaultBranchName`, `PathRequiredException` for `putFiles.1.member.filePath`.
 */
function ownError({ names, kind }: Violation, declared: readonly string[], faults: MemberFaults): string | undefined {
  const wanted = faults[names.at(-1)!]?.[kind === 'missing' ? 'missing' : 'invalid'] ?? [];
  const chosen = [wanted].flat().find((name) => declared.includes(name));
  if (chosen !== undefined) return chosen;
  for (const name of [...names].reverse()) {
    for (const words of wordsWithin(name)) {
      const error = SPELLINGS[kind](words).find((one) => declared.includes(one));
      if (error !== undefined) return error;
    }
  }
  return undefined;
}

/** `defaultBranchName` gives `DefaultBranchName`, `DefaultBranch`, `BranchName`, `Default`, `Branch`, `Name`. */
function wordsWithin(name: string): string[] {
  if (name === 'nextToken') return ['NextToken', 'ContinuationToken'];
  const words = (name.charAt(0).toUpperCase() + name.slice(1)).match(/[A-Z]+(?![a-z])|[A-Z][a-z0-9]*/g) ?? [name];
  const found: string[] = [];
  for (let length = words.length; length > 0; length--) {
    for (let at = 0; at + length <= words.length; at++) found.push(words.slice(at, at + length).join(''));
  }
  return found;
}
