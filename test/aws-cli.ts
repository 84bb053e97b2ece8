import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { after } from 'node:test';

const PROGRAM = new URL('./aws.py', import.meta.url).pathname;

/** What a command printed. */
export interface Printed {
  stdout: string;
  stderr: string;
}

/** A command that ended with another status than 0. */
export class AwsFailure extends Error {
  readonly stdout: string;
  readonly stderr: string;

  constructor(args: readonly string[], status: number, { stdout, stderr }: Printed) {
    super(`aws ${args.join(' ')} ended with ${status}: ${stdout}${stderr}`);
    this.stdout = stdout;
    this.stderr = stderr;
  }
}

/** The real aws command line, `test/aws.py`, one command at a time. */
class AwsCommandLine {
  readonly #folder: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(folder: string, child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#folder = folder;
    this.#child = child;
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** Undefined where python3 or awscli is not installed. */
  static async start(): Promise<AwsCommandLine | undefined> {
    const folder = await mkdtemp(join(tmpdir(), 'slipway-aws-'));
    const child = spawn('python3', [PROGRAM], { stdio: ['pipe', 'pipe', 'ignore'] });
    child.on('error', () => undefined);
    const started = new AwsCommandLine(folder, child);
    if (!(await started.#answers.next()).done) return started;
    await started.end();
    return undefined;
  }

  run(args: readonly string[], options: { env: Record<string, string>; cwd: string | undefined }): Promise<Printed> {
    const running = this.#last.then(() => this.#run(args, options));
    // The caller hears of a failure; the next command only waits for its turn.
    this.#last = running.catch(() => undefined);
    return running;
  }

  async #run(
    args: readonly string[],
    options: { env: Record<string, string>; cwd: string | undefined },
  ): Promise<Printed> {
    const [out, err] = [join(this.#folder, 'out'), join(this.#folder, 'err')] as const;
    const command = { args, env: options.env, cwd: options.cwd ?? this.#folder, out, err };
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    const answer = await this.#answers.next();
    if (answer.done) throw new Error('the aws command line has gone');
    const printed = { stdout: await readFile(out, 'utf8'), stderr: await readFile(err, 'utf8') };
    const status = Number(answer.value);
    if (status !== 0) throw new AwsFailure(args, status, printed);
    return printed;
  }

  async end(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.pid !== undefined) {
      const gone = once(this.#child, 'exit');
      this.#child.stdin.end();
      await gone;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

const commandLine = await AwsCommandLine.start();
after(() => commandLine?.end());

/** For `skip`: false, or why tests that type `aws` cannot run. */
export const withoutAws: false | string = commandLine === undefined ? 'needs the aws command line' : false;

/**
 * Types `aws ...`: the installed command line, which speaks to AWS_ENDPOINT_URL also where it is too old to know that
 * variable.
 * @throws {AwsFailure} when it ends with another status than 0
 */
export function aws(args: readonly string[], env: Record<string, string>, cwd?: string): Promise<Printed> {
  return commandLine!.run(args, { env, cwd });
}
