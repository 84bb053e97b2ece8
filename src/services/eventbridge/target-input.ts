import { compileJsonPath, valueAtPath } from './json-path.ts';

/** How a target wants its input; at most one of the three is set. */
export interface TargetInput {
  Id?: string | undefined;
  Input?: string | undefined;
  InputPath?: string | undefined;
  InputTransformer?:
    | { InputPathsMap?: Record<string, string> | undefined; InputTemplate?: string | undefined }
    | undefined;
}

/** What the reserved placeholders stand for besides the event. */
export interface Delivery {
  ruleArn: string;
  ruleName: string;
  /** ISO 8601, when the bus took the event. */
  ingestionTime: string;
}

const PLACEHOLDER = /<([^<>\s]+)>/g;
const RESERVED = new Set([
  'aws.events.rule-arn',
  'aws.events.rule-name',
  'aws.events.event',
  'aws.events.event.json',
  'aws.events.event.ingestion-time',
]);
const MAX_PATHS = 100;

/**
 * Says what is wrong with a target's input settings.
 * @returns EventBridge's message, or `undefined` where nothing is.
 */
export function targetInputProblem(target: TargetInput): string | undefined {
  const { Id, Input, InputPath, InputTransformer } = target;
  if ([Input, InputPath, InputTransformer].filter((given) => given !== undefined).length > 1) {
    return `Only one of Input, InputPath, or InputTransformer must be provided for target ${Id}.`;
  }
  if (Input !== undefined && !isJson(Input)) return `JSON syntax error in input for target ${Id}`;
  if (InputPath !== undefined && compileJsonPath(InputPath) === undefined)
    return `InputPath for target ${Id} is invalid.`;
  return InputTransformer === undefined ? undefined : transformerProblem(Id, InputTransformer);
}

function transformerProblem(
  id: string | undefined,
  { InputPathsMap: paths = {}, InputTemplate: template = '' }: NonNullable<TargetInput['InputTransformer']>,
): string | undefined {
  if (template === '') return `InputTemplate for target ${id} must not be empty.`;
  if (Object.keys(paths).length > MAX_PATHS)
    return `InputPathsMap for target ${id} has more than ${MAX_PATHS} entries.`;
  for (const [name, path] of Object.entries(paths)) {
    if (/^aws\./i.test(name)) return `InputPathsMap for target ${id} contains reserved key ${name}.`;
    if (compileJsonPath(path) === undefined) return `InputPathsMap for target ${id} contains invalid path ${path}.`;
  }
  for (const [, name] of template.matchAll(PLACEHOLDER)) {
    if (!RESERVED.has(name!) && !Object.hasOwn(paths, name!)) {
      return `InputTemplate for target ${id} contains invalid placeholder ${name}.`;
    }
  }
  return undefined;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * The text that a target receives for an event: the event itself, a constant, a part of it, or the filled template.
 * A placeholder outside quotes becomes a JSON value, inside quotes bare text; a path that leads nowhere gives "".
 * @see https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
 */
export function targetInput(target: TargetInput, event: Record<string, unknown>, delivery: Delivery): string {
  if (target.Input !== undefined) return target.Input;
  if (target.InputPath !== undefined) {
    return JSON.stringify(valueAtPath(event, compileJsonPath(target.InputPath) ?? []) ?? {});
  }
  if (target.InputTransformer === undefined) return JSON.stringify(event);
  const { InputPathsMap: paths = {}, InputTemplate: template = '' } = target.InputTransformer;
  const value = (name: string): unknown => {
    const reserved = reservedValue(name, event, delivery);
    if (reserved !== undefined) return reserved;
    const path = paths[name] === undefined ? undefined : compileJsonPath(paths[name]);
    return path === undefined ? undefined : valueAtPath(event, path);
  };
  return fill(template, value);
}

function reservedValue(name: string, event: Record<string, unknown>, delivery: Delivery): unknown {
  switch (name) {
    case 'aws.events.rule-arn':
      return delivery.ruleArn;
    case 'aws.events.rule-name':
      return delivery.ruleName;
    case 'aws.events.event.ingestion-time':
      return delivery.ingestionTime;
    case 'aws.events.event.json':
      return event;
    case 'aws.events.event': {
      const { detail: _detail, 'detail-type': detailType, ...rest } = event;
      return { ...rest, detailType };
    }
    default:
      return undefined;
  }
}

/** Replaces the placeholders; whether one stands in quotes is told by counting the unescaped quotes before it. */
function fill(template: string, value: (name: string) => unknown): string {
  let filled = '';
  let from = 0;
  let quoted = false;
  for (const match of template.matchAll(PLACEHOLDER)) {
    const before = template.slice(from, match.index);
    quoted = quoted !== (countQuotes(before) % 2 === 1);
    const found = value(match[1]!);
    filled += before + (quoted ? bareText(found) : JSON.stringify(found ?? ''));
    from = match.index + match[0].length;
  }
  return filled + template.slice(from);
}

function countQuotes(text: string): number {
  return text.replace(/\\./g, '').split('"').length - 1;
}

/** A value inside a quoted text: escaped so that the quotes around it hold; JSON loses its own quotes. */
function bareText(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'object') return JSON.stringify(value).replace(/\\.|"/g, '');
  return JSON.stringify(String(value)).slice(1, -1);
}
