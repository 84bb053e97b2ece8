import type { Context, EventDraft } from '../../kernel/context.ts';
import type { BuildSettings } from './build-settings.ts';
import type { BuildResult } from './build-store.ts';
import { type BuildNews, buildPhaseChange, buildStateChange } from './events.ts';
import { type EndStatus, type PhaseContext, type PhaseRecord, Phases, type PhaseType } from './phases.ts';
import type { BuildTable, BuildTables } from './tables.ts';

/** Changes of one moment go into one transaction: a build of many quick phases costs the disk no more than one of few. */
const GATHER_MS = 100;

/** The row of a running build is no longer this process's to write. */
export class BuildTakenError extends Error {
  override readonly name = 'BuildTakenError';
}

/**
 * What a running build has come to, in memory and on its way to its row. Changes are written soon, one transaction after
 * the other, each with all that came meanwhile; the build itself never waits for them.
 */
export class BuildRecord {
  readonly row: BuildTable;
  readonly settings: BuildSettings;
  readonly result: BuildResult;
  readonly #ctx: Context;
  readonly #phases: Phases;
  #events: EventDraft[] = [];
  #isDirty = false;
  /** Whatever is left is written with the end. */
  #isOver = false;
  #saving: Promise<void> | undefined;
  #timer: { cancel(): void } | undefined;
  #failure: unknown;
  /** Called once when the row can no longer be written. */
  onFailure: (error: unknown) => void = () => undefined;

  constructor(ctx: Context, row: BuildTable) {
    this.#ctx = ctx;
    this.row = row;
    this.settings = JSON.parse(row.settings) as BuildSettings;
    this.result = JSON.parse(row.result) as BuildResult;
    this.#phases = new Phases(JSON.parse(row.phases) as PhaseRecord[]);
  }

  get phases(): readonly PhaseRecord[] {
    return this.#phases.records;
  }

  /** The phase that lasts, if one does. */
  get open(): PhaseRecord | undefined {
    const { current } = this.#phases;
    return current.status === undefined ? current : undefined;
  }

  get failure(): PhaseRecord | undefined {
    return this.#phases.failure;
  }

  begin(type: PhaseType, atMs: number = this.#nowMs()): void {
    this.#phases.begin(type, atMs);
    this.changed();
  }

  end(status: EndStatus, context?: PhaseContext, atMs: number = this.#nowMs()): void {
    const phase = this.#phases.end(status, atMs, context);
    this.#events.push(buildPhaseChange(this.#news('IN_PROGRESS'), { ...phase }));
    this.changed();
  }

  /** Has the present state written soon. */
  changed(): void {
    this.#isDirty = true;
    if (this.#isOver || this.#saving !== undefined || this.#timer !== undefined) return;
    this.#timer = this.#ctx.clock.after(GATHER_MS, () => {
      this.#timer = undefined;
      this.#saving = this.#saveAll();
    });
  }

  /** Ends the build for good; durable when it resolves. @throws BuildTakenError, and what writing threw before */
  async complete(status: EndStatus): Promise<void> {
    this.#isOver = true;
    this.#timer?.cancel();
    await this.#saving;
    if (this.#failure !== undefined) throw this.#failure;
    const nowMs = this.#nowMs();
    this.#phases.begin('COMPLETED', nowMs);
    const news = this.#news(status);
    const completed = buildPhaseChange(news, { ...this.#phases.current, status: 'SUCCEEDED', endedAt: nowMs });
    this.#events.push(completed, buildStateChange(news));
    await this.#write({ state: 'over', status, ended_at: nowMs, runner: null, lease_until: 0 });
  }

  async #saveAll(): Promise<void> {
    try {
      await this.#write({});
    } catch (error) {
      this.#failure = error;
      this.onFailure(error);
    } finally {
      this.#saving = undefined;
      if (this.#isDirty && this.#failure === undefined) this.changed();
    }
  }

  async #write(change: Partial<BuildTable>): Promise<void> {
    const events = this.#events;
    this.#events = [];
    this.#isDirty = false;
    const { id, runner } = this.row;
    const values = {
      ...change,
      phases: JSON.stringify(this.#phases.records),
      result: JSON.stringify(this.result),
    };
    await this.#ctx.tx(async (tx) => {
      const { numUpdatedRows } = await tx
        .db<BuildTables>()
        .updateTable('codebuild_builds')
        .set(values)
        .where('id', '=', id)
        .where('state', '=', 'running')
        .where('runner', '=', runner)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) throw new BuildTakenError(`the build ${id} is run by somebody else`);
      for (const event of events) await tx.emit(event);
    });
  }

  #news(status: string): BuildNews {
    const { account, region, id, project, created_at: createdAt } = this.row;
    const { settings, result } = this;
    return { account, region, id, project, status, createdAt, settings, phases: this.#phases.records, result };
  }

  #nowMs(): number {
    return this.#ctx.now().getTime();
  }
}
