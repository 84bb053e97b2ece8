import { createHash, createHmac } from 'node:crypto';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect, type Socket } from 'node:net';

/** A request as a test wants it on the wire, without any client's help. */
export interface RawRequest {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

export interface RawAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

export interface SigningKeys {
  accessKeyId: string;
  secretAccessKey: string;
}

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
/** Of text as it stands on the wire, one character a byte. */
const sha256 = (text: string | Buffer) =>
  createHash('sha256')
    .update(typeof text === 'string' ? Buffer.from(text, 'latin1') : text)
    .digest('hex');

/**
 * Signs a request with Signature Version 4 over all of its headers; what is encoded must be so in canonical form already.
 * @param at time of the signature, now by default. @returns the headers to send
 */
export function signedHeaders(
  request: RawRequest,
  host: string,
  service: string,
  keys: SigningKeys,
  at = new Date(),
): Record<string, string> {
  const { method = 'POST', path = '/', body = '' } = request;
  const timestamp = at.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const date = timestamp.slice(0, 8);
  const headers: Record<string, string> = { host, 'x-amz-date': timestamp };
  for (const [name, value] of Object.entries(request.headers ?? {})) headers[name.toLowerCase()] = value;
  headers['x-amz-content-sha256'] ??= sha256(Buffer.from(body));
  const names = Object.keys(headers).sort();
  const [plain = '', query = ''] = path.split('?');
  const lines = names.map((name) => `${name}:${headers[name]!.trim()}\n`).join('');
  const payload = headers['x-amz-content-sha256']!;
  // Paths are encoded once more to be signed, except for S3; parameters are sorted.
  const signedPath = service === 's3' ? plain : plain.split('/').map(encodeURIComponent).join('/');
  const byName = (pair: string) => pair.replace('=', '\0');
  const pairs = query === '' ? [] : query.split('&');
  const signedQuery = pairs.sort((a, b) => (byName(a) < byName(b) ? -1 : 1)).join('&');
  const canonical = `${method}\n${signedPath}\n${signedQuery}\n${lines}\n${names.join(';')}\n${payload}`;
  const scope = `${date}/us-east-1/${service}/aws4_request`;
  const key = hmac(hmac(hmac(hmac(`AWS4${keys.secretAccessKey}`, date), 'us-east-1'), service), 'aws4_request');
  const signature = hmac(key, `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${sha256(canonical)}`).toString('hex');
  const credential = `Credential=${keys.accessKeyId}/${scope}`;
  headers['authorization'] = `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return headers;
}

/** Sends one request on a connection of its own and reads the whole answer. */
export function send(url: string, request: RawRequest): Promise<RawAnswer> {
  const { method = 'POST', path = '/', headers = {}, body } = request;
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ method, host: hostname, port, path, headers, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.once('error', reject);
      answer.once('end', () =>
        resolve({
          status: answer.statusCode ?? 0,
          headers: answer.headers,
          text: Buffer.concat(chunks).toString('utf8'),
        }),
      );
    });
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

/** Signs and sends one request. */
export function sendSigned(url: string, service: string, keys: SigningKeys, request: RawRequest): Promise<RawAnswer> {
  return send(url, { ...request, headers: signedHeaders(request, new URL(url).host, service, keys) });
}

/** A connection on which a test writes bytes as it likes. */
export class RawConnection {
  readonly socket: Socket;
  readonly #chunks: Buffer[] = [];
  #wake: () => void = () => undefined;
  closed = false;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.socket = connect(Number(port), hostname);
    this.socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#wake();
    });
    this.socket.on('error', () => this.#wake());
    this.socket.once('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  write(...parts: (string | Buffer)[]): void {
    for (const part of parts) this.socket.write(part);
  }

  /** Everything that came so far, one character a byte. */
  get received(): string {
    return Buffer.concat(this.#chunks).toString('latin1');
  }

  /** Waits until what came matches, or the connection is closed; gives everything that came. */
  async until(pattern: RegExp): Promise<string> {
    while (!this.closed && !pattern.test(this.received)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.received;
  }

  /** Waits for the other side to close. */
  async untilClosed(): Promise<string> {
    while (!this.closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.received;
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** The bytes of a request's head. */
export function head(method: string, path: string, headers: Record<string, string>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}
