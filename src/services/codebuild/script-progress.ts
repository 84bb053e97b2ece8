import type { BuildLog } from './build-log.ts';
import type { BuildRecord } from './build-record.ts';
import type { Buildspec, PhaseName } from './buildspec.ts';
import type { Masker } from './masking.ts';
import type { PhaseContext, PhaseType } from './phases.ts';
import type { BuildScript, Report } from './script.ts';
import type { OutputHandlers } from './script-output.ts';

/** How much of a failing command's output stands in the failure. */
const TAIL_LINES = 10;
const TAIL_BYTES = 1_000;

const PHASE_TYPES: Readonly<Record<PhaseName, PhaseType>> = {
  install: 'INSTALL',
  pre_build: 'PRE_BUILD',
  build: 'BUILD',
  post_build: 'POST_BUILD',
};

/** Follows a script: its output goes to the log, its reports become phases of the build. */
export class ScriptProgress implements OutputHandlers {
  isDone = false;
  readonly exportedVariables: { name: string; value: string }[] = [];
  /** Texts of the artifacts section after the shell expanded them. */
  readonly expanded = new Map<string, string | undefined>();
  readonly #record: BuildRecord;
  readonly #log: BuildLog;
  readonly #masker: Masker;
  readonly #script: BuildScript;
  readonly #buildspec: Buildspec;
  #tail: Buffer = Buffer.alloc(0);
  #printed = false;
  #failure: PhaseContext | undefined;
  #reachedPostBuild = false;
  #isAborted = false;

  constructor(record: BuildRecord, log: BuildLog, masker: Masker, script: BuildScript, buildspec: Buildspec) {
    this.#masker = masker;
    this.#record = record;
    this.#log = log;
    this.#script = script;
    this.#buildspec = buildspec;
  }

  /** Artifacts are uploaded even if BUILD failed, but not when an earlier phase did, or when a failure aborts. */
  get reachesUpload(): boolean {
    return this.#reachedPostBuild && !this.#isAborted;
  }

  text(chunk: Buffer): void | Promise<void> {
    this.#printed = true;
    this.#tail =
      chunk.length >= TAIL_BYTES
        ? Buffer.from(chunk.subarray(-TAIL_BYTES))
        : Buffer.concat([this.#tail, chunk]).subarray(-TAIL_BYTES);
    return this.#log.bytes(chunk);
  }

  report(report: Report, atMs: number): void {
    switch (report.kind) {
      case 'enter':
        this.#enter(report.phase, atMs);
        break;
      case 'command':
        this.#tail = Buffer.alloc(0);
        this.#printed = false;
        this.#log.line(`Running command ${this.#commandText(report.command)}`);
        break;
      case 'ended':
        this.#ended(report.command, report.status);
        break;
      case 'leave':
        this.#leave(report.phase, report.succeeded, atMs);
        break;
      case 'export':
        this.exportedVariables.push({ name: report.name, value: report.value });
        break;
      case 'expanded':
        this.expanded.set(report.key, report.value);
        break;
      case 'done':
        this.isDone = true;
    }
  }

  #commandText(command: number): string {
    return this.#script.commands.get(command)?.text.trimEnd() ?? '';
  }

  #enter(phase: PhaseName, atMs: number): void {
    this.#failure = undefined;
    if (phase === 'post_build') this.#reachedPostBuild = true;
    this.#record.begin(PHASE_TYPES[phase], atMs);
    this.#log.line(`Entering phase ${PHASE_TYPES[phase]}`);
  }

  #ended(command: number, status: number): void {
    if (this.#printed) this.#log.gap();
    if (status === 0) return;
    const text = this.#commandText(command);
    this.#log.line(`Command did not exit successfully ${text} exit status ${status}`);
    // The first failure of a phase is its reason.
    this.#failure ??= {
      statusCode: 'COMMAND_EXECUTION_ERROR',
      message: `Error while executing command: ${text}. Reason: exit status ${status}${this.#lastLines()}`,
    };
  }

  /** The last lines that the command printed, each on a line of its own. */
  #lastLines(): string {
    const lines = this.#masker.mask(this.#tail.toString('utf8')).trimEnd().split('\n');
    // The first one was cut unless it is all there is.
    if (this.#tail.length === TAIL_BYTES && lines.length > 1) lines.shift();
    const text = lines.slice(-TAIL_LINES).join('\n');
    return text === '' ? '' : `\n${text}`;
  }

  #leave(phase: PhaseName, succeeded: boolean, atMs: number): void {
    const status = succeeded ? 'SUCCEEDED' : 'FAILED';
    if (!succeeded && this.#buildspec.phases[phase].onFailure === 'ABORT') this.#isAborted = true;
    this.#record.end(status, succeeded ? undefined : this.#failure, atMs);
    this.#log.phaseComplete(PHASE_TYPES[phase], status, succeeded ? undefined : this.#failure);
  }
}
