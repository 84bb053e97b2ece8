import * as sdk from '@aws-sdk/client-iam';
import { defineService } from '../../kernel/define-service.ts';
import * as accessKeys from './access-keys.ts';
import * as attachedPolicies from './attached-policies.ts';
import constraints from './constraints.generated.json' with { type: 'json' };
import * as groups from './groups.ts';
import { Identities } from './identities.ts';
import * as inlinePolicies from './inline-policies.ts';
import * as roles from './roles.ts';
import * as serviceSpecificCredentials from './service-specific-credentials.ts';
import { migrations } from './tables.ts';
import * as users from './users.ts';

/** IAM: who there is, what each may do, and the keys and passwords that prove it. */
export const iam = defineService({
  name: 'iam',
  sdk,
  protocol: 'query',
  signingName: 'iam',
  iamPrefix: 'iam',
  eventSource: 'iam.amazonaws.com',
  apiVersion: '2010-05-08',
  xmlNamespace: 'https://iam.amazonaws.com/doc/2010-05-08/',
  constraints,
  families: [accessKeys, attachedPolicies, groups, inlinePolicies, roles, serviceSpecificCredentials, users],
  migrations,
  provides: { identity: (ctx) => new Identities(ctx) },
});
