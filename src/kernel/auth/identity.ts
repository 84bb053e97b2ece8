import type { Context } from '../context.ts';
import type { CompiledPolicy } from './policy-grammar.ts';

/** Who makes a call. Source of the forms: CloudTrail's `userIdentity` element. */
export type Caller =
  | RootCaller
  | UserCaller
  | RoleCaller
  | FederatedUserCaller
  | FederatedCaller
  | ServiceCaller
  | AnonymousCaller;

/** The callers that may hold temporary credentials. */
export type SessionCaller = RootCaller | UserCaller | RoleCaller | FederatedUserCaller;

interface Identified {
  readonly account: string;
  readonly arn: string;
  /** `AIDA...`, `AROA...:session`, or the account id for root. */
  readonly principalId: string;
  readonly accessKeyId?: string;
}
interface PerhapsSession {
  /** When the temporary credentials were made, epoch milliseconds; absent for long-term keys. */
  readonly issuedAt?: number;
  /** When a code of an MFA device was shown for these temporary credentials, epoch milliseconds. */
  readonly mfaAuthenticatedAt?: number;
}
export interface RootCaller extends Identified, PerhapsSession {
  readonly type: 'Root';
}
export interface UserCaller extends Identified, PerhapsSession {
  readonly type: 'IAMUser';
  readonly userName: string;
  /** A session of a person who signed in with a password, as on AWS's console; such a one may call IAM. */
  readonly signedIn?: true;
}
export interface RoleCaller extends Identified {
  readonly type: 'AssumedRole';
  readonly roleArn: string;
  readonly roleName: string;
  readonly roleId: string;
  readonly sessionName: string;
  /** Epoch milliseconds. */
  readonly issuedAt: number;
  readonly sessionPolicies: readonly CompiledPolicy[];
  /** The service that works as this role, if one does. */
  readonly invokedBy?: string;
  readonly sourceIdentity?: string;
  /** Tags passed to AssumeRole; they stand before the role's own of the same key. */
  readonly sessionTags?: Readonly<Record<string, string>>;
  /** Keys of session tags that a role assumed by this session takes over. */
  readonly transitiveTagKeys?: readonly string[];
  /** When the role was assumed with a code of an MFA device. Shown by records; policies of a role do not see it. */
  readonly mfaAuthenticatedAt?: number;
  /** The identity provider behind the session. */
  readonly federation?: SessionFederation;
}
/** What a session of a role keeps of the identity provider that vouched for it. */
export interface SessionFederation {
  /** ARN of the OIDC or SAML provider: `aws:FederatedProvider`. */
  readonly provider: string;
  /** Condition keys that stay for the session's own calls: `gitlab.example.com:sub`. */
  readonly keys: Readonly<Record<string, string | readonly string[]>>;
  /** CloudTrail's `webIdFederationData`. */
  readonly webIdentity?: { readonly federatedProvider: string; readonly attributes: Readonly<Record<string, string>> };
}
/** A session of GetFederationToken: what its maker may do, narrowed by the policies that he gave it. */
export interface FederatedUserCaller extends Identified {
  readonly type: 'FederatedUser';
  readonly federatedName: string;
  /** The user, or the root user, who made it. */
  readonly maker: {
    readonly type: 'Root' | 'IAMUser';
    readonly arn: string;
    readonly principalId: string;
    readonly userName?: string;
  };
  readonly issuedAt: number;
  readonly sessionPolicies: readonly CompiledPolicy[];
  readonly sessionTags?: Readonly<Record<string, string>>;
}
/** Somebody whom an identity provider vouches for, while he asks for a role: AssumeRoleWithWebIdentity, AssumeRoleWithSAML. */
export type FederatedCaller = WebIdentityCaller | SamlCaller;
interface VouchedFor {
  /** Account of the provider and of the role. */
  readonly account: string;
  /** ARN of the provider: the `Federated` principal. */
  readonly provider: string;
  readonly principalId: string;
  readonly userName: string;
  readonly identityProvider: string;
  /** Condition keys that the proof carries: claims and attributes. */
  readonly keys: Readonly<Record<string, string | readonly string[]>>;
}
export interface WebIdentityCaller extends VouchedFor {
  readonly type: 'WebIdentityUser';
}
export interface SamlCaller extends VouchedFor {
  readonly type: 'SAMLUser';
}
/** A part of Slipway itself, as `codepipeline.amazonaws.com`: what reconcilers and consumers run as. */
export interface ServiceCaller {
  readonly type: 'AWSService';
  readonly account: string;
  readonly service: string;
  /** The resource on whose behalf the service works: `aws:SourceArn` for the policies of what it reaches. */
  readonly sourceArn?: string;
}
/** An unsigned request; only data-plane routes and S3 accept one, and only where a resource policy allows it. */
export interface AnonymousCaller {
  readonly type: 'Anonymous';
  readonly account: string;
}

/** A secret key and whom it stands for. */
export interface Credential {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** Epoch milliseconds, for temporary credentials. */
  readonly expiresAt?: number;
  readonly active: boolean;
  readonly caller: Caller;
}

/** A public key by which a user proves himself to a git door. */
export interface SshPublicKey {
  readonly caller: UserCaller;
  /** Type and key in Base64, without a comment: `ssh-rsa AAAA...`, `ssh-ed25519 AAAA...`, `ecdsa-sha2-nistp256 AAAA...`. */
  readonly publicKey: string;
  readonly active: boolean;
}

/** The policies that decide what a caller may do, compiled. */
export interface CallerPolicies {
  readonly identity: readonly CompiledPolicy[];
  readonly boundary?: CompiledPolicy;
  readonly session?: readonly CompiledPolicy[];
  /** Tags of the principal, for `aws:PrincipalTag/*`. */
  readonly tags?: Readonly<Record<string, string>>;
}

export interface AssumeRoleRequest {
  readonly roleArn: string;
  readonly sessionName: string;
  /** The service that assumes it: `codebuild.amazonaws.com`. */
  readonly service: string;
  /** Resource on whose behalf the service works (`aws:SourceArn`). */
  readonly sourceArn?: string;
  /** Life of the credentials in seconds, 900 to 43200; 3600 by default. */
  readonly durationSeconds?: number;
}

/** Temporary credentials as STS hands them out. */
export interface TemporaryCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/** A role as STS needs it to have it assumed. */
export interface AssumableRole {
  readonly account: string;
  readonly arn: string;
  readonly name: string;
  /** `AROA...` */
  readonly id: string;
  readonly trustPolicy: CompiledPolicy;
  readonly maxSessionSeconds: number;
}

/** Temporary credentials to be made: for a role session, a federated user, or a user (or root) who asks for a session token. */
export interface SessionDraft {
  readonly caller: SessionCaller;
  /** Documents of the session policies, as JSON. */
  readonly sessionPolicies: readonly string[];
  readonly durationSeconds: number;
}

/** An OIDC provider that an account trusts. */
export interface OpenIdProvider {
  readonly arn: string;
  readonly account: string;
  /** The `iss` of its tokens, exactly: `https://token.actions.githubusercontent.com`. */
  readonly url: string;
  /** Audiences that are taken. */
  readonly clientIds: readonly string[];
  /** SHA-1 (hex, lower case) of certificates that are trusted where no known authority vouches for the server. */
  readonly thumbprints: readonly string[];
}

/** A SAML provider that an account trusts. */
export interface SamlProvider {
  readonly arn: string;
  readonly account: string;
  readonly name: string;
  /** `entityID` of its metadata: the issuer of its assertions. */
  readonly entityId: string;
  /** Its signing certificates, PEM. */
  readonly certificates: readonly string[];
}

/** What the kernel needs to know of identities; the iam service provides it. Answers come from caches where possible. */
export interface IdentitySource {
  /** The credential behind an access key id, long-term or temporary; undefined when there is none. */
  findCredential(accessKeyId: string): Credential | undefined | Promise<Credential | undefined>;
  /**
   * Told of a wrong signature: makes up for the look-up that one of an unknown key costs, so that the time of a refusal does
   * not tell which keys there are. @param wasRead whether its key has just been looked up
   * @returns whether there was anything to make up for
   */
  noteRefusal(accessKeyId: string, wasRead: boolean): Promise<boolean>;
  /** The caller's policies. */
  policiesOf(caller: Caller): CallerPolicies | Promise<CallerPolicies>;
  /**
   * Checks a password made by CreateServiceSpecificCredential, in constant time.
   * @param address whence it comes: who guesses rests, and nobody else
   */
  verifyServicePassword(
    service: string,
    userName: string,
    password: string,
    address: string,
  ): Promise<Caller | undefined>;
  /** The SSH public key of that id (`APKA...`) and its user; undefined when there is none. An inactive one proves nothing. */
  findSshKey(sshPublicKeyId: string): Promise<SshPublicKey | undefined>;
  /**
   * Checks a code of an MFA device that the caller (a user, or root) has enabled, and spends it: a code counts once. False
   * also while the device rests after too many wrong codes. Opens a transaction of its own: not to be called inside one.
   * @param serialNumber the device's ARN
   */
  verifyMfa(caller: Caller, serialNumber: string, tokenCode: string): Promise<boolean>;
  /** The OIDC provider of that ARN; undefined when there is none. */
  findOpenIdProvider(arn: string): Promise<OpenIdProvider | undefined>;
  /** The SAML provider of that ARN; undefined when there is none. */
  findSamlProvider(arn: string): Promise<SamlProvider | undefined>;
  /** The role of that ARN; undefined when there is none. */
  findRole(roleArn: string): Promise<AssumableRole | undefined>;
  /** The document of a managed policy's default version; undefined when there is none. */
  findManagedPolicy(policyArn: string): Promise<string | undefined>;
  /** Makes temporary credentials, in a transaction of `ctx`; durable when it resolves. */
  openSession(session: SessionDraft, ctx: Context): Promise<TemporaryCredentials>;
  /** Told of every verified signature, for GetAccessKeyLastUsed. Cheap. */
  noteUse(accessKeyId: string, service: string, region: string): void;
}
