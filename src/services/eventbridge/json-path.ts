/** A step into JSON: a member's name, an index, or `null` for every element. */
type Step = string | number | null;

const ALL = null;
const STEP = /\.([A-Za-z0-9_\-$@]+)|\[(?:'([^']*)'|"([^"]*)"|(-?[0-9]+)|(\*))\]|\.(\*)/y;

/**
 * Compiles the part of JSONPath that EventBridge takes: `$`, `.name`, `['name']`, `[0]`, `[*]`.
 * @returns `undefined` where the text is not such a path.
 * @see https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
 */
export function compileJsonPath(path: string): readonly Step[] | undefined {
  if (!path.startsWith('$')) return undefined;
  const steps: Step[] = [];
  STEP.lastIndex = 1;
  for (let at = 1; at < path.length; at = STEP.lastIndex) {
    const match = STEP.exec(path);
    if (match === null) return undefined;
    const [, dotted, single, double, index, star, dotStar] = match;
    if (index !== undefined) steps.push(Number(index));
    else if (star !== undefined || dotStar !== undefined) steps.push(ALL);
    else steps.push((dotted ?? single ?? double)!);
  }
  return steps;
}

/** The value at the path, `undefined` where there is none; with `[*]` the list of all values. */
export function valueAtPath(value: unknown, steps: readonly Step[]): unknown {
  let current = value;
  for (const [position, step] of steps.entries()) {
    if (step === ALL) {
      const rest = steps.slice(position + 1);
      return children(current)
        ?.map((child) => valueAtPath(child, rest))
        .filter((found) => found !== undefined);
    }
    current = child(current, step);
    if (current === undefined) return undefined;
  }
  return current;
}

function children(value: unknown): unknown[] | undefined {
  if (Array.isArray(value)) return value;
  return typeof value === 'object' && value !== null ? Object.values(value) : undefined;
}

function child(value: unknown, step: string | number): unknown {
  if (Array.isArray(value)) return typeof step === 'number' ? value.at(step) : undefined;
  if (typeof value !== 'object' || value === null || typeof step === 'number') return undefined;
  return Object.hasOwn(value, step) ? (value as Record<string, unknown>)[step] : undefined;
}
