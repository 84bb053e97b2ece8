import type { ErrorStyle } from '../auth/auth-faults.ts';
import { Fault } from '../fault.ts';
import { isUnstorable } from '../store/dialect.ts';
import { commonFault, spell } from './errors.ts';
import { writeJson } from './json-value.ts';
import type { RestAnswer } from './rest-binding.ts';
import { errorShape, type StructureShape } from './shape.ts';
import { escapeXml, writeXmlMembers } from './xml-value.ts';

/** What an error looks like to the caller and in the audit trail. */
export interface SpelledFault {
  code: string;
  status: number;
  message: string;
  side: 'client' | 'server';
  shape: StructureShape | undefined;
  members: Readonly<Record<string, unknown>>;
  headers: Readonly<Record<string, string>>;
}

/** Resolves a fault against the service's model and the common errors. Anything that is no fault becomes InternalFailure. */
export function spellFault(
  error: unknown,
  style: ErrorStyle,
  errorSchema: ((name: string) => unknown) | undefined,
): SpelledFault {
  const fault = faultOf(error);
  const { message, members, headers } = fault;
  const schema = errorSchema?.(fault.name);
  if (schema !== undefined) {
    const shape = errorShape(schema);
    const { error: side = 'client', httpError, awsQueryError } = shape.traits;
    const code = style === 'query' || style === 's3' ? (awsQueryError?.[0] ?? fault.name) : fault.name;
    const status =
      awsQueryError !== undefined && style === 'query'
        ? awsQueryError[1]
        : (httpError ?? (side === 'server' ? 500 : 400));
    return { code, status: fault.status || status, message, side, shape, members, headers };
  }
  const common = spell(fault.name, style);
  const status = fault.status || common?.status || 400;
  return {
    code: common?.code ?? fault.name,
    status,
    message,
    side: status >= 500 ? 'server' : 'client',
    shape: undefined,
    members,
    headers,
  };
}

function faultOf(error: unknown): Fault {
  if (error instanceof Fault) return error;
  if (isUnstorable(error))
    return commonFault('ValidationError', 'The request contains characters that cannot be stored.');
  const message = 'The request processing has failed because of an unknown error, exception or failure.';
  return commonFault('InternalFailure', message, error);
}

/** The answer for a fault in the style of the service. */
export function faultAnswer(
  fault: SpelledFault,
  style: ErrorStyle,
  requestId: string,
  jsonVersion: string,
  xmlNamespace: string | undefined,
): RestAnswer {
  const answer = styled(fault, style, requestId, jsonVersion, xmlNamespace);
  Object.assign(answer.headers, fault.headers);
  return answer;
}

function styled(
  fault: SpelledFault,
  style: ErrorStyle,
  requestId: string,
  jsonVersion: string,
  xmlNamespace: string | undefined,
): RestAnswer {
  switch (style) {
    case 'json':
      return jsonFault(fault, `application/x-amz-json-${jsonVersion}`, { __type: fault.code });
    case 'rest-json': {
      const answer = jsonFault(fault, 'application/json', {});
      answer.headers['x-amzn-errortype'] = fault.code;
      return answer;
    }
    case 'query': {
      const namespace = xmlNamespace === undefined ? '' : ` xmlns="${xmlNamespace}"`;
      const type = fault.side === 'client' ? 'Sender' : 'Receiver';
      const error = `<Error><Type>${type}</Type><Code>${escapeXml(fault.code)}</Code><Message>${escapeXml(fault.message)}</Message></Error>`;
      return xml(
        fault.status,
        'text/xml',
        `<ErrorResponse${namespace}>${error}<RequestId>${requestId}</RequestId></ErrorResponse>`,
      );
    }
    case 's3': {
      const modelled = fault.shape === undefined ? '' : writeXmlMembers(fault.shape, { ...fault.members }, 'seconds');
      const more = `${modelled}${plainMembers(fault)}`;
      const error = `<Code>${escapeXml(fault.code)}</Code><Message>${escapeXml(fault.message)}</Message>${more}<RequestId>${requestId}</RequestId>`;
      return xml(fault.status, 'application/xml', `<?xml version="1.0" encoding="UTF-8"?>\n<Error>${error}</Error>`);
    }
  }
}

/** Members that the model does not have: S3 names the key, bucket or upload that it did not find. */
function plainMembers({ members, shape }: SpelledFault): string {
  return Object.entries(members)
    .filter(([name]) => !shape?.members.some((member) => member.name === name))
    .map(([name, value]) => `<${name}>${escapeXml(String(value))}</${name}>`)
    .join('');
}

function xml(status: number, contentType: string, body: string): RestAnswer {
  return { status, headers: { 'content-type': contentType }, body };
}

function jsonFault(fault: SpelledFault, contentType: string, head: Record<string, unknown>): RestAnswer {
  const members =
    fault.shape === undefined
      ? { ...fault.members }
      : (writeJson(fault.shape, fault.members, 'json') as Record<string, unknown>);
  // The model spells the member `message` or `Message`; the AWS services send what their model says.
  const messageKey = fault.shape?.members.find((member) => member.name.toLowerCase() === 'message')?.name ?? 'message';
  const body = JSON.stringify({ ...head, ...members, [messageKey]: fault.message });
  return { status: fault.status, headers: { 'content-type': contentType }, body };
}
