import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../kernel/clock.ts';
import {
  type Executor,
  type Run,
  type RunEnd,
  type RunLayout,
  type RunSink,
  type RunSpec,
  RunStartError,
  type WorkspaceFiles,
} from './executor.ts';
import { LocalWorkspace } from './local-workspace.ts';
import { removeFolder } from './run-folder.ts';

/** One thing that a fake run does. */
export interface FakeStep {
  /** On the injected clock, after the step before; 0 by default. */
  afterMs?: number;
  log?: string | Buffer;
  /** A record of the side channel, without its NUL. */
  report?: string;
  /** Writes files into the workspace: path -> content. */
  files?: Record<string, string>;
}

/** What a fake run does in place of its script. */
export interface FakePlan {
  /** Fails the start with this message. */
  startError?: string;
  steps?: FakeStep[];
  /** How it ends after the last step; `hang` leaves it to a stop or the timeout. */
  end?: RunEnd | 'hang';
}

/**
 * An executor for tests: runs nothing, does what a plan says, on the injected clock. `left` stands for the machine: pass
 * the same set to a second executor to play a restarted server that finds the runs of the first.
 */
export class FakeExecutor implements Executor {
  readonly name = 'fake';
  /** Every spec that was started, in order. */
  readonly started: RunSpec[] = [];
  readonly #clock: Clock;
  readonly #plan: (spec: RunSpec) => FakePlan;
  readonly #left: Set<string>;
  readonly #live = new Map<string, FakeRun>();

  constructor(clock: Clock, plan: (spec: RunSpec) => FakePlan, left: Set<string> = new Set()) {
    this.#clock = clock;
    this.#plan = plan;
    this.#left = left;
  }

  layout(): RunLayout {
    return { workspace: '/codebuild/output', home: '/root' };
  }

  describe(): string {
    return 'Running with the fake executor';
  }

  async start(spec: RunSpec, sink: RunSink): Promise<Run> {
    const plan = this.#plan(spec);
    this.started.push(spec);
    if (plan.startError !== undefined) {
      await removeFolder(spec.workspaceFolder);
      throw new RunStartError(plan.startError);
    }
    const run = new FakeRun(spec, plan, sink, this.#clock);
    this.#live.set(spec.id, run);
    this.#left.add(spec.id);
    return run;
  }

  async runs(): Promise<string[]> {
    return [...this.#left];
  }

  async discard(runId: string): Promise<void> {
    const run = this.#live.get(runId);
    this.#live.delete(runId);
    this.#left.delete(runId);
    await run?.stop();
    if (run !== undefined) await removeFolder(run.folder);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#live.values()].map((run) => run.stop()));
  }
}

class FakeRun implements Run {
  readonly id: string;
  readonly folder: string;
  readonly ended: Promise<RunEnd>;
  #settle: (end: RunEnd) => void = () => undefined;
  #over = false;

  constructor(spec: RunSpec, plan: FakePlan, sink: RunSink, clock: Clock) {
    this.id = spec.id;
    this.folder = spec.workspaceFolder;
    const forced = new Promise<RunEnd>((resolve) => {
      this.#settle = resolve;
    });
    const timer = clock.after(spec.limits.timeoutMs, () => this.#settle({ kind: 'timed-out' }));
    this.ended = Promise.race([this.#play(plan, sink, clock), forced]).then((end) => {
      this.#over = true;
      timer.cancel();
      sink.reportsEnded?.();
      return end;
    });
  }

  async #play(plan: FakePlan, sink: RunSink, clock: Clock): Promise<RunEnd> {
    for (const step of plan.steps ?? []) {
      if (step.afterMs !== undefined) {
        await new Promise<void>((resume) => clock.after(step.afterMs ?? 0, resume));
      }
      if (this.#over) break;
      if (step.report !== undefined) sink.report(Buffer.from(step.report));
      if (step.log !== undefined) await sink.log(Buffer.from(step.log));
      for (const [path, content] of Object.entries(step.files ?? {})) {
        await mkdir(dirname(join(this.folder, path)), { recursive: true });
        await writeFile(join(this.folder, path), content);
      }
    }
    const { end = { kind: 'exited', code: 0 } } = plan;
    return end === 'hang' ? new Promise<RunEnd>(() => undefined) : end;
  }

  async stop(): Promise<void> {
    this.#settle({ kind: 'stopped' });
    await this.ended;
  }

  async files(): Promise<WorkspaceFiles> {
    return new LocalWorkspace(this.folder, '/codebuild/output');
  }
}
