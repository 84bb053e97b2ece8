import { hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Authenticated, authenticate, isSigned, readAuthorization } from '../auth/authenticate.ts';
import type { Caller } from '../auth/identity.ts';
import { type CallFrame, createContext, type Kernel } from '../runtime.ts';
import type { RestTarget, Route, Service } from '../service.ts';
import { continueOnce, openStream, readBuffer } from './body.ts';
import { commonFault } from './errors.ts';
import { faultAnswer, type SpelledFault, spellFault } from './fault-answer.ts';
import { parseForm, readForm } from './form-value.ts';
import { type HttpRequest, httpRequest } from './http.ts';
import { ServiceIndex, type Target } from './identify.ts';
import { invoke } from './invoke.ts';
import { readJsonBody, writeJsonBody } from './json-value.ts';
import { hasStreamingInput, type RestAnswer, readRest, writeRest } from './rest-binding.ts';
import { routeRest } from './rest-router.ts';
import type { OperationShape } from './shape.ts';
import { writeXmlMembers } from './xml-value.ts';

const DEFAULT_MAX_BODY_BYTES = 1024 * 1024;

/** What one request has become so far; errors are spelled by how far it got. */
interface Progress {
  requestId: string;
  service?: Service;
  begin: () => void;
}

/** Answers every request of the one port. */
export class Gateway {
  readonly #kernel: Kernel;
  readonly #index: ServiceIndex;
  readonly #routes: readonly Route[];

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#index = new ServiceIndex(kernel.services.values());
    this.#routes = [...kernel.services.values()].flatMap((service) => service.routes ?? []);
  }

  /** Handles one request to its end; never rejects. */
  async handle(message: IncomingMessage, response: ServerResponse, expectsContinue: boolean): Promise<void> {
    const request = httpRequest(message);
    const progress: Progress = { requestId: this.#kernel.ids.uuid(), begin: continueOnce(response, expectsContinue) };
    try {
      const route = this.#routes.find((one) => one.matches(request));
      if (route !== undefined) await this.#serveRoute(route, request, response, progress);
      else await this.#serveApi(request, response, progress);
    } catch (error) {
      await this.#fail(error, request, response, progress);
    }
  }

  async #serveRoute(route: Route, request: HttpRequest, response: ServerResponse, progress: Progress): Promise<void> {
    const kernel = this.#kernel;
    progress.begin();
    const anonymous = this.#frame(
      request,
      progress,
      { type: 'Anonymous', account: kernel.config.account },
      kernel.config.region,
    );
    await route.handle({
      request,
      response,
      ctx: createContext(kernel, anonymous),
      authenticate: async () => {
        const { service } = this.#index.find(request);
        const parsed = readAuthorization(kernel, service, request);
        const { caller, region } = await authenticate(kernel, service, request, parsed, undefined);
        return createContext(kernel, this.#frame(request, progress, caller, region));
      },
    });
  }

  /** identify, authenticate, decode, then validate, authorise, handle and record (`invoke`), encode */
  async #serveApi(request: HttpRequest, response: ServerResponse, progress: Progress): Promise<void> {
    const target = this.#index.find(request);
    const { service } = target;
    progress.service = service;
    const rest = isRest(service) ? (service.identify?.(request) ?? routeRest(service, request)) : undefined;
    const streamed = rest === undefined ? undefined : streamedShape(service, rest);
    const { auth, body } =
      streamed === undefined
        ? await this.#authenticateWhole(service, request, progress)
        : await this.#authenticateStream(service, request, progress);
    const frame = this.#frame(
      request,
      progress,
      auth?.caller ?? this.#anonymous(),
      auth?.region ?? this.#kernel.config.region,
    );
    const { shape, input } = decode(target, rest, request, body);
    const output = await invoke(this.#kernel, service, shape.name, input, {
      ...frame,
      signal: hangUpSignal(response, this.#kernel),
    });
    await send(
      response,
      encode(service, shape, output, progress.requestId),
      request.method,
      progress.requestId,
      service,
    );
  }

  /** Reads the body, then verifies the signature over it. */
  async #authenticateWhole(service: Service, request: HttpRequest, progress: Progress) {
    if (!mayBeAnonymous(service) || isSigned(request)) {
      const parsed = readAuthorization(this.#kernel, service, request);
      const buffer = await readBuffer(request.message, service.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES, progress.begin);
      if (parsed.payload.kind.startsWith('streaming')) {
        throw commonFault('ValidationError', 'This operation does not take a chunked body.');
      }
      const auth = await authenticate(this.#kernel, service, request, parsed, hash('sha256', buffer, 'hex'));
      return { auth: auth as Authenticated | undefined, body: { buffer } };
    }
    const buffer = await readBuffer(request.message, service.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES, progress.begin);
    return { auth: undefined, body: { buffer } };
  }

  /** Verifies the signature over the claimed hash; the stream checks its bytes as they pass. */
  async #authenticateStream(service: Service, request: HttpRequest, progress: Progress) {
    let auth: Authenticated | undefined;
    if (!mayBeAnonymous(service) || isSigned(request)) {
      const parsed = readAuthorization(this.#kernel, service, request);
      auth = await authenticate(this.#kernel, service, request, parsed, undefined);
    }
    progress.begin();
    return { auth, body: { stream: openStream(request, auth, service.errorStyle) as Readable } };
  }

  #anonymous(): Caller {
    return { type: 'Anonymous', account: this.#kernel.config.account };
  }

  #frame(request: HttpRequest, progress: Progress, caller: Caller, region: string): CallFrame {
    return {
      caller,
      account: caller.account,
      region,
      requestId: progress.requestId,
      sourceIp: request.message.socket.remoteAddress?.replace(/^::ffff:/, '') ?? '',
      userAgent: (request.headers['user-agent'] ?? '').slice(0, 1024),
      signal: () => this.#kernel.stopping,
    };
  }

  async #fail(error: unknown, request: HttpRequest, response: ServerResponse, progress: Progress): Promise<void> {
    if (response.destroyed) return; // the client hung up: there is nobody to answer
    const style = progress.service?.errorStyle ?? (request.headers['x-amz-target'] === undefined ? 's3' : 'json');
    const fault = spellFault(error, style, progress.service?.errorSchema);
    if (fault.status >= 500 && fault.code !== 'NotImplemented' && fault.code !== 'NotImplementedException')
      this.#report(error, fault, request, progress);
    if (response.headersSent) {
      response.destroy();
      return;
    }
    // The rest of a body that nobody reads would be taken for the next request.
    if (!request.message.complete) response.setHeader('connection', 'close');
    const answer = faultAnswer(
      fault,
      style,
      progress.requestId,
      jsonVersion(progress.service),
      progress.service?.xmlNamespace,
    );
    await send(response, answer, request.method, progress.requestId, progress.service);
  }

  #report(error: unknown, fault: SpelledFault, request: HttpRequest, progress: Progress): void {
    this.#kernel.log.error(
      {
        err: error,
        code: fault.code,
        requestId: progress.requestId,
        method: request.method,
        path: request.path,
        target: request.headers['x-amz-target'],
      },
      'a request failed',
    );
  }
}

/** Aborted when the client hangs up or the server stops. Made when asked for: most calls never look. */
function hangUpSignal(response: ServerResponse, kernel: Kernel): () => AbortSignal {
  let signal: AbortSignal | undefined;
  return () => {
    if (signal === undefined) {
      const hangUp = new AbortController();
      response.once('close', () => hangUp.abort());
      if (response.destroyed) hangUp.abort();
      signal = AbortSignal.any([hangUp.signal, kernel.stopping]);
    }
    return signal;
  };
}

function isRest(service: Service): boolean {
  return service.protocol === 'rest-json' || service.protocol === 'rest-xml';
}

function mayBeAnonymous(service: Service): boolean {
  return service.errorStyle === 's3';
}

function streamedShape(service: Service, rest: RestTarget): OperationShape | undefined {
  const shape = service.operationShape(rest.operation);
  return shape !== undefined && hasStreamingInput(shape) ? shape : undefined;
}

function jsonVersion(service: Service | undefined): string {
  return service?.protocol === 'json-1.0' ? '1.0' : '1.1';
}

/** Finds the operation's shape and types its input. */
function decode(
  target: Target,
  rest: RestTarget | undefined,
  request: HttpRequest,
  body: { buffer: Buffer } | { stream: Readable },
): { shape: OperationShape; input: Record<string, unknown> } {
  const { service } = target;
  if (isRest(service)) {
    if (rest === undefined)
      throw commonFault('InvalidAction', 'The specified method is not allowed against this resource.');
    const shape = shapeOf(service, rest.operation);
    return { shape, input: readRest(shape, request, rest.labels, body, service.protocol as 'rest-json' | 'rest-xml') };
  }
  const buffer = 'buffer' in body ? body.buffer : Buffer.alloc(0);
  if (service.protocol === 'query') {
    const fields = parseForm(request.method === 'GET' ? request.query : buffer.toString('utf8'));
    const shape = shapeOf(service, fields.get('Action'));
    return { shape, input: readForm(shape.input, fields) };
  }
  const shape = shapeOf(service, target.operation);
  return { shape, input: readJsonBody(shape.input, buffer, 'json') };
}

function shapeOf(service: Service, operation: string | undefined): OperationShape {
  const shape = operation === undefined ? undefined : service.operationShape(operation);
  if (shape === undefined)
    throw commonFault(
      'InvalidAction',
      `Could not find operation ${(operation ?? '').slice(0, 100)} of ${service.name}.`,
    );
  return shape;
}

function encode(
  service: Service,
  shape: OperationShape,
  output: Record<string, unknown>,
  requestId: string,
): RestAnswer {
  if (isRest(service)) {
    const answer = writeRest(shape, output, service.protocol as 'rest-json' | 'rest-xml', service.xmlNamespace);
    const operation = service.operations.get(shape.name);
    answer.status = operation?.status?.(output) ?? answer.status;
    const body = operation?.writeBody?.(output);
    return body === undefined ? answer : { ...answer, body };
  }
  if (service.protocol === 'query') {
    const result =
      shape.output.members.length === 0
        ? ''
        : `<${shape.name}Result>${writeXmlMembers(shape.output, output)}</${shape.name}Result>`;
    const metadata = `<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata>`;
    const body = `<${shape.name}Response xmlns="${service.xmlNamespace}">${result}${metadata}</${shape.name}Response>`;
    return { status: 200, headers: { 'content-type': 'text/xml' }, body };
  }
  const contentType = `application/x-amz-json-${jsonVersion(service)}`;
  const body =
    shape.output.members.length === 0 && shape.output.name === 'Unit'
      ? ''
      : writeJsonBody(shape.output, output, 'json');
  return { status: 200, headers: { 'content-type': contentType }, body };
}

async function send(
  response: ServerResponse,
  answer: RestAnswer,
  method: string,
  requestId: string,
  service: Service | undefined,
): Promise<void> {
  const { headers, body } = answer;
  headers['x-amzn-requestid'] = requestId;
  if (service?.errorStyle === 's3') headers['x-amz-request-id'] = requestId;
  const bodiless = method === 'HEAD' || answer.status === 204 || answer.status === 304;
  if (body instanceof Readable) {
    if (bodiless) body.destroy();
    response.writeHead(answer.status, headers);
    if (bodiless) response.end();
    else await pipeline(body, response);
    return;
  }
  if (
    answer.status !== 204 &&
    answer.status !== 304 &&
    !(method === 'HEAD' && headers['content-length'] !== undefined)
  ) {
    headers['content-length'] = String(body === undefined ? 0 : Buffer.byteLength(body));
  }
  response.writeHead(answer.status, headers);
  response.end(bodiless ? undefined : body);
}
