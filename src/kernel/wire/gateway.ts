import { hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import { type Authenticated, authenticate, isSigned, readAuthorization } from '../auth/authenticate.ts';
import { parseBasicTime } from '../auth/credential-scope.ts';
import type { Caller } from '../auth/identity.ts';
import type { RequestSignature } from '../context.ts';
import { type CallFrame, createContext, type Kernel } from '../runtime.ts';
import type { RestTarget, Route, Service } from '../service.ts';
import { openStream, Permission, readBuffer } from './body.ts';
import { type EncodedCall, encode, formAction, isRest, jsonVersion, operationOf } from './codec.ts';
import { commonFault } from './errors.ts';
import { faultAnswer, type SpelledFault, spellFault } from './fault-answer.ts';
import { type HttpRequest, httpRequest } from './http.ts';
import { ServiceIndex, styleOf } from './identify.ts';
import { invoke, recordRefusal } from './invoke.ts';
import { CONNECTION_LIMITS, type ConnectionLimits } from './limits.ts';
import { hasStreamingInput, type RestAnswer, type RestBody } from './rest-binding.ts';
import { routeRest } from './rest-router.ts';
import { closeStalled, lingerOver, sendAnswer } from './send.ts';

const DEFAULT_MAX_BODY_BYTES = 1024 * 1024;
/** Of callers whom nobody knows; a SAML assertion has up to 100,000 characters, percent-encoded more. */
const MAX_UNSIGNED_BODY_BYTES = 512 * 1024;
const MAX_USER_AGENT_CHARS = 1024;

/** One request on its way through; errors are spelled by how far it got. */
interface Progress {
  readonly request: HttpRequest;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly limits: ConnectionLimits;
  /** Tells a client that waits for it (`Expect: 100-continue`) to send the body. */
  readonly permission: Permission;
  service?: Service;
  target?: RestTarget | undefined;
  /** Of the caller once he is known. */
  frame?: CallFrame;
  headers?: Readonly<Record<string, string>>;
  status?: number;
  bytes?: number;
  errorCode?: string;
}

/** Answers every request of the one port. */
export class Gateway {
  readonly #kernel: Kernel;
  readonly #index: ServiceIndex;
  readonly #routes: readonly Route[];
  #ready: Promise<unknown> | undefined;

  /** @param ready requests wait for it: the port is bound before the services, which must know it, have started. */
  constructor(kernel: Kernel, ready?: Promise<unknown>) {
    this.#kernel = kernel;
    this.#ready = ready?.then(() => {
      this.#ready = undefined;
    });
    this.#index = new ServiceIndex(kernel.services.values());
    this.#routes = [...kernel.services.values()].flatMap((service) => service.routes ?? []);
  }

  /** Handles one request to its end; never rejects. */
  async handle(
    message: IncomingMessage,
    response: ServerResponse,
    expectsContinue: boolean,
    limits: ConnectionLimits = CONNECTION_LIMITS,
  ): Promise<void> {
    const progress: Progress = {
      request: httpRequest(message),
      response,
      requestId: this.#kernel.ids.uuid(),
      limits,
      permission: new Permission(response, expectsContinue),
    };
    closeStalled(message, response);
    const startedAt = this.#kernel.clock.now();
    const startedMs = this.#kernel.clock.monotonicMs();
    try {
      if (this.#ready !== undefined) await this.#ready;
      const route = this.#routes.find((one) => one.matches(progress.request));
      if (route !== undefined) await this.#serveRoute(route, progress);
      else await this.#serveApi(progress);
    } catch (error) {
      await this.#fail(error, progress);
    }
    this.#tell(progress, startedAt, startedMs);
  }

  /** Tells the service of a request that is over. */
  #tell(progress: Progress, startedAt: Date, startedMs: number): void {
    const { service, request, target, status = 0, bytes = 0, errorCode } = progress;
    if (service?.answered === undefined) return;
    const frame = progress.frame ?? this.#frame(progress, this.#anonymous(), this.#kernel.config.region);
    const tookMs = this.#kernel.clock.monotonicMs() - startedMs;
    const ctx = createContext(this.#kernel, frame);
    service.answered({ request, target, ctx, status, bytes, errorCode, startedAt, tookMs });
  }

  async #serveRoute(route: Route, progress: Progress): Promise<void> {
    const kernel = this.#kernel;
    const { request, response } = progress;
    progress.permission.giveWhenRead(request.message);
    await route.handle({
      request,
      response,
      ctx: createContext(kernel, this.#frame(progress, this.#anonymous(), kernel.config.region)),
      authenticate: async () => {
        const { service } = this.#index.find(request);
        const parsed = readAuthorization(kernel, service, request);
        const auth = await authenticate(kernel, service, request, parsed, undefined);
        return createContext(kernel, this.#frame(progress, auth.caller, auth.region, auth));
      },
    });
  }

  /** identify, authenticate, decode, then validate, authorise, handle and record (`invoke`), encode */
  async #serveApi(progress: Progress): Promise<void> {
    const { request, response, requestId } = progress;
    const kernel = this.#kernel;
    const { service, operation } = this.#index.find(request);
    progress.service = service;
    const rest = isRest(service) ? (service.identify?.(request) ?? routeRest(service, request)) : undefined;
    progress.target = rest;
    if (rest !== undefined && service.answerHeaders !== undefined) {
      const ctx = createContext(kernel, this.#frame(progress, this.#anonymous(), kernel.config.region));
      progress.headers = await service.answerHeaders(request, rest, ctx);
    }
    const { auth, body } = isStreamed(service, rest)
      ? await this.#authenticateStream(service, progress)
      : await this.#authenticateWhole(service, progress);
    const frame = this.#frame(progress, auth?.caller ?? this.#anonymous(), auth?.region ?? kernel.config.region, auth);
    progress.frame = frame;
    if (auth === undefined) requireUnsignedOperation(service, request, body);
    const encoded = operationOf(service, operation, rest, request, body);
    const input = this.#decode(service, encoded, frame);
    const output = await invoke(kernel, service, encoded.shape.name, input, {
      ...frame,
      signal: hangUpSignal(response, kernel),
    });
    await this.#send(encode(service, encoded.shape, output, requestId), progress);
  }

  /** Types the input; one that does not fit the model is a call all the same, and recorded. */
  #decode(service: Service, encoded: EncodedCall, frame: CallFrame): Record<string, unknown> {
    try {
      return encoded.decode();
    } catch (error) {
      recordRefusal(this.#kernel, service, encoded.shape, frame, error);
      throw error;
    }
  }

  /** Reads the body, then verifies the signature over it. */
  async #authenticateWhole(service: Service, progress: Progress): Promise<Received> {
    const { request, limits, permission } = progress;
    const signed = !mayBeUnsigned(service) || isSigned(request);
    const parsed = signed ? readAuthorization(this.#kernel, service, request) : undefined;
    const maxBytes = signed ? (service.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES) : MAX_UNSIGNED_BODY_BYTES;
    const begin = () => permission.give();
    const buffer = await readBuffer(request.message, maxBytes, begin, limits, this.#kernel.clock);
    if (parsed === undefined) return { auth: undefined, body: { buffer } };
    if (parsed.payload.kind.startsWith('streaming')) {
      throw commonFault('ValidationError', 'This operation does not take a chunked body.');
    }
    const auth = await authenticate(this.#kernel, service, request, parsed, hash('sha256', buffer, 'hex'));
    return { auth, body: { buffer } };
  }

  /** Verifies the signature over the claimed hash; the stream checks its bytes as they pass. */
  async #authenticateStream(service: Service, progress: Progress): Promise<Received> {
    const { request, limits, permission } = progress;
    let auth: Authenticated | undefined;
    if (!mayBeUnsigned(service) || isSigned(request)) {
      const parsed = readAuthorization(this.#kernel, service, request);
      auth = await authenticate(this.#kernel, service, request, parsed, undefined);
    }
    const begin = () => permission.give();
    return { auth, body: { stream: openStream(request, auth, service.errorStyle, begin, limits) } };
  }

  #anonymous(): Caller {
    return { type: 'Anonymous', account: this.#kernel.config.account };
  }

  #frame(progress: Progress, caller: Caller, region: string, auth?: Authenticated): CallFrame {
    const { message, headers } = progress.request;
    return {
      ...(auth === undefined ? {} : { signature: signatureOf(auth) }),
      ...(message.socket instanceof TLSSocket ? { tlsVersion: tlsVersionOf(message.socket) } : {}),
      caller,
      account: caller.account,
      region,
      requestId: progress.requestId,
      sourceIp: message.socket.remoteAddress?.replace(/^::ffff:/, '') ?? '',
      userAgent: (headers['user-agent'] ?? '').slice(0, MAX_USER_AGENT_CHARS),
      referer: headers['referer'],
      signal: () => this.#kernel.stopping,
    };
  }

  #send(answer: RestAnswer, progress: Progress): Promise<void> {
    const { request, response, requestId, service, headers } = progress;
    if (headers !== undefined) Object.assign(answer.headers, headers);
    progress.status = answer.status;
    progress.bytes = bytesOf(answer);
    answer.headers['x-amzn-requestid'] = requestId;
    if (service?.errorStyle === 's3') answer.headers['x-amz-request-id'] = requestId;
    return sendAnswer(response, answer, request.method);
  }

  /** Answers an error, or ends the connection where an answer has begun. Never rejects. */
  async #fail(error: unknown, progress: Progress): Promise<void> {
    const { request, response, requestId, service, permission } = progress;
    const style = service?.errorStyle ?? styleOf(request);
    const fault = spellFault(error, style, service?.errorSchema);
    progress.errorCode = fault.code;
    if (!(response.destroyed && isHangUp(error))) this.#report(error, fault, progress);
    if (response.destroyed || response.headersSent) {
      response.destroy();
      return;
    }
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    if (!request.message.complete) {
      // A client that was not told to send its body may do so or not: only a new connection is clear about it.
      if (permission.isPending) response.setHeader('connection', 'close');
      else lingerOver(request.message, progress.limits, this.#kernel.clock);
    }
    try {
      const answer = faultAnswer(fault, style, requestId, jsonVersion(service), service?.xmlNamespace);
      await this.#send(answer, progress);
    } catch (failure) {
      this.#report(failure, fault, progress);
      response.destroy();
    }
  }

  /** Logs what is our fault. A client's mistake is his own and stands in the audit trail. */
  #report(error: unknown, fault: SpelledFault, { request, requestId }: Progress): void {
    if (fault.status < 500 || fault.code.startsWith('NotImplemented')) return;
    this.#kernel.log.error(
      {
        err: error,
        code: fault.code,
        requestId,
        method: request.method,
        path: request.path,
        target: request.headers['x-amz-target'],
      },
      'a request failed',
    );
  }
}

function signatureOf({ parsed }: Authenticated): RequestSignature {
  const contentSha256 = parsed.headers.values.get('x-amz-content-sha256');
  return { form: parsed.form, signedAt: parseBasicTime(parsed.timestamp), contentSha256 };
}

/** `1.3` of `TLSv1.3`. */
function tlsVersionOf(socket: TLSSocket): string | undefined {
  return socket.getProtocol()?.replace(/^TLSv/, '') ?? undefined;
}

function bytesOf({ headers, body }: RestAnswer): number {
  if (headers['content-length'] !== undefined) return Number(headers['content-length']);
  return typeof body === 'string' || body instanceof Uint8Array ? Buffer.byteLength(body) : 0;
}

interface Received {
  auth: Authenticated | undefined;
  body: RestBody;
}

/** Whether an error tells only that nobody listens any more. */
function isHangUp(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNRESET' || code === 'EPIPE' || code === 'ABORT_ERR';
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

/** S3 has anonymous callers; elsewhere an unsigned call gets as far as to tell whether its operation takes one. */
function mayBeUnsigned(service: Service): boolean {
  return service.errorStyle === 's3' || service.takesUnsigned;
}

/** @throws MissingAuthenticationToken unless the operation that an unsigned call names takes such calls */
function requireUnsignedOperation(service: Service, request: HttpRequest, body: RestBody): void {
  if (service.errorStyle === 's3') return;
  const name = service.protocol === 'query' ? formAction(request, body) : undefined;
  if (name !== undefined && service.operations.get(name)?.identify !== undefined) return;
  throw commonFault('MissingAuthenticationToken', 'Request is missing Authentication Token');
}

function isStreamed(service: Service, rest: RestTarget | undefined): boolean {
  const shape = rest === undefined ? undefined : service.operationShape(rest.operation);
  return shape !== undefined && hasStreamingInput(shape);
}
