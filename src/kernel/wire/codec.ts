import { Readable } from 'node:stream';
import { isFault } from '../fault.ts';
import type { RestTarget, Service } from '../service.ts';

import { commonFault } from './errors.ts';
import { parseForm, readForm } from './form-value.ts';
import type { HttpRequest } from './http.ts';
import { readJsonBody, writeJsonBody } from './json-value.ts';
import { type RestAnswer, type RestBody, type RestFlavour, readRest, writeRest } from './rest-binding.ts';
import type { OperationShape } from './shape.ts';
import { writeXmlMembers } from './xml-value.ts';

export function isRest(service: Service): boolean {
  return service.protocol === 'rest-json' || service.protocol === 'rest-xml';
}

/** `1.0` or `1.1` for the content type of a JSON answer. */
export function jsonVersion(service: Service | undefined): string {
  return service?.protocol === 'json-1.0' ? '1.0' : '1.1';
}

/** The form fields of a Query request, from its query string (GET) or its body. */
function formFields(request: HttpRequest, body: RestBody): ReadonlyMap<string, string> {
  return parseForm(request.method === 'GET' ? request.query : textOf(body));
}

function textOf(body: RestBody): string {
  return 'buffer' in body ? body.buffer.toString('utf8') : '';
}

/** A request whose operation is known and whose input is not typed yet. */
export interface EncodedCall {
  readonly shape: OperationShape;
  /** @throws SerializationException when the input does not fit the model */
  decode(): Record<string, unknown>;
}

/**
 * Finds the operation of a request.
 * @param operation as `X-Amz-Target` names it. @param rest as method and path name it.
 * @throws InvalidAction, spelled per protocol, for one that the service's model does not have
 */
export function operationOf(
  service: Service,
  operation: string | undefined,
  rest: RestTarget | undefined,
  request: HttpRequest,
  body: RestBody,
): EncodedCall {
  if (isRest(service)) {
    if (rest === undefined)
      throw commonFault('InvalidAction', 'The specified method is not allowed against this resource.');
    const shape = shapeOf(service, rest.operation);
    const flavour = service.protocol as RestFlavour;
    const stated =
      rest.headers === undefined ? request : { ...request, headers: { ...request.headers, ...rest.headers } };
    return { shape, decode: () => readRest(shape, stated, rest.labels, body, flavour) };
  }
  if (service.protocol === 'query') {
    const fields = formFields(request, body);
    const shape = shapeOf(service, fields.get('Action'));
    return { shape, decode: () => readForm(shape.input, fields) };
  }
  const shape = shapeOf(service, operation);
  const buffer = 'buffer' in body ? body.buffer : Buffer.alloc(0);
  return { shape, decode: () => readJsonBody(shape.input, buffer, 'json') };
}

/** The operation that a form names; undefined for what is none. */
export function formAction(request: HttpRequest, body: RestBody): string | undefined {
  try {
    return formFields(request, body).get('Action');
  } catch (error) {
    if (isFault(error)) return undefined;
    throw error;
  }
}

function shapeOf(service: Service, operation: string | undefined): OperationShape {
  const shape = operation === undefined ? undefined : service.operationShape(operation);
  if (shape !== undefined) return shape;
  throw commonFault('InvalidAction', `Could not find operation ${(operation ?? '').slice(0, 100)} of ${service.name}.`);
}

/** The answer that carries an operation's output. */
export function encode(
  service: Service,
  shape: OperationShape,
  output: Record<string, unknown>,
  requestId: string,
): RestAnswer {
  if (isRest(service)) {
    const answer = writeRest(shape, output, service.protocol as RestFlavour, service.xmlNamespace);
    const operation = service.operations.get(shape.name);
    answer.status = operation?.status?.(output) ?? answer.status;
    const body = operation?.writeBody?.(output);
    return body === undefined ? answer : { ...answer, body };
  }
  if (service.protocol === 'query') return encodeQuery(service, shape, output, requestId);
  const body = isUnit(shape) ? '' : writeJsonBody(shape.output, output, 'json');
  return { status: 200, headers: { 'content-type': `application/x-amz-json-${jsonVersion(service)}` }, body };
}

/** Whether the operation answers nothing at all, not even an empty structure. */
function isUnit({ output }: OperationShape): boolean {
  return output.members.length === 0 && output.name === 'Unit';
}

function encodeQuery(
  service: Service,
  shape: OperationShape,
  output: Record<string, unknown>,
  requestId: string,
): RestAnswer {
  const { name } = shape;
  // An output without members is written all the same: Go's SDK (and Terraform) looks for it, as for UpdateRole.
  const result = isUnit(shape)
    ? ''
    : `<${name}Result>${writeXmlMembers(shape.output, output, 'seconds')}</${name}Result>`;
  const metadata = `<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata>`;
  const body = `<${name}Response xmlns="${service.xmlNamespace}">${result}${metadata}</${name}Response>`;
  return { status: 200, headers: { 'content-type': 'text/xml' }, body };
}

/** True for a body that is sent piece by piece. */
export function isStream(body: RestAnswer['body']): body is Readable {
  return body instanceof Readable;
}
