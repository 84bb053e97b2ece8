import * as sdk from '@aws-sdk/client-iam';
import { defineService } from '../../kernel/define-service.ts';
import * as accessKeys from './access-keys.ts';
import * as account from './account.ts';
import { accountsRoute } from './account-route.ts';
import { accountMigrations } from './account-tables.ts';
import { enterDefaultAccount } from './accounts.ts';
import * as attachedPolicies from './attached-policies.ts';
import * as authorizationDetails from './authorization-details.ts';
import constraints from './constraints.generated.json' with { type: 'json' };
import * as contextKeys from './context-keys.ts';
import * as credentialReport from './credential-report.ts';
import * as groups from './groups.ts';
import { Identities } from './identities.ts';
import * as inlinePolicies from './inline-policies.ts';
import * as instanceProfiles from './instance-profiles.ts';
import * as loginProfiles from './login-profiles.ts';
import * as managedPolicies from './managed-policies.ts';
import * as mfaDevices from './mfa-devices.ts';
import * as openIdConnectProviders from './open-id-connect-providers.ts';
import * as passwordPolicy from './password-policy.ts';
import * as policyEntities from './policy-entities.ts';
import * as policyVersions from './policy-versions.ts';
import { providerMigrations } from './provider-tables.ts';
import * as roles from './roles.ts';
import * as samlProviders from './saml-providers.ts';
import * as serverCertificates from './server-certificates.ts';
import * as serviceAccess from './service-access.ts';
import * as serviceLinkedRoles from './service-linked-roles.ts';
import * as serviceSpecificCredentials from './service-specific-credentials.ts';
import { signIn } from './sign-in.ts';
import * as signingCertificates from './signing-certificates.ts';
import * as simulation from './simulation.ts';
import * as sshPublicKeys from './ssh-public-keys.ts';
import { migrations } from './tables.ts';
import * as tagging from './tagging.ts';
import { closedToUserSessions } from './user-sessions.ts';
import * as users from './users.ts';
import { words } from './validation-words.ts';

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
  constraints: { ...constraints, words },
  families: closedToUserSessions([
    accessKeys,
    account,
    attachedPolicies,
    authorizationDetails,
    contextKeys,
    credentialReport,
    groups,
    inlinePolicies,
    instanceProfiles,
    loginProfiles,
    managedPolicies,
    mfaDevices,
    passwordPolicy,
    openIdConnectProviders,
    policyEntities,
    policyVersions,
    roles,
    samlProviders,
    serverCertificates,
    serviceAccess,
    serviceLinkedRoles,
    serviceSpecificCredentials,
    signingCertificates,
    simulation,
    sshPublicKeys,
    tagging,
    users,
  ]),
  routes: [accountsRoute, signIn],
  migrations: { ...migrations, ...accountMigrations, ...providerMigrations },
  lifecycle: { start: enterDefaultAccount },
  provides: { identity: (ctx) => new Identities(ctx) },
});
