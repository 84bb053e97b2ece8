import { type Comparison, OPERATORS, type Operator } from './condition-operators.ts';
import type { VariableResolver } from './wildcard.ts';

/** Condition keys of a request, as callers give them: names in any case, one value or several. */
export type ConditionKeys = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Keys, or what makes them: most policies ask for none. */
export type KeySource = ConditionKeys | (() => ConditionKeys);

const NO_VALUES: readonly string[] = [];

/** The condition keys of one request, looked up without regard to case. */
export class ConditionContext {
  readonly #sources: readonly KeySource[];
  #byName: Map<string, readonly string[]> | undefined;

  /** @param sources later ones replace keys of earlier ones; they are made and read only when a policy asks for a key. */
  constructor(...sources: readonly KeySource[]) {
    this.#sources = sources;
  }

  /** All values of a key (lower case); undefined when the request does not have it. */
  values(key: string): readonly string[] | undefined {
    this.#byName ??= this.#index();
    return this.#byName.get(key);
  }

  /** The single value of a key, for policy variables: keys with several values cannot be used as one. */
  readonly single: VariableResolver = (key) => {
    const values = this.values(key);
    return values?.length === 1 ? values[0] : undefined;
  };

  #index(): Map<string, readonly string[]> {
    const byName = new Map<string, readonly string[]>();
    for (const made of this.#sources) {
      const source = typeof made === 'function' ? made() : made;
      for (const name of Object.keys(source)) {
        const value = source[name];
        if (value !== undefined) byName.set(name.toLowerCase(), typeof value === 'string' ? [value] : value);
      }
    }
    return byName;
  }
}

/** A compiled condition: true when the request satisfies it. */
export type Condition = (context: ConditionContext) => boolean;

export interface OperatorName {
  readonly quantifier: 'ForAllValues' | 'ForAnyValue' | undefined;
  readonly base: string;
  readonly ifExists: boolean;
}

const NAME = /^(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?$/;

/** Takes `ForAllValues:StringLikeIfExists` apart; undefined when IAM has no such operator. */
export function parseOperator(name: string): OperatorName | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const ifExists = match[3] !== undefined;
  const base = match[2]!;
  if (base === 'Null') return ifExists ? undefined : { quantifier: undefined, base, ifExists };
  if (!OPERATORS.has(base)) return undefined;
  return { quantifier: match[1] as OperatorName['quantifier'], base, ifExists };
}

/** True when IAM stores such a value for the operator (it refuses malformed dates). */
export function isValidOperand(base: string, value: string): boolean {
  return OPERATORS.get(base)?.isValid?.(value) ?? true;
}

/**
 * Compiles one line of a `Condition` block: operator, key and its values.
 * @param variables whether the policy's version knows `${...}`.
 */
export function compileCondition(
  operator: OperatorName,
  key: string,
  policyValues: readonly string[],
  variables: boolean,
): Condition {
  const name = key.toLowerCase();
  if (operator.base === 'Null') {
    const absent = policyValues.some((value) => value.toLowerCase() === 'true');
    return (context) => ((context.values(name)?.length ?? 0) === 0) === absent;
  }
  const { compile, negated } = OPERATORS.get(operator.base) as Operator;
  const comparisons = policyValues.map((value) => compile(value, variables));
  const { quantifier, ifExists } = operator;
  return (context) => {
    const values = context.values(name) ?? NO_VALUES;
    if (values.length === 0) return quantifier === 'ForAllValues' || ifExists || (negated && quantifier === undefined);
    const satisfies = (value: string) => equalsAny(value, comparisons, context.single) !== negated;
    switch (quantifier) {
      case 'ForAllValues':
        return isEmptySet(values) || values.every(satisfies);
      case 'ForAnyValue':
        return !isEmptySet(values) && values.some(satisfies);
      default:
        // A key with several values but no quantifier: one match is enough, and one is enough to spoil a negation.
        return negated ? values.every(satisfies) : values.some(satisfies);
    }
  };
}

/** The set operators take an empty string for no value at all. */
function isEmptySet(values: readonly string[]): boolean {
  return values.length === 1 && values[0] === '';
}

/** A policy value whose variable is unknown equals nothing. */
function equalsAny(value: string, comparisons: readonly Comparison[], resolve: VariableResolver): boolean {
  for (const comparison of comparisons) if (comparison(value, resolve) === true) return true;
  return false;
}
