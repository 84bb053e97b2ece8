import fc from 'fast-check';
import type { Member, Shape, StructureShape } from '../wire/shape.ts';

const MAX_DEPTH = 5;

/** Text with everything that codecs trip over and that every protocol can carry. */
const CONTENT = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'grapheme', maxLength: 8 }).filter((text) => text.isWellFormed()),
  fc.constantFrom(
    '',
    ' ',
    ' a ',
    'a+b',
    '%2F',
    'a&b=c',
    '<a>',
    '&amp;',
    ']]>',
    '"',
    "'",
    'ü',
    '😀',
    '\u2028',
    'a\nb',
    '\t',
  ),
  fc.constantFrom('true', '0', 'null', 'NaN', '__proto__', 'constructor', 'toString', '2026-01-01T00:00:00Z'),
);

/** Text that travels in a path, query parameter or header. */
const BOUND = fc.oneof(
  fc.stringMatching(/^[A-Za-z0-9_.~-]{1,12}$/),
  fc.constantFrom('a b', 'a+b', 'a%2Fb', 'a&b=c', '100%', 'arn:aws:x:us-east-1:1:a/b', "it's", '(a)*!'),
);

/** Members of S3 that its clients compute, or hold against the body. */
const COMPUTED = /Checksum|SSECustomer|ContentMD5|^Expires(String)?$/;

/** Whole seconds, which every format of a timestamp can hold. */
const SECONDS = fc.integer({ min: 0, max: 4_000_000_000 }).map((seconds) => new Date(seconds * 1000));

/** A value of the shape as a client's user would give it. @param xml leaves out what XML cannot say. */
export function shapeValue(shape: Shape, xml: boolean, depth = 0): fc.Arbitrary<unknown> {
  switch (shape.kind) {
    case 'structure':
      return structureOf(shape, xml, depth);
    case 'union':
      return unionOf(shape, xml, depth);
    case 'list':
      return fc.array(shapeValue(shape.member, xml, depth + 1), { maxLength: depth > MAX_DEPTH ? 0 : 3 });
    case 'map':
      return fc.dictionary(keyOf(xml), shapeValue(shape.value, xml, depth + 1), {
        minKeys: xml ? 1 : 0,
        maxKeys: depth > MAX_DEPTH && !xml ? 0 : 3,
      });
    case 'number':
      return fc.oneof(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.constantFrom(0, 1, 2 ** 40, -1));
    case 'boolean':
      return fc.boolean();
    case 'timestamp':
      return SECONDS;
    case 'blob':
      return fc.uint8Array({ maxLength: 9 }).map((bytes) => Buffer.from(bytes));
    default:
      return xml ? CONTENT.filter(isXmlText) : CONTENT;
  }
}

/** XML 1.0 has no control characters; and its parsers make one line end of each kind. */
function isXmlText(text: string): boolean {
  return !/[\0-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]/.test(text);
}

function keyOf(xml: boolean): fc.Arbitrary<string> {
  const keys = fc.oneof(fc.string({ minLength: 1, maxLength: 8 }), fc.constantFrom('a.b', 'constructor', '1', 'ü'));
  return xml ? keys.filter((key) => isXmlText(key) && key.trim() === key) : keys;
}

function structureOf(shape: StructureShape, xml: boolean, depth: number): fc.Arbitrary<Record<string, unknown>> {
  const members = shape.members.filter(
    (member) => (depth <= MAX_DEPTH || member.required) && !COMPUTED.test(member.name),
  );
  const parts = members.map((member) => {
    const value = memberValue(member, xml, depth + 1);
    const { httpLabel, httpPayload } = member.traits;
    const given = member.required || httpLabel !== undefined || httpPayload !== undefined;
    return given ? value : fc.option(value, { nil: undefined, freq: depth < 2 ? 2 : 1 });
  });
  return fc.tuple(...parts).map((values) => {
    const out: Record<string, unknown> = {};
    for (const [index, value] of values.entries()) if (value !== undefined) out[members[index]!.name] = value;
    return out;
  });
}

function unionOf(shape: StructureShape, xml: boolean, depth: number): fc.Arbitrary<unknown> {
  return fc
    .constantFrom(...shape.members)
    .chain((member) => memberValue(member, xml, depth + 1).map((value) => ({ [member.name]: value })));
}

function memberValue(member: Member, xml: boolean, depth: number): fc.Arbitrary<unknown> {
  const { traits, shape } = member;
  if (traits.httpPayload !== undefined && shape.kind === 'blob') return fc.uint8Array({ minLength: 1, maxLength: 9 });
  if (traits.httpPayload !== undefined && shape.kind === 'string') return fc.string({ minLength: 1 });
  const inMessage = traits.httpLabel ?? traits.httpQuery ?? traits.httpHeader;
  if (inMessage === undefined && traits.httpPrefixHeaders === undefined) return shapeValue(shape, xml, depth);
  if (traits.httpPrefixHeaders !== undefined) {
    return fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/), fc.stringMatching(/^[!-~]{1,9}$/), {
      minKeys: 1,
      maxKeys: 3,
    });
  }
  if (shape.kind === 'list') {
    const item =
      shape.member.kind === 'string' ? fc.stringMatching(/^[a-z0-9.-]{1,9}$/) : shapeValue(shape.member, xml, depth);
    return fc.array(item, { minLength: 1, maxLength: 3 });
  }
  if (shape.kind !== 'string') return shapeValue(shape, xml, depth);
  if (traits.mediaType !== undefined) return fc.constant('{}');
  return traits.httpHeader === undefined ? BOUND : fc.stringMatching(/^[!-~]([ -~]{0,9}[!-~])?$/);
}
