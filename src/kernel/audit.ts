import type { Caller } from './auth/identity.ts';
import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';
import { type AnyTransaction, type Database, outsideTransaction } from './store/database.ts';
import type { AuditTable } from './store/kernel-tables.ts';
import { commonFault } from './wire/errors.ts';

/** One call on its way into the audit trail. Source of the names: CloudTrail User Guide, "CloudTrail record contents". */
export interface AuditEntry {
  readonly id: string;
  readonly at: Date;
  readonly caller: Caller;
  readonly account: string;
  readonly region: string;
  readonly eventSource: string;
  readonly eventName: string;
  readonly readOnly: boolean;
  readonly sourceIp: string;
  readonly userAgent: string;
  readonly requestId: string;
  readonly management: boolean;
  /** Redacted already. */
  requestParameters: unknown;
  responseElements: unknown;
  resources: string[];
  errorCode?: string;
  errorMessage?: string;
  /** `AwsApiCall`, or `AwsServiceEvent` for what a service does by itself. */
  eventType?: string;
  additional?: Record<string, unknown>;
}

const FLUSH_DELAY_MS = 50;
const RETRY_MS = 1_000;
const FLUSH_ROWS = 500;
const MAX_PENDING = 10_000;
const MAX_PARAMETERS_CHARS = 100_000;
/** CloudTrail's own limit on an error message. */
const MAX_MESSAGE_CHARS = 1_024;
/** Of callers that nobody knows: they could fill the disk with their refused requests. */
const MAX_ANONYMOUS_CHARS = 2_000;

/**
 * The record of every call. A mutating call's row is written in the transaction of its change; its outcome, and the rows
 * of calls that change nothing, follow in batches within 50 ms. From the first batch that cannot be written on, calls are
 * refused until it is.
 */
export class AuditTrail {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #log: Logger;
  #pending: AuditEntry[] = [];
  #timer: { cancel(): void } | undefined;
  #stopped = false;
  #flushing: Promise<void> | undefined;
  #hasFailed = false;

  constructor(database: Database, clock: Clock, log: Logger) {
    this.#database = database;
    this.#clock = clock;
    this.#log = log;
  }

  /** @throws ServiceUnavailable while the trail cannot be written: nothing happens unrecorded */
  assertWritable(): void {
    if (this.#hasFailed || this.#pending.length >= MAX_PENDING) {
      throw commonFault('ServiceUnavailable', 'The audit trail cannot be written; the call was refused.');
    }
  }

  /** Writes the row within the transaction that makes the change. */
  async writeIn(tx: AnyTransaction, entry: AuditEntry): Promise<void> {
    await upsert(tx, [entry]);
  }

  /** Writes, or completes, the row soon. */
  add(entry: AuditEntry): void {
    // The database is closed: whatever calls now has changed nothing, and nobody hears its answer.
    if (this.#stopped) return;
    this.#pending.push(entry);
    if (this.#hasFailed) return; // it is tried again in a while
    if (this.#pending.length === FLUSH_ROWS) outsideTransaction(() => void this.#flushSoon());
    else this.#timer ??= this.#flushAfter(FLUSH_DELAY_MS);
  }

  /** Writes everything that waits and takes no more: the database is about to be closed. */
  async stop(): Promise<void> {
    await this.flush();
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #flushAfter(delayMs: number): { cancel(): void } {
    return outsideTransaction(() => this.#clock.after(delayMs, () => void this.#flushSoon()));
  }

  async #flushSoon(): Promise<void> {
    try {
      await this.flush();
    } catch (error) {
      this.#log.error({ err: error }, 'the audit trail could not be written; calls are refused until it can');
      this.#timer ??= this.#flushAfter(RETRY_MS);
    }
  }

  /** Writes everything that waits; LookupEvents calls it first, so that a caller sees his own calls. */
  async flush(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#pending.length === 0) return;
    this.#flushing = this.#writePending();
    try {
      await this.#flushing;
    } finally {
      this.#flushing = undefined;
    }
  }

  async #writePending(): Promise<void> {
    const batch = this.#pending;
    this.#pending = [];
    try {
      await this.#database.transaction(async (tx) => {
        for (let at = 0; at < batch.length; at += FLUSH_ROWS) await upsert(tx, batch.slice(at, at + FLUSH_ROWS));
      });
      this.#hasFailed = false;
    } catch (error) {
      this.#hasFailed = true;
      this.#pending = [...batch, ...this.#pending];
      throw error;
    }
  }
}

async function upsert(tx: AnyTransaction, entries: AuditEntry[]): Promise<void> {
  // An entry may stand twice in a batch (started and completed); the database takes each id once a statement.
  const rows = [...new Map(entries.map((entry) => [entry.id, entry])).values()].map(rowOf);
  await tx
    .insertInto('kernel_audit')
    .values(rows)
    .onConflict((c) =>
      c.column('id').doUpdateSet((e) => ({
        record: e.ref('excluded.record'),
        error_code: e.ref('excluded.error_code'),
        resources: e.ref('excluded.resources'),
      })),
    )
    .execute();
}

function rowOf(entry: AuditEntry): AuditTable {
  const { caller } = entry;
  return {
    id: entry.id,
    at: entry.at.getTime(),
    account: entry.account,
    region: entry.region,
    event_source: entry.eventSource,
    event_name: entry.eventName,
    read_only: entry.readOnly ? 1 : 0,
    access_key_id: 'accessKeyId' in caller ? (caller.accessKeyId ?? null) : null,
    user_name: userNameOf(caller),
    resources: JSON.stringify(entry.resources),
    error_code: entry.errorCode ?? null,
    record: cloudTrailRecord(entry),
  };
}

/** CloudTrail's `Username` of an event: the user, the role session, `root`, or the service. */
function userNameOf(caller: Caller): string | null {
  switch (caller.type) {
    case 'IAMUser':
      return caller.userName;
    case 'AssumedRole':
      return caller.sessionName;
    case 'Root':
      return 'root';
    case 'AWSService':
      return caller.service;
    case 'Anonymous':
      return null;
  }
}

/** The record as CloudTrail shows it, JSON. */
function cloudTrailRecord(entry: AuditEntry): string {
  const maxChars = entry.caller.type === 'Anonymous' ? MAX_ANONYMOUS_CHARS : MAX_PARAMETERS_CHARS;
  const head = JSON.stringify({
    eventVersion: '1.11',
    userIdentity: userIdentity(entry.caller),
    eventTime: entry.at.toISOString().replace(/\.\d{3}Z$/, 'Z'),
    eventSource: entry.eventSource,
    eventName: entry.eventName,
    awsRegion: entry.region,
    sourceIPAddress: entry.sourceIp,
    userAgent: entry.userAgent,
    ...(entry.errorCode === undefined
      ? {}
      : { errorCode: entry.errorCode, errorMessage: entry.errorMessage?.slice(0, MAX_MESSAGE_CHARS) }),
  });
  const parameters = boundedJson(entry.requestParameters, maxChars);
  const elements = boundedJson(entry.responseElements, maxChars);
  const tail = JSON.stringify({
    ...entry.additional,
    requestID: entry.requestId,
    eventID: entry.id,
    readOnly: entry.readOnly,
    ...(entry.resources.length === 0
      ? {}
      : { resources: entry.resources.map((arn) => ({ ARN: arn, accountId: entry.account })) }),
    eventType: entry.eventType ?? 'AwsApiCall',
    managementEvent: entry.management,
    recipientAccountId: entry.account,
    eventCategory: entry.management ? 'Management' : 'Data',
  });
  return `${head.slice(0, -1)},"requestParameters":${parameters},"responseElements":${elements},${tail.slice(1)}`;
}

function userIdentity(caller: Caller): Record<string, unknown> {
  switch (caller.type) {
    case 'AWSService':
      return { type: 'AWSService', invokedBy: caller.service };
    case 'Anonymous':
      return { type: 'AWSAccount', principalId: '', accountId: 'ANONYMOUS_PRINCIPAL' };
    case 'AssumedRole':
      return {
        type: 'AssumedRole',
        principalId: caller.principalId,
        arn: caller.arn,
        accountId: caller.account,
        accessKeyId: caller.accessKeyId,
        sessionContext: {
          sessionIssuer: {
            type: 'Role',
            principalId: caller.roleId,
            arn: caller.roleArn,
            accountId: caller.account,
            userName: caller.roleName,
          },
          attributes: {
            creationDate: new Date(caller.issuedAt).toISOString().replace(/\.\d{3}Z$/, 'Z'),
            mfaAuthenticated: 'false',
          },
        },
        ...(caller.invokedBy === undefined ? {} : { invokedBy: caller.invokedBy }),
      };
    default:
      return {
        type: caller.type,
        principalId: caller.principalId,
        arn: caller.arn,
        accountId: caller.account,
        accessKeyId: caller.accessKeyId,
        ...(caller.type === 'IAMUser' ? { userName: caller.userName } : {}),
      };
  }
}

/** JSON of what may be of any size; of what is too large, its size. */
function boundedJson(value: unknown, maxChars: number): string {
  if (value === undefined || value === null) return 'null';
  const text = JSON.stringify(value);
  return text.length <= maxChars ? text : JSON.stringify({ omitted: `${text.length} characters` });
}
