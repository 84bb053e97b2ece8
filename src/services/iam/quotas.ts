import * as sdk from '@aws-sdk/client-iam';
import { type Fault, fault } from '../../kernel/fault.ts';

/** AWS's default quotas. Source: IAM User Guide, "IAM and AWS STS quotas". Sizes in characters without white space. */
export const QUOTAS = {
  accessKeysPerUser: 2,
  serviceCredentialsPerUser: 2,
  sshKeysPerUser: 5,
  mfaDevicesPerUser: 8,
  serverCertificates: 20,
  signingCertificatesPerUser: 2,
  groupsPerUser: 10,
  attachedPolicies: 10,
  policyVersions: 5,
  managedPolicySize: 6_144,
  trustPolicySize: 2_048,
  inlinePolicySize: { user: 2_048, group: 5_120, role: 10_240 },
  aliasesPerAccount: 1,
  tags: 50,
} as const;

/** `Cannot exceed quota for AccessKeysPerUser: 2` */
export function quotaExceeded(name: string, limit: number): Fault {
  return fault(sdk.LimitExceededException, `Cannot exceed quota for ${name}: ${limit}`);
}
