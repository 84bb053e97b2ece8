import { generateKeyPair, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { exportJWK, SignJWT } from 'jose';
import { cleanUp } from './harness.ts';

const generate = promisify(generateKeyPair);

/** An OIDC provider with keys of its own, as GitHub's or a GitLab's is. */
export interface IdentityProvider {
  /** The issuer of its tokens. */
  url: string;
  /** The URL without its scheme: name of the provider in ARNs and condition keys. */
  name: string;
  /** Paths that were asked for, in order. */
  asked: string[];
  /** Documents by path; a test may change them. A function answers by itself. */
  documents: Record<string, object | RequestListener>;
  /** Puts a new signing key in the place of the old one. */
  rotate(): Promise<void>;
  /** A signed token; given claims stand before those that every token has. */
  token(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
  /** The key that signs now. */
  key(): KeyObject;
}

/** Starts a provider on a free port of loopback; it ends with the test. */
export async function startIdentityProvider(
  t: TestContext,
  options: { tls?: { cert: string; key: string }; host?: string; now?: () => number } = {},
): Promise<IdentityProvider> {
  const asked: string[] = [];
  const documents: IdentityProvider['documents'] = {};
  const listener: RequestListener = (request, response) => {
    asked.push(request.url!);
    const document = documents[request.url!];
    if (typeof document === 'function') return document(request, response);
    if (document === undefined) response.statusCode = 404;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(document ?? {}));
  };
  const server = options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(t, () => {
    server.closeAllConnections();
    server.close();
  });
  const name = `${options.host ?? '127.0.0.1'}:${(server.address() as AddressInfo).port}`;
  const url = `${options.tls === undefined ? 'http' : 'https'}://${name}`;
  let signing: { privateKey: KeyObject; kid: string } | undefined;
  let generation = 0;
  const now = options.now ?? Date.now;
  const provider: IdentityProvider = {
    url,
    name,
    asked,
    documents,
    key: () => signing!.privateKey,
    async rotate() {
      const { privateKey, publicKey } = await generate('rsa', { modulusLength: 2048 });
      generation += 1;
      signing = { privateKey, kid: `key-${generation}` };
      const jwk = { ...(await exportJWK(publicKey)), kid: signing.kid, use: 'sig', alg: 'RS256' };
      documents['/keys'] = { keys: [jwk] };
    },
    token(claims = {}, header = {}) {
      const seconds = Math.floor(now() / 1000);
      const all = { iss: url, aud: 'sts.amazonaws.com', sub: 'somebody', iat: seconds, exp: seconds + 300, ...claims };
      const present = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
      return new SignJWT(present)
        .setProtectedHeader({ alg: 'RS256', kid: signing!.kid, ...header })
        .sign(signing!.privateKey);
    },
  };
  documents['/.well-known/openid-configuration'] = { issuer: url, jwks_uri: `${url}/keys` };
  await provider.rotate();
  return provider;
}
