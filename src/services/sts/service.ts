import * as sdk from '@aws-sdk/client-sts';
import { defineService } from '../../kernel/define-service.ts';
import * as assumeRole from './assume-role.ts';
import * as assumeRoleWithSaml from './assume-role-with-saml.ts';
import * as assumeRoleWithWebIdentity from './assume-role-with-web-identity.ts';
import * as callers from './callers.ts';
import constraints from './constraints.generated.json' with { type: 'json' };
import * as federationToken from './federation-token.ts';
import { assumeRoleForService } from './service-sessions.ts';
import { migrations } from './spent-assertions.ts';

/** STS: temporary credentials. */
export const sts = defineService({
  name: 'sts',
  sdk,
  protocol: 'query',
  signingName: 'sts',
  iamPrefix: 'sts',
  eventSource: 'sts.amazonaws.com',
  apiVersion: '2011-06-15',
  xmlNamespace: 'https://sts.amazonaws.com/doc/2011-06-15/',
  constraints,
  families: [assumeRole, assumeRoleWithSaml, assumeRoleWithWebIdentity, callers, federationToken],
  migrations,
  provides: { assumeRole: assumeRoleForService },
});
