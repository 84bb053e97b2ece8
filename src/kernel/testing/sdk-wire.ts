import { Readable } from 'node:stream';
import type { SdkModule } from '../operation-types.ts';
import type { RestAnswer } from '../wire/rest-binding.ts';

/** A request as an SDK client puts it on the wire. */
export interface SdkRequest {
  method: string;
  /** Not decoded. */
  path: string;
  /** Not decoded, without the question mark. */
  query: string;
  headers: Record<string, string>;
  body: Buffer;
}

interface OutgoingRequest {
  method: string;
  path: string;
  query: Record<string, string | string[] | null>;
  headers: Record<string, string>;
  body?: unknown;
}

interface SdkStream {
  transformToByteArray(): Promise<Uint8Array>;
}

interface SdkClient {
  send(command: object): Promise<Record<string, unknown>>;
}

const percentEncode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

function queryText(query: OutgoingRequest['query']): string {
  return Object.entries(query)
    .flatMap(([name, value]) =>
      (Array.isArray(value) ? value : [value]).map((one) =>
        one === null ? percentEncode(name) : `${percentEncode(name)}=${percentEncode(one)}`,
      ),
    )
    .join('&');
}

/** An SDK client with its network cut off: it shows what it would send, and reads what it is given. */
export class SdkWire {
  readonly #sdk: SdkModule;
  readonly #client: SdkClient;
  #sent: OutgoingRequest | undefined;
  #answer: RestAnswer = { status: 200, headers: {}, body: undefined };

  constructor(sdk: SdkModule) {
    this.#sdk = sdk;
    const name = Object.keys(sdk).find((key) => /^[A-Z]\w*Client$/.test(key))!;
    this.#client = new sdk[name]({
      endpoint: 'http://127.0.0.1:1',
      region: 'us-east-1',
      credentials: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'secret' },
      maxAttempts: 1,
      forcePathStyle: true,
      md5: false,
      requestHandler: { handle: async (request: OutgoingRequest) => this.#handle(request) },
    }) as SdkClient;
  }

  async #handle(request: OutgoingRequest) {
    this.#sent = request;
    const { status, headers, body } = this.#answer;
    const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.from((body as Uint8Array | undefined) ?? []);
    return { response: { statusCode: status, headers, body: Readable.from([bytes]), reason: '' } };
  }

  #command(operation: string, input: object): object {
    return new this.#sdk[`${operation}Command`](structuredClone(input));
  }

  /** What the client sends for an input; undefined when it refuses to send it. */
  async request(operation: string, input: object): Promise<SdkRequest | undefined> {
    this.#sent = undefined;
    this.#answer = { status: 200, headers: {}, body: undefined };
    // Whether it can read an empty answer does not matter here.
    await this.#client.send(this.#command(operation, input)).catch(() => undefined);
    const sent = this.#sent as OutgoingRequest | undefined;
    if (sent === undefined) return undefined;
    const { body } = sent;
    return {
      method: sent.method,
      path: sent.path,
      query: queryText(sent.query ?? {}),
      headers: Object.fromEntries(Object.entries(sent.headers).map(([name, value]) => [name.toLowerCase(), value])),
      body: typeof body === 'string' ? Buffer.from(body) : Buffer.from((body as Uint8Array | undefined) ?? []),
    };
  }

  /** What the client makes of an answer. @param input any that it is willing to send */
  async output(operation: string, input: object, answer: RestAnswer): Promise<Record<string, unknown>> {
    this.#answer = answer;
    const { $metadata: _, ...output } = await this.#client.send(this.#command(operation, input));
    for (const [name, value] of Object.entries(output)) {
      if (value instanceof Readable) output[name] = await (value as unknown as SdkStream).transformToByteArray();
    }
    return output;
  }
}
