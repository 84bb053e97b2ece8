import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Service } from '../service.ts';
import { type SdkRequest, SdkWire } from '../testing/sdk-wire.ts';
import { TEST_SERVICE_NAMES, testService } from '../testing/services.ts';
import { shapeValue } from '../testing/shape-values.ts';
import { encode, operationOf } from './codec.ts';
import type { HttpRequest } from './http.ts';
import { routeRest } from './rest-router.ts';
import type { OperationShape } from './shape.ts';

/** Inputs an operation; with ROUND_TRIPS=1000 a long run. */
const SAMPLES = Number(process.env['ROUND_TRIPS'] ?? 3);
const SEED = Number(process.env['SEED'] ?? 20_261_121);

function httpRequest(request: SdkRequest): HttpRequest {
  const rawHeaders = Object.entries(request.headers).flat();
  return { ...request, host: request.headers['host'] ?? '', rawHeaders, message: {} as IncomingMessage };
}

/** Bucket and key in path style: the model of S3 has the bucket in the host. */
function s3Labels(path: string): Record<string, string> {
  const [, bucket = '', ...key] = path.split('/');
  return { Bucket: decodeURIComponent(bucket), Key: decodeURIComponent(key.join('/')) };
}

/** What the gateway's codecs make of a request, the way to the operation included. */
function decode(service: Service, { name }: OperationShape, sent: SdkRequest): Record<string, unknown> {
  const request = httpRequest(sent);
  const s3 = service.name === 's3' ? { operation: name, labels: s3Labels(sent.path) } : undefined;
  const rest = service.protocol === 'rest-json' ? routeRest(service, request) : s3;
  const operation = sent.headers['x-amz-target']?.replace(`${service.targetPrefix}.`, '');
  const encoded = operationOf(service, operation, rest, request, { buffer: sent.body });
  assert.equal(encoded.shape.name, name);
  return encoded.decode();
}

/** Leaves out what the client adds by itself, and makes objects comparable. */
function comparable(shape: OperationShape, decoded: Record<string, unknown>, input: Record<string, unknown>) {
  const out = { ...decoded };
  for (const { name, traits } of shape.input.members) {
    const isAdded =
      traits.idempotencyToken !== undefined || /^(Checksum|ContentMD5|ContentLength|ContentType)/.test(name);
    if (input[name] === undefined && isAdded) delete out[name];
  }
  return out;
}

/** Forms and XML do not tell an empty list or structure from an absent one. */
function plain(value: unknown, pruned: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => plain(item, pruned)).filter((item) => !pruned || !isEmpty(item));
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`;
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, plain(item, pruned)] as const);
  return Object.fromEntries(entries.filter(([, item]) => !pruned || !isEmpty(item)));
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !(value instanceof Date) && Object.keys(value).length === 0;
}

/** Event streams, and the one operation that is sent to a host of its own. */
function isElsewhere({ name, output }: OperationShape): boolean {
  const isStream = output.members.some(({ shape }) => shape.kind === 'union' && shape.traits.streaming);
  return isStream || name === 'WriteGetObjectResponse';
}

/** Tags with a prefix that they do not declare: the SDK's parser lets them pass, those of other clients do not. */
function unboundPrefixes(xml: string): string[] {
  const tags = xml.match(/<[^!?>]*>/g) ?? [];
  return tags.filter((tag) => {
    const used = [...tag.replace(/"[^"]*"/g, '""').matchAll(/[</ ]([\w-]+):/g)].map(([, prefix]) => prefix!);
    return used.some((prefix) => prefix !== 'xmlns' && !tag.includes(`xmlns:${prefix}="`));
  });
}

for (const name of TEST_SERVICE_NAMES) {
  const service = testService(name, {});
  const wire = new SdkWire(service.sdk);
  const xml = service.protocol === 'query' || service.protocol === 'rest-xml';

  test(`${name}: every operation's input is read as the SDK writes it`, async () => {
    let read = 0;
    for (const operation of service.operationNames) {
      const shape = service.operationShape(operation)!;
      for (const input of fc.sample(shapeValue(shape.input, xml), { numRuns: SAMPLES, seed: SEED })) {
        const sent = await wire.request(operation, input as object);
        if (sent === undefined) continue;
        const decoded = comparable(shape, decode(service, shape, sent), input as Record<string, unknown>);
        assert.deepEqual(
          plain(decoded, xml),
          plain(input, xml),
          `${operation} ${sent.method} ${sent.path}?${sent.query} ${sent.body.toString()}`,
        );
        read++;
      }
    }
    assert.ok(read > service.operationNames.length * SAMPLES * 0.8, `${read} requests`);
  });

  test(`${name}: every operation's output is read by the SDK as it was written`, async () => {
    for (const operation of service.operationNames) {
      const shape = service.operationShape(operation)!;
      if (isElsewhere(shape)) continue;
      const [input] = fc.sample(shapeValue(shape.input, xml), { numRuns: 1, seed: SEED });
      for (const output of fc.sample(shapeValue(shape.output, xml), { numRuns: SAMPLES, seed: SEED })) {
        const answer = encode(service, shape, output as Record<string, unknown>, 'request-id');
        if (xml) assert.deepEqual(unboundPrefixes(String(answer.body)), [], operation);
        const got = await wire.output(operation, input as object, answer);
        assert.deepEqual(plain(got, xml), plain(output, xml), `${operation} ${JSON.stringify(answer)}`);
      }
    }
  });
}

test('s3: an element declares the prefix of its attributes', () => {
  const service = testService('s3', {});
  const Grants = [{ Grantee: { Type: 'CanonicalUser', ID: 'a' }, Permission: 'READ' }];
  const { body } = encode(service, service.operationShape('GetBucketAcl')!, { Grants }, 'request-id');
  assert.deepEqual(unboundPrefixes(String(body)), []);
  const grantee = '<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">';
  assert.ok(String(body).includes(grantee), String(body));
});
