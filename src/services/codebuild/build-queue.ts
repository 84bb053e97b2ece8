import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Executor } from '../../executors/executor.ts';
import { removeFolder } from '../../executors/run-folder.ts';
import type { Context } from '../../kernel/context.ts';
import type { BlobStore } from '../../kernel/store/blobs.ts';
import { CredentialTokens } from './build-credentials.ts';
import { BuildRecord } from './build-record.ts';
import { BuildRun, SERVER_STOPPED, STOPPED } from './build-run.ts';
import { endOrphan, endQueued } from './ended-builds.ts';
import { hostSearchPath } from './open-executor.ts';
import type { BuildTable, BuildTables } from './tables.ts';

const SERVICE = 'codebuild.amazonaws.com';
/** A process that says nothing for this long is dead, and so are its builds. */
const LEASE_MS = 30_000;
const RENEW_MS = 10_000;
/** Several processes share a PostgreSQL queue: each looks by itself for what another one put in. */
const LOOK_MS = 1_000;

/** Opens what builds run with. @param folder for its files alone */
export type OpenExecutor = (ctx: Context, folder: string) => Promise<Executor>;

/** The queues of this process, by what only one server has. */
const queues = new WeakMap<BlobStore, BuildQueue>();

/** The queue of a server. @throws before it has started */
export function queueOf(ctx: Context): BuildQueue {
  const queue = queues.get(ctx.blobs);
  if (queue === undefined) throw new Error('the build queue has not started');
  return queue;
}

/**
 * Runs queued builds, the oldest first, as many at once as the server is set to. Rows in state `queued` are the queue;
 * a row in state `running` belongs to the process that it names until its lease ends, and is an orphan from then on.
 */
export class BuildQueue {
  readonly tokens = new CredentialTokens();
  readonly #ctx: Context;
  /** Name of this process among those that share the queue. */
  readonly #runner: string;
  readonly #folder: string;
  readonly #executor: Promise<Executor>;
  readonly #live = new Map<string, { run: BuildRun; over: Promise<void> }>();
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #isStopped = false;
  #keeping: Promise<void> | undefined;
  #timers: Record<'look' | 'keep', { cancel(): void } | undefined> = { look: undefined, keep: undefined };

  private constructor(ctx: Context, openExecutor: OpenExecutor) {
    this.#ctx = ctx;
    this.#runner = ctx.ids.uuid();
    this.#folder = join(ctx.config.data, 'builds');
    this.#executor = this.#open(openExecutor);
    // Whoever needs the executor sees why there is none; nobody needs it before the first build.
    this.#executor.catch(() => undefined);
  }

  /** Starts the queue of a server. What an earlier process left running is ended before anything runs again. */
  static start(ctx: Context, openExecutor: OpenExecutor): void {
    const queue = new BuildQueue(ctx, openExecutor);
    queues.set(ctx.blobs, queue);
    queue.#keepUp();
    queue.poke();
  }

  async #open(openExecutor: OpenExecutor): Promise<Executor> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await removeFolder(this.#scratch);
    await mkdir(this.#scratch, { mode: 0o700 });
    const executor = await openExecutor(this.#ctx, join(this.#folder, 'executor'));
    for (const runId of await executor.runs()) await executor.discard(runId);
    return executor;
  }

  get #scratch(): string {
    return join(this.#folder, 'scratch');
  }

  /** Looks for builds to start, to time out and to give up, now. */
  poke(): void {
    if (this.#isStopped) return;
    if (this.#looking !== undefined) {
      this.#lookAgain = true;
      return;
    }
    this.#timers.look?.cancel();
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
      if (this.#lookAgain) {
        this.#lookAgain = false;
        this.poke();
      }
    });
  }

  /** Ends a build that runs here. @returns false when it does not */
  stopBuild(id: string): boolean {
    const live = this.#live.get(id);
    live?.run.end(STOPPED);
    return live !== undefined;
  }

  /** Ends every build that runs here, as the server goes away. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timers.look?.cancel();
    this.#timers.keep?.cancel();
    await Promise.all([this.#looking, this.#keeping]);
    for (const { run } of this.#live.values()) run.end(SERVER_STOPPED);
    await Promise.all([...this.#live.values()].map(({ over }) => over));
    const executor = await this.#executor.catch(() => undefined);
    await executor?.close();
    queues.delete(this.#ctx.blobs);
  }

  async #look(): Promise<void> {
    const { log, clock } = this.#ctx;
    let againMs = LOOK_MS;
    try {
      for (const row of await this.#claim()) this.#run(row);
      againMs = await this.#timeOutQueued();
    } catch (error) {
      log.error({ err: error }, 'the build queue could not be read; trying again');
      againMs = LOOK_MS;
    }
    if (!this.#isStopped) this.#timers.look = clock.after(againMs, () => this.poke());
  }

  /** Builds whose process is gone fail, visibly, and never run again. */
  async #giveUpOrphans(): Promise<void> {
    const now = this.#nowMs();
    const rows = await this.#ctx
      .db<BuildTables>()
      .selectFrom('codebuild_builds')
      .selectAll()
      .where('state', '=', 'running')
      .execute();
    // An SQLite file has one process: whatever runs elsewhere is of an earlier one.
    const isAlone = this.#ctx.config.databaseUrl === '';
    const orphans = rows.filter(({ id, runner, lease_until: until }) =>
      runner === this.#runner ? !this.#live.has(id) : isAlone || until < now,
    );
    if (orphans.length === 0) return;
    // Its processes, if any are left on this machine, end first.
    await this.#executor;
    for (const row of orphans) await endOrphan(this.#contextOf(row), row);
  }

  /** @returns milliseconds until the next one times out, or until this process should look by itself */
  async #timeOutQueued(): Promise<number> {
    const now = this.#nowMs();
    const rows = await this.#ctx
      .db<BuildTables>()
      .selectFrom('codebuild_builds')
      .selectAll()
      .where('state', '=', 'queued')
      .where('queued_until', '<=', now)
      .execute();
    for (const row of rows) await endQueued(this.#contextOf(row), row.id, 'TIMED_OUT');
    const next = await this.#ctx
      .db<BuildTables>()
      .selectFrom('codebuild_builds')
      .select((e) => e.fn.min('queued_until').as('at'))
      .where('state', '=', 'queued')
      .executeTakeFirst();
    const untilNextMs = next?.at == null ? Number.POSITIVE_INFINITY : Math.max(1, Number(next.at) - now);
    return this.#ctx.config.databaseUrl === '' ? untilNextMs : Math.min(untilNextMs, LOOK_MS);
  }

  /** Takes the oldest queued builds, as many as there is room for. */
  async #claim(): Promise<BuildTable[]> {
    const room = this.#ctx.config.maxConcurrentBuilds - this.#live.size;
    if (room <= 0 || this.#isStopped) return [];
    const queued = await this.#oldestQueued(this.#ctx, room);
    if (queued.length === 0) return [];
    const lease = { state: 'running', runner: this.#runner, lease_until: this.#nowMs() + LEASE_MS } as const;
    return this.#ctx.tx(async (tx) => {
      const rows = await this.#oldestQueued(tx, room);
      for (const { id } of rows) {
        await tx.db<BuildTables>().updateTable('codebuild_builds').set(lease).where('id', '=', id).execute();
      }
      return rows.map((row) => ({ ...row, ...lease }));
    });
  }

  #oldestQueued(source: Pick<Context, 'db'>, limit: number): Promise<BuildTable[]> {
    return source
      .db<BuildTables>()
      .selectFrom('codebuild_builds')
      .selectAll()
      .where('state', '=', 'queued')
      .where('queued_until', '>', this.#nowMs())
      .orderBy('position')
      .limit(limit)
      .execute();
  }

  #run(row: BuildTable): void {
    const ctx = this.#contextOf(row);
    const record = new BuildRecord(ctx, row);
    const run = new BuildRun(ctx, record, {
      executor: this.#executor,
      tokens: this.tokens,
      scratch: this.#scratch,
      searchPath: hostSearchPath(),
    });
    const over = run
      .run()
      .catch((error: unknown) => ctx.log.error({ err: error, build: row.id }, 'a build did not end well'))
      .finally(() => {
        this.#live.delete(row.id);
        this.poke();
      });
    this.#live.set(row.id, { run, over });
    if (row.stop_requested === 1) run.end(STOPPED);
  }

  /** At the start and every few seconds: keeps what is ours and gives up what nobody keeps. */
  #keepUp(): void {
    this.#keeping = this.#giveUpOrphans()
      .then(() => this.#renew())
      .catch((error: unknown) => this.#ctx.log.error({ err: error }, 'leases of builds could not be renewed'))
      .finally(() => {
        if (!this.#isStopped) this.#timers.keep = this.#ctx.clock.after(RENEW_MS, () => this.#keepUp());
      });
  }

  async #renew(): Promise<void> {
    if (this.#live.size === 0) return;
    const until = this.#nowMs() + LEASE_MS;
    await this.#ctx.tx(async (tx) => {
      await tx
        .db<BuildTables>()
        .updateTable('codebuild_builds')
        .set({ lease_until: until })
        .where('state', '=', 'running')
        .where('runner', '=', this.#runner)
        .execute();
    });
    await this.#stopRequested();
  }

  /** StopBuild may have been called at another process. */
  async #stopRequested(): Promise<void> {
    const rows = await this.#ctx
      .db<BuildTables>()
      .selectFrom('codebuild_builds')
      .select('id')
      .where('state', '=', 'running')
      .where('runner', '=', this.#runner)
      .where('stop_requested', '=', 1)
      .execute();
    for (const { id } of rows) this.stopBuild(id);
  }

  #contextOf({ account, region }: BuildTable): Context {
    return this.#ctx.asService(SERVICE, account, region);
  }

  #nowMs(): number {
    return this.#ctx.now().getTime();
  }
}
