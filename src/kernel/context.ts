import type { Kysely } from 'kysely';
import type { Caller, IdentitySource, TemporaryCredentials } from './auth/identity.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import type { Ids } from './ids.ts';
import type { Logger } from './log.ts';
import type { OperationInput, OperationName, OperationOutput, SdkModule } from './operation-types.ts';
import type { RepositoryBackup, RepositoryBackupRequest } from './repository-backup.ts';
import type { Secrets } from './secrets.ts';
import type { Resource } from './service.ts';
import type { SourceArchive, SourceArchiveRequest } from './source-archive.ts';
import type { BlobStore } from './store/blobs.ts';
import type { DatabaseKind } from './store/dialect.ts';

/** An event before the bus adds id, time, account and region. Source: EventBridge User Guide, "AWS service event metadata". */
export interface EventDraft {
  /** `aws.codecommit` */
  source: string;
  detailType: string;
  /** ARNs of the resources that the event is about. */
  resources: string[];
  detail: Record<string, unknown>;
  /** Given when it must be known before; else made. */
  id?: string;
  /** Defaults to the context's time. */
  time?: Date;
  /** Account and region of the resource where they are not the caller's (a bucket that another account writes to). */
  account?: string;
  region?: string;
}

/** An event as consumers get it. */
export interface BusEvent {
  id: string;
  source: string;
  detailType: string;
  account: string;
  region: string;
  /** RFC 3339, whole seconds. */
  time: string;
  resources: string[];
  detail: Record<string, unknown>;
}

/** One write transaction. Everything done through it is committed together, or not at all. */
export interface Tx {
  /** The transaction's queries, typed by the caller's tables. */
  db<Tables>(): Kysely<Tables>;
  readonly kind: DatabaseKind;
  /** Puts an event into the outbox: delivered at least once after the commit, in order of commits. */
  emit(event: EventDraft): Promise<void>;
  /** Has a reconciler look at a key, at once or at a time. A key that waits already keeps the earlier time. */
  wake(reconciler: string, key: string, at?: Date): Promise<void>;
  /** Records what a data-plane route changes (a git push), with the change itself. See `Context.record`. */
  record(event: RecordedEvent): Promise<void>;
  /** Runs after the commit, in this process only and not at all if it dies: for caches and in-process listeners. */
  afterCommit(run: () => void): void;
}

/** A call that did not come through the API, for the audit trail. */
export interface RecordedEvent {
  /** `codecommit.amazonaws.com` */
  eventSource: string;
  /** `GitPush` */
  eventName: string;
  readOnly: boolean;
  /** Whose trail it stands in, where that is not the caller's: the account of a role that is assumed from elsewhere. */
  account?: string;
  /** ARNs. */
  resources: string[];
  requestParameters?: Record<string, unknown>;
  responseElements?: Record<string, unknown>;
  /** `AwsApiCall` where none is given. */
  eventType?: string;
  additionalEventData?: Record<string, unknown>;
  errorCode?: string;
  errorMessage?: string;
}

/** Where a request came from that was no HTTP request. */
export interface Origin {
  sourceIp: string;
  userAgent: string;
  /** Aborted when the client hangs up. */
  signal: AbortSignal;
}

/** As KMS's DescribeKey says it; `NotFound` where there is no such key (any more). */
export type KeyState = 'Enabled' | 'Disabled' | 'PendingDeletion' | 'PendingImport' | 'Unavailable' | 'NotFound';

/** The form of a request's signature: in headers, in the query (presigned), or in the fields of a form (S3's POST). */
export interface RequestSignature {
  readonly form: 'header' | 'query' | 'form';
  /** Epoch milliseconds, as signed. */
  readonly signedAt: number;
  /** The `x-amz-content-sha256` that came with it. */
  readonly contentSha256?: string | undefined;
}

export interface RoleOptions {
  /** The service that assumes the role: `codepipeline.amazonaws.com`. */
  service: string;
  sessionName: string;
  /** `aws:SourceArn` for the role's trust policy. */
  sourceArn?: string;
  durationSeconds?: number;
}

/** What a handler, consumer or reconciler works with. */
export interface Context {
  readonly requestId: string;
  readonly caller: Caller;
  readonly account: string;
  readonly region: string;
  /** Peer address of the request, or the service's name for calls from inside. */
  readonly sourceIp: string;
  readonly userAgent: string;
  /** `Referer` of the request, for `aws:Referer`; a service that acts for the caller has none. */
  readonly referer?: string | undefined;
  /** How the request was signed; absent for unsigned requests and for what services do by themselves. */
  readonly signature: RequestSignature | undefined;
  /** `1.3`, for a request that came over TLS. */
  readonly tlsVersion: string | undefined;
  /** Services that forwarded this call on behalf of the caller, the first one first; empty for a direct call. */
  readonly calledVia: readonly string[];
  readonly config: Config;
  readonly log: Logger;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly blobs: BlobStore;
  readonly secrets: Secrets;
  /** Who is who: for STS, and for doors that take other proofs than a signature (git passwords). */
  readonly identity: IdentitySource;
  /** Aborted when the client hangs up or the server stops. */
  readonly signal: AbortSignal;
  /** `http://127.0.0.1:4566`: where clients reach this installation. */
  readonly publicUrl: string;
  now(): Date;
  /** Reads outside a transaction, typed by the caller's tables. */
  db<Tables>(): Kysely<Tables>;
  /** One write transaction; durable when it resolves. Inside it nothing but the database is awaited. */
  tx<T>(run: (tx: Tx) => Promise<T>): Promise<T>;
  /** Calls another service as this caller: validated, authorised, recorded, in process. The type is the SDK module's. */
  call<M extends SdkModule, N extends OperationName<M>>(
    service: string,
    operation: N,
    input: OperationInput<M, N>,
  ): Promise<OperationOutput<M, N>>;
  /**
   * The files of a commit, as this caller: authorised and recorded like a call. Pipelines and builds read their source
   * by it, since AWS has no public operation for that.
   * @throws AccessDenied, and the repository's own faults (RepositoryDoesNotExistException, CommitDoesNotExistException)
   */
  sourceArchive(request: SourceArchiveRequest): Promise<SourceArchive>;
  /**
   * A repository as a whole, as this caller: its git bundle and what git does not keep. Authorised as the calls that read
   * the same, recorded as GitPull; AWS has no public operation for that.
   * @throws AccessDenied, RepositoryDoesNotExistException
   */
  repositoryBackup(request: RepositoryBackupRequest): Promise<RepositoryBackup>;
  /** The same context acting as a role that really is assumed. @throws AccessDenied when the trust policy says no */
  as(roleArn: string, options: RoleOptions): Promise<Context>;
  /** Assumes a role for somebody else's use, such as a build. */
  credentialsFor(roleArn: string, options: RoleOptions): Promise<TemporaryCredentials>;
  /**
   * The same caller, with a service acting for him: S3 asks KMS for the key of an object that he puts. His own policies
   * and the key's decide, with `aws:CalledVia`; the record names the service. AWS calls it a forward access session.
   * @param service `s3.amazonaws.com`
   */
  forward(service: string): Context;
  /**
   * State of a KMS key: whoever keeps plaintext of a data key in memory asks before each use, so that a key that is
   * disabled stops opening anything. At most a second old.
   */
  keyState(keyArn: string): Promise<KeyState>;
  /**
   * The same context as a part of Slipway itself, in an account and region.
   * @param sourceArn the resource on whose behalf it works (`aws:SourceArn`), such as a trail.
   */
  asService(service: string, account: string, region: string, sourceArn?: string): Context;
  /** The same context acting as another identified caller (a git client, a website visitor), in a region if one is given. */
  withCaller(caller: Caller, region?: string, signature?: RequestSignature): Context;
  /** A request of its own that came through no HTTP request, such as a command of an SSH connection. */
  fromElsewhere(caller: Caller, region: string, origin: Origin): Context;
  /** Writes what waits of the audit trail, so that the caller sees his own calls. */
  flushAudit(): Promise<void>;
  /** Records what a data-plane route did (a git push): same form and place as an API call. */
  record(event: RecordedEvent): void;
  /** @throws AccessDenied in AWS's words unless the caller may do `action` on `resource`. */
  authorize(
    action: string,
    resource: Resource,
    conditions?: Readonly<Record<string, string | string[]>>,
  ): Promise<void>;
}
