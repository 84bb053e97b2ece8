import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkCommitTexts, filePathOf, gitPath, newFilePathOf, requireRepositoryName } from './rules.ts';

const PATHS: [given: string, clean: string][] = [
  ['/', ''],
  ['', ''],
  ['/a/b.txt', 'a/b.txt'],
  ['a/b/', 'a/b'],
  ['ä ü/ß', 'ä ü/ß'],
  ['.github/x', '.github/x'],
  ['.gitignore', '.gitignore'],
  ['a:b', 'a:b'],
  [':(top)', ':(top)'],
  ['-x', '-x'],
  ['a.git', 'a.git'],
  ['git~', 'git~'],
];

test('paths lose outer slashes only', () => {
  for (const [given, clean] of PATHS) {
    assert.equal(gitPath(given), clean);
    if (clean !== '') assert.equal(newFilePathOf(given), clean);
  }
  assert.throws(() => filePathOf('/'), { name: 'PathRequiredException' });
});

test('G5: names that a checkout would take for something else are not written', () => {
  const names = [
    '.git',
    '.GIT',
    '.Git',
    'git~1',
    'GIT~1',
    'git~2',
    '.g\u200cit',
    '.git\u200d',
    '.git ',
    '.git.',
    '.git . .',
    '.git::$INDEX_ALLOCATION',
    '.git:stream',
    '.',
    '..',
    '...',
    '. .',
    ' ',
    '..\\x',
    'a\\.git\\hooks',
    'a\0b',
    'a\nb',
    'a\rb',
    '\x1b[31mred',
    'a\u202egnp.exe',
    '\ud800',
    'x'.repeat(4_097),
  ];
  for (const name of names) {
    for (const path of [name, `folder/${name}`, `${name}/file`]) {
      assert.throws(() => newFilePathOf(path), { name: 'InvalidPathException' }, JSON.stringify(path));
    }
  }
});

test('texts of a commit have their limits', () => {
  checkCommitTexts({ message: 'x'.repeat(256 * 1024), name: 'x'.repeat(1_024), email: 'a@b' });
  checkCommitTexts({});
  const cases: [Parameters<typeof checkCommitTexts>[0], string][] = [
    [{ message: 'x'.repeat(256 * 1024 + 1) }, 'CommitMessageLengthExceededException'],
    [{ message: 'ä'.repeat(128 * 1024 + 1) }, 'CommitMessageLengthExceededException'],
    [{ name: 'x'.repeat(1_025) }, 'NameLengthExceededException'],
    [{ email: 'x'.repeat(257) }, 'InvalidEmailException'],
    [{ email: 'a@b>\nauthor x' }, 'InvalidEmailException'],
    [{ email: 'a b@c' }, 'InvalidEmailException'],
  ];
  for (const [texts, name] of cases) assert.throws(() => checkCommitTexts(texts), { name });
});

test('a repository is not named like its address, nor like a folder above', () => {
  for (const name of ['app.git', 'APP.GIT', '.git', '.', '..', '...']) {
    assert.throws(() => requireRepositoryName(name), { name: 'InvalidRepositoryNameException' });
  }
  for (const name of ['app', 'app.git2', 'git', '.x', '-', '_']) requireRepositoryName(name);
});
