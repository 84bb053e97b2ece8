import { Fault } from '../fault.ts';
import { commonFault } from './errors.ts';
import type { OperationShape, Shape, StructureShape } from './shape.ts';

/** Limits on one value, from AWS's public service model. */
export interface Constraint {
  min?: number;
  max?: number;
  pattern?: string;
  enum?: string[];
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
  faults?: Readonly<Record<string, { readonly missing?: string; readonly invalid?: string }>>;
}

/** One broken constraint in AWS's words. */
export interface Violation {
  /** First member of the path, as the model spells it. */
  member: string;
  /** Innermost member of the path, as the model spells it. */
  leaf: string;
  kind: 'missing' | 'invalid';
  message: string;
}

const MAX_REPORTED = 10;
const patterns = new Map<string, RegExp>();

/** A model's pattern, anchored. The table's generator has proved that each compiles. */
export function compilePattern(pattern: string): RegExp {
  let regex = patterns.get(pattern);
  if (regex === undefined) {
    try {
      regex = new RegExp(`^(?:${pattern})$`, 'u');
    } catch {
      // Patterns of the models are Java's; some escape characters that the `u` flag forbids to escape.
      regex = new RegExp(`^(?:${pattern})$`);
    }
    patterns.set(pattern, regex);
  }
  return regex;
}

/** Every constraint that the input breaks, in the order of the model. */
export function violations(shape: StructureShape, input: Record<string, unknown>, table: ConstraintTable): Violation[] {
  const found: Violation[] = [];
  checkStructure(shape, input, table, '', '', found);
  return found;
}

/**
 * Holds an input against required members and the service's constraint table.
 * @throws the operation's own error for the member where it declares one (`RepositoryNameRequiredException`), else the
 * service's validation error with AWS's "N validation errors detected" text.
 */
export function validate(operation: OperationShape, input: Record<string, unknown>, table: ConstraintTable): void {
  const found = violations(operation.input, input, table);
  const first = found[0];
  if (first === undefined) return;
  throw violationFault(found, table.operations[operation.name] ?? [], table.faults ?? {});
}

function violationFault(
  found: Violation[],
  declared: readonly string[],
  faults: NonNullable<ConstraintTable['faults']>,
): Fault {
  const first = found[0]!;
  const named = faults[first.leaf]?.[first.kind];
  const own = named !== undefined && declared.includes(named) ? named : modelledName(first, declared);
  const shown = found.slice(0, MAX_REPORTED).map((violation) => violation.message);
  const message = `${found.length} validation error${found.length === 1 ? '' : 's'} detected: ${shown.join('; ')}`;
  if (own !== undefined) return new Fault(own, message);
  const generic = GENERIC.find((name) => declared.includes(name));
  return generic === undefined ? commonFault('ValidationError', message) : new Fault(generic, message);
}

const GENERIC = ['ValidationException', 'InvalidInputException', 'InvalidParameterException'];

/** The error that the operation declares for this member: `Invalid<Member>Exception` or `<Member>RequiredException`. */
function modelledName(violation: Violation, declared: readonly string[]): string | undefined {
  const member = violation.member.charAt(0).toUpperCase() + violation.member.slice(1);
  const names =
    violation.kind === 'missing'
      ? [`${member}RequiredException`, `${member}ListRequiredException`]
      : [`Invalid${member}Exception`, `Invalid${member}ListException`];
  return names.find((name) => declared.includes(name));
}

function checkStructure(
  shape: StructureShape,
  value: Record<string, unknown>,
  table: ConstraintTable,
  path: string,
  top: string,
  found: Violation[],
): void {
  for (const member of shape.members) {
    const at = path === '' ? lowerFirst(member.name) : `${path}.${lowerFirst(member.name)}`;
    const first = top === '' ? member.name : top;
    const item = value[member.name];
    if (item === undefined || item === null) {
      if (member.required) {
        const message = `Value null at '${at}' failed to satisfy constraint: Member must not be null`;
        found.push({ member: first, leaf: member.name, kind: 'missing', message });
      }
      continue;
    }
    checkValue(member.shape, item, table, `${shape.name}.${member.name}`, at, first, found);
  }
}

function checkValue(
  shape: Shape,
  value: unknown,
  table: ConstraintTable,
  key: string,
  path: string,
  top: string,
  found: Violation[],
): void {
  const constraint = table.members[key];
  if (constraint !== undefined) {
    const sensitive = shape.traits.sensitive === 1;
    for (const broken of brokenConstraints(shape, value, constraint)) {
      const shown = sensitive ? '' : ` '${display(shape, value)}'`;
      const message = `Value${shown} at '${path}' failed to satisfy constraint: ${broken}`;
      found.push({ member: top, leaf: leafOf(key), kind: 'invalid', message });
    }
  }
  if (shape.kind === 'structure' || shape.kind === 'union') {
    checkStructure(shape, value as Record<string, unknown>, table, path, top, found);
  } else if (shape.kind === 'list') {
    (value as unknown[]).forEach((item, index) => {
      if (item !== undefined && item !== null)
        checkValue(shape.member, item, table, `${key}[]`, `${path}.${index + 1}.member`, top, found);
    });
  } else if (shape.kind === 'map') {
    for (const [name, item] of Object.entries(value as Record<string, unknown>)) {
      checkValue(shape.key, name, table, `${key}{k}`, path, top, found);
      checkValue(shape.value, item, table, `${key}{}`, `${path}.${name}.member`, top, found);
    }
  }
}

/** `fileContent` of `PutFileEntry.fileContent`, `tags` of `CreateRepositoryInput.tags{k}`. */
function leafOf(key: string): string {
  return key.slice(key.lastIndexOf('.') + 1).replace(/[[{].*$/, '');
}

function* brokenConstraints(shape: Shape, value: unknown, constraint: Constraint): Iterable<string> {
  const { min, max } = constraint;
  if (shape.kind === 'number') {
    const number = value as number;
    if (min !== undefined && number < min) yield `Member must have value greater than or equal to ${min}`;
    if (max !== undefined && number > max) yield `Member must have value less than or equal to ${max}`;
    return;
  }
  const size = sizeOf(shape, value);
  if (size !== undefined) {
    if (min !== undefined && size < min) yield `Member must have length greater than or equal to ${min}`;
    if (max !== undefined && size > max) {
      yield `Member must have length less than or equal to ${max}`;
      return; // a value that is too long is not held against the pattern: no time is spent on it
    }
  }
  if (typeof value !== 'string') return;
  if (constraint.enum !== undefined && !constraint.enum.includes(value)) {
    yield `Member must satisfy enum value set: [${constraint.enum.join(', ')}]`;
  }
  if (constraint.pattern !== undefined && !compilePattern(constraint.pattern).test(value)) {
    yield `Member must satisfy regular expression pattern: ${constraint.pattern}`;
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

function display(shape: Shape, value: unknown): string {
  if (shape.kind === 'blob') return `${(value as Uint8Array).byteLength} bytes`;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 256 ? `${text.slice(0, 256)}...` : text;
}

function lowerFirst(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}
