/** For tests only: histories of whole trees, made by real git and pushed to a real server. */
import type { TestContext } from 'node:test';
import { temporaryFolder } from '../../../test/harness.ts';
import { GitClient } from '../../git/harness.ts';

/** A file with its contents; as an object with another mode, or a submodule by its commit. */
export type FileSpec = string | Buffer | { mode: '100755' | '120000'; content: string } | { submodule: string };
export type TreeSpec = Readonly<Record<string, FileSpec>>;

/** A bare repository whose branches are written commit by commit. */
export class Histories {
  readonly git: GitClient;
  #seconds = 1_700_000_000;

  private constructor(git: GitClient) {
    this.git = git;
  }

  /** @param remote address that `push` goes to. */
  static async start(t: TestContext, remote?: string): Promise<Histories> {
    const git = new GitClient(await temporaryFolder(t));
    await git.run('init', '-q', '--bare', '-b', 'main');
    if (remote !== undefined) await git.run('remote', 'add', 'origin', remote);
    return new Histories(git);
  }

  /** Puts a commit of exactly these files on a branch and answers its id. */
  async commit(branch: string, parents: readonly string[], files: TreeSpec): Promise<string> {
    this.#seconds += 1;
    const [first, ...others] = parents;
    const lines: (string | Buffer)[] = [
      `commit refs/heads/${branch}\ncommitter Ada <ada@example.com> ${this.#seconds} +0000\ndata 0\n`,
      ...(first === undefined ? [] : [`from ${first}\n`]),
      ...others.map((parent) => `merge ${parent}\n`),
      'deleteall\n',
      ...Object.entries(files).flatMap(([path, file]) => fileLines(path, file)),
    ];
    // Without a parent, the branch must not be there yet.
    if (first === undefined) lines.unshift(`reset refs/heads/${branch}\n`);
    const input = Buffer.concat(lines.map((line) => Buffer.from(line as string)));
    await this.git.feed(input, 'fast-import', '--quiet', '--force');
    return this.git.run('rev-parse', `refs/heads/${branch}`);
  }

  /** Pushes every branch, whatever the server has. */
  async push(): Promise<void> {
    await this.git.run('push', '-q', '--force', 'origin', 'refs/heads/*:refs/heads/*');
  }

  async fetch(): Promise<void> {
    await this.git.run('fetch', '-q', '--force', 'origin', 'refs/heads/*:refs/heads/*');
  }
}

function fileLines(path: string, file: FileSpec): (string | Buffer)[] {
  const name = `"${path.replace(/["\\]/g, '\\$&')}"`;
  if (typeof file === 'object' && 'submodule' in file) return [`M 160000 ${file.submodule} ${name}\n`];
  const isPlain = typeof file === 'string' || Buffer.isBuffer(file);
  const content = Buffer.from(isPlain ? (file as string) : file.content);
  return [`M ${isPlain ? '100644' : file.mode} inline ${name}\ndata ${content.length}\n`, content, '\n'];
}
