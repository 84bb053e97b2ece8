import { isUtf8 } from 'node:buffer';
import { commonFault } from './errors.ts';
import type { Member, Shape, StructureShape, TimestampFormat } from './shape.ts';
import { parseTimestamp, writeTimestamp } from './timestamp.ts';

/** Which of the JSON protocols: `rest-json` uses `jsonName` and leaves out members bound to the HTTP message. */
export type JsonFlavour = 'json' | 'rest-json';

const MAX_DEPTH = 200;

/** Parses and types a JSON body. @throws SerializationException, as AWS does for a body that does not fit the model. */
export function readJsonBody(shape: StructureShape, body: Buffer, flavour: JsonFlavour): Record<string, unknown> {
  if (body.length === 0) return {};
  if (!isUtf8(body)) throw commonFault('SerializationException', 'The request body is not valid UTF-8.');
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw commonFault('SerializationException', 'The request body is not valid JSON.', error);
  }
  return readJson(shape, value, flavour, '', 0) as Record<string, unknown>;
}

/** Types one JSON value by its shape. */
export function readJson(shape: Shape, value: unknown, flavour: JsonFlavour, path: string, depth: number): unknown {
  if (depth > MAX_DEPTH) throw tooDeep();
  switch (shape.kind) {
    case 'structure':
    case 'union':
      return readStructure(shape, value, flavour, path, depth);
    case 'list': {
      if (!Array.isArray(value)) throw mismatch(path, 'a list');
      return value.map((item, index) =>
        readJson(shape.member, item, flavour, `${path}.${index + 1}.member`, depth + 1),
      );
    }
    case 'map': {
      if (!isObject(value)) throw mismatch(path, 'a map');
      const map: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
      for (const [key, item] of Object.entries(value)) {
        if (item === null) continue;
        if (!key.isWellFormed()) throw mismatch(path, 'a map with keys of valid Unicode');
        map[key] = readJson(shape.value, item, flavour, `${path}.${key}`, depth + 1);
      }
      return map;
    }
    case 'string':
      if (typeof value !== 'string') throw mismatch(path, 'a string');
      if (!value.isWellFormed()) throw mismatch(path, 'valid Unicode');
      return value;
    case 'number':
      if (typeof value === 'number' && Number.isFinite(value)) return value;
      throw mismatch(path, 'a number');
    case 'boolean':
      if (typeof value !== 'boolean') throw mismatch(path, 'a boolean');
      return value;
    case 'blob':
      if (typeof value !== 'string' || !isBase64(value)) throw mismatch(path, 'base64');
      return Buffer.from(value, 'base64');
    case 'timestamp':
      return readTimestamp(value, path);
    case 'document':
      checkDocument(value, depth);
      return value;
    case 'bigint':
    case 'bigdecimal':
      if (typeof value !== 'number' && typeof value !== 'string') throw mismatch(path, 'a number');
      return value;
    case 'unit':
      return undefined;
  }
}

function readStructure(
  shape: StructureShape,
  value: unknown,
  flavour: JsonFlavour,
  path: string,
  depth: number,
): unknown {
  if (!isObject(value)) throw mismatch(path, 'an object');
  const out: Record<string, unknown> = {};
  for (const member of shape.members) {
    if (flavour === 'rest-json' && isBound(member)) continue;
    const key = flavour === 'rest-json' ? (member.traits.jsonName ?? member.name) : member.name;
    if (!Object.hasOwn(value, key)) continue;
    const item = value[key];
    if (item === null || item === undefined) continue;
    out[member.name] = readJson(
      member.shape,
      item,
      flavour,
      path === '' ? member.name : `${path}.${member.name}`,
      depth + 1,
    );
  }
  if (shape.kind === 'union' && Object.keys(out).length > 1) throw mismatch(path, 'exactly one member of a union');
  return out;
}

/** A value without a model goes no deeper than one with a model. */
function checkDocument(value: unknown, depth: number): void {
  if (depth > MAX_DEPTH) throw tooDeep();
  if (typeof value !== 'object' || value === null) return;
  for (const item of Object.values(value)) checkDocument(item, depth + 1);
}

function readTimestamp(value: unknown, path: string): Date {
  const date =
    typeof value === 'number' ? new Date(value * 1000) : typeof value === 'string' ? parseTimestamp(value) : undefined;
  if (date === undefined || Number.isNaN(date.getTime())) throw mismatch(path, 'a timestamp');
  return date;
}

/** True for members that travel in the path, query or headers, not in the body. */
export function isBound(member: Member): boolean {
  const { traits } = member;
  return (
    traits.httpLabel !== undefined ||
    traits.httpHeader !== undefined ||
    traits.httpQuery !== undefined ||
    traits.httpPrefixHeaders !== undefined ||
    traits.httpPayload !== undefined ||
    traits.httpQueryParams !== undefined ||
    traits.httpResponseCode !== undefined
  );
}

/** The JSON text of an output; members that the model does not know are left out. */
export function writeJsonBody(shape: StructureShape, value: unknown, flavour: JsonFlavour): string {
  return JSON.stringify(writeJson(shape, value, flavour) ?? {});
}

/** Turns a typed value into what `JSON.stringify` takes. */
export function writeJson(shape: Shape, value: unknown, flavour: JsonFlavour): unknown {
  if (value === undefined || value === null) return undefined;
  switch (shape.kind) {
    case 'structure':
    case 'union': {
      const out: Record<string, unknown> = {};
      const record = value as Record<string, unknown>;
      for (const member of shape.members) {
        const item = record[member.name];
        if (item === undefined || item === null) continue;
        if (flavour === 'rest-json' && isBound(member)) continue;
        const key = flavour === 'rest-json' ? (member.traits.jsonName ?? member.name) : member.name;
        out[key] = writeJson(member.shape, item, flavour);
      }
      return out;
    }
    case 'list':
      return (value as unknown[]).map((item) => writeJson(shape.member, item, flavour) ?? null);
    case 'map': {
      const out: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
      for (const [key, item] of Object.entries(value)) {
        if (item !== undefined && item !== null) out[key] = writeJson(shape.value, item, flavour);
      }
      return out;
    }
    case 'blob':
      return Buffer.from(value as Uint8Array).toString('base64');
    case 'timestamp':
      return writeJsonTimestamp(value as Date, shape.format);
    default:
      return value;
  }
}

function writeJsonTimestamp(date: Date, format: TimestampFormat = 'epoch-seconds'): unknown {
  return format === 'epoch-seconds' ? date.getTime() / 1000 : writeTimestamp(date, format);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** True for base64 with its padding, as every AWS client sends it. */
export function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}

function mismatch(path: string, wanted: string) {
  return commonFault('SerializationException', `The value at '${path === '' ? 'body' : path}' is not ${wanted}.`);
}

function tooDeep() {
  return commonFault('SerializationException', 'The request body is nested too deeply.');
}
