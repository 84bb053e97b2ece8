import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Context } from '../../src/kernel/context.ts';
import { isFault } from '../../src/kernel/fault.ts';
import type { Service } from '../../src/kernel/service.ts';
import { validInput } from '../../src/kernel/testing/valid-input.ts';
import type { Shape, StructureShape } from '../../src/kernel/wire/shape.ts';
import { violations } from '../../src/kernel/wire/validate.ts';
import { services } from '../../src/services.ts';
import { CANARY, type Made, makeSamples } from '../authorization/samples.ts';
import { startServer, type TestServer } from '../harness.ts';

const THEIRS = '999999999999';
const MIN_CASES = 1_500;

/** Names and ARNs of what stands in the first account, as somebody who knows them would write them. */
function ourIds(account: string, made: Made): string[] {
  const [keyId = ''] = Object.keys(made.names);
  const arn = (service: string, resource: string, region = 'us-east-1') =>
    `arn:aws:${service}:${region}:${account}:${resource}`;
  return [
    'sample',
    keyId,
    arn('kms', `key/${keyId}`),
    arn('kms', 'alias/sample'),
    arn('iam', 'role/sample', ''),
    arn('iam', 'user/sample', ''),
    arn('iam', 'policy/sample', ''),
    arn('codecommit', 'sample'),
    arn('logs', 'log-group:sample'),
    'arn:aws:s3:::sample',
    'arn:aws:s3:::sample/sample',
    'sample/sample',
  ];
}

/** Those of them that the service could make something of. */
function idsFor({ iamPrefix }: Service, ids: readonly string[]): string[] {
  const prefixes = iamPrefix === 'sts' ? ['iam'] : [iamPrefix];
  return ids.filter((id) => !id.startsWith('arn:') || prefixes.includes(id.split(':')[2]!));
}

/** The input with one of its texts, at the top or in a list there, put to another value. */
function* withId(
  shape: StructureShape,
  input: Record<string, unknown>,
  id: string,
): Generator<Record<string, unknown>> {
  const isText = (one: Shape) => one.kind === 'string';
  for (const member of shape.members) {
    if (isText(member.shape)) yield { ...input, [member.name]: id };
    else if (member.shape.kind === 'list' && isText(member.shape.member)) yield { ...input, [member.name]: [id] };
  }
}

function inputsOf(service: Service, name: string, made: Made, ids: readonly string[]): Record<string, unknown>[] {
  const shape = service.operationShape(name)!;
  const input = validInput(shape, service.constraints, made.samples[service.name] ?? {}, false);
  const found = new Map<string, Record<string, unknown>>();
  for (const id of ids) {
    for (const one of withId(shape.input, input, id)) {
      const isValid =
        service.constraints === undefined || violations(shape.input, one, service.constraints).length === 0;
      if (isValid) found.set(JSON.stringify(one), one);
    }
  }
  return [...found.values()];
}

/** What the first account has, as its root user sees it. */
async function stateOf({ root_ }: TestServer, made: Made): Promise<string> {
  const { codecommit, iam, kms, logs, s3 } = root_;
  const KeyId = Object.keys(made.names)[0]!;
  const answers: object[] = await Promise.all([
    codecommit.listRepositories({}),
    codecommit.getRepository({ repositoryName: 'sample' }),
    iam.listUsers({}),
    iam.listRoles({}),
    iam.getRole({ RoleName: 'sample' }),
    iam.listRolePolicies({ RoleName: 'sample' }),
    iam.listAttachedUserPolicies({ UserName: 'sample' }),
    iam.listAccessKeys({ UserName: 'sample' }),
    iam.listPolicyVersions({ PolicyArn: `arn:aws:iam::${made.account}:policy/sample` }),
    kms.listKeys({}),
    kms.describeKey({ KeyId }),
    kms.getKeyPolicy({ KeyId }),
    kms.listAliases({}),
    logs.describeLogGroups({}),
    s3.listObjectVersions({ Bucket: 'sample' }),
    s3.getBucketAcl({ Bucket: 'sample' }),
    s3.getPublicAccessBlock({ Bucket: 'sample' }),
  ]);
  return JSON.stringify(answers.map((answer) => ({ ...answer, $metadata: undefined })));
}

test('I11: another account reaches nothing by any name or ARN of ours, whatever the parameter', async (t) => {
  const server = await startServer(t);
  const made = await makeSamples(server);
  const before = await stateOf(server, made);
  const root = { type: 'Root', account: THEIRS, arn: `arn:aws:iam::${THEIRS}:root`, principalId: THEIRS } as const;
  const ctx: Context = server.kernel.serviceContext('slipway.test').withCaller(root);
  const ids = ourIds(made.account, made);
  let cases = 0;
  for (const service of services) {
    for (const name of service.operations.keys()) {
      for (const input of inputsOf(service, name, made, idsFor(service, ids))) {
        const what = `${service.name}:${name} ${JSON.stringify(input).slice(0, 300)}`;
        let answer: unknown;
        try {
          answer = await ctx.call(service.name, name as never, input as never);
        } catch (error) {
          assert.ok(isFault(error as Error), `${what}: ${(error as Error).stack}`);
          answer = (error as Error).message;
        }
        assert.ok(!JSON.stringify(answer ?? '').includes(CANARY), what);
        cases += 1;
      }
    }
  }
  assert.ok(cases >= MIN_CASES, `${cases} cases`);
  assert.equal(await stateOf(server, made), before, 'nothing of ours has changed');
});
