import assert from 'node:assert/strict';
import { createWriteStream } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { after, before, test } from 'node:test';
import { LocalWorkspace } from '../../executors/local-workspace.ts';
import { ArtifactError, type ArtifactPatterns, type ArtifactPlace, selectFiles } from './artifacts.ts';
import { compileGlob } from './glob.ts';
import { unzip } from './unzip.ts';
import { zipOf } from './zip.ts';

const FILES = [
  'src0/src/README.md',
  'src0/src/.env',
  'src0/src/app/main.js',
  'src0/src/app/lib/util.js',
  'src0/src/app/lib/.hidden/x',
  'src0/src/my-build-1/my-file-1.txt',
  'src0/src/my-build-2/my-file-2.txt',
  'src0/src/my-build-2/my-subdirectory/my-file-3.txt',
  'src0/src/node_modules/dep/index.js',
  'src0/src/weird [1] {a}*.txt',
  'src1/src/other.txt',
];

let root: string;
let place: ArtifactPlace;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'slipway-artifacts-'));
  for (const path of FILES) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), `content of ${path}`);
  }
  await chmod(join(root, 'src0/src/app/main.js'), 0o755);
  await symlink('app/main.js', join(root, 'src0/src/link.js'));
  await symlink('/etc/passwd', join(root, 'src0/src/leak'));
  await symlink('app', join(root, 'src0/src/folder-link'));
  place = {
    files: new LocalWorkspace(root, '/codebuild/output'),
    workspace: '/codebuild/output',
    sourceFolder: 'src0/src',
  };
});
after(() => rm(root, { recursive: true, force: true }));

const NONE: ArtifactPatterns = { files: [], excludePaths: [], discardPaths: false, keepLinks: false };

const SELECTIONS: [what: string, patterns: Partial<ArtifactPatterns>, names: string[]][] = [
  ['one file', { files: ['README.md'] }, ['README.md']],
  ['one file with ./', { files: ['./app//main.js'] }, ['app/main.js']],
  ['a folder, one level', { files: ['app/*'] }, ['app/main.js']],
  ['a folder, all levels', { files: ['app/**/*'] }, ['app/lib/.hidden/x', 'app/lib/util.js', 'app/main.js']],
  [
    'all levels by name',
    { files: ['**/*.js'], excludePaths: ['node_modules/**/*'] },
    ['app/lib/util.js', 'app/main.js', 'link.js'],
  ],
  [
    'base directory and a pattern (AWS sample)',
    { files: ['*/my-file-3.txt'], baseDirectory: 'my-build-2' },
    ['my-subdirectory/my-file-3.txt'],
  ],
  [
    'base directory with a wildcard, paths discarded (AWS sample)',
    { files: ['**/*'], baseDirectory: 'my-build*', discardPaths: true },
    ['my-file-1.txt', 'my-file-2.txt', 'my-file-3.txt'],
  ],
  ['dot files are files', { files: ['*'], excludePaths: ['*.txt', 'link.js'] }, ['.env', 'README.md']],
  [
    'exclude all dot files and folders (AWS sample)',
    { files: ['app/**/*'], excludePaths: ['**/.*/**/*'] },
    ['app/lib/util.js', 'app/main.js'],
  ],
  [
    'exclude a file from all folders (AWS sample)',
    { files: ['app/**/*', 'README.md'], excludePaths: ['**/util.js/**/*', '**/.hidden/*'] },
    ['README.md', 'app/main.js'],
  ],
  ['a name with wildcard characters, literally', { files: ['weird [1] {a}*.txt'] }, ['weird [1] {a}*.txt']],
  ['braces', { files: ['app/{main,lib/util}.js'] }, ['app/lib/util.js', 'app/main.js']],
  ['an absolute path below the source', { files: ['/codebuild/output/src0/src/app/main.js'] }, ['app/main.js']],
  ['another source as the base', { files: ['**/*'], baseDirectory: '/codebuild/output/src1/src' }, ['other.txt']],
  ['a base that goes up inside the workspace', { files: ['*'], baseDirectory: '../../src1/src' }, ['other.txt']],
  ['a base that is a link inside', { files: ['*'], baseDirectory: 'folder-link' }, ['main.js']],
  ['patterns twice give a file once', { files: ['README.md', '*.md'] }, ['README.md']],
];
for (const [what, patterns, names] of SELECTIONS) {
  test(`selects ${what}`, async () => {
    const { files } = await selectFiles(place, { ...NONE, ...patterns });
    assert.deepEqual(
      files.map(({ name }) => name),
      names,
    );
  });
}

const NO_FILES: [what: string, patterns: Partial<ArtifactPatterns>, message: string][] = [
  ['nothing matches', { files: ['*.jar'] }, 'no matching artifact paths found'],
  ['the base is missing', { files: ['*'], baseDirectory: 'dist' }, 'no matching base directory path found for dist'],
  ['no base matches', { files: ['*'], baseDirectory: 'dist*' }, 'no matching base directory path found for dist*'],
  [
    'the base is a file',
    { files: ['*'], baseDirectory: 'README.md' },
    'no matching base directory path found for README.md',
  ],
  [
    'A2: the base leads out',
    { files: ['*'], baseDirectory: '../../../etc' },
    'no matching base directory path found for ../../../etc',
  ],
  [
    'A2: the base is absolute elsewhere',
    { files: ['*'], baseDirectory: '/etc' },
    'no matching base directory path found for /etc',
  ],
  ['A2: a pattern leads out', { files: ['../../../etc/passwd'] }, 'no matching artifact paths found'],
  ['A2: a link leads out', { files: ['leak'] }, 'no matching artifact paths found'],
];
for (const [what, patterns, message] of NO_FILES) {
  test(`fails when ${what}`, () =>
    assert.rejects(selectFiles(place, { ...NONE, ...patterns }), new ArtifactError(message)));
}

test('the log says what was looked for and what was left out', async () => {
  const { lines } = await selectFiles(place, { ...NONE, files: ['*.md', '*.jar', 'leak', 'folder-link'] });
  assert.deepEqual(lines, [
    'Expanding base directory path: .',
    'Assembling file list',
    'Expanding .',
    'Expanding file paths for base directory .',
    'Assembling file list',
    'Skipping folder-link: it is a symbolic link to a folder',
    'Skipping leak: the symbolic link src0/src/leak leads out of the workspace',
    'Expanding *.md',
    'Expanding *.jar',
    'Skipping invalid file path *.jar',
    'Expanding leak',
    'Skipping invalid file path leak',
    'Expanding folder-link',
    'Skipping invalid file path folder-link',
    'Found 1 file(s)',
  ]);
});

test('a zip round trip keeps content, modes and, when asked, links', async () => {
  for (const keepLinks of [false, true]) {
    const { files } = await selectFiles(place, { ...NONE, files: ['app/main.js', 'link.js', '.env'], keepLinks });
    const folder = await mkdtemp(join(tmpdir(), 'slipway-zip-'));
    const archive = join(folder, 'a.zip');
    await pipeline(zipOf(files, place.files), createWriteStream(archive));
    await mkdir(join(folder, 'out'));
    await unzip(archive, join(folder, 'out'));
    assert.equal(await readFile(join(folder, 'out/link.js'), 'utf8'), 'content of src0/src/app/main.js');
    assert.equal((await stat(join(folder, 'out/app/main.js'))).mode & 0o777, 0o755);
    assert.equal((await stat(join(folder, 'out/.env'))).mode & 0o777, 0o644);
    if (keepLinks) assert.equal(await readlink(join(folder, 'out/link.js')), 'app/main.js');
    await rm(folder, { recursive: true });
  }
});

test('a file that goes away while it is packed fails the archive', async () => {
  const { files } = await selectFiles(place, { ...NONE, files: ['README.md'] });
  const gone = files.map((file) => ({ ...file, path: 'src0/src/gone' }));
  await assert.rejects(pipeline(zipOf(gone, place.files), createWriteStream(join(root, 'x.zip'))), /does not exist/);
});

const GLOBS: [pattern: string, yes: string[], no: string[]][] = [
  ['*', ['a', '.a'], ['a/b']],
  ['**', ['a', 'a/b'], []],
  ['**/*', ['a', 'a/b/c', '.x/.y'], []],
  ['a/**', ['a/b', 'a/b/c'], ['a', 'b/a']],
  ['a/**/b', ['a/b', 'a/x/y/b'], ['a/xb', 'a/b/c']],
  ['**/a/**/b', ['a/b', 'x/a/y/b', 'a/a/b/b'], ['b', 'x/b']],
  ['a?c', ['abc'], ['ac', 'a/c']],
  ['[a-c]x', ['ax', 'cx'], ['dx', 'x']],
  ['[!a]x', ['bx'], ['ax']],
  ['[', ['['], ['a']],
  ['a{b,c{d,e}}f', ['abf', 'acdf', 'acef'], ['acf', 'af']],
  ['{a', ['{a'], ['a']],
  ['*a*b*', ['ab', 'xaybz'], ['ba']],
  ['a(b|c).js', ['a(b|c).js'], ['ab.js']],
  ['+(a)', ['+(a)'], ['a']],
];
for (const [pattern, yes, no] of GLOBS) {
  test(`the pattern ${pattern}`, () => {
    const glob = compileGlob(pattern);
    for (const path of yes) assert.ok(glob.matches(path), `should match ${path}`);
    for (const path of no) assert.ok(!glob.matches(path), `should not match ${path}`);
  });
}

test('F5: patterns that hang regular expressions are quick', () => {
  const began = performance.now();
  compileGlob(`${'*a'.repeat(50)}b`).matches('a'.repeat(4000));
  compileGlob(`${'**/'.repeat(50)}b`).matches(`${'a/'.repeat(2000)}c`);
  compileGlob('{a,b}'.repeat(30)).matches('a');
  assert.ok(performance.now() - began < 2_000);
});
