import { readFileSync } from 'node:fs';
import * as codeartifact from '@aws-sdk/client-codeartifact';
import * as codecommit from '@aws-sdk/client-codecommit';
import * as iam from '@aws-sdk/client-iam';
import * as s3 from '@aws-sdk/client-s3';
import * as sqs from '@aws-sdk/client-sqs';
import type { Caller, CallerPolicies, Credential, IdentitySource } from '../auth/identity.ts';
import { parsePolicy } from '../auth/policy-grammar.ts';
import { defineService } from '../define-service.ts';
import type { AnyOperation, RestTarget, Service, ServiceDefinition } from '../service.ts';
import type { HttpRequest } from '../wire/http.ts';
import { decodePathPart } from '../wire/rest-router.ts';
import type { ConstraintTable } from '../wire/validate.ts';

/** Services that exist in tests only: one for each protocol, on the models of real ones. */
const DEFINITIONS = {
  codecommit: {
    name: 'codecommit',
    sdk: codecommit,
    protocol: 'json-1.1',
    signingName: 'codecommit',
    iamPrefix: 'codecommit',
    eventSource: 'codecommit.amazonaws.com',
    targetPrefix: 'CodeCommit_20150413',
  },
  sqs: {
    name: 'sqs',
    sdk: sqs,
    protocol: 'json-1.0',
    signingName: 'sqs',
    iamPrefix: 'sqs',
    eventSource: 'sqs.amazonaws.com',
    targetPrefix: 'AmazonSQS',
  },
  iam: {
    name: 'iam',
    sdk: iam,
    protocol: 'query',
    signingName: 'iam',
    iamPrefix: 'iam',
    eventSource: 'iam.amazonaws.com',
    apiVersion: '2010-05-08',
    xmlNamespace: 'https://iam.amazonaws.com/doc/2010-05-08/',
  },
  codeartifact: {
    name: 'codeartifact',
    sdk: codeartifact,
    protocol: 'rest-json',
    signingName: 'codeartifact',
    iamPrefix: 'codeartifact',
    eventSource: 'codeartifact.amazonaws.com',
  },
  s3: {
    name: 's3',
    sdk: s3,
    protocol: 'rest-xml',
    signingName: 's3',
    iamPrefix: 's3',
    eventSource: 's3.amazonaws.com',
    xmlNamespace: 'http://s3.amazonaws.com/doc/2006-03-01/',
    identify: identifyObject,
  },
} satisfies Record<string, Omit<ServiceDefinition, 'families'>>;

export type TestServiceName = keyof typeof DEFINITIONS;

export const TEST_SERVICE_NAMES = Object.keys(DEFINITIONS) as TestServiceName[];

/** An operation, or its handler alone; then anybody who may do anything may call it. */
type Behaviour = Partial<AnyOperation> | AnyOperation['handle'];

/**
 * A service that does what a test says. Its other operations are not implemented, as in a real service.
 * @param more further parts of the definition, such as consumers.
 */
export function testService(
  name: TestServiceName,
  behaviours: Readonly<Record<string, Behaviour>>,
  more: Partial<ServiceDefinition> = {},
): Service {
  const operations: Record<string, AnyOperation> = {};
  for (const [operation, behaviour] of Object.entries(behaviours)) {
    const given = typeof behaviour === 'function' ? { handle: behaviour } : behaviour;
    operations[operation] = { resource: () => '*', handle: async () => ({}), ...given };
  }
  return defineService({ ...DEFINITIONS[name], families: [operations], ...more });
}

/** The generated constraints of a service that has them. */
export function constraintsOf(service: string): ConstraintTable {
  const path = new URL(`../../services/${service}/constraints.generated.json`, import.meta.url);
  return JSON.parse(readFileSync(path, 'utf8')) as ConstraintTable;
}

/** `/bucket/key` in path style, the few object operations only. */
function identifyObject(request: HttpRequest): RestTarget | undefined {
  const [, bucket = '', ...rest] = request.path.split('/');
  const labels = { Bucket: decodePathPart(bucket), Key: decodePathPart(rest.join('/')) };
  if (labels.Key === '') {
    const names: Record<string, string> = {
      POST: 'DeleteObjects',
      GET: 'ListObjectsV2',
      PUT: 'CreateBucket',
      HEAD: 'HeadBucket',
    };
    const query = new URLSearchParams(request.query);
    const acl = query.has('acl') ? 'PutBucketAcl' : names[request.method];
    return acl === undefined ? undefined : { operation: acl, labels: { Bucket: labels.Bucket } };
  }
  const names: Record<string, string> = {
    PUT: 'PutObject',
    GET: 'GetObject',
    HEAD: 'HeadObject',
    DELETE: 'DeleteObject',
  };
  const operation = names[request.method];
  return operation === undefined ? undefined : { operation, labels };
}

export const TEST_ACCOUNT = '123456789012';

/** A user that {@link testIdentities} knows. */
export interface TestUser {
  accessKeyId: string;
  secretAccessKey: string;
  /** What he may do; nothing by default. */
  policy?: object;
}

/** A service that answers nothing and knows the given users: for tests without IAM. */
export function testIdentities(...users: TestUser[]): Service {
  const credentials = new Map<string, Credential>();
  const policies = new Map<string, CallerPolicies>();
  for (const user of users) {
    const name = user.accessKeyId.toLowerCase();
    const arn = `arn:aws:iam::${TEST_ACCOUNT}:user/${name}`;
    const { accessKeyId, secretAccessKey } = user;
    const caller: Caller = {
      type: 'IAMUser',
      account: TEST_ACCOUNT,
      arn,
      principalId: `AIDA${user.accessKeyId}`,
      accessKeyId,
      userName: name,
    };
    credentials.set(accessKeyId, { accessKeyId, secretAccessKey, active: true, caller });
    const document = user.policy === undefined ? undefined : JSON.stringify(user.policy);
    policies.set(arn, { identity: document === undefined ? [] : [parsePolicy(document, { form: 'identity' })] });
  }
  const source: Partial<IdentitySource> = {
    findCredential: (accessKeyId) => credentials.get(accessKeyId),
    noteRefusal: () => Promise.resolve(false),
    policiesOf: (caller) => ('arn' in caller ? policies.get(caller.arn) : undefined) ?? { identity: [] },
    noteUse: () => undefined,
  };
  return testService(
    'iam',
    {},
    { name: 'identities', signingName: 'identities', provides: { identity: () => source as IdentitySource } },
  );
}
