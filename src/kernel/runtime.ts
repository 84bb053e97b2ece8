import type { Kysely } from 'kysely';
import { AuditTrail } from './audit.ts';
import type { AuditEntry } from './audit-record.ts';
import { authorizeCall } from './auth/authorize.ts';
import type { Caller, IdentitySource, TemporaryCredentials } from './auth/identity.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import type {
  BusEvent,
  Context,
  EventDraft,
  KeyState,
  Origin,
  RecordedEvent,
  RequestSignature,
  RoleOptions,
  Tx,
} from './context.ts';
import { WorkQueue } from './engine/work-queue.ts';
import { writeWake } from './engine/work-table.ts';
import { OutboxDispatcher, writeToOutbox } from './events/outbox.ts';
import { type Ids, timeOrderedUuid } from './ids.ts';
import type { Logger } from './log.ts';
import type { OperationInput, OperationName, OperationOutput, SdkModule } from './operation-types.ts';
import type { RepositoryBackup, RepositoryBackupRequest } from './repository-backup.ts';
import type { Secrets } from './secrets.ts';
import type { ConditionKeys, Consumer, Reconciler, Resource, Service } from './service.ts';
import type { SourceArchive, SourceArchiveRequest } from './source-archive.ts';
import type { BlobStore } from './store/blobs.ts';
import type { AnyTransaction, Database } from './store/database.ts';
import { commonFault } from './wire/errors.ts';
import { invoke } from './wire/invoke.ts';

/** What the composition root hands to the kernel. */
export interface KernelParts {
  config: Config;
  database: Database;
  blobs: BlobStore;
  secrets: Secrets;
  clock: Clock;
  ids: Ids;
  log: Logger;
  services: readonly Service[];
}

/** Everything of a request that its context carries. */
export interface CallFrame {
  caller: Caller;
  account: string;
  region: string;
  requestId: string;
  sourceIp: string;
  userAgent: string;
  referer?: string | undefined;
  /** Services that act for the caller, the first one first. */
  calledVia?: readonly string[];
  signature?: RequestSignature | undefined;
  tlsVersion?: string | undefined;
  signal: () => AbortSignal;
  /** Runs within the first transaction of a mutating call, to write its audit record with the change. */
  firstTransaction?: (tx: AnyTransaction) => Promise<void>;
}

/** One running installation: its services, store, bus and engine. */
export class Kernel {
  readonly config: Config;
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Logger;
  readonly services: ReadonlyMap<string, Service>;
  readonly audit: AuditTrail;
  readonly outbox: OutboxDispatcher;
  readonly work: WorkQueue;
  readonly identity: IdentitySource;
  /** Set when the server listens; clients reach it there. */
  publicUrl = '';
  readonly #stopping = new AbortController();

  constructor(parts: KernelParts) {
    this.config = parts.config;
    this.database = parts.database;
    this.blobs = parts.blobs;
    this.secrets = parts.secrets;
    this.clock = parts.clock;
    this.ids = parts.ids;
    this.log = parts.log;
    this.services = new Map(parts.services.map((service) => [service.name, service]));
    this.audit = new AuditTrail(parts.database, parts.clock, parts.log);
    this.outbox = new OutboxDispatcher({
      ...parts,
      consumers: parts.services.flatMap((service) => service.consumers ?? []),
      contextFor: (consumer, event) => this.#consumerContext(consumer, event),
    });
    const reconcilers = parts.services.flatMap((service) =>
      (service.reconcilers ?? []).map((reconciler) => [reconciler.name, reconciler] as const),
    );
    if (new Set(reconcilers.map(([name]) => name)).size < reconcilers.length) {
      throw new Error('two reconcilers have the same name');
    }
    this.work = new WorkQueue({
      ...parts,
      node: parts.ids.uuid(),
      reconcilers: new Map(reconcilers),
      contextFor: (reconciler) => this.#reconcilerContext(reconciler),
    });
    const provider = parts.services.find((service) => service.provides?.identity !== undefined);
    if (provider === undefined) throw new Error('no service provides identities');
    this.identity = provider.provides!.identity!(this.serviceContext(provider.eventSource));
  }

  /** Aborted when the server stops: long work ends, connections close. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  beginStop(): void {
    this.#stopping.abort();
  }

  service(name: string): Service {
    const service = this.services.get(name);
    if (service === undefined) throw new Error(`no service ${name}`);
    return service;
  }

  /** A context for what the installation does by itself, as a service principal in an account and region. */
  serviceContext(
    principal: string,
    account = this.config.account,
    region = this.config.region,
    sourceArn?: string,
  ): Context {
    return createContext(this, {
      caller: { type: 'AWSService', account, service: principal, ...(sourceArn === undefined ? {} : { sourceArn }) },
      account,
      region,
      requestId: this.ids.uuid(),
      sourceIp: principal,
      userAgent: principal,
      signal: () => this.stopping,
    });
  }

  #consumerContext(consumer: Consumer, event: BusEvent): Context {
    return this.serviceContext(
      this.#ownerOf((service) => service.consumers?.includes(consumer)),
      event.account,
      event.region,
    );
  }

  #reconcilerContext(reconciler: Reconciler): Context {
    return this.serviceContext(this.#ownerOf((service) => service.reconcilers?.includes(reconciler)));
  }

  #ownerOf(owns: (service: Service) => boolean | undefined): string {
    for (const service of this.services.values()) if (owns(service)) return service.eventSource;
    throw new Error('nobody owns this');
  }
}

const DIRECTLY: readonly string[] = [];

/** Makes a context of a frame. */
export function createContext(kernel: Kernel, frame: CallFrame): Context {
  return new KernelContext(kernel, frame);
}

class KernelContext implements Context {
  readonly #kernel: Kernel;
  readonly #frame: CallFrame;

  constructor(kernel: Kernel, frame: CallFrame) {
    this.#kernel = kernel;
    this.#frame = frame;
  }

  get requestId() {
    return this.#frame.requestId;
  }
  get caller() {
    return this.#frame.caller;
  }
  get account() {
    return this.#frame.account;
  }
  get region() {
    return this.#frame.region;
  }
  get sourceIp() {
    return this.#frame.sourceIp;
  }
  get userAgent() {
    return this.#frame.userAgent;
  }
  get referer() {
    return this.#frame.referer;
  }
  get signal() {
    return this.#frame.signal();
  }
  get signature() {
    return this.#frame.signature;
  }
  get tlsVersion() {
    return this.#frame.tlsVersion;
  }
  get calledVia() {
    return this.#frame.calledVia ?? DIRECTLY;
  }
  get config() {
    return this.#kernel.config;
  }
  get log() {
    return this.#kernel.log;
  }
  get clock() {
    return this.#kernel.clock;
  }
  get ids() {
    return this.#kernel.ids;
  }
  get blobs() {
    return this.#kernel.blobs;
  }
  get secrets() {
    return this.#kernel.secrets;
  }
  get identity() {
    return this.#kernel.identity;
  }
  get publicUrl() {
    return this.#kernel.publicUrl;
  }

  now(): Date {
    return this.#kernel.clock.now();
  }

  db<Tables>(): Kysely<Tables> {
    return this.#kernel.database.reader as unknown as Kysely<Tables>;
  }

  async tx<T>(run: (tx: Tx) => Promise<T>): Promise<T> {
    const kernel = this.#kernel;
    const first = this.#frame.firstTransaction;
    let effects: TxEffects = newEffects();
    const result = await kernel.database.transaction(async (transaction) => {
      effects = newEffects(); // a retried transaction starts anew
      const value = await run(contextTx(kernel, this.#frame, transaction, effects));
      if (first !== undefined) await first(transaction);
      return value;
    });
    if (first !== undefined) delete this.#frame.firstTransaction;
    if (effects.emitted) kernel.outbox.poke();
    if (effects.woke) kernel.work.poke();
    for (const effect of effects.afterCommit) this.#run(effect);
    return result;
  }

  /** The change stands: what follows it can fail no more than itself. */
  #run(effect: () => void): void {
    try {
      effect();
    } catch (error) {
      this.log.error({ err: error }, 'what follows a commit failed');
    }
  }

  async call<M extends SdkModule, N extends OperationName<M>>(
    service: string,
    operation: N,
    input: OperationInput<M, N>,
  ): Promise<OperationOutput<M, N>> {
    const kernel = this.#kernel;
    const called = kernel.services.get(service);
    if (called === undefined) {
      throw commonFault('NotImplemented', `The service ${service} is not part of this installation (${operation}).`);
    }
    const frame = { ...this.#frame, requestId: kernel.ids.uuid() };
    delete frame.firstTransaction;
    return (await invoke(kernel, called, operation, input as Record<string, unknown>, frame)) as OperationOutput<M, N>;
  }

  async sourceArchive(request: SourceArchiveRequest): Promise<SourceArchive> {
    for (const service of this.#kernel.services.values()) {
      const provide = service.provides?.sourceArchive;
      if (provide !== undefined) return provide(request, this);
    }
    throw new Error('this installation has no repositories');
  }

  async repositoryBackup(request: RepositoryBackupRequest): Promise<RepositoryBackup> {
    for (const service of this.#kernel.services.values()) {
      const provide = service.provides?.repositoryBackup;
      if (provide !== undefined) return provide(request, this);
    }
    throw new Error('this installation has no repositories');
  }

  async as(roleArn: string, options: RoleOptions): Promise<Context> {
    const { caller } = await this.#assume(roleArn, options);
    // A role of another account works in that account.
    const { account } = caller;
    const frame = { ...this.#frame, caller, account, sourceIp: options.service, userAgent: options.service };
    delete frame.firstTransaction;
    delete frame.calledVia;
    delete frame.referer;
    delete frame.signature;
    delete frame.tlsVersion;
    return new KernelContext(this.#kernel, frame);
  }

  async credentialsFor(roleArn: string, options: RoleOptions): Promise<TemporaryCredentials> {
    return (await this.#assume(roleArn, options)).credentials();
  }

  async #assume(roleArn: string, options: RoleOptions) {
    for (const service of this.#kernel.services.values()) {
      const assume = service.provides?.assumeRole;
      if (assume !== undefined)
        return assume(roleArn, options, this.asService(options.service, this.account, this.region));
    }
    throw commonFault('AccessDenied', `${options.service} cannot assume ${roleArn}: this installation has no STS`);
  }

  forward(service: string): Context {
    const calledVia = [...this.calledVia, service];
    const frame = { ...this.#frame, calledVia, sourceIp: service, userAgent: service };
    delete frame.firstTransaction;
    delete frame.referer;
    return new KernelContext(this.#kernel, frame);
  }

  async keyState(keyArn: string): Promise<KeyState> {
    for (const service of this.#kernel.services.values()) {
      const provide = service.provides?.keyState;
      if (provide !== undefined) return provide(keyArn, this);
    }
    throw new Error('this installation has no KMS');
  }

  asService(service: string, account: string, region: string, sourceArn?: string): Context {
    return this.#kernel.serviceContext(service, account, region, sourceArn);
  }

  withCaller(caller: Caller, region = this.region, signature?: RequestSignature): Context {
    return new KernelContext(this.#kernel, { ...this.#frame, caller, account: caller.account, region, signature });
  }

  fromElsewhere(caller: Caller, region: string, { sourceIp, userAgent, signal }: Origin): Context {
    return createContext(this.#kernel, {
      caller,
      account: caller.account,
      region,
      requestId: this.ids.uuid(),
      sourceIp,
      userAgent,
      signal: () => AbortSignal.any([signal, this.#kernel.stopping]),
    });
  }

  flushAudit(): Promise<void> {
    return this.#kernel.audit.flush();
  }

  record(event: RecordedEvent): void {
    this.#kernel.audit.add(recordedEntry(this.#kernel, this.#frame, event));
  }

  async authorize(action: string, resource: Resource, conditions: ConditionKeys = {}): Promise<void> {
    const resources = [typeof resource === 'string' ? { arn: resource } : resource];
    await authorizeCall(this.#kernel.identity, this, { action, resources, conditions });
  }
}

interface TxEffects {
  emitted: boolean;
  woke: boolean;
  afterCommit: (() => void)[];
}

function newEffects(): TxEffects {
  return { emitted: false, woke: false, afterCommit: [] };
}

function contextTx(kernel: Kernel, frame: CallFrame, transaction: AnyTransaction, effects: TxEffects): Tx {
  return {
    kind: kernel.database.kind,
    db: <Tables>() => transaction as unknown as Kysely<Tables>,
    async emit(draft: EventDraft) {
      effects.emitted = true;
      const now = kernel.clock.now();
      await writeToOutbox(transaction, busEvent(draft, frame, kernel.ids, now), now.getTime());
    },
    async wake(reconciler: string, key: string, at?: Date) {
      effects.woke = true;
      await writeWake(transaction, reconciler, key, (at ?? kernel.clock.now()).getTime());
    },
    async record(event: RecordedEvent) {
      await kernel.audit.writeIn(transaction, recordedEntry(kernel, frame, event));
    },
    afterCommit(run: () => void) {
      effects.afterCommit.push(run);
    },
  };
}

function recordedEntry(kernel: Kernel, frame: CallFrame, event: RecordedEvent): AuditEntry {
  const { caller, account, region, sourceIp, userAgent, requestId } = frame;
  const { additionalEventData, ...rest } = event;
  const at = kernel.clock.now();
  return {
    id: timeOrderedUuid(kernel.ids, at.getTime()),
    at,
    caller,
    account,
    region,
    sourceIp,
    userAgent,
    requestId,
    management: true,
    responseElements: undefined,
    ...rest,
    requestParameters: event.requestParameters,
    ...(frame.calledVia === undefined ? {} : { invokedBy: frame.calledVia.at(-1) }),
    ...(additionalEventData === undefined ? {} : { additional: { additionalEventData } }),
  };
}

function busEvent(draft: EventDraft, frame: CallFrame, ids: Ids, now: Date): BusEvent {
  return {
    id: draft.id ?? ids.uuid(),
    source: draft.source,
    detailType: draft.detailType,
    account: draft.account ?? frame.account,
    region: draft.region ?? frame.region,
    time: (draft.time ?? now).toISOString().replace(/\.\d{3}Z$/, 'Z'),
    resources: draft.resources,
    detail: draft.detail,
  };
}
