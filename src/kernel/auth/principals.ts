import { hash } from 'node:crypto';

/** A principal of a policy, as written: kinds and values. `'*'` is everyone, signed or not. */
export type PrincipalElement = '*' | PrincipalElementOfKinds;
type PrincipalElementOfKinds = Readonly<Partial<Record<PrincipalKind, readonly string[]>>>;
export type PrincipalKind = 'AWS' | 'Service' | 'Federated' | 'CanonicalUser';

/** Whom a request comes from, in the forms in which policies name principals. */
export interface PrincipalIdentity {
  readonly type: 'Root' | 'IAMUser' | 'AssumedRole' | 'FederatedUser' | 'Federated' | 'AWSService' | 'Anonymous';
  /** Account of the principal; empty for anonymous requests. */
  readonly account: string;
  /** User ARN, session ARN (`arn:aws:sts::...:assumed-role/...`) or root ARN; empty for services, federated and anonymous. */
  readonly arn: string;
  /** ARN of the role behind a session, or of the user who made a federated one. */
  readonly roleArn?: string;
  /** `AIDA...`, or `AROA...` of the role. */
  readonly principalId?: string;
  /** `codebuild.amazonaws.com` when a service calls by itself. */
  readonly service?: string;
  /** ARN of the identity provider that vouches for somebody who asks for a role. */
  readonly federated?: string;
}

/**
 * How a `Principal` element names the caller, closest first: itself (user, session, service), its role, everyone, its
 * account. The evaluation rules differ: naming an account only lets that account's own policies decide.
 */
export type PrincipalMatch = 'self' | 'role' | 'everyone' | 'account';

const ACCOUNT_ROOT = /^arn:aws[a-z-]*:iam::(\d{12}):root$/;

/** Account that a principal value stands for as a whole: its number or its root ARN. */
export function accountOf(value: string): string | undefined {
  return /^\d{12}$/.test(value) ? value : ACCOUNT_ROOT.exec(value)?.[1];
}

/** How `element` names the caller; undefined when it does not. */
export function matchPrincipal(element: PrincipalElement, who: PrincipalIdentity): PrincipalMatch | undefined {
  if (element === '*') return 'everyone';
  if (who.type === 'AWSService') return who.service && element.Service?.includes(who.service) ? 'self' : undefined;
  if (who.type === 'Federated') return who.federated && element.Federated?.includes(who.federated) ? 'self' : undefined;
  const values = element.AWS ?? [];
  let best = isNamedCanonically(element, who) ? accountMatch(who) : undefined;
  for (const value of values) {
    const match = matchValue(value, who);
    if (match !== undefined && (best === undefined || RANK[match] < RANK[best])) best = match;
  }
  return best;
}

const RANK: Readonly<Record<PrincipalMatch, number>> = { self: 0, role: 1, everyone: 2, account: 3 };

function matchValue(value: string, who: PrincipalIdentity): PrincipalMatch | undefined {
  if (value === '*') return 'everyone';
  if (who.type === 'Anonymous') return undefined;
  if (who.type !== 'Root' && value === who.arn) return 'self';
  if (value === who.roleArn) return 'role';
  if (value === who.principalId) return who.roleArn === undefined ? 'self' : 'role';
  const account = accountOf(value);
  if (account === undefined || account !== who.account) return undefined;
  return accountMatch(who);
}

/** How the caller is named by what names his account as a whole. */
function accountMatch(who: PrincipalIdentity): PrincipalMatch {
  return who.type === 'Root' ? 'self' : 'account';
}

/** A canonical user is an account, in the way in which S3 names it (IAM User Guide, "AWS JSON policy elements: Principal"). */
function isNamedCanonically({ CanonicalUser: ids }: PrincipalElementOfKinds, { account }: PrincipalIdentity): boolean {
  return ids !== undefined && account !== '' && ids.includes(canonicalUserOf(account));
}

/** The canonical user id of an account: 64 hexadecimal digits. */
export function canonicalUserOf(account: string): string {
  return hash('sha256', `canonical user of ${account}`, 'hex');
}

/**
 * True when a `NotPrincipal` list exempts the caller entirely. A session is exempt only when the session, its role and
 * its account are all listed, a user when user and account are (IAM User Guide, "AWS JSON policy elements: NotPrincipal").
 */
export function isExempt(element: PrincipalElement, who: PrincipalIdentity): boolean {
  if (element === '*') return true;
  if (who.type === 'AWSService') return who.service !== undefined && element.Service?.includes(who.service) === true;
  if (who.type === 'Federated')
    return who.federated !== undefined && element.Federated?.includes(who.federated) === true;
  const values = element.AWS ?? [];
  if (values.includes('*')) return true;
  if (who.type === 'Anonymous') return false;
  const isAccountNamed = isNamedCanonically(element, who) || values.some((value) => accountOf(value) === who.account);
  if (!isAccountNamed) return false;
  if (who.type === 'Root') return true;
  return values.includes(who.arn) && (who.roleArn === undefined || values.includes(who.roleArn));
}

/** True when a `NotPrincipal` list names the caller in any form: what `Allow` leaves out. */
export function isNamed(element: PrincipalElement, who: PrincipalIdentity): boolean {
  return matchPrincipal(element, who) !== undefined;
}

const AWS_PRINCIPAL =
  /^(?:\*|\d{12}|(?:AIDA|AROA|AKIA|ASIA)[A-Z0-9]{12,124}|arn:aws(?:-[a-z-]+)?:iam::\d{12}:(?:root|(?:user|role)\/[\w+=,.@/-]+)|arn:aws(?:-[a-z-]+)?:sts::\d{12}:(?:assumed-role\/[\w+=,.@-]+\/[\w+=,.@-]+|federated-user\/[\w+=,.@-]+))$/;
const SERVICE_PRINCIPAL = /^[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:amazonaws\.com(?:\.cn)?|amazon\.com|aws\.internal)$/;
const FEDERATED_PRINCIPAL =
  /^(?:cognito-identity\.amazonaws\.com|www\.amazon\.com|graph\.facebook\.com|accounts\.google\.com|arn:aws(?:-[a-z-]+)?:iam::\d{12}:(?:saml|oidc)-provider\/.+)$/;

/** True for a value that a principal of that kind can have; wildcards stand only alone. */
export function isPrincipalValue(kind: string, value: string): boolean {
  switch (kind) {
    case 'AWS':
      return AWS_PRINCIPAL.test(value);
    case 'Service':
      return SERVICE_PRINCIPAL.test(value);
    case 'Federated':
      return FEDERATED_PRINCIPAL.test(value);
    default:
      return kind === 'CanonicalUser' && /^[0-9a-f]{64}$/.test(value);
  }
}
