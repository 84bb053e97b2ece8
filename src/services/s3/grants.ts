/** Access lists as data: canned forms, grant headers and XML, and what they mean for IAM. Source: S3 User Guide, "ACL overview". */
import type * as sdk from '@aws-sdk/client-s3';
import { type CompiledPolicy, parsePolicy } from '../../kernel/auth/policy-grammar.ts';
import { invalidArgument, malformedXml, s3Fault, unsupported } from './faults.ts';

export type Permission = 'FULL_CONTROL' | 'WRITE' | 'WRITE_ACP' | 'READ' | 'READ_ACP';

/** Who a grant is for: an account by its canonical user id, or a predefined group by its URI. */
export type Grantee = { id: string } | { uri: string };

export interface Grant {
  grantee: Grantee;
  permission: Permission;
}

const GROUPS = 'http://acs.amazonaws.com/groups/';
export const ALL_USERS = `${GROUPS}global/AllUsers`;
export const AUTHENTICATED_USERS = `${GROUPS}global/AuthenticatedUsers`;
export const LOG_DELIVERY = `${GROUPS}s3/LogDelivery`;
const PERMISSIONS: readonly string[] = ['FULL_CONTROL', 'WRITE', 'WRITE_ACP', 'READ', 'READ_ACP'];
const MAX_GRANTS = 100;

/** What of a request says who may do what. */
export interface AccessListInput {
  ACL?: string | undefined;
  GrantFullControl?: string | undefined;
  GrantRead?: string | undefined;
  GrantReadACP?: string | undefined;
  GrantWrite?: string | undefined;
  GrantWriteACP?: string | undefined;
}

const HEADERS = [
  ['GrantFullControl', 'FULL_CONTROL'],
  ['GrantRead', 'READ'],
  ['GrantReadACP', 'READ_ACP'],
  ['GrantWrite', 'WRITE'],
  ['GrantWriteACP', 'WRITE_ACP'],
] as const;

/** True when the request carries grants in headers. */
export function hasGrantHeaders(input: AccessListInput): boolean {
  return HEADERS.some(([member]) => input[member] !== undefined);
}

/** The owner's full control, which every list starts with. */
export function ownGrant(owner: string): Grant {
  return { grantee: { id: owner }, permission: 'FULL_CONTROL' };
}

/**
 * Grants of a canned list.
 * @param owner canonical id of the one who owns what the list is for. @param bucketOwner canonical id of the bucket's owner
 * @throws InvalidArgument
 */
export function cannedGrants(name: string, owner: string, bucketOwner: string): Grant[] {
  const to = (grantee: Grantee, ...permissions: Permission[]) =>
    permissions.map((permission): Grant => ({ grantee, permission }));
  const own = [ownGrant(owner)];
  const forBucketOwner = (permission: Permission) =>
    owner === bucketOwner ? own : [...own, ...to({ id: bucketOwner }, permission)];
  switch (name) {
    case 'private':
      return own;
    case 'public-read':
      return [...own, ...to({ uri: ALL_USERS }, 'READ')];
    case 'public-read-write':
      return [...own, ...to({ uri: ALL_USERS }, 'READ', 'WRITE')];
    case 'authenticated-read':
      return [...own, ...to({ uri: AUTHENTICATED_USERS }, 'READ')];
    case 'bucket-owner-read':
      return forBucketOwner('READ');
    case 'bucket-owner-full-control':
      return forBucketOwner('FULL_CONTROL');
    case 'log-delivery-write':
      return [...own, ...to({ uri: LOG_DELIVERY }, 'WRITE', 'READ_ACP')];
    case 'aws-exec-read':
      throw unsupported('The canned ACL aws-exec-read');
    default:
      throw invalidArgument('', 'x-amz-acl', name);
  }
}

/** Grants of `x-amz-grant-*` headers: `id="...", uri="..."`. @throws InvalidArgument, NotImplemented */
export function headerGrants(input: AccessListInput): Grant[] {
  const grants: Grant[] = [];
  for (const [member, permission] of HEADERS) {
    const text = input[member];
    if (text === undefined) continue;
    for (const item of text.split(',')) {
      // In two steps: white space that two parts of one expression could take would be tried in every division.
      const [, name = '', value = ''] = /^(id|uri|emailAddress)\s*=(.*)$/is.exec(item.trim()) ?? [];
      const match = name === '' ? null : /^"?([^"]*)"?$/.exec(value.trim());
      if (match === null) throw invalidArgument('Argument format not recognized', `x-amz-grant-${permission}`, text);
      const kind = name.toLowerCase();
      grants.push({
        grantee: granteeOf(kind === 'id' ? { ID: match[1]! } : kind === 'uri' ? { URI: match[1]! } : {}),
        permission,
      });
    }
  }
  return grants;
}

/** Grants of an `AccessControlPolicy` in a body. @throws MalformedACLError, InvalidArgument, AccessDenied for another owner */
export function bodyGrants(policy: sdk.AccessControlPolicy, owner: string): Grant[] {
  const { Grants: grants, Owner } = policy;
  if (grants === undefined || Owner?.ID === undefined) throw malformedAcl();
  if (Owner.ID !== owner) throw s3Fault('AccessDenied', 403, 'Access Denied');
  if (grants.length > MAX_GRANTS) throw malformedAcl();
  return grants.map(({ Grantee, Permission }) => {
    if (Grantee === undefined || !PERMISSIONS.includes(Permission ?? '')) throw malformedAcl();
    return { grantee: granteeOf(Grantee), permission: Permission as Permission };
  });
}

function malformedAcl() {
  return s3Fault(
    'MalformedACLError',
    400,
    'The XML you provided was not well-formed or did not validate against our published schema',
  );
}

function granteeOf({ ID, URI }: Partial<sdk.Grantee>): Grantee {
  if (ID !== undefined) {
    if (!/^[0-9a-f]{64}$/.test(ID)) throw invalidArgument('Invalid id', 'CanonicalUser/ID', ID);
    return { id: ID };
  }
  if (URI === undefined) throw unsupported('A grant by e-mail address');
  if (![ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY].includes(URI)) {
    throw invalidArgument('Invalid group uri', 'Group/URI', URI);
  }
  return { uri: URI };
}

/** The list that a write asks for, in any of its forms; undefined when it says nothing. @throws InvalidRequest for two forms */
export function askedGrants(
  input: AccessListInput & { AccessControlPolicy?: sdk.AccessControlPolicy | undefined },
  owner: string,
  bucketOwner: string,
): Grant[] | undefined {
  const forms = [input.ACL !== undefined, hasGrantHeaders(input), input.AccessControlPolicy !== undefined];
  const count = forms.filter(Boolean).length;
  if (count === 0) return undefined;
  if (forms[0] && forms[1]) {
    throw s3Fault('InvalidRequest', 400, 'Specifying both Canned ACLs and Header Grants is not allowed');
  }
  if (count > 1) throw s3Fault('UnexpectedContent', 400, 'This request does not support content');
  if (input.ACL !== undefined) return cannedGrants(input.ACL, owner, bucketOwner);
  if (input.AccessControlPolicy !== undefined) return bodyGrants(input.AccessControlPolicy, owner);
  const grants = headerGrants(input);
  if (grants.length === 0) throw malformedXml();
  return grants;
}

/** True when a list lets in everybody, or everybody with an account. */
export function isPublic(grants: readonly Grant[]): boolean {
  return grants.some(({ grantee }) => isPublicGrantee(grantee));
}

function isPublicGrantee(grantee: Grantee): boolean {
  return 'uri' in grantee && grantee.uri !== LOG_DELIVERY;
}

/** Grants as the API shows them. */
export function shownGrants(grants: readonly Grant[]): sdk.Grant[] {
  return grants.map(({ grantee, permission }) => ({
    Grantee: 'id' in grantee ? { ID: grantee.id, Type: 'CanonicalUser' } : { URI: grantee.uri, Type: 'Group' },
    Permission: permission,
  }));
}

const BUCKET_ACTIONS: Readonly<Record<Exclude<Permission, 'FULL_CONTROL'>, readonly string[]>> = {
  READ: ['s3:ListBucket', 's3:ListBucketVersions', 's3:ListBucketMultipartUploads'],
  WRITE: ['s3:PutObject', 's3:DeleteObject'],
  READ_ACP: ['s3:GetBucketAcl'],
  WRITE_ACP: ['s3:PutBucketAcl'],
};
const OBJECT_ACTIONS: typeof BUCKET_ACTIONS = {
  READ: ['s3:GetObject', 's3:GetObjectVersion'],
  WRITE: [],
  READ_ACP: ['s3:GetObjectAcl', 's3:GetObjectVersionAcl'],
  WRITE_ACP: ['s3:PutObjectAcl', 's3:PutObjectVersionAcl'],
};

const known = new Map<string, CompiledPolicy>();
const MAX_KNOWN = 500;

/**
 * An access list in the form in which IAM evaluates it, as it counts for one calling account.
 * @param callers canonical id and number of the caller's account.
 * @param ignorePublic as the Block Public Access setting IgnorePublicAcls says
 */
export function grantsPolicy(
  grants: readonly Grant[],
  callers: { id: string; account: string },
  level: 'bucket' | 'object',
  ignorePublic: boolean,
): CompiledPolicy | undefined {
  const statements = grants.flatMap(({ grantee, permission }) => {
    if ('id' in grantee ? grantee.id !== callers.id : ignorePublic && isPublicGrantee(grantee)) return [];
    const table = level === 'bucket' ? BUCKET_ACTIONS : OBJECT_ACTIONS;
    const actions = permission === 'FULL_CONTROL' ? Object.values(table).flat() : table[permission];
    if (actions.length === 0) return [];
    // It is evaluated for the one bucket or object whose list this is.
    return [{ Effect: 'Allow', Action: actions, Resource: '*', ...principalOf(grantee, callers.account) }];
  });
  if (statements.length === 0) return undefined;
  const text = JSON.stringify({ Version: '2008-10-17', Statement: statements });
  let policy = known.get(text);
  if (policy === undefined) {
    policy = parsePolicy(text, { form: 'resource' });
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(text, policy);
  }
  return policy;
}

function principalOf(grantee: Grantee, account: string): object {
  if ('id' in grantee) return { Principal: { AWS: account } };
  switch (grantee.uri) {
    case ALL_USERS:
      return { Principal: '*' };
    case AUTHENTICATED_USERS:
      return { Principal: '*', Condition: { StringNotEquals: { 'aws:PrincipalType': 'Anonymous' } } };
    default:
      return { Principal: { Service: 'logging.s3.amazonaws.com' } };
  }
}
