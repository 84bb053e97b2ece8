import { createCipheriv } from 'node:crypto';
import { runProgram } from './program.ts';
import type { Workspace } from './workspace.ts';

/** What a repository holds. It is the same one at every run. */
export interface RepositoryShape {
  commits: number;
  /** Files in all; they lie in folders of fifty. */
  files: number;
  /** Bytes of each version of a file: text that packs to about three quarters of its size. */
  fileBytes: number;
}

const FILES_PER_FOLDER = 50;
const FIRST_SECOND = 1_700_000_000;

/** Makes a bare repository with one branch, `main`, by `git fast-import`. @returns its folder */
export async function generateRepository(workspace: Workspace, shape: RepositoryShape): Promise<string> {
  const folder = workspace.path('generated.git');
  await runProgram('git', ['init', '--quiet', '--bare', '--initial-branch=main', folder]);
  await runProgram('git', ['-C', folder, '-c', 'core.compression=1', 'fast-import', '--quiet'], {
    input: inBlocks(importStream(shape)),
  });
  return folder;
}

/**
 * The first commit adds every file, each later one writes one of them anew. Source of the format: git-fast-import(1).
 */
function* importStream({ commits, files, fileBytes }: RepositoryShape): Generator<string> {
  const text = textSource();
  for (let commit = 0; commit < commits; commit++) {
    const message = `commit ${commit}\n`;
    const at = FIRST_SECOND + commit;
    yield `commit refs/heads/main\ncommitter Bench <bench@example.com> ${at} +0000\ndata ${message.length}\n${message}`;
    const written = commit === 0 ? files : 1;
    for (let file = 0; file < written; file++) {
      yield `M 100644 inline ${pathOf(commit === 0 ? file : (commit * 7) % files)}\ndata ${fileBytes}\n${text(fileBytes)}\n`;
    }
    yield '\n';
  }
  yield 'done\n';
}

function pathOf(file: number): string {
  return `folder-${Math.floor(file / FILES_PER_FOLDER)}/file-${file}.txt`;
}

/** Text that no compression shrinks to nothing, and the same at every run: a cipher's key stream in base64. */
function textSource(): (bytes: number) => string {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 'bench'), Buffer.alloc(16));
  return (bytes) => {
    const raw = cipher.update(Buffer.alloc(Math.ceil((bytes * 3) / 4) + 3));
    return raw
      .toString('base64')
      .slice(0, bytes - 1)
      .concat('\n');
  };
}

/** Gathers small pieces, so that the pipe is written in large ones. */
async function* inBlocks(pieces: Iterable<string>): AsyncGenerator<Buffer> {
  let block: string[] = [];
  let size = 0;
  for (const piece of pieces) {
    block.push(piece);
    size += piece.length;
    if (size < 1 << 20) continue;
    yield Buffer.from(block.join(''), 'latin1');
    block = [];
    size = 0;
  }
  yield Buffer.from(block.join(''), 'latin1');
}
