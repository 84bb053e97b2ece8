import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Gateway } from './gateway.ts';

const HEADERS_TIMEOUT_MS = 10_000;
const SOCKET_IDLE_MS = 120_000;
const KEEP_ALIVE_MS = 65_000;
const MAX_HEADER_BYTES = 32 * 1024;

/**
 * Makes the HTTP server of the one port and starts listening. Headers must come within 10 s; a socket on which nothing
 * moves is closed; bodies have their own clock where they are read.
 * @throws the system's error when the port is taken (`EADDRINUSE`).
 */
export async function listen(gateway: Gateway, host: string, port: number): Promise<{ server: Server; port: number }> {
  const server = createServer({
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
    noDelay: true,
    highWaterMark: 256 * 1024,
  });
  server.timeout = SOCKET_IDLE_MS;
  server.on('request', (request, response) => void gateway.handle(request, response, false));
  server.on('checkContinue', (request, response) => void gateway.handle(request, response, true));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return { server, port: (server.address() as AddressInfo).port };
}
