/** What one connection may take of the server, so that no client holds its means for ever. Times in milliseconds. */
export interface ConnectionLimits {
  /** From the first byte of a request to the end of its headers. */
  readonly headersMs: number;
  /** Without a byte of a body that somebody waits for. */
  readonly bodyIdleMs: number;
  /** Least average rate of a body that is read into memory, after its first `bodyIdleMs`, in bytes a second. */
  readonly minBodyRate: number;
  /** Without progress of an answer that the client does not read. */
  readonly stallMs: number;
  /** Between two requests of a connection. */
  readonly keepAliveMs: number;
  readonly maxHeaderBytes: number;
  /** How much of a refused request's body is still read, so that its client gets to see the answer. */
  readonly lingerBytes: number;
  readonly lingerMs: number;
}

export const CONNECTION_LIMITS: ConnectionLimits = {
  headersMs: 10_000,
  bodyIdleMs: 30_000,
  minBodyRate: 1024,
  stallMs: 60_000,
  keepAliveMs: 65_000,
  maxHeaderBytes: 32 * 1024,
  lingerBytes: 16 * 1024 * 1024,
  lingerMs: 5_000,
};
