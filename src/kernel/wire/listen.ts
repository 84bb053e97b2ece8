import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Gateway } from './gateway.ts';
import { CONNECTION_LIMITS, type ConnectionLimits } from './limits.ts';

/** Certificate chain and private key, PEM. */
export interface TlsMaterial {
  cert: Buffer;
  key: Buffer;
}

/**
 * Makes the HTTP server of the one port and starts listening. Headers must come in time and a socket on which nothing
 * moves is closed; bodies have their own clock where they are read. With `tls` it speaks HTTPS only.
 * @throws the system's error when the port is taken (`EADDRINUSE`).
 */
export async function listen(
  gateway: Gateway,
  host: string,
  port: number,
  limits: ConnectionLimits = CONNECTION_LIMITS,
  tls?: TlsMaterial,
): Promise<{ server: Server; port: number }> {
  const options = {
    headersTimeout: limits.headersMs,
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(limits.headersMs, 5_000),
    keepAliveTimeout: limits.keepAliveMs,
    maxHeaderSize: limits.maxHeaderBytes,
    noDelay: true,
    highWaterMark: 256 * 1024,
  };
  const server = tls === undefined ? createServer(options) : createTlsServer({ ...options, ...tls });
  server.timeout = limits.stallMs;
  server.on('request', (request, response) => void gateway.handle(request, response, false, limits));
  server.on('checkContinue', (request, response) => void gateway.handle(request, response, true, limits));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return { server, port: (server.address() as AddressInfo).port };
}
