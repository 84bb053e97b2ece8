import type * as sdk from '@aws-sdk/client-kms';
import { matchPrincipal, type PrincipalIdentity, type PrincipalMatch } from '../../kernel/auth/principals.ts';
import type { EncryptionContext } from './ciphertext.ts';
import type { GrantTable } from './tables.ts';

/** A grant as calls are held against it. */
export interface Grant {
  readonly id: string;
  readonly grantee: string;
  readonly operations: readonly sdk.GrantOperation[];
  readonly constraints: sdk.GrantConstraints | undefined;
}

export function readGrant(row: GrantTable): Grant {
  return {
    id: row.id,
    grantee: row.grantee,
    operations: JSON.parse(row.operations) as sdk.GrantOperation[],
    constraints: row.constraints === null ? undefined : (JSON.parse(row.constraints) as sdk.GrantConstraints),
  };
}

/** Every spelling of a grantee that means this caller. */
export function granteeNames(who: PrincipalIdentity): string[] {
  if (who.type === 'Anonymous') return [];
  if (who.type === 'AWSService') return who.service === undefined ? [] : [who.service];
  const names = [who.arn, `arn:aws:iam::${who.account}:root`, who.account];
  return who.roleArn === undefined ? names : [...names, who.roleArn];
}

/**
 * The closest way in which a grant names the caller for an operation; undefined when none allows it.
 * Source: KMS Developer Guide, "Grants in AWS KMS".
 * @param operation `Decrypt`; @param context undefined for operations without an encryption context
 */
export function grantFor(
  grants: readonly Grant[],
  who: PrincipalIdentity,
  operation: string,
  context: EncryptionContext | undefined,
): PrincipalMatch | undefined {
  let best: PrincipalMatch | undefined;
  for (const grant of grants) {
    if (!(grant.operations as readonly string[]).includes(operation)) continue;
    if (!meetsConstraints(grant.constraints, context)) continue;
    const match = matchGrantee(grant.grantee, who);
    if (match === 'self') return match;
    if (match === 'role' || best === undefined) best = match ?? best;
  }
  return best;
}

function matchGrantee(grantee: string, who: PrincipalIdentity): PrincipalMatch | undefined {
  return matchPrincipal(who.type === 'AWSService' ? { Service: [grantee] } : { AWS: [grantee] }, who);
}

/** Constraints count for operations that take an encryption context; the others they do not touch. */
function meetsConstraints(constraints: sdk.GrantConstraints | undefined, context: EncryptionContext | undefined) {
  if (constraints === undefined || context === undefined) return true;
  const { EncryptionContextEquals: equals, EncryptionContextSubset: subset } = constraints;
  if (subset !== undefined && !includesAll(context, subset)) return false;
  return equals === undefined || sameContext(context, equals);
}

/** Whether a grantee of `parent` may give a grant of these operations and constraints. */
export function canDerive(
  parent: Grant,
  operations: readonly string[],
  constraints: sdk.GrantConstraints | undefined,
): boolean {
  if (!operations.every((operation) => (parent.operations as readonly string[]).includes(operation))) return false;
  const { EncryptionContextEquals: equals, EncryptionContextSubset: subset } = parent.constraints ?? {};
  const child = constraints ?? {};
  if (equals !== undefined) return sameContext(child.EncryptionContextEquals, equals);
  if (subset === undefined) return true;
  const required = child.EncryptionContextEquals ?? child.EncryptionContextSubset;
  return required !== undefined && includesAll(required, subset);
}

/** Of a constraint the names of pairs have no case, their values have. Source: KMS API reference, GrantConstraints. */
function includesAll(whole: EncryptionContext, part: EncryptionContext): boolean {
  const pairs = Object.entries(whole).map(([key, value]) => [key.toLowerCase(), value] as const);
  return Object.entries(part).every(([key, value]) => {
    const name = key.toLowerCase();
    return pairs.some(([other, found]) => other === name && found === value);
  });
}

function sameContext(one: EncryptionContext | undefined, other: EncryptionContext): boolean {
  if (one === undefined || Object.keys(one).length !== Object.keys(other).length) return false;
  return includesAll(one, other) && includesAll(other, one);
}
