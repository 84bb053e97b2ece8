import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Service } from '../../src/kernel/service.ts';
import { type RawAnswer, type SigningKeys, send, signedHeaders } from '../../src/kernel/testing/raw-http.ts';
import { type SdkRequest, SdkWire } from '../../src/kernel/testing/sdk-wire.ts';
import { validInput } from '../../src/kernel/testing/valid-input.ts';
import { services } from '../../src/services.ts';
import { authorizationGolden } from '../authorization/golden.ts';
import { CANARY, type Made, makeSamples, nobody } from '../authorization/samples.ts';
import { ALLOW_ALL, startServer, type TestServer } from '../harness.ts';

/** What IAM is not asked for before the call: what anybody may, and what is asked for each part of the call. */
/** Whoever has a proof of an identity provider needs no signature, and is asked for only when the proof was read. */
const BY_PROOF = ['sts:AssumeRoleWithSAML', 'sts:AssumeRoleWithWebIdentity'];
const UNASKED = new Set([...BY_PROOF, 'sts:GetCallerIdentity', 'sts:GetSessionToken', 's3:DeleteObjects']);
const READING = ['Get', 'List', 'Describe', 'BatchGet', 'Lookup', 'Filter', 'Simulate', 'Test'];

interface Operation {
  service: Service;
  name: string;
  /** As the SDK sends it, with nothing of a signature. */
  request: SdkRequest;
  /** The line of the golden file behind the name. */
  asked: string;
}

async function implementedOperations(golden: string, made: Made): Promise<Operation[]> {
  // Names back to the ids of this server.
  const text = Object.entries(made.names).reduce(
    (known, [id, name]) => known.replaceAll(`key/${name}`, `key/${id}`),
    golden,
  );
  const lines = text.trim().split('\n');
  const asked = new Map(lines.map((line) => [line.split(' ')[0]!, line.slice(line.indexOf(' ') + 1)]));
  const found: Operation[] = [];
  for (const service of services) {
    const wire = new SdkWire(service.sdk);
    for (const name of service.operations.keys()) {
      const input = validInput(
        service.operationShape(name)!,
        service.constraints,
        made.samples[service.name] ?? {},
        false,
      );
      const request = await wire.request(name, input);
      assert.ok(request, `${service.name}:${name} is sent`);
      for (const header of Object.keys(request.headers)) {
        if (/^(authorization|host|content-length|x-amz-date|x-amz-content-sha256)$/.test(header)) {
          delete request.headers[header];
        }
      }
      found.push({ service, name, request, asked: asked.get(`${service.name}:${name}`) ?? '' });
    }
  }
  return found;
}

function call({ url }: TestServer, operation: Operation, keys: CallerKeys | undefined) {
  const { service, request } = operation;
  const { method, body } = request;
  const path = request.query === '' ? request.path : `${request.path}?${request.query}`;
  const token = keys?.sessionToken;
  const headers = { ...request.headers, ...(token === undefined ? {} : { 'x-amz-security-token': token }) };
  const raw = { method, path, headers, body };
  if (keys === undefined) return send(url, raw);
  return send(url, { ...raw, headers: signedHeaders(raw, new URL(url).host, service.signingName, keys) });
}

const UNESCAPED: Record<string, string> = { '&quot;': '"', '&amp;': '&', '&lt;': '<', '&gt;': '>', '&apos;': "'" };

function errorOf({ text, headers }: RawAnswer): { code: string; message: string } {
  if (!text.startsWith('<')) {
    const body = text === '' ? {} : JSON.parse(text);
    const code = String(body.__type ?? headers['x-amzn-errortype'] ?? '');
    return { code: code.replace(/^.*#/, '').replace(/:.*$/, ''), message: body.message ?? body.Message ?? '' };
  }
  const message = /<Message>([\s\S]*?)<\/Message>/.exec(text)?.[1] ?? '';
  return {
    code: /<Code>(.*?)<\/Code>/.exec(text)?.[1] ?? '',
    message: message.replace(/&\w+;/g, (entity) => UNESCAPED[entity] ?? entity),
  };
}

const DENIED = {
  json: 'AccessDeniedException',
  'rest-json': 'AccessDeniedException',
  query: 'AccessDenied',
  s3: 'AccessDenied',
};

/** Where AWS's denials of calls that are about no resource do not say so. */
const SILENT_ON_STAR = new Set(['s3', 'codebuild', 'codecommit', 'cloudtrail']);

type CallerKeys = SigningKeys & { sessionToken?: string };

const AT_ONCE = 16;

/** Calls each operation as one caller, some at a time. */
async function each(
  server: TestServer,
  operations: readonly Operation[],
  keys: CallerKeys | undefined,
  check: (operation: Operation, answer: RawAnswer) => void,
): Promise<void> {
  const waiting = [...operations];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      check(next, await call(server, next, keys));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** Whether the call was refused for lack of rights; a HEAD has no body to say so in. */
function isDenied({ service, request }: Operation, answer: RawAnswer): boolean {
  if (answer.status < 400) return false;
  if (request.method === 'HEAD') return answer.status === 403;
  return errorOf(answer).code === DENIED[service.errorStyle];
}

const show = ({ service, name }: Operation, answer: RawAnswer) =>
  `${service.name}:${name}: ${answer.status} ${answer.text.slice(0, 300)}`;

function user(server: TestServer, name: string, ...Statement: object[]) {
  return server.user(name, { Version: '2012-10-17', Statement });
}

/** Credentials of somebody who was never made by the API: of an account that is not here, or of the past. */
function session(server: TestServer, account: string, durationSeconds: number) {
  const ctx = server.kernel.serviceContext('slipway.test', account);
  const caller = { type: 'Root', account, arn: `arn:aws:iam::${account}:root`, principalId: account } as const;
  return server.kernel.identity.openSession({ caller, sessionPolicies: [], durationSeconds }, ctx);
}

test('X2: every operation of every service × who may not call it', async (t) => {
  const server = await startServer(t);
  const made = await makeSamples(server);
  const golden = readFileSync('test/golden/authorization.txt', 'utf8');
  await t.test('the golden file says what each operation asks of IAM', async () => {
    assert.equal(golden, await authorizationGolden(made, nobody(server)), 'run npm run golden');
    const unknown = golden
      .split('\n')
      .filter((line) => line.includes(' ! ') && !BY_PROOF.includes(line.split(' ')[0]!));
    assert.deepEqual(unknown, [], 'samples are missing: add them to test/authorization/samples.ts');
  });
  const all = await implementedOperations(golden, made);
  assert.ok(all.length > 250);
  const asking = all.filter(({ service, name }) => !UNASKED.has(`${service.name}:${name}`));

  await t.test('a user without a policy is told what he lacks, as AWS words it', async () => {
    const { caller } = nobody(server);
    const UserName = caller.type === 'IAMUser' ? caller.userName : '';
    await server.root_.iam.createUser({ UserName });
    const { AccessKey } = await server.root_.iam.createAccessKey({ UserName });
    const keys = { accessKeyId: AccessKey!.AccessKeyId!, secretAccessKey: AccessKey!.SecretAccessKey! };
    await each(server, asking, keys, (operation, answer) => {
      assert.ok(isDenied(operation, answer), show(operation, answer));
      if (operation.request.method === 'HEAD') return;
      const [action = '', resource = ''] = operation.asked.split(' ');
      const { errorStyle, name: service } = operation.service;
      const named = errorStyle === 's3' ? `"${resource}"` : resource;
      const on = resource === '*' && SILENT_ON_STAR.has(service) ? '' : ` on resource: ${named}`;
      const who = 'User: arn:aws:iam::123456789012:user/nobody is not authorized to perform';
      const why = `because no identity-based policy allows the ${action} action`;
      assert.equal(
        errorOf(answer).message,
        `${who}: ${action}${on} ${why}`,
        `${operation.service.name}:${operation.name}`,
      );
    });
  });

  await t.test('an explicit deny wins over a right to everything', async () => {
    const { keys } = await user(server, 'denied', ...ALLOW_ALL.Statement, {
      Effect: 'Deny',
      Action: '*',
      Resource: '*',
    });
    await each(server, asking, keys, (operation, answer) => {
      assert.ok(isDenied(operation, answer), show(operation, answer));
      if (operation.request.method === 'HEAD') return;
      assert.match(errorOf(answer).message, /with an explicit deny in an identity-based policy$/);
    });
  });

  await t.test('who may read changes nothing', async () => {
    const prefixes = [...new Set(services.map(({ iamPrefix }) => iamPrefix))];
    const Action = prefixes.flatMap((prefix) => READING.map((verb) => `${prefix}:${verb}*`));
    const { keys } = await user(server, 'reader', { Effect: 'Allow', Action, Resource: '*' });
    let allowed = 0;
    await each(server, asking, keys, (operation, answer) => {
      const verb = operation.asked.split(' ')[0]!.split(':')[1]!;
      const reads = READING.some((one) => verb.startsWith(one));
      assert.equal(isDenied(operation, answer), !reads, show(operation, answer));
      if (reads) allowed += 1;
    });
    assert.ok(allowed > 80 && allowed < asking.length);
  });

  await t.test('nobody in particular may nothing', async () => {
    const signed = all.filter(({ service, name }) => !BY_PROOF.includes(`${service.name}:${name}`));
    await each(server, signed, undefined, (operation, answer) => {
      const { code } = errorOf(answer);
      if (operation.service.errorStyle === 's3') assert.equal(answer.status, 403, show(operation, answer));
      else assert.match(code, /^MissingAuthenticationToken(Exception)?$/, show(operation, answer));
    });
  });

  await t.test('a session that is over may nothing', async () => {
    const { accessKeyId, secretAccessKey, sessionToken } = await session(server, server.config.account, -1);
    const signed = all.filter(({ service, name }) => !BY_PROOF.includes(`${service.name}:${name}`));
    await each(server, signed, { accessKeyId, secretAccessKey, sessionToken }, (operation, answer) => {
      if (operation.request.method === 'HEAD') assert.equal(answer.status, 400, show(operation, answer));
      else assert.match(errorOf(answer).code, /^ExpiredToken(Exception)?$/, show(operation, answer));
    });
  });

  await t.test('another account, whose root may everything there, sees and changes nothing here', async () => {
    const { accessKeyId, secretAccessKey, sessionToken } = await session(server, '999999999999', 3600);
    await each(server, all, { accessKeyId, secretAccessKey, sessionToken }, (operation, answer) => {
      assert.doesNotMatch(answer.text, new RegExp(CANARY), show(operation, answer));
      assert.notEqual(answer.status, 500, show(operation, answer));
      const ours =
        operation.asked.includes(':123456789012:') && /"[^"]*:123456789012:/.test(operation.request.body.toString());
      const name = `${operation.service.name}:${operation.name}`;
      if (ours || operation.service.errorStyle === 's3') {
        if (name === 's3:ListBuckets' || name === 's3:CreateBucket' || name === 's3:DeleteObjects') return;
        assert.ok(answer.status >= 400, show(operation, answer));
      }
    });
    const { s3, codecommit, iam } = server.root_;
    await s3.headObject({ Bucket: 'sample', Key: 'sample' });
    await codecommit.getRepository({ repositoryName: 'sample' });
    await iam.getRole({ RoleName: 'sample' });
  });
});
