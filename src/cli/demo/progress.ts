import type { ActionExecutionDetail } from '@aws-sdk/client-codepipeline';

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const MARKS: Record<string, string> = { Succeeded: '✔', Failed: '✖', Abandoned: '✖' };

/** Shows actions as they go: a line each, with a spinner while it runs on a terminal; plain lines elsewhere. */
export class Progress {
  readonly #out: NodeJS.WriteStream;
  readonly #done = new Set<string>();
  readonly #announced = new Set<string>();
  #frame = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  /** Writes what is new. */
  show(actions: readonly ActionExecutionDetail[]): void {
    const inOrder = [...actions].sort((a, b) => Number(a.startTime ?? 0) - Number(b.startTime ?? 0));
    for (const action of inOrder) {
      const id = action.actionExecutionId!;
      if (this.#done.has(id)) continue;
      if (action.status === 'InProgress') this.#running(action);
      else {
        this.#done.add(id);
        this.#line(
          `  ${MARKS[action.status!] ?? '-'} ${label(action)} ${action.status} in ${seconds(action)}${failure(action)}\n`,
        );
      }
    }
  }

  /** A line of its own, above the spinner. */
  say(text: string): void {
    this.#line(`${text}\n`);
  }

  #running(action: ActionExecutionDetail): void {
    if (this.#out.isTTY) {
      this.#frame = (this.#frame + 1) % FRAMES.length;
      this.#out.write(`\r\x1b[K  ${FRAMES[this.#frame]} ${label(action)} ${seconds(action)}`);
      return;
    }
    if (this.#announced.has(action.actionExecutionId!)) return;
    this.#announced.add(action.actionExecutionId!);
    this.#out.write(`  … ${label(action)} started\n`);
  }

  #line(text: string): void {
    this.#out.write(this.#out.isTTY ? `\r\x1b[K${text}` : text);
  }
}

function label(action: ActionExecutionDetail): string {
  const provider = action.input?.actionTypeId?.provider ?? '';
  return `${`${action.stageName}/${action.actionName}`.padEnd(28)} ${provider.padEnd(10)}`;
}

function seconds(action: ActionExecutionDetail): string {
  const end = action.status === 'InProgress' ? Date.now() : Number(action.lastUpdateTime);
  return `${(Math.max(0, end - Number(action.startTime)) / 1000).toFixed(2)} s`;
}

function failure(action: ActionExecutionDetail): string {
  const message =
    action.output?.executionResult?.errorDetails?.message ?? action.output?.executionResult?.externalExecutionSummary;
  return action.status === 'Failed' && message !== undefined ? `\n      ${message.replaceAll('\n', '\n      ')}` : '';
}
