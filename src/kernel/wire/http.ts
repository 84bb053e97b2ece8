import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context } from '../context.ts';

/** A request as it stands on the wire, before anybody decided what it is. */
export interface HttpRequest {
  readonly method: string;
  /** Path, not decoded. */
  readonly path: string;
  /** Query, not decoded, without the question mark. */
  readonly query: string;
  /** Host header, lower case, with the port. */
  readonly host: string;
  /** Headers by lower-case name; for repeated ones see `rawHeaders`. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Names and values in turn, as received. */
  readonly rawHeaders: readonly string[];
  readonly message: IncomingMessage;
}

/** What a data-plane route gets: the raw request and response, and a context without an identity yet. */
export interface Exchange {
  readonly request: HttpRequest;
  readonly response: ServerResponse;
  /** `caller` is anonymous until the route has authenticated it: `ctx.withCaller(...)`. */
  readonly ctx: Context;
  /** Authenticates a SigV4-signed request like an API call. @throws the faults of a bad signature */
  authenticate(): Promise<Context>;
}

/** Takes the parts of a request out of Node's message. */
export function httpRequest(message: IncomingMessage): HttpRequest {
  const url = message.url ?? '/';
  const at = url.indexOf('?');
  return {
    method: message.method ?? 'GET',
    path: at === -1 ? url : url.slice(0, at),
    query: at === -1 ? '' : url.slice(at + 1),
    host: (message.headers.host ?? '').toLowerCase(),
    headers: message.headers as Record<string, string | undefined>,
    rawHeaders: message.rawHeaders,
    message,
  };
}
