import assert from 'node:assert/strict';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { SETTINGS } from '../src/kernel/config.ts';
import { services } from '../src/services.ts';
import { operationsGolden, README_END, README_START, serviceTable } from '../tools/golden-files.ts';
import { operationFiles } from '../tools/operation-index.ts';

/** A test file is a list; it may be longer than code. */
const MAX_LINES = { code: 500, tests: 800 };
const sources = files('src').filter((file) => file.endsWith('.ts'));
const ours = [...sources, ...['test', 'tools', 'bench'].flatMap(files).filter((file) => file.endsWith('.ts'))];

function files(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Files of ours that a file imports, as paths from the root. */
function imports(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/^(?:import|export)[^'"]*?from '(\.[^']+)'/gms)].map((match) =>
    normalize(join(dirname(file), match[1]!)),
  );
}

/** The layer of a file, which says what it may import. */
function layer(file: string): string {
  const [, top, second] = file.split('/') as [string, string, string];
  if (top === 'kernel') return second.endsWith('.ts') ? 'kernel-leaf' : 'kernel';
  if (top === 'services') return `services/${second}`;
  return top.endsWith('.ts') ? 'root' : top;
}

/** Who may start a build's process, or read a repository's objects. */
const GIT_USERS = ['services/codecommit'];
const EXECUTOR_USERS = ['services/codebuild', 'services/lambda', 'services/ecs'];
/** The kernel's assembly: it ties the folders of the kernel together, so it is no leaf. */
const ASSEMBLY = new Set([
  'src/kernel/runtime.ts',
  'src/kernel/audit.ts',
  'src/kernel/context.ts',
  'src/kernel/service.ts',
  'src/kernel/define-service.ts',
]);

function mayImport(from: string, to: string): boolean {
  const [source, target] = [layer(from), layer(to)];
  if (source === 'root' || source === 'cli') return true;
  if (source === target) return true;
  if (target === 'kernel-leaf' || target === 'kernel') {
    if (source === 'kernel-leaf') return ASSEMBLY.has(from) || !ASSEMBLY.has(to);
    if (source === 'git' || source === 'executors' || source === 'agent')
      return (target === 'kernel-leaf' && !ASSEMBLY.has(to)) || to === 'src/kernel/store/blobs.ts';
    return true;
  }
  if (target === 'git') return GIT_USERS.includes(source);
  if (target === 'executors') return EXECUTOR_USERS.includes(source);
  return false;
}

test('imports follow the layers', () => {
  const wrong = sources
    .filter((file) => !file.endsWith('.test.ts'))
    .flatMap((file) =>
      imports(file)
        .filter((target) => target.startsWith('src/') && !mayImport(file, target))
        .map((target) => `${file} imports ${target}`),
    );
  assert.deepEqual(wrong, []);
});

test('services import no SDK package at run time but their own', () => {
  const wrong = sources.flatMap((file) => {
    const own = /^src\/services\/([^/]+)\//.exec(file)?.[1];
    if (own === undefined || file.endsWith('.test.ts')) return [];
    const found = [
      ...readFileSync(file, 'utf8').matchAll(/^import (?!type )[^'"]*?from '@aws-sdk\/client-([^']+)'/gms),
    ];
    return found.filter((match) => match[1] !== own).map((match) => `${file} imports ${match[1]}`);
  });
  assert.deepEqual(wrong, []);
});

test('no file is too long to hold in the head', () => {
  const limit = (file: string) => (file.endsWith('.test.ts') ? MAX_LINES.tests : MAX_LINES.code);
  const long = ours.filter((file) => readFileSync(file, 'utf8').split('\n').length > limit(file));
  assert.deepEqual(long, []);
});

test('no folder or file is a drawer for everything', () => {
  const wrong = ours.filter((file) => /(^|\/)(utils?|helpers?|managers?|base|common|misc|index)(\.ts|\/)/.test(file));
  assert.deepEqual(wrong, []);
});

test('time and randomness come through the context', () => {
  const allowed = new Set(['src/kernel/clock.ts', 'src/kernel/ids.ts']);
  const wrong = sources.filter((file) => {
    if (allowed.has(file) || file.endsWith('.test.ts') || file.startsWith('src/cli/') || file.includes('/testing/'))
      return false;
    return /\b(Date\.now\(|new Date\(\)|Math\.random\(|randomUUID\()/.test(readFileSync(file, 'utf8'));
  });
  assert.deepEqual(wrong, []);
});

test('every implemented operation stands in the file index, and the golden file says so', () => {
  for (const service of services) {
    assert.deepEqual([...operationFiles(service).keys()].sort(), [...service.operations.keys()].sort(), service.name);
  }
  assert.equal(readFileSync('test/golden/operations.txt', 'utf8'), operationsGolden(), 'run npm run golden');
});

test("the README's table of services is the code's", () => {
  const readme = readFileSync('README.md', 'utf8');
  assert.ok(readme.includes(`${README_START}\n${serviceTable()}${README_END}`), 'run npm run golden');
});

test('every setting stands in the docs', () => {
  const page = readFileSync('docs/settings.md', 'utf8');
  const missing = SETTINGS.filter(({ flag, env }) => !page.includes(`\`--${flag}\` | \`${env}\``));
  assert.deepEqual(
    missing.map(({ flag }) => flag),
    [],
  );
});

test('every page of the documentation stands in its index, once', () => {
  for (const folder of ['docs', 'docs/decisions']) {
    const index = readFileSync(`${folder}/README.md`, 'utf8');
    const pages = readdirSync(folder).filter((name) => name.endsWith('.md') && name !== 'README.md');
    const listed = [...index.matchAll(/^\| \[[^\]]+\]\(([^)/]+\.md)\) \| .+ \|$/gm)].map((match) => match[1]!);
    assert.deepEqual(listed.toSorted(), pages.toSorted(), `${folder}/README.md has a line for each page`);
  }
});

test('links between documents lead to files', () => {
  const documents = globSync(['*.md', 'bench/*.md', '{docs,src}/**/*.md']);
  const broken = documents.flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)]
      .filter((match) => !existsSync(join(dirname(path), match[1]!)))
      .map((match) => `${path}: ${match[1]}`),
  );
  assert.deepEqual(broken, []);
});

test('every service tells what it is and where it deviates', () => {
  for (const { name } of services) {
    const path = `src/services/${name}/README.md`;
    assert.ok(existsSync(path), path);
    assert.match(readFileSync(path, 'utf8'), /## Deviations from AWS/, path);
  }
});

test('errors that a service throws are errors that its model or the common list declares', () => {
  const wrong = sources.flatMap((file) => {
    const own = /^src\/services\/([^/]+)\//.exec(file)?.[1];
    const service = services.find(({ name }) => name === own);
    if (service === undefined) return [];
    const names = [...readFileSync(file, 'utf8').matchAll(/fault\(\s*sdk\.(\w+)/g)].map((match) => match[1]!);
    return names.filter((name) => service.errorSchema(name) === undefined).map((name) => `${file}: ${name}`);
  });
  assert.deepEqual(wrong, []);
});
