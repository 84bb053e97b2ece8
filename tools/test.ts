/**
 * `npm test`: the whole suite, or the files whose path contains one of the given words. Several files share a process, because
 * loading the server costs more than most files' tests. A file that needs one to itself says so with the words of ALONE.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const ALONE = '// Has a process of its own:';
const FILES_OF_A_PROCESS = 8;
const PROCESSES = 2;
const ROOT = join(import.meta.dirname, '..');
const CACHE = join(ROOT, 'node_modules/.cache');

/** Scenarios first: they take longest, and at the end one processor would wait for them. */
function testFiles(words: readonly string[]): string[] {
  const files = ['test/**/*.test.ts', 'src/**/*.test.ts'].flatMap((pattern) => globSync(pattern, { cwd: ROOT }).sort());
  return words.length === 0 ? files : files.filter((file) => words.some((word) => file.includes(word)));
}

function isAlone(file: string): boolean {
  return file.startsWith('test/scenarios/') || readFileSync(join(ROOT, file), 'utf8').includes(ALONE);
}

/** Files of one folder, or one file. */
function batches(files: readonly string[]): string[][] {
  const made: string[][] = [];
  const open = new Map<string, string[]>();
  for (const file of files) {
    const folder = dirname(file);
    let batch = isAlone(file) ? undefined : open.get(folder);
    if (batch === undefined || batch.length === FILES_OF_A_PROCESS) {
      batch = [];
      made.push(batch);
      if (!isAlone(file)) open.set(folder, batch);
    }
    batch.push(file);
  }
  return made;
}

/** A file that imports the files of a batch: their tests run in it, one after the other. */
function written(batch: readonly string[], folder: string): string {
  if (batch.length === 1) return batch[0]!;
  const name = `${batch[0]!.replaceAll('/', '.').replace(/\.test\.ts$/, '')}.and-${batch.length - 1}-more.test.mjs`;
  const imports = batch.map((file) => `await import(${JSON.stringify(pathToFileURL(join(ROOT, file)).href)});\n`);
  writeFileSync(join(folder, name), imports.join(''));
  return join(folder, name);
}

const files = testFiles(process.argv.slice(2));
if (files.length === 0) {
  console.error('no test file has such a name');
  process.exit(2);
}
const folder = join(CACHE, 'tests', String(process.pid));
mkdirSync(folder, { recursive: true });
try {
  const entries = batches(files).map((batch) => written(batch, folder));
  const child = spawn(process.execPath, ['--test', `--test-concurrency=${PROCESSES}`, ...entries], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, NODE_COMPILE_CACHE: join(CACHE, 'compile') },
  });
  const [status] = await once(child, 'exit');
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
