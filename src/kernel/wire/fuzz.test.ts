import assert from 'node:assert/strict';
import { Agent, request as httpRequest } from 'node:http';
import { test } from 'node:test';
import fc from 'fast-check';
import { startServer } from '../../../test/harness.ts';
import type { Service } from '../service.ts';
import { type RawRequest, signedHeaders } from '../testing/raw-http.ts';
import { type SdkRequest, SdkWire } from '../testing/sdk-wire.ts';
import { constraintsOf, TEST_SERVICE_NAMES, testIdentities, testService } from '../testing/services.ts';
import { shapeValue } from '../testing/shape-values.ts';
import type { OperationShape } from './shape.ts';

/** Requests a run; with FUZZ_RUNS=100000 a long one. */
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 1_500);
const SEED = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) };

/** What readers trip over, in any of the formats. */
const TOKENS = [
  ...[
    'null',
    'true',
    '0',
    '-0',
    '1e999',
    '1.5',
    '9007199254740993',
    '-1',
    '[]',
    '{}',
    '""',
    '[[[[',
    '}}',
    '"',
    ',',
    ':',
  ],
  ...['"\\ud800"', '"\\u0000"', '\\', '{"__proto__":1}', '"constructor"', '\ufeff', '\xff', '\xc0\xaf'],
  ...[
    '<a>',
    '</a>',
    '<a/>',
    '&x;',
    '&#0;',
    '&#xD800;',
    '<![CDATA[',
    ']]>',
    '<!--',
    '<?x',
    '<!DOCTYPE a>',
    '<',
    '>',
    '&',
  ],
  ...[
    '%',
    '%00',
    '%ZZ',
    '%C0%AF',
    '+',
    '=',
    '&&',
    '.member.1',
    '.1',
    '.entry.1.key',
    '__proto__',
    'Action=',
    '\r\n',
    '\n',
  ],
  ...['../', '//', '?', '#', ';', "'", 'x'.repeat(3_000), '2026-13-45T99:99:99Z', 'AAAA', '=====', 'arn:aws:::'],
];

interface Edit {
  part: 'body' | 'query' | 'path';
  at: number;
  length: number;
  token: string;
}

const EDIT: fc.Arbitrary<Edit> = fc.record({
  part: fc.constantFrom('body', 'body', 'body', 'query', 'path'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.constantFrom(0, 0, 1, 2, 5, 20),
  token: fc.constantFrom('', ...TOKENS),
});

function edited(text: string, { at, length, token }: Edit): string {
  const start = Math.floor(at * text.length);
  return text.slice(0, start) + token + text.slice(start + length);
}

/** Keeps what Node's client is willing to put into a request line. */
const inRequestLine = (text: string) =>
  text.replace(/[^!-~]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0').slice(-2)}`);

function mutated(sent: SdkRequest, edits: readonly Edit[]): RawRequest {
  const parts = { body: sent.body.toString('latin1'), query: sent.query, path: sent.path };
  for (const edit of edits) parts[edit.part] = edited(parts[edit.part], edit);
  const { host: _, 'content-length': __, expect: ___, ...headers } = sent.headers;
  for (const name of Object.keys(headers))
    if (/^(authorization|x-amz-(date|content-sha256|checksum.*))$/.test(name)) delete headers[name];
  const path = `/${inRequestLine(parts.path.slice(1))}`.replaceAll('?', '%3F');
  const query = inRequestLine(parts.query);
  return {
    method: sent.method,
    path: query === '' ? path : `${path}?${query}`,
    headers,
    body: Buffer.from(parts.body, 'latin1'),
  };
}

/** A service whose every operation does nothing: what is left is reading the input and writing an answer. */
function everything(name: (typeof TEST_SERVICE_NAMES)[number]): Service {
  const handlers: Record<string, () => Promise<object>> = {};
  for (const operation of testService(name, {}).operationNames) handlers[operation] = async () => ({});
  const constraints = name === 'codecommit' || name === 'iam' ? constraintsOf(name) : undefined;
  return testService(name, handlers, constraints === undefined ? {} : { constraints });
}

test('F1: no input built from the models, whole or broken, makes a 5xx', async (t) => {
  const services = TEST_SERVICE_NAMES.map(everything);
  const server = await startServer(t, { services: [testIdentities(), ...services] });
  const wires = new Map(services.map((service) => [service, new SdkWire(service.sdk)]));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const host = new URL(server.url).host;
  const statuses = new Map<number, number>();
  const operations = services.flatMap((service) =>
    service.operationNames.map((name) => [service, service.operationShape(name)!] as const),
  );
  const call = fc.constantFrom(...operations).chain(([service, shape]: readonly [Service, OperationShape]) => {
    const xml = service.protocol === 'query' || service.protocol === 'rest-xml';
    const edits = fc.array(EDIT, { maxLength: 4 });
    return fc.record({
      service: fc.constant(service),
      shape: fc.constant(shape),
      input: shapeValue(shape.input, xml),
      edits,
    });
  });

  const post = ({ method = 'POST', path = '/', headers = {}, body = '' }: RawRequest) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const outgoing = httpRequest(server.url, { method, path, headers, agent }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        answer.once('end', () => resolve({ status: answer.statusCode ?? 0, text }));
      });
      outgoing.once('error', reject).end(body);
    });

  await fc.assert(
    fc.asyncProperty(call, async ({ service, shape, input, edits }) => {
      const sent = await wires.get(service)!.request(shape.name, input as object);
      if (sent === undefined) return;
      const request = mutated(sent, edits);
      const headers = signedHeaders(request, host, service.signingName, server.root);
      const { status, text } = await post({ ...request, headers });
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      assert.ok(status < 500 || status === 501, `${shape.name}: ${status} ${text}`);
    }),
    { numRuns: RUNS, ...SEED },
  );
  const done = statuses.get(200) ?? 0;
  assert.ok(done > RUNS * 0.1 && (statuses.get(400) ?? 0) > RUNS * 0.1, JSON.stringify([...statuses]));
});
