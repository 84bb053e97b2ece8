import type { ErrorStyle } from './auth/auth-faults.ts';
import type { Caller, IdentitySource, TemporaryCredentials } from './auth/identity.ts';
import type { CompiledPolicy } from './auth/policy-grammar.ts';
import type { PrincipalMatch } from './auth/principals.ts';
import type { BusEvent, Context, KeyState, RoleOptions } from './context.ts';
import type { OperationInput, OperationName, OperationOutput, SdkModule, ValidInput } from './operation-types.ts';
import type { RepositoryBackup, RepositoryBackupRequest } from './repository-backup.ts';
import type { SourceArchive, SourceArchiveRequest } from './source-archive.ts';
import type { Migrations } from './store/migrate.ts';
import type { Exchange, HttpRequest } from './wire/http.ts';
import type { OperationShape } from './wire/shape.ts';
import type { ConstraintTable } from './wire/validate.ts';

export type { OperationInput, OperationName, OperationOutput, SdkModule, ValidInput } from './operation-types.ts';

export type ResourceTags = Readonly<Record<string, string>>;

/** A resource that IAM evaluates: its ARN, and what the resource itself says about access. */
export interface ResourceRef {
  arn: string;
  /** The resource's own policy, such as a bucket policy, compiled. */
  policy?: CompiledPolicy;
  /** Without an Allow in `policy` nothing is allowed, whatever the caller's own policies say: roles and keys. */
  policyDecides?: boolean;
  /** How a grant names the caller, where one allows the call: an Allow beside `policy` that needs no IAM policy (KMS). */
  granted?: PrincipalMatch;
  /** Account that owns the resource where it is not the ARN's (S3 ARNs carry none). */
  account?: string;
  /** Tags, for `aws:ResourceTag/*`. A function is asked only when a policy asks for one. */
  tags?: ResourceTags | (() => Promise<ResourceTags>);
  /** Condition keys that have to be looked up: asked only when a policy names one. */
  lazyKeys?: LazyKeys;
  /** Condition keys that belong to the resource or to how it is reached. */
  keys?: ConditionKeys;
}

/** Condition keys of one beginning, such as `s3:existingobjecttag/` (lower case), that cost a look-up. */
export interface LazyKeys {
  beginning: string;
  read(): Promise<ConditionKeys>;
}

export type Resource = string | ResourceRef;

/** IAM condition keys of a call beside the global ones, such as `codecommit:References`. */
export type ConditionKeys = Readonly<Record<string, string | string[]>>;

/** One operation of a service. Leaving out `resource` does not compile: there is no unauthorised operation. */
export interface Operation<M extends SdkModule, N extends OperationName<M>> {
  /** What IAM evaluates: `*` where the action has no resource; several mean that each must be allowed. */
  resource(
    input: ValidInput<OperationInput<M, N>>,
    ctx: Context,
  ): Resource | Resource[] | Promise<Resource | Resource[]>;
  /** IAM action where it is not `<prefix>:<operation>`; `null` for the few calls that anybody may make for himself (GetCallerIdentity). */
  action?: string | null | ((input: ValidInput<OperationInput<M, N>>) => string);
  conditions?(input: ValidInput<OperationInput<M, N>>, ctx: Context): ConditionKeys | Promise<ConditionKeys>;
  /**
   * Makes it one of the few operations that take unsigned calls: it tells by a proof in the input who calls
   * (AssumeRoleWithWebIdentity), before anything is authorised. Whoever signed the call plays no part.
   */
  identify?(input: ValidInput<OperationInput<M, N>>, ctx: Context): Promise<Caller>;
  /** Whether it changes nothing; by default judged by its name (`Get`, `List`, `Describe`, `BatchGet`, ...). */
  readOnly?: boolean;
  /** What a management trail does not show: S3 object calls and log lines are data events. Default false. */
  dataEvent?: boolean;
  /** Members of the input, at any depth, whose values are content and not parameters: records hide them. */
  content?: readonly string[];
  /** The body of the answer where AWS does not send what its model says (S3 GetBucketLocation). */
  writeBody?(output: OperationOutput<M, N>): string;
  /** HTTP status of the answer where it is not always the model's (S3 GetObject: 206 for a range, 304). */
  status?(output: OperationOutput<M, N>): number;
  handle(input: ValidInput<OperationInput<M, N>>, ctx: Context): Promise<OperationOutput<M, N>>;
}

/** An operation of any service, as the gateway sees it. */
export interface AnyOperation {
  // biome-ignore lint/suspicious/noExplicitAny: inputs are typed where the operation is written
  resource(input: any, ctx: Context): Resource | Resource[] | Promise<Resource | Resource[]>;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  action?: string | null | ((input: any) => string);
  // biome-ignore lint/suspicious/noExplicitAny: as above
  conditions?(input: any, ctx: Context): ConditionKeys | Promise<ConditionKeys>;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  identify?(input: any, ctx: Context): Promise<Caller>;
  readOnly?: boolean;
  dataEvent?: boolean;
  content?: readonly string[];
  // biome-ignore lint/suspicious/noExplicitAny: as above
  writeBody?(output: any): string;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  status?(output: any): number;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  handle(input: any, ctx: Context): Promise<Record<string, any>>;
}

/** An operation found by method and path, with the labels taken out of the path (decoded). */
export interface RestTarget {
  operation: string;
  labels: Record<string, string>;
  /** Headers that the request states elsewhere: S3 takes `x-amz-*` in the query of a presigned URL. Bytes as Latin-1. */
  headers?: Readonly<Record<string, string>>;
}

export type Protocol = 'json-1.0' | 'json-1.1' | 'query' | 'rest-json' | 'rest-xml';

/** A door of a service that is not its API: git over HTTP, a website, a credential endpoint. It authenticates by itself. */
export interface Route {
  name: string;
  /** True when the request is this route's; asked before the API is considered, so it must be exact and cheap. */
  matches(request: HttpRequest): boolean;
  handle(exchange: Exchange): Promise<void>;
}

/** Takes every event of the bus, at least once and in the order of commits as far as it succeeds; idempotent by event id. */
export interface Consumer {
  name: string;
  handle(event: BusEvent, ctx: Context): Promise<void>;
}

/** Brings one thing from what it is to what it should be; at least once, one run a key at a time, restarted after a crash. */
export interface Reconciler {
  name: string;
  /** @returns when to look again, if at all. An error is logged and tried again with growing delays. */
  reconcile(key: string, ctx: Context): Promise<{ againAt: Date } | undefined>;
  /** Keys that may need work, however it got lost: asked at start and now and then. */
  scan?(ctx: Context): Promise<string[]>;
}

/** Something that lives as long as the server: pools of processes, sweepers. */
export interface Lifecycle {
  /** @returns further addresses at which it listens, such as `ssh://127.0.0.1:2222`, for whoever started the server. */
  start?(ctx: Context): Promise<readonly string[]> | Promise<void>;
  /** Called when no request and no reconciler runs any more. */
  stop?(ctx: Context): Promise<void>;
}

/** A request that is over. */
export interface AnsweredRequest {
  request: HttpRequest;
  /** Operation and labels, where they were found. */
  target: RestTarget | undefined;
  /** The caller's, or an anonymous one when nobody was authenticated. */
  ctx: Context;
  status: number;
  /** Bytes of the body that the answer announced. */
  bytes: number;
  errorCode: string | undefined;
  /** When it came, and how long it took. */
  startedAt: Date;
  tookMs: number;
}

/** What one service may provide to the kernel. */
export interface Provided {
  identity?(ctx: Context): IdentitySource;
  /** Checks the trust policy and makes the caller; credentials are made only where they are asked for. */
  assumeRole?(
    roleArn: string,
    options: RoleOptions,
    ctx: Context,
  ): Promise<{ caller: Caller; credentials(): Promise<TemporaryCredentials> }>;
  /** State of a KMS key, answered from memory where possible; see `Context.keyState`. */
  keyState?(keyArn: string, ctx: Context): KeyState | Promise<KeyState>;
  /** Resolves, authorises and records, then streams; see `Context.sourceArchive`. */
  sourceArchive?(request: SourceArchiveRequest, ctx: Context): Promise<SourceArchive>;
  /** Authorises and records, then streams; see `Context.repositoryBackup`. */
  repositoryBackup?(request: RepositoryBackupRequest, ctx: Context): Promise<RepositoryBackup>;
}

export interface ServiceDefinition {
  /** Suffix of the SDK package and name of the folder: `codecommit`. */
  name: string;
  sdk: SdkModule;
  protocol: Protocol;
  /** Name in the credential scope of a signature. */
  signingName: string;
  /** Prefix of IAM actions. */
  iamPrefix: string;
  /** `codecommit.amazonaws.com`: the service's name in CloudTrail and trust policies. */
  eventSource: string;
  /** Before the dot of `X-Amz-Target`, for the JSON protocols. */
  targetPrefix?: string;
  /** For the Query protocol. */
  apiVersion?: string;
  /** Namespace of XML answers. */
  xmlNamespace?: string;
  /** Absent where the service words every check itself (S3). */
  constraints?: ConstraintTable;
  /** `import * as branches from './branches.ts'`: each exported operation is known by its name. */
  families: readonly Readonly<Record<string, unknown>>[];
  routes?: readonly Route[];
  consumers?: readonly Consumer[];
  reconcilers?: readonly Reconciler[];
  migrations?: Migrations;
  lifecycle?: Lifecycle;
  provides?: Provided;
  /** Finds the operation and path labels of a REST request where the model's paths do not tell (S3: buckets in host or path). */
  identify?(request: HttpRequest): RestTarget | undefined;
  /** Headers of every answer to a request, errors included, beside those of its operation: CORS, protection of browsers. */
  answerHeaders?(
    request: HttpRequest,
    target: RestTarget,
    ctx: Context,
  ): Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
  /** Told of every API request when it is over, for access logs. Cheap. */
  answered?(answered: AnsweredRequest): void;
  /** Largest body that is read into memory, in bytes; streamed bodies have their own limits. Default 1 MiB. */
  maxBodyBytes?: number;
}

/** A service as the gateway uses it. */
export interface Service extends ServiceDefinition {
  readonly errorStyle: ErrorStyle;
  /** Operations that are implemented. */
  readonly operations: ReadonlyMap<string, AnyOperation>;
  /** Some operation takes unsigned calls. */
  readonly takesUnsigned: boolean;
  /** Every operation of the SDK's model. */
  operationShape(name: string): OperationShape | undefined;
  readonly operationNames: readonly string[];
  /** Schema of a modelled error. */
  errorSchema(name: string): unknown;
}
