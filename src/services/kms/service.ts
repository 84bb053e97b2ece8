import * as sdk from '@aws-sdk/client-kms';
import { defineService } from '../../kernel/define-service.ts';
import * as aliases from './aliases.ts';
import constraints from './constraints.generated.json' with { type: 'json' };
import * as dataKeys from './data-keys.ts';
import * as encrypt from './encrypt.ts';
import * as grantRemoval from './grant-removal.ts';
import * as grants from './grants.ts';
import * as imports from './imports.ts';
import * as keyDeletion from './key-deletion.ts';
import * as keyPolicies from './key-policies.ts';
import * as keys from './keys.ts';
import { lifecycle } from './lifecycle.ts';
import * as macs from './macs.ts';
import * as multiRegion from './multi-region.ts';
import { keyState } from './provided-states.ts';
import * as publicKeys from './public-keys.ts';
import * as rotation from './rotation.ts';
import * as signatures from './signatures.ts';
import { migrations } from './tables.ts';
import * as tagging from './tagging.ts';

/** KMS: keys that never leave it, and what is done with them. */
export const kms = defineService({
  name: 'kms',
  sdk,
  protocol: 'json-1.1',
  signingName: 'kms',
  iamPrefix: 'kms',
  eventSource: 'kms.amazonaws.com',
  targetPrefix: 'TrentService',
  constraints: { ...constraints, framework: true },
  families: [
    keys,
    keyPolicies,
    keyDeletion,
    rotation,
    imports,
    multiRegion,
    aliases,
    tagging,
    grants,
    grantRemoval,
    encrypt,
    dataKeys,
    signatures,
    macs,
    publicKeys,
  ],
  reconcilers: [lifecycle],
  migrations,
  provides: { keyState },
});
