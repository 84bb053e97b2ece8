import { commonFault } from './errors.ts';
import type { ListShape, MapShape, Shape, StructureShape } from './shape.ts';
import { readSimpleText } from './xml-value.ts';

/** Form fields as a tree: `Tags.member.1.Key=x` becomes `{Tags: {member: {1: {Key: 'x'}}}}`. */
interface FormNode {
  value?: string;
  children?: Map<string, FormNode>;
}

const MAX_FIELDS = 10_000;
const MAX_DEPTH = 32;

/** Parses an `application/x-www-form-urlencoded` body or query. Duplicates are refused: which one was signed? */
export function parseForm(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  if (text === '') return fields;
  const pairs = text.split('&');
  if (pairs.length > MAX_FIELDS) throw commonFault('SerializationException', 'The request has too many parameters.');
  for (const pair of pairs) {
    if (pair === '') continue;
    const at = pair.indexOf('=');
    const name = decode(at === -1 ? pair : pair.slice(0, at));
    if (fields.has(name)) throw commonFault('SerializationException', `The parameter ${name} stands more than once.`);
    fields.set(name, at === -1 ? '' : decode(pair.slice(at + 1)));
  }
  return fields;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (error) {
    throw commonFault('SerializationException', 'The request has a malformed percent-encoding.', error);
  }
}

/** Types the fields of an AWS Query request. Source: Smithy, "AWS Query protocol". */
export function readForm(shape: StructureShape, fields: ReadonlyMap<string, string>): Record<string, unknown> {
  const root: FormNode = {};
  for (const [name, value] of fields) {
    if (name === 'Action' || name === 'Version' || name.startsWith('X-Amz-')) continue;
    insert(root, name.split('.'), value);
  }
  return readStructure(shape, root);
}

function insert(root: FormNode, path: string[], value: string): void {
  if (path.length > MAX_DEPTH) throw commonFault('SerializationException', 'A parameter is nested too deeply.');
  let at = root;
  for (const part of path) {
    at.children ??= new Map();
    let next = at.children.get(part);
    if (next === undefined) at.children.set(part, (next = {}));
    at = next;
  }
  at.value = value;
}

function readStructure(shape: StructureShape, node: FormNode): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const member of shape.members) {
    const child = node.children?.get(member.traits.xmlName ?? member.name);
    if (child === undefined) continue;
    const value = readNode(member.shape, child, member.traits.xmlFlattened !== undefined);
    if (value !== undefined) out[member.name] = value;
  }
  return out;
}

function readNode(shape: Shape, node: FormNode, flat: boolean): unknown {
  switch (shape.kind) {
    case 'structure':
    case 'union':
      return readStructure(shape, node);
    case 'list':
      return readList(shape, node, flat);
    case 'map':
      return readMap(shape, node, flat);
    case 'unit':
      return undefined;
    default:
      return node.value === undefined ? undefined : readSimpleText(shape, node.value);
  }
}

/** The numbered children in their order; gaps are allowed, as AWS allows them. */
function numbered(node: FormNode | undefined): FormNode[] {
  const entries = [...(node?.children ?? [])].filter(([name]) => /^[1-9]\d{0,6}$/.test(name));
  return entries.sort(([a], [b]) => Number(a) - Number(b)).map(([, child]) => child);
}

function readList(shape: ListShape, node: FormNode, flat: boolean): unknown[] {
  const holder = flat ? node : node.children?.get(shape.member.traits.xmlName ?? 'member');
  return numbered(holder).map((child) => readNode(shape.member, child, false));
}

function readMap(shape: MapShape, node: FormNode, flat: boolean): Record<string, unknown> {
  const map = Object.create(null) as Record<string, unknown>;
  for (const entry of numbered(flat ? node : node.children?.get('entry'))) {
    const key = entry.children?.get(shape.key.traits.xmlName ?? 'key')?.value;
    const value = entry.children?.get(shape.value.traits.xmlName ?? 'value');
    if (key !== undefined && value !== undefined) map[key] = readNode(shape.value, value, false);
  }
  return map;
}
