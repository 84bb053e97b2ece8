import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import type { CommonErrorName } from './errors.ts';
import type { HttpRequest } from './http.ts';
import { isBound, readJsonBody, writeJsonBody } from './json-value.ts';
import type { Member, OperationShape, Shape, SimpleShape, StructureShape } from './shape.ts';
import { readSimpleText, readXmlBody, writeSimpleText, writeXmlElement, writeXmlMembers } from './xml-value.ts';

/** The body of a REST request: read into memory, or a stream for operations whose model says so. */
export type RestBody = { buffer: Buffer } | { stream: Readable };

export type RestFlavour = 'rest-json' | 'rest-xml';

/** The member whose value is the whole body, if the operation has one. */
export function payloadMember(shape: StructureShape): Member | undefined {
  return shape.members.find((member) => member.traits.httpPayload !== undefined);
}

/** True when the operation takes its body as a stream, so that it must not be read into memory. */
export function hasStreamingInput(operation: OperationShape): boolean {
  const payload = payloadMember(operation.input);
  return payload !== undefined && isStreaming(payload.shape);
}

function isStreaming(shape: Shape): boolean {
  return shape.kind === 'blob' && shape.streaming;
}

/** Types a REST request: labels, query, headers, payload, body. Source: Smithy, "HTTP bindings". */
export function readRest(
  operation: OperationShape,
  request: HttpRequest,
  labels: Readonly<Record<string, string>>,
  body: RestBody,
  flavour: RestFlavour,
): Record<string, unknown> {
  const shape = operation.input;
  const query = new URLSearchParams(request.query.replaceAll('+', '%20'));
  const input: Record<string, unknown> = Object.assign({}, readBody(shape, body, flavour));
  // S3 answers what is wrong with a parameter or header otherwise than what is wrong with a body.
  const refusal = flavour === 'rest-xml' ? 'ValidationError' : 'SerializationException';
  for (const member of shape.members) {
    const value = readBound(member, request, query, labels, refusal);
    if (value !== undefined) input[member.name] = value;
  }
  return input;
}

function readBody(shape: StructureShape, body: RestBody, flavour: RestFlavour): Record<string, unknown> {
  const payload = payloadMember(shape);
  if (payload !== undefined) {
    if ('stream' in body) return { [payload.name]: body.stream };
    if (body.buffer.length === 0) return {};
    return { [payload.name]: readPayload(payload.shape, body.buffer, flavour) };
  }
  if ('stream' in body || body.buffer.length === 0 || shape.members.every(isBound)) return {};
  return flavour === 'rest-json'
    ? readJsonBody(shape, body.buffer, flavour)
    : (readXmlBody(shape, body.buffer) as Record<string, unknown>);
}

function readPayload(shape: Shape, bytes: Buffer, flavour: RestFlavour): unknown {
  if (shape.kind === 'structure' || shape.kind === 'union') {
    return flavour === 'rest-json' ? readJsonBody(shape, bytes, flavour) : readXmlBody(shape, bytes);
  }
  return shape.kind === 'blob' ? bytes : bytes.toString('utf8');
}

function readBound(
  member: Member,
  request: HttpRequest,
  query: URLSearchParams,
  labels: Readonly<Record<string, string>>,
  refusal: CommonErrorName,
): unknown {
  const { traits, shape } = member;
  if (traits.httpLabel !== undefined) {
    const text = labels[member.name];
    return text === undefined ? undefined : readSimpleText(shape as SimpleShape, text, refusal);
  }
  if (traits.httpQuery !== undefined) return readTexts(shape, query.getAll(traits.httpQuery), refusal);
  if (traits.httpHeader !== undefined) {
    const raw = request.headers[traits.httpHeader.toLowerCase()];
    if (raw === undefined) return undefined;
    const text = readHeader(raw);
    return readTexts(shape, shape.kind === 'list' ? text.split(',').map((item) => item.trim()) : [text], refusal);
  }
  if (traits.httpPrefixHeaders !== undefined) return readPrefixed(request, traits.httpPrefixHeaders.toLowerCase());
  if (traits.httpQueryParams !== undefined) return Object.fromEntries(query);
  return undefined;
}

function readTexts(shape: Shape, texts: string[], refusal: CommonErrorName): unknown {
  if (texts.length === 0) return undefined;
  if (shape.kind === 'list') return texts.map((text) => readSimpleText(shape.member as SimpleShape, text, refusal));
  return readSimpleText(shape as SimpleShape, texts[0]!, refusal);
}

/** Node takes each byte of a header for one character; clients send UTF-8, old ones Latin-1. */
function readHeader(text: string): string {
  if (!/[\x80-\xff]/.test(text)) return text;
  const bytes = Buffer.from(text, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : text;
}

/** Headers below a prefix (`x-amz-meta-`). */
function readPrefixed(request: HttpRequest, prefix: string): Record<string, string> | undefined {
  const found = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(request.headers)) {
    if (name.startsWith(prefix) && value !== undefined) found[name.slice(prefix.length)] = readHeader(value);
  }
  return Object.keys(found).length === 0 ? undefined : found;
}

/** An answer ready to be sent. */
export interface RestAnswer {
  status: number;
  headers: Record<string, string>;
  body: string | Uint8Array | Readable | undefined;
}

/** Writes an output to status, headers and body. @param xmlNamespace of the service, for the root element. */
export function writeRest(
  operation: OperationShape,
  output: Record<string, unknown>,
  flavour: RestFlavour,
  xmlNamespace: string | undefined,
): RestAnswer {
  const answer: RestAnswer = { status: operation.traits.http?.[2] ?? 200, headers: {}, body: undefined };
  for (const member of operation.output.members) {
    const value = output[member.name];
    if (value === undefined || value === null) continue;
    if (member.traits.httpResponseCode !== undefined) answer.status = value as number;
    else writeBound(member, value, answer);
  }
  writeBody(operation.output, output, flavour, xmlNamespace, answer);
  return answer;
}

/** A field name of RFC 9110. What is none cannot have come in as a header, and cannot go out as one. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

function writeBound(member: Member, value: unknown, answer: RestAnswer): void {
  const { traits, shape } = member;
  if (traits.httpHeader !== undefined) {
    const texts = shape.kind === 'list' ? (value as unknown[]) : [value];
    const item = (shape.kind === 'list' ? shape.member : shape) as SimpleShape;
    answer.headers[traits.httpHeader.toLowerCase()] = texts
      .map((text) => headerText(writeSimpleText(item, text, 'http-date')))
      .join(', ');
  } else if (traits.httpPrefixHeaders !== undefined) {
    for (const [name, text] of Object.entries(value as Record<string, string>)) {
      const header = `${traits.httpPrefixHeaders}${name}`.toLowerCase();
      if (HEADER_NAME.test(header)) answer.headers[header] = headerText(text);
    }
  }
}

/** UTF-8 as the bytes of a header, with everything that could end the header taken out. */
function headerText(text: string): string {
  return Buffer.from(text.replace(/[\0-\x08\x0a-\x1f\x7f]/g, ' '), 'utf8').toString('latin1');
}

function writeBody(
  shape: StructureShape,
  output: Record<string, unknown>,
  flavour: RestFlavour,
  xmlNamespace: string | undefined,
  answer: RestAnswer,
): void {
  const payload = payloadMember(shape);
  if (payload !== undefined) {
    const value = output[payload.name];
    if (value === undefined || value === null) return;
    if (payload.shape.kind !== 'structure' && payload.shape.kind !== 'union') {
      answer.body = value as string | Uint8Array | Readable;
      return;
    }
    setText(answer, flavour, payload.shape, value as Record<string, unknown>, payload.traits.xmlName, xmlNamespace);
    return;
  }
  if (shape.members.every((member) => isBound(member))) {
    if (flavour === 'rest-json' && shape.members.length === 0 && answer.status !== 204) setJson(answer, '{}');
    return;
  }
  setText(answer, flavour, shape, output, undefined, xmlNamespace);
}

function setText(
  answer: RestAnswer,
  flavour: RestFlavour,
  shape: StructureShape,
  value: Record<string, unknown>,
  name: string | undefined,
  xmlNamespace: string | undefined,
): void {
  if (flavour === 'rest-json') {
    setJson(answer, writeJsonBody(shape, value, flavour));
    return;
  }
  const root = name ?? shape.traits.xmlName ?? shape.name;
  const own = shape.traits.xmlNamespace !== undefined;
  const xml = own
    ? writeXmlElement(shape, root, value, 'milliseconds')
    : `<${root}${xmlNamespace === undefined ? '' : ` xmlns="${xmlNamespace}"`}>${writeXmlMembers(shape, value, 'milliseconds')}</${root}>`;
  answer.headers['content-type'] ??= 'application/xml';
  answer.body = `<?xml version="1.0" encoding="UTF-8"?>\n${xml}`;
}

function setJson(answer: RestAnswer, text: string): void {
  answer.headers['content-type'] ??= 'application/json';
  answer.body = text;
}
