import type { X509Certificate } from 'node:crypto';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { connect, type SecureContextOptions } from 'node:tls';
import { fixedLookup, type Reach, resolveChecked } from '../../kernel/outbound-address.ts';

/** Documents of identity providers are small; keys of the largest take some 100 KB. */
const MAX_BYTES = 512 * 1024;
const TIMEOUT_MS = 5_000;
/** Certificates that OpenSSL sends, at most. */
const MAX_CHAIN = 10;

/** Thrown when the provider's server shows a certificate that nobody known vouches for and no thumbprint names. */
export class ThumbprintError extends Error {}
/** Thrown when what the provider answers cannot be used. */
export class ProviderAnswerError extends Error {}

const NOT_VOUCHED_FOR = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

export interface Dialled {
  readonly json: unknown;
  readonly reach: Reach;
}

/**
 * Gets a JSON document of an identity provider: one address, resolved once and checked, no redirects, no proxy, five
 * seconds, half a megabyte. Plain HTTP goes to loopback only.
 * @param allows which addresses may be dialled
 * @param thumbprints SHA-1 (hex) of certificates to be trusted where no known authority vouches for the server
 * @throws ThumbprintError, ProviderAnswerError, ForbiddenAddressError, or the connection's error
 */
export async function getJson(
  url: URL,
  allows: (reach: Reach) => boolean,
  thumbprints: readonly string[],
): Promise<Dialled> {
  const isPlain = url.protocol === 'http:';
  if (!isPlain && url.protocol !== 'https:') throw new ProviderAnswerError(`${url.protocol} is not dialled`);
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const target = await resolveChecked(url.hostname, (reach) =>
    isPlain ? reach === 'loopback' : reach !== 'forbidden' && allows(reach),
  );
  const options: RequestOptions = {
    agent: false,
    lookup: fixedLookup(target),
    headers: { accept: 'application/json', 'user-agent': 'slipway' },
    signal,
  };
  let body: Buffer;
  try {
    body = await read(url, options);
  } catch (error) {
    if (isPlain || !NOT_VOUCHED_FOR.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    const ca = await pinnedCertificate(url, options, thumbprints);
    body = await read(url, { ...options, ca, allowPartialTrustChain: true } as RequestOptions & SecureContextOptions);
  }
  try {
    return { json: JSON.parse(body.toString('utf8')), reach: target.reach };
  } catch {
    throw new ProviderAnswerError('the answer is no JSON');
  }
}

function read(url: URL, options: RequestOptions): Promise<Buffer> {
  const send = url.protocol === 'http:' ? httpRequest : httpsRequest;
  return new Promise<Buffer>((resolve, reject) => {
    const request = send(url, options, (response) => {
      collect(response).then(resolve, (error: Error) => {
        request.destroy();
        reject(error);
      });
    });
    request.on('error', reject);
    request.end();
  });
}

async function collect(response: IncomingMessage): Promise<Buffer> {
  if (response.statusCode !== 200) throw new ProviderAnswerError(`the answer has status ${response.statusCode}`);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new ProviderAnswerError('the answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * The certificate among those the server shows that a thumbprint names. It becomes the authority of a second, fully
 * checked connection: here nothing is trusted yet.
 */
async function pinnedCertificate(url: URL, options: RequestOptions, thumbprints: readonly string[]): Promise<string> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const chain = await new Promise<X509Certificate[]>((resolve, reject) => {
    const socket = connect({
      host,
      port: Number(url.port || 443),
      ...(options.lookup === undefined ? {} : { lookup: options.lookup }),
      ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }),
      rejectUnauthorized: false,
    });
    const giveUp = () => socket.destroy(new Error('the connection took too long'));
    options.signal?.addEventListener('abort', giveUp, { once: true });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      const certificates: X509Certificate[] = [];
      let next = socket.getPeerX509Certificate();
      for (; next !== undefined && certificates.length < MAX_CHAIN; next = next.issuerCertificate) {
        if (certificates.at(-1)?.fingerprint256 === next.fingerprint256) break;
        certificates.push(next);
      }
      options.signal?.removeEventListener('abort', giveUp);
      socket.destroy();
      resolve(certificates);
    });
  });
  const pinned = chain.find(({ fingerprint }) => thumbprints.includes(fingerprint.replaceAll(':', '').toLowerCase()));
  if (pinned === undefined) throw new ThumbprintError('no certificate of the server has a registered thumbprint');
  return pinned.toString();
}
