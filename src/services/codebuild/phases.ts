/** Phases of a build in the order in which they come. Source: CodeBuild API reference, BuildPhase. */
export type PhaseType =
  | 'SUBMITTED'
  | 'QUEUED'
  | 'PROVISIONING'
  | 'DOWNLOAD_SOURCE'
  | 'INSTALL'
  | 'PRE_BUILD'
  | 'BUILD'
  | 'POST_BUILD'
  | 'UPLOAD_ARTIFACTS'
  | 'FINALIZING'
  | 'COMPLETED';

export type EndStatus = 'SUCCEEDED' | 'FAILED' | 'FAULT' | 'TIMED_OUT' | 'STOPPED';

/** Why a phase ended as it did. */
export interface PhaseContext {
  statusCode: string;
  message: string;
}

export interface PhaseRecord {
  type: PhaseType;
  /** Undefined while it lasts; COMPLETED has none. */
  status?: EndStatus;
  /** Epoch milliseconds. */
  startedAt: number;
  endedAt?: number;
  /** Undefined when it succeeded. */
  context?: PhaseContext;
}

/** The phases that a build went through. One lasts at a time, and the next begins when it ends. */
export class Phases {
  readonly #records: PhaseRecord[];

  constructor(records: readonly PhaseRecord[] = []) {
    this.#records = records.map((record) => ({ ...record }));
  }

  get records(): readonly PhaseRecord[] {
    return this.#records;
  }

  /** The phase that lasts, or the last one. */
  get current(): PhaseRecord {
    return this.#records.at(-1)!;
  }

  begin(type: PhaseType, atMs: number): void {
    this.#records.push({ type, startedAt: Math.max(atMs, this.#records.at(-1)?.endedAt ?? 0) });
  }

  /** Ends the phase that lasts. @returns its record */
  end(status: EndStatus, atMs: number, context?: PhaseContext): PhaseRecord {
    const { current } = this;
    current.status = status;
    current.endedAt = Math.max(atMs, current.startedAt);
    if (context !== undefined) current.context = context;
    return current;
  }

  /** The first phase that did not succeed. */
  get failure(): PhaseRecord | undefined {
    return this.#records.find(({ status }) => status !== undefined && status !== 'SUCCEEDED');
  }
}

/** Whole seconds, as the API counts them. */
export function durationInSeconds({ startedAt, endedAt }: PhaseRecord): number | undefined {
  return endedAt === undefined ? undefined : Math.floor((endedAt - startedAt) / 1000);
}
