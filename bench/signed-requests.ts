import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import { type Keys, REGION } from './slipway.ts';

export interface SignedRequest {
  headers: Record<string, string>;
  body: string;
  /** The whole request as it goes over the wire. */
  bytes: Buffer;
}

/** How many are made; each is sent many times. */
const REQUESTS = 500;

/** `GetRepository` of one repository, many times, each with a signature of its own. */
export async function signedRequests(url: string, credentials: Keys, repositoryName: string): Promise<SignedRequest[]> {
  const { host, hostname, port, protocol } = new URL(url);
  const signer = new SignatureV4({ service: 'codecommit', region: REGION, credentials, sha256: Digest });
  const body = JSON.stringify({ repositoryName });
  return Promise.all(
    Array.from({ length: REQUESTS }, async (_, n) => {
      const { headers } = await signer.sign({
        method: 'POST',
        protocol,
        hostname,
        port: Number(port),
        path: '/',
        query: {},
        headers: {
          host,
          'content-type': 'application/x-amz-json-1.1',
          'content-length': String(body.length),
          'x-amz-target': 'CodeCommit_20150413.GetRepository',
          'amz-sdk-invocation-id': String(n),
        },
        body,
      });
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      return { headers, body, bytes: Buffer.from(`POST / HTTP/1.1\r\n${lines.join('')}\r\n${body}`) };
    }),
  );
}

/** node:crypto in the shape that the signer wants. */
class Digest {
  readonly #digest;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#digest = secret === undefined ? createHash('sha256') : createHmac('sha256', secret as string);
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#digest.update(typeof data === 'string' ? data : new Uint8Array(data as ArrayBuffer));
  }

  async digest(): Promise<Uint8Array> {
    return new Uint8Array(this.#digest.digest());
  }
}
