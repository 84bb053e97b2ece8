import { createHash, createHmac } from 'node:crypto';
import { signingKey } from '../kernel/auth/signing-key.ts';
import { UsageError } from './usage-error.ts';

export interface SigningKeys {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string | undefined;
}

export interface SignedRequest {
  /** Address of the server, without a trailing slash. */
  url: string;
  method: 'GET' | 'POST';
  /** Path and query, the query in the order and spelling in which it is signed (see {@link queryOf}). */
  target: string;
  region: string;
  /** Signing name of the service: `iam`. */
  service: string;
  keys: SigningKeys;
  body?: string;
}

const TIMEOUT_MS = 120_000;

/** What a server answered instead of doing it. */
export class RequestRefused extends UsageError {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Sends a call that AWS's SDKs do not have, signed (SigV4) as they do it. @returns the answer's JSON
 * @throws UsageError where no server answers, RequestRefused where it refuses
 */
export async function sendSigned(request: SignedRequest): Promise<object> {
  const { url, method, target, body } = request;
  let response: Response;
  try {
    response = await fetch(`${url}${target}`, {
      method,
      headers: { ...signature(request), 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body }),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    const reason = ((error as Error).cause as Error | undefined)?.message ?? (error as Error).message;
    throw new UsageError(`no answer from ${url}: ${reason}. Start the server, or name it with --port or --public-url.`);
  }
  const text = await response.text();
  if (response.ok) return JSON.parse(text) as object;
  let message = text;
  try {
    message = (JSON.parse(text) as { message?: string; Message?: string }).message ?? text;
  } catch {
    // It is not a server of ours that answers; its words are all there is to tell.
  }
  throw new RequestRefused(response.status, `the server answered ${response.status}: ${message.slice(0, 500)}`);
}

/** A query string in the order and spelling in which it is signed; empty without values. Names come in their order. */
export function queryOf(values: Record<string, string | undefined>): string {
  const encoded = (text: string) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  const pairs = Object.entries(values).filter(([, value]) => value !== undefined);
  if (pairs.length === 0) return '';
  return `?${pairs.map(([name, value]) => `${name}=${encoded(value!)}`).join('&')}`;
}

function signature({ url, method, target, region, service, keys, body = '' }: SignedRequest): Record<string, string> {
  const time = `${new Date().toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;
  const date = time.slice(0, 8);
  const [path, query = ''] = target.split('?');
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
  const headers: Record<string, string> = {
    host: new URL(url).host,
    'x-amz-content-sha256': sha256(body),
    'x-amz-date': time,
    ...(keys.sessionToken === undefined ? {} : { 'x-amz-security-token': keys.sessionToken }),
  };
  const signed = Object.keys(headers).join(';');
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  const canonical = `${method}\n${path}\n${query}\n${lines.join('')}\n${signed}\n${sha256(body)}`;
  const scope = `${date}/${region}/${service}/aws4_request`;
  const key = signingKey(keys.accessKeyId, keys.secretAccessKey, date, region, service);
  const value = createHmac('sha256', key)
    .update(`AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`)
    .digest('hex');
  const { host: _, ...sent } = headers;
  return {
    ...sent,
    authorization: `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${value}`,
  };
}
