import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The run's temporary folder, and what must be ended or removed when a row is done. */
export class Workspace implements AsyncDisposable {
  readonly folder: string;
  readonly #say: (text: string) => void;
  readonly #undo: (() => unknown)[] = [];
  #folders = 0;

  private constructor(folder: string, say: (text: string) => void) {
    this.folder = folder;
    this.#say = say;
  }

  /** Makes the folder under the system's temporary folder. */
  static async make(say: (text: string) => void): Promise<Workspace> {
    const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-'));
    const workspace = new Workspace(folder, say);
    workspace.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    return workspace;
  }

  /** Tells the person at the terminal what is going on. */
  say(text: string): void {
    this.#say(text);
  }

  /** Path for a folder that does not exist yet. */
  path(name: string): string {
    this.#folders += 1;
    return join(this.folder, `${this.#folders}-${name}`);
  }

  /** Makes an empty folder. */
  async makeFolder(name: string): Promise<string> {
    const path = this.path(name);
    await mkdir(path);
    return path;
  }

  /** Runs `undo` when the row is done or failed, the latest first. */
  defer(undo: () => unknown): void {
    this.#undo.push(undo);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#undo.length > 0) await this.#undo.pop()!();
  }
}
