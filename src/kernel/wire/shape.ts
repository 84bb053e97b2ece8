/**
 * The wire shapes of a service, compiled from the schemas that every `@aws-sdk/client-*` package exports.
 *
 * A schema is an array: `[3, namespace, name, traits, memberNames, memberSchemas, requiredCount]` for a structure, -3 for
 * an error, 4 for a union, 1 for a list, 2 for a map, 0 for a named simple type, 9 for an operation. Simple types are
 * numbers; 64 and 128 added to one mean a list or a map of it. Traits are an object or a bit set.
 */

/** Traits that a codec needs; names as in Smithy. */
export interface Traits {
  readonly httpLabel?: 1;
  readonly httpPayload?: 1;
  readonly httpResponseCode?: 1;
  readonly httpQueryParams?: 1;
  readonly sensitive?: 1;
  readonly idempotencyToken?: 1;
  readonly httpHeader?: string;
  readonly httpQuery?: string;
  readonly httpPrefixHeaders?: string;
  readonly jsonName?: string;
  readonly xmlName?: string;
  readonly xmlFlattened?: 1;
  readonly xmlAttribute?: 1;
  readonly xmlNamespace?: readonly [string?, string?];
  readonly mediaType?: string;
  readonly streaming?: 1;
  readonly eventPayload?: 1;
  readonly error?: 'client' | 'server';
  readonly httpError?: number;
  readonly awsQueryError?: readonly [string, number];
  readonly http?: readonly [string, string, number];
}

export type SimpleKind =
  | 'string'
  | 'number'
  | 'boolean'
  | 'blob'
  | 'timestamp'
  | 'document'
  | 'bigint'
  | 'bigdecimal'
  | 'unit';
export type TimestampFormat = 'date-time' | 'http-date' | 'epoch-seconds';

export interface SimpleShape {
  readonly kind: SimpleKind;
  readonly name: string;
  readonly traits: Traits;
  /** Set when the model fixes the format of a timestamp. */
  readonly format?: TimestampFormat;
  readonly streaming: boolean;
}
export interface ListShape {
  readonly kind: 'list';
  readonly name: string;
  readonly traits: Traits;
  readonly member: Shape;
}
export interface MapShape {
  readonly kind: 'map';
  readonly name: string;
  readonly traits: Traits;
  readonly key: Shape;
  readonly value: Shape;
}
export interface Member {
  readonly name: string;
  /** The member's own traits merged over its target's. */
  readonly traits: Traits;
  readonly required: boolean;
  readonly shape: Shape;
}
export interface StructureShape {
  readonly kind: 'structure' | 'union';
  readonly name: string;
  readonly traits: Traits;
  readonly members: readonly Member[];
  readonly byName: ReadonlyMap<string, Member>;
  readonly isError: boolean;
}
export type Shape = SimpleShape | ListShape | MapShape | StructureShape;

/** One operation of a service's model. */
export interface OperationShape {
  readonly name: string;
  readonly traits: Traits;
  readonly input: StructureShape;
  readonly output: StructureShape;
}

const TRAIT_BITS = [
  'httpLabel',
  'idempotent',
  'idempotencyToken',
  'sensitive',
  'httpPayload',
  'httpResponseCode',
  'httpQueryParams',
] as const;

const NO_TRAITS: Traits = Object.freeze({});

function traitsOf(indicator: unknown): Traits {
  if (typeof indicator === 'object' && indicator !== null) return indicator as Traits;
  const bits = Number(indicator) || 0;
  if (bits === 0) return NO_TRAITS;
  const traits: Record<string, 1> = {};
  TRAIT_BITS.forEach((name, bit) => {
    if ((bits >> bit) & 1) traits[name] = 1;
  });
  return traits as Traits;
}

function merge(own: Traits, over: Traits): Traits {
  if (over === NO_TRAITS) return own;
  return own === NO_TRAITS ? over : { ...own, ...over };
}

const SIMPLE: Record<number, { kind: SimpleKind; format?: TimestampFormat; streaming?: true }> = {
  0: { kind: 'string' },
  1: { kind: 'number' },
  2: { kind: 'boolean' },
  4: { kind: 'timestamp' },
  5: { kind: 'timestamp', format: 'date-time' },
  6: { kind: 'timestamp', format: 'http-date' },
  7: { kind: 'timestamp', format: 'epoch-seconds' },
  15: { kind: 'document' },
  17: { kind: 'bigint' },
  19: { kind: 'bigdecimal' },
  21: { kind: 'blob' },
  42: { kind: 'blob', streaming: true },
};

type RawSchema = readonly unknown[];

const compiled = new WeakMap<object, Shape>();
const simpleShapes = new Map<string, Shape>();

function simple(code: number, name = '', traits: Traits = NO_TRAITS): Shape {
  const cacheKey = name === '' ? String(code) : undefined;
  const known = cacheKey === undefined ? undefined : simpleShapes.get(cacheKey);
  if (known !== undefined) return known;
  let shape: Shape;
  if (code >= 128) {
    shape = { kind: 'map', name, traits, key: simple(0), value: simple(code - 128) };
  } else if (code >= 64) {
    shape = { kind: 'list', name, traits, member: simple(code - 64) };
  } else {
    const known = SIMPLE[code];
    if (known === undefined) throw new Error(`unknown simple schema ${code}`);
    shape = { ...known, name, traits, streaming: known.streaming === true || traits.streaming === 1 };
  }
  if (cacheKey !== undefined) simpleShapes.set(cacheKey, shape);
  return shape;
}

/** A schema reference taken apart: the target's shape and the traits that the reference adds. */
function resolve(ref: unknown): { shape: Shape; traits: Traits } {
  let extra = NO_TRAITS;
  let at: unknown = ref;
  for (;;) {
    if (typeof at === 'function') at = at();
    else if (Array.isArray(at) && at.length === 2) {
      extra = merge(traitsOf(at[1]), extra);
      at = at[0];
    } else break;
  }
  const shape = typeof at === 'number' ? simple(at) : at === 'unit' ? UNIT : compile(at as RawSchema);
  return { shape, traits: merge(shape.traits, extra) };
}

const UNIT: SimpleShape = { kind: 'unit', name: 'Unit', traits: NO_TRAITS, streaming: false };
const EMPTY: StructureShape = {
  kind: 'structure',
  name: 'Unit',
  traits: NO_TRAITS,
  members: [],
  byName: new Map(),
  isError: false,
};

/** The reference's shape with the traits of the reference laid over it (a list of `[string, sensitive]`, say). */
function element(ref: unknown): Shape {
  const { shape, traits } = resolve(ref);
  return traits === shape.traits ? shape : { ...shape, traits };
}

function compile(raw: RawSchema): Shape {
  const known = compiled.get(raw);
  if (known !== undefined) return known;
  const [type, , name, rawTraits] = raw as [number, string, string, unknown];
  const traits = traitsOf(rawTraits);
  if (type === 0) {
    const shape = simple(raw[4] as number, name, traits);
    compiled.set(raw, shape);
    return shape;
  }
  if (type === 1 || type === 2) return compileCollection(raw, type, name, traits);
  return compileStructure(raw, type, name, traits);
}

function compileCollection(raw: RawSchema, type: 1 | 2, name: string, traits: Traits): Shape {
  // Entered before its parts are compiled: models are recursive.
  const shape = { kind: type === 1 ? 'list' : 'map', name, traits } as Record<string, unknown>;
  compiled.set(raw, shape as unknown as Shape);
  if (type === 1) shape['member'] = element(raw[4]);
  else {
    shape['key'] = element(raw[4]);
    shape['value'] = element(raw[5]);
  }
  return shape as unknown as Shape;
}

function compileStructure(raw: RawSchema, type: number, name: string, traits: Traits): StructureShape {
  const members: Member[] = [];
  const byName = new Map<string, Member>();
  const shape: StructureShape = {
    kind: type === 4 ? 'union' : 'structure',
    name,
    traits,
    members,
    byName,
    isError: type === -3,
  };
  compiled.set(raw, shape);
  const names = raw[4] as string[];
  const refs = raw[5] as unknown[];
  const required = (raw[6] as number | undefined) ?? 0;
  names.forEach((memberName, index) => {
    const target = resolve(refs[index]);
    const member: Member = { name: memberName, traits: target.traits, required: index < required, shape: target.shape };
    members.push(member);
    byName.set(memberName, member);
  });
  return shape;
}

function asStructure(ref: unknown): StructureShape {
  const { shape } = resolve(ref);
  if (shape.kind === 'structure' || shape.kind === 'union') return shape;
  return EMPTY;
}

/** The operation's shape. @param schema `CreateBranch$` of an SDK package. */
export function operationShape(schema: unknown): OperationShape {
  const [, , name, traits, input, output] = schema as [9, string, string, unknown, unknown, unknown];
  return { name, traits: traitsOf(traits), input: asStructure(input), output: asStructure(output) };
}

/** The shape of a modelled error. @param schema `BranchDoesNotExistException$` of an SDK package. */
export function errorShape(schema: unknown): StructureShape {
  return asStructure(schema);
}

/** Every operation schema that an SDK package exports, by operation name. */
export function operationSchemas(sdk: Readonly<Record<string, unknown>>): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const [key, value] of Object.entries(sdk)) {
    if (key.endsWith('$') && Array.isArray(value) && value[0] === 9) found.set(value[2] as string, value);
  }
  return found;
}
