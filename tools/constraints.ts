/**
 * Writes `src/services/<name>/constraints.generated.json` from AWS's public service model.
 *
 *   npm run constraints -- <folder with botocore's data> [service ...]
 *
 * Only facts are taken: lengths, ranges, patterns, enums, and each operation's error names.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { compilePattern } from '../src/kernel/wire/pattern.ts';
import type { Constraint, ConstraintTable } from '../src/kernel/wire/validate.ts';

interface ModelShape {
  type: string;
  min?: number;
  max?: number;
  pattern?: string;
  enum?: string[];
  members?: Record<string, { shape: string }>;
  member?: { shape: string };
  key?: { shape: string };
  value?: { shape: string };
}
interface Model {
  operations: Record<string, { input?: { shape: string }; errors?: { shape: string }[] }>;
  shapes: Record<string, ModelShape>;
}

/** Folder of a service in the public model where it differs from the SDK package's suffix. */
const MODEL_FOLDERS: Record<string, string> = { 'cloudwatch-logs': 'logs', eventbridge: 'events' };

function readModel(data: string, service: string): Model {
  const folder = join(data, MODEL_FOLDERS[service] ?? service);
  const version = readdirSync(folder).sort().at(-1)!;
  const plain = join(folder, version, 'service-2.json');
  const text = existsSync(plain) ? readFileSync(plain) : gunzipSync(readFileSync(`${plain}.gz`));
  return JSON.parse(text.toString('utf8')) as Model;
}

function constraintOf(shape: ModelShape): Constraint | undefined {
  const constraint: Constraint = {};
  if (shape.min !== undefined && !(shape.min === 0 && shape.type !== 'integer' && shape.type !== 'long'))
    constraint.min = shape.min;
  if (shape.max !== undefined) constraint.max = shape.max;
  if (shape.enum !== undefined) constraint.enum = shape.enum;
  if (shape.type === 'long') constraint.number = 'long';
  if (shape.type === 'float' || shape.type === 'double') constraint.number = 'float';
  if (shape.pattern !== undefined && shape.pattern !== '.*') {
    try {
      compilePattern(shape.pattern);
      constraint.pattern = shape.pattern;
    } catch (error) {
      console.warn(`pattern left out: ${shape.pattern} (${(error as Error).message})`);
    }
  }
  return Object.keys(constraint).length === 0 ? undefined : constraint;
}

function tableOf(model: Model): ConstraintTable {
  const table: ConstraintTable = { operations: {}, members: {} };
  const seen = new Set<string>();
  const visit = (name: string, key: string): void => {
    const shape = model.shapes[name]!;
    const constraint = key === '' ? undefined : constraintOf(shape);
    if (constraint !== undefined) table.members[key] = constraint;
    if (shape.type === 'list') visit(shape.member!.shape, `${key}[]`);
    if (shape.type === 'map') {
      visit(shape.key!.shape, `${key}{k}`);
      visit(shape.value!.shape, `${key}{}`);
    }
    if (shape.type !== 'structure' || seen.has(name)) return;
    seen.add(name);
    for (const [member, target] of Object.entries(shape.members ?? {})) visit(target.shape, `${name}.${member}`);
  };
  for (const [operation, { input, errors }] of Object.entries(model.operations)) {
    table.operations[operation] = (errors ?? []).map((error) => error.shape);
    if (input !== undefined) visit(input.shape, '');
  }
  return table;
}

const [data, ...names] = process.argv.slice(2);
if (data === undefined) {
  console.error('usage: npm run constraints -- <folder with the public service models> [service ...]');
  process.exit(2);
}
for (const service of names.length > 0 ? names : readdirSync('src/services')) {
  const table = tableOf(readModel(data, service));
  writeFileSync(`src/services/${service}/constraints.generated.json`, `${JSON.stringify(table, null, 1)}\n`);
  console.log(
    `${service}: ${Object.keys(table.operations).length} operations, ${Object.keys(table.members).length} constraints`,
  );
}
