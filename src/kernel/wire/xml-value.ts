import { isUtf8 } from 'node:buffer';
import { parseXML } from '@aws-sdk/xml-builder';
import { type CommonErrorName, commonFault } from './errors.ts';
import { isBase64, isBound } from './json-value.ts';
import type {
  ListShape,
  MapShape,
  Member,
  Shape,
  SimpleShape,
  StructureShape,
  TimestampFormat,
  Traits,
} from './shape.ts';
import { parseTimestamp, writeTimestamp, writeXmlTime, type XmlTimes } from './timestamp.ts';

/** What the parser gives: text, or children by name (repeated ones as an array), text beside attributes as `#text`. */
type XmlTree = string | { [name: string]: XmlTree | XmlTree[] };

const ESCAPES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  '\r': '&#xD;',
};

/** Text that is safe between tags and in attributes. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"'\r]/g, (char) => ESCAPES[char]!).replace(/[\0-\x08\x0b\x0c\x0e-\x1f]/g, '\uFFFD');
}

/** Parses an XML body and types it. A document type declaration is refused. @throws MalformedXML / MalformedInput */
export function readXmlBody(shape: Shape, body: Buffer): unknown {
  const text = body.toString('utf8').trim();
  if (!isUtf8(body) || /<!DOCTYPE/i.test(text)) throw malformed();
  let root: XmlTree | undefined;
  try {
    root = Object.values(parseXML(withAstralCharacters(text)) as Record<string, XmlTree>)[0];
  } catch (error) {
    throw malformed(error);
  }
  return readXml(shape, root ?? '');
}

/** The parser knows references to 16 bits only: characters beyond are put in before it, outside CDATA. */
function withAstralCharacters(text: string): string {
  return text.replace(
    /<!\[CDATA\[.*?\]\]>|&#(?:x([0-9a-f]+)|([0-9]+));/gis,
    (found, hex?: string, decimal?: string) => {
      const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
      if (code > 0x10ffff) throw malformed();
      return code > 0xffff ? String.fromCodePoint(code) : found;
    },
  );
}

function malformed(cause?: unknown) {
  return commonFault(
    'SerializationException',
    'The XML you provided was not well-formed or did not validate against our published schema',
    cause,
  );
}

function readXml(shape: Shape, node: XmlTree | XmlTree[]): unknown {
  switch (shape.kind) {
    case 'structure':
    case 'union':
      return readXmlStructure(shape, single(node));
    case 'list':
    case 'map':
      throw new Error('collections are read by their holder');
    case 'unit':
      return undefined;
    default:
      return readSimpleText(shape, textOf(single(node)));
  }
}

function readXmlStructure(shape: StructureShape, node: XmlTree): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  if (typeof node === 'string') {
    if (node.trim() !== '') throw malformed();
    return out;
  }
  for (const member of shape.members) {
    if (isBound(member)) continue;
    const name = member.traits.xmlName ?? member.name;
    if (!Object.hasOwn(node, name)) continue;
    const child = node[name]!;
    if (member.shape.kind === 'list') out[member.name] = readXmlList(member.shape, member, child);
    else if (member.shape.kind === 'map') out[member.name] = readXmlMap(member.shape, member, child);
    else out[member.name] = readXml(member.shape, child);
  }
  return out;
}

function readXmlList(shape: ListShape, member: Member, node: XmlTree | XmlTree[]): unknown[] {
  const items = member.traits.xmlFlattened ? node : children(single(node), shape.member.traits.xmlName ?? 'member');
  return many(items).map((item) => readXml(shape.member, item));
}

function readXmlMap(shape: MapShape, member: Member, node: XmlTree | XmlTree[]): Record<string, unknown> {
  const entries = member.traits.xmlFlattened ? node : children(single(node), 'entry');
  const map = Object.create(null) as Record<string, unknown>;
  for (const entry of many(entries)) {
    if (typeof entry === 'string') throw malformed();
    const key = entry[shape.key.traits.xmlName ?? 'key'];
    const value = entry[shape.value.traits.xmlName ?? 'value'];
    if (key === undefined || value === undefined) throw malformed();
    map[textOf(single(key))] = readXml(shape.value, value);
  }
  return map;
}

function children(node: XmlTree, name: string): XmlTree | XmlTree[] {
  if (typeof node === 'string') return [];
  return Object.hasOwn(node, name) ? node[name]! : [];
}

function many(node: XmlTree | XmlTree[]): XmlTree[] {
  return Array.isArray(node) ? node : [node];
}

/** A member that may stand once only. */
function single(node: XmlTree | XmlTree[]): XmlTree {
  if (!Array.isArray(node)) return node;
  throw malformed();
}

function textOf(node: XmlTree): string {
  if (typeof node === 'string') return node;
  // Attributes stand beside the text; only declarations of namespaces mean nothing there.
  for (const name of Object.keys(node)) if (name !== '#text' && !/^xmlns(:|$)/.test(name)) throw malformed();
  const text = node['#text'] ?? '';
  if (typeof text === 'string') return text;
  throw malformed();
}

const NUMBER = /^[+-]?\d+(\.\d+)?([eE][+-]?\d{1,3})?$/;

/**
 * Types the text of a header, query parameter, path label, form field or XML element.
 * @param refusal the error on text of another type.
 */
export function readSimpleText(
  shape: SimpleShape,
  text: string,
  refusal: CommonErrorName = 'SerializationException',
): unknown {
  const value = isText(shape) ? text : simpleOf(shape, text.trim());
  if (value !== undefined) return value;
  throw commonFault(refusal, `The value '${clip(text)}' is not a ${shape.kind}.`);
}

function isText({ kind }: SimpleShape): boolean {
  return kind === 'string' || kind === 'document' || kind === 'bigint' || kind === 'bigdecimal';
}

function simpleOf(shape: SimpleShape, text: string): unknown {
  switch (shape.kind) {
    case 'number': {
      const number = NUMBER.test(text) ? Number(text) : Number.NaN;
      return Number.isFinite(number) ? number : undefined;
    }
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : undefined;
    case 'timestamp':
      return parseTimestamp(text);
    case 'blob':
      return isBase64(text) ? Buffer.from(text, 'base64') : undefined;
    default:
      return undefined;
  }
}

function clip(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}

/** Text of a simple value. @param fallback the format of timestamps that the model leaves open. */
export function writeSimpleText(shape: SimpleShape, value: unknown, fallback: TimestampFormat = 'date-time'): string {
  if (shape.kind === 'timestamp') return writeTimestamp(value as Date, shape.format ?? fallback);
  if (shape.kind === 'blob') return Buffer.from(value as Uint8Array).toString('base64');
  return String(value);
}

/** The XML of a structure's members, without the element around them. */
export function writeXmlMembers(shape: StructureShape, value: Record<string, unknown>, times: XmlTimes): string {
  let out = '';
  for (const member of shape.members) {
    const item = value[member.name];
    if (item === undefined || item === null || isBound(member) || member.traits.xmlAttribute) continue;
    out += writeXmlMember(member, item, times);
  }
  return out;
}

function writeXmlMember(member: Member, value: unknown, times: XmlTimes): string {
  const name = member.traits.xmlName ?? member.name;
  const { shape } = member;
  if (shape.kind === 'list') return writeXmlList(shape, member, name, value as unknown[], times);
  if (shape.kind === 'map') return writeXmlMap(shape, member, name, value as Record<string, unknown>, times);
  return writeXmlElement(shape, name, value, times, member.traits.xmlNamespace);
}

/** One element with its content; attributes and namespaces as the model says. @param namespace of the member that holds it. */
export function writeXmlElement(
  shape: Shape,
  name: string,
  value: unknown,
  times: XmlTimes,
  namespace: Traits['xmlNamespace'] = shape.traits.xmlNamespace,
): string {
  if (shape.kind === 'structure' || shape.kind === 'union') {
    const record = value as Record<string, unknown>;
    return `<${name}${attributes(shape, record, namespace)}>${writeXmlMembers(shape, record, times)}</${name}>`;
  }
  if (shape.kind === 'list' || shape.kind === 'map') throw new Error('collections are written by their holder');
  const simple = shape as SimpleShape;
  const isTime = simple.kind === 'timestamp' && (simple.format ?? 'date-time') === 'date-time';
  const text = isTime ? writeXmlTime(value as Date, times) : writeSimpleText(simple, value);
  return `<${name}>${escapeXml(text)}</${name}>`;
}

function attributes(
  shape: StructureShape,
  value: Record<string, unknown>,
  [prefix, uri]: readonly [string?, string?] = [],
): string {
  let out =
    uri === undefined
      ? ''
      : ` ${prefix === undefined || prefix === '' ? 'xmlns' : `xmlns:${prefix}`}="${escapeXml(uri)}"`;
  for (const member of shape.members) {
    const item = value[member.name];
    if (!member.traits.xmlAttribute || item === undefined || item === null) continue;
    out += ` ${member.traits.xmlName ?? member.name}="${escapeXml(String(item))}"`;
  }
  return out;
}

function writeXmlList(shape: ListShape, member: Member, name: string, values: unknown[], times: XmlTimes): string {
  const flat = member.traits.xmlFlattened !== undefined;
  const itemName = flat ? name : (shape.member.traits.xmlName ?? 'member');
  const items = values.map((item) => writeXmlElement(shape.member, itemName, item, times)).join('');
  return flat ? items : `<${name}>${items}</${name}>`;
}

function writeXmlMap(
  shape: MapShape,
  member: Member,
  name: string,
  value: Record<string, unknown>,
  times: XmlTimes,
): string {
  const flat = member.traits.xmlFlattened !== undefined;
  let out = '';
  for (const [key, item] of Object.entries(value)) {
    const entryName = flat ? name : 'entry';
    const keyXml = writeXmlElement(shape.key, shape.key.traits.xmlName ?? 'key', key, times);
    out += `<${entryName}>${keyXml}${writeXmlElement(shape.value, shape.value.traits.xmlName ?? 'value', item, times)}</${entryName}>`;
  }
  return flat ? out : `<${name}>${out}</${name}>`;
}
