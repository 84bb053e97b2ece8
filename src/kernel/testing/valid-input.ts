import fc from 'fast-check';
import { compilePattern } from '../wire/pattern.ts';
import type { Member, OperationShape, Shape, StructureShape } from '../wire/shape.ts';
import { type Constraint, type ConstraintTable, violations } from '../wire/validate.ts';

/** Values to be used for members: by `Structure.member`, by member, or by operation (`CreateBranch.branchName`). */
export type Samples = Readonly<Record<string, unknown>>;

const MAX_DEPTH = 3;
/** Tried in this order where a member has no sample of its own. */
const TEXTS = [
  'sample',
  '1',
  '123456789012',
  'sample-sample-sample',
  '0123456789abcdef0123456789abcdef01234567',
  '11111111-1111-4111-8111-111111111111',
  'arn:aws:iam::123456789012:role/sample',
  '/sample/',
  '2026-01-01',
];

/** An input that passes validation: of the operation's members those that are required, or all down to some depth. */
export function validInput(
  operation: OperationShape,
  table: ConstraintTable | undefined,
  samples: Samples,
  all: boolean,
): Record<string, unknown> {
  const input = new Maker(operation, table, samples, all).structure(operation.input, 0);
  const broken = table === undefined ? [] : violations(operation.input, input, table);
  if (broken.length > 0) throw new Error(`no valid input of ${operation.name}: ${broken[0]!.message}`);
  return input;
}

class Maker {
  readonly #operation: OperationShape;
  readonly #table: ConstraintTable | undefined;
  readonly #samples: Samples;
  readonly #all: boolean;

  constructor(operation: OperationShape, table: ConstraintTable | undefined, samples: Samples, all: boolean) {
    this.#operation = operation;
    this.#table = table;
    this.#samples = samples;
    this.#all = all;
  }

  structure(shape: StructureShape, depth: number): Record<string, unknown> {
    const value: Record<string, unknown> = {};
    for (const member of shape.members) {
      const given = this.#sampleOf(shape, member);
      if (given === null) continue;
      const needed = member.required || member.traits.httpLabel !== undefined;
      if (given !== undefined) value[member.name] = given;
      else if (needed || (this.#all && depth < MAX_DEPTH)) {
        value[member.name] = this.#value(member.shape, `${shape.name}.${member.name}`, member.name, depth + 1);
      }
    }
    return value;
  }

  /** `null` leaves the member out. A sample of an optional member is used only where all are, or the operation asks. */
  #sampleOf(shape: StructureShape, member: Member): unknown {
    const own = this.#samples[`${this.#operation.name}.${member.name}`];
    if (own !== undefined) return own;
    if (!member.required && member.traits.httpLabel === undefined && !this.#all) return null;
    return this.#samples[`${shape.name}.${member.name}`] ?? this.#samples[member.name];
  }

  #value(shape: Shape, key: string, name: string, depth: number): unknown {
    const constraint = this.#table?.members[key] ?? {};
    switch (shape.kind) {
      case 'structure':
        return this.structure(shape, depth);
      case 'union': {
        const [first] = shape.members as [Member];
        return { [first.name]: this.#value(first.shape, `${shape.name}.${first.name}`, first.name, depth + 1) };
      }
      case 'list':
        return [this.#samples[`${name}[]`] ?? this.#value(shape.member, `${key}[]`, name, depth + 1)];
      case 'map':
        return {
          [this.#value(shape.key, `${key}{k}`, 'key', depth + 1) as string]: this.#value(
            shape.value,
            `${key}{}`,
            'value',
            depth + 1,
          ),
        };
      case 'number':
        return Math.max(constraint.min ?? 1, 1);
      case 'boolean':
        return false;
      case 'timestamp':
        return new Date('2026-01-01T00:00:00Z');
      case 'blob':
        return Buffer.alloc(Math.max(constraint.min ?? 1, 1), 'a');
      default:
        return this.#text(constraint, key);
    }
  }

  #text(constraint: Constraint, key: string): string {
    if (constraint.enum !== undefined) return constraint.enum[0]!;
    const { min = 0, max = Number.POSITIVE_INFINITY, pattern } = constraint;
    const regex = pattern === undefined ? undefined : compilePattern(pattern);
    const fits = (text: string) => text.length >= min && text.length <= max && (regex?.test(text) ?? true);
    const padded = ['sample'.padEnd(Math.min(min, 2048), 'x')];
    const found = [...TEXTS, ...padded].find(fits);
    if (found !== undefined) return found;
    const made = fc.sample(fc.stringMatching(regex ?? /^\w*$/, { maxLength: Math.min(max, 64) }), {
      numRuns: 200,
      seed: 1,
    });
    const text = made.find(fits);
    if (text === undefined) throw new Error(`no sample for ${key}: add one`);
    return text;
  }
}
