import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import type { ErrorStyle } from '../auth-faults.ts';
import { parseBasicTime, type SigningRules } from '../credential-scope.ts';
import { parseAuthorization, type VerifiedSignature, verifySignature } from '../sigv4.ts';
import { splitTarget, type WireRequest } from '../wire-request.ts';

export const ACCESS_KEY_ID = 'AKIAIOSFODNN7EXAMPLE';
export const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
export const NOW = '20261120T113455Z';

/** Node's SHA-256 and HMAC behind the constructor that the SDK's signer wants. */
class Sha256 {
  readonly #hash;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret as string);
  }
  update(data: string | ArrayBuffer | ArrayBufferView) {
    this.#hash.update(typeof data === 'string' ? data : new Uint8Array(data as ArrayBuffer));
  }
  async digest() {
    return new Uint8Array(this.#hash.digest());
  }
  reset() {}
}

export interface Draft {
  method: string;
  /** Path as it will stand on the wire. */
  path: string;
  /** Decoded query parameters. */
  query?: Record<string, string | string[]>;
  headers?: Record<string, string>;
  body?: string;
}

export interface SigningTask {
  service: string;
  style: ErrorStyle;
  now?: string;
  region?: string;
  accessKeyId?: string;
  secret?: string;
  sessionToken?: string;
}

const escape = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

function signer(task: SigningTask) {
  return new SignatureV4({
    service: task.service,
    region: task.region ?? 'us-east-1',
    uriEscapePath: task.style !== 's3',
    sha256: Sha256,
    credentials: {
      accessKeyId: task.accessKeyId ?? ACCESS_KEY_ID,
      secretAccessKey: task.secret ?? SECRET,
      ...(task.sessionToken === undefined ? {} : { sessionToken: task.sessionToken }),
    },
  });
}

function toSdk(draft: Draft) {
  return {
    method: draft.method,
    protocol: 'http:',
    hostname: '127.0.0.1',
    port: 4566,
    path: draft.path,
    query: { ...draft.query },
    headers: { host: '127.0.0.1:4566', ...draft.headers },
    ...(draft.body === undefined ? {} : { body: draft.body }),
  };
}

function toWire(signed: { method: string; path: string; query?: object; headers: Record<string, string> }): WireRequest {
  const pieces: string[] = [];
  for (const [name, value] of Object.entries(signed.query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) pieces.push(`${escape(name)}=${escape(String(one))}`);
  }
  return {
    method: signed.method,
    path: signed.path,
    query: pieces.join('&'),
    rawHeaders: Object.entries(signed.headers).flat(),
  };
}

/** Signs with the SDK's own signer, header form, and spells the request as Node would receive it. */
export async function signWithSdk(draft: Draft, task: SigningTask): Promise<WireRequest> {
  const signed = await signer(task).sign(toSdk(draft), { signingDate: new Date(parseBasicTime(task.now ?? NOW)) });
  return toWire(signed as never);
}

/** The same in query form. */
export async function presignWithSdk(draft: Draft, task: SigningTask, expiresIn = 900): Promise<WireRequest> {
  const signed = await signer(task).presign(toSdk(draft), {
    signingDate: new Date(parseBasicTime(task.now ?? NOW)),
    expiresIn,
  });
  return toWire(signed as never);
}

export function rulesFor(task: SigningTask, now = task.now ?? NOW): SigningRules {
  return {
    style: task.style,
    service: task.service,
    hasRegion: (region) => region === 'us-east-1' || region === 'eu-west-1',
    now: new Date(parseBasicTime(now)),
  };
}

export function bodyHash(body = ''): string {
  return createHash('sha256').update(body).digest('hex');
}

/** Parses and verifies, as the gateway does. */
export function accept(request: WireRequest, task: SigningTask, body?: string, now?: string): VerifiedSignature {
  const parsed = parseAuthorization(request, rulesFor(task, now));
  return verifySignature(request, parsed, {
    style: task.style,
    secret: parsed.accessKeyId === (task.accessKeyId ?? ACCESS_KEY_ID) ? (task.secret ?? SECRET) : undefined,
    bodyHash: task.style === 's3' && body === undefined ? undefined : bodyHash(body),
  });
}

/** A request from its target (path and query) and headers. */
export function wire(method: string, target: string, rawHeaders: readonly string[]): WireRequest {
  return { method, ...splitTarget(target), rawHeaders };
}

/** S3 presigns only what states that its body is unsigned. */
export const hasQueryForm = (draft: Draft, task: SigningTask) =>
  task.style !== 's3' || draft.headers?.['x-amz-content-sha256'] === 'UNSIGNED-PAYLOAD';
