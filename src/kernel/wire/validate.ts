import { commonFault } from './errors.ts';
import { compilePattern } from './pattern.ts';
import { redact } from './redact.ts';
import type { OperationShape, Shape, StructureShape } from './shape.ts';
import { type MemberFaults, type OwnWords, type Violation, violationFault } from './violation.ts';

/** Limits on one value, from AWS's public service model. */
export interface Constraint {
  min?: number;
  max?: number;
  pattern?: string;
  enum?: string[];
  /** Set where a number is not a 32-bit integer. */
  number?: string;
}

/**
 * What the SDK's schemas lack. `members` is keyed by `Structure.member`, with `[]` for a list's members, `{}` for a map's
 * values and `{k}` for its keys; `operations` gives the errors that each operation declares.
 */
export interface ConstraintTable {
  operations: Record<string, string[]>;
  members: Record<string, Constraint>;
  /**
   * Errors that are not named after their member, by the innermost member (`filePath`): what an operation answers where
   * it declares that error. Written by the service, as the model does not tell.
   */
  faults?: MemberFaults;
  /** Set where the service leaves all of this to AWS's framework, whatever errors of its own its operations declare. */
  framework?: boolean;
  /** Written by the service, too: where AWS has other words than its framework's. */
  words?: OwnWords;
}

/** More is not looked for: the answer shows ten of them. */
const MAX_VIOLATIONS = 1_000;
const MAX_SHOWN_CHARS = 256;
const MAX_INTEGER = 2 ** 31 - 1;

/**
 * Holds an input against required members and the service's constraint table.
 * @param framework the service words every violation as a validation error of AWS's common framework (Query services).
 * @throws the operation's own error for the member where it declares one (`RepositoryNameRequiredException`), else the
 * service's validation error with AWS's "N validation errors detected" text.
 */
export function validate(
  operation: OperationShape,
  input: Record<string, unknown>,
  table: ConstraintTable,
  framework = false,
): void {
  const found = violations(operation.input, input, table);
  if (found.length === 0) return;
  const declared = framework || table.framework === true ? undefined : (table.operations[operation.name] ?? []);
  throw violationFault(found, declared, table.faults, table.words);
}

/** Every constraint that the input breaks, in the order of the model. */
export function violations(shape: StructureShape, input: Record<string, unknown>, table: ConstraintTable): Violation[] {
  const check = new Check(table);
  check.structure(shape, input, '', []);
  return check.found;
}

/** One pass over an input. */
class Check {
  readonly found: Violation[] = [];
  readonly #table: ConstraintTable;

  constructor(table: ConstraintTable) {
    this.#table = table;
  }

  /** @param path as AWS writes it. @param names members on the way here, the outermost first. */
  structure(shape: StructureShape, value: Record<string, unknown>, path: string, names: readonly string[]): void {
    for (const member of shape.members) {
      if (this.found.length >= MAX_VIOLATIONS) return;
      const item = value[member.name];
      if (item === undefined || item === null) {
        if (!member.required) continue;
        const at = joinPath(path, member.name);
        const message = `Value null at '${at}' failed to satisfy constraint: Member must not be null`;
        this.found.push({ names: [...names, member.name], kind: 'missing', message });
        continue;
      }
      this.#value(member.shape, item, `${shape.name}.${member.name}`, () => joinPath(path, member.name), [
        ...names,
        member.name,
      ]);
    }
  }

  #value(shape: Shape, value: unknown, key: string, path: () => string, names: readonly string[]): void {
    const constraint = this.#table.members[key];
    if (shape.kind === 'number') checkNumberType(value as number, constraint?.number, path);
    if (constraint !== undefined) {
      for (const [kind, broken, pattern] of brokenConstraints(shape, value, constraint)) {
        const message = `Value${shown(shape, value)} at '${path()}' failed to satisfy constraint: ${broken}`;
        this.found.push({ names, kind, message, ...(pattern === undefined ? {} : { pattern }) });
      }
    }
    switch (shape.kind) {
      case 'structure':
      case 'union':
        this.structure(shape, value as Record<string, unknown>, path(), names);
        break;
      case 'list':
        (value as unknown[]).forEach((item, index) => {
          if (item === undefined || item === null || this.found.length >= MAX_VIOLATIONS) return;
          this.#value(shape.member, item, `${key}[]`, () => `${path()}.${index + 1}.member`, names);
        });
        break;
      case 'map':
        for (const [name, item] of Object.entries(value as Record<string, unknown>)) {
          if (this.found.length >= MAX_VIOLATIONS) return;
          this.#value(shape.key, name, `${key}{k}`, path, names);
          this.#value(shape.value, item, `${key}{}`, () => `${path()}.${name}.member`, names);
        }
        break;
      default:
    }
  }
}

/** JavaScript has one kind of number; the models have integers of two sizes. @throws SerializationException */
function checkNumberType(value: number, type: Constraint['number'], path: () => string): void {
  if (type === 'float') return;
  const max = type === 'long' ? Number.MAX_SAFE_INTEGER : MAX_INTEGER;
  if (Number.isInteger(value) && value <= max && value >= -max - 1) return;
  throw commonFault('SerializationException', `The value at '${path()}' can not be converted to an integer.`);
}

type Broken = readonly [kind: Violation['kind'], words: string, pattern?: string];

function* brokenConstraints(shape: Shape, value: unknown, constraint: Constraint): Iterable<Broken> {
  const { min, max } = constraint;
  if (shape.kind === 'number') {
    const number = value as number;
    if (min !== undefined && number < min) yield ['invalid', `Member must have value greater than or equal to ${min}`];
    if (max !== undefined && number > max) yield ['invalid', `Member must have value less than or equal to ${max}`];
    return;
  }
  const size = sizeOf(shape, value);
  if (size !== undefined) {
    if (min !== undefined && size < min) yield ['invalid', `Member must have length greater than or equal to ${min}`];
    if (max !== undefined && size > max) {
      yield ['too-long', `Member must have length less than or equal to ${max}`];
      return; // a value that is too long is not held against the pattern: no time is spent on it
    }
  }
  if (typeof value !== 'string') return;
  if (constraint.enum !== undefined && !constraint.enum.includes(value)) {
    yield ['invalid', `Member must satisfy enum value set: [${constraint.enum.join(', ')}]`];
  }
  if (constraint.pattern !== undefined && !compilePattern(constraint.pattern).test(value)) {
    const { pattern } = constraint;
    yield ['invalid', `Member must satisfy regular expression pattern: ${pattern}`, pattern];
  }
}

function sizeOf(shape: Shape, value: unknown): number | undefined {
  switch (shape.kind) {
    case 'string':
      return typeof value === 'string' ? value.length : undefined;
    case 'blob':
      return value instanceof Uint8Array ? value.byteLength : undefined;
    case 'list':
      return (value as unknown[]).length;
    case 'map':
      return Object.keys(value as object).length;
    default:
      return undefined;
  }
}

/** The value as the message shows it: nothing of a secret, also of one deep inside a list. */
function shown(shape: Shape, value: unknown): string {
  if (shape.traits.sensitive === 1) return '';
  if (shape.kind === 'blob') return ` '${(value as Uint8Array).byteLength} bytes'`;
  const text = typeof value === 'string' ? value : JSON.stringify(redact(shape, value));
  return ` '${text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)}...` : text}'`;
}

function joinPath(path: string, name: string): string {
  const first = name.charAt(0).toLowerCase() + name.slice(1);
  return path === '' ? first : `${path}.${first}`;
}
