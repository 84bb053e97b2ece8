import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseBuildspec } from './buildspec.ts';
import { BuildspecError } from './yaml-reader.ts';

test('reads every part of a buildspec', () => {
  const spec = parseBuildspec(`
version: 0.2
env:
  shell: bash
  variables:
    GREETING: "hello: world"
    PORT: 8080
    FLAG: on
    HEX: 0x1F
    EMPTY:
  exported-variables: [COMMIT, COMMIT, AWS_REGION]
  git-credential-helper: yes
phases:
  install:
    runtime-versions: {nodejs: 22}
    commands:
      - npm ci
  build:
    on-failure: ABORT
    commands:
      - |
        echo one
        echo two
      - 42
    finally:
      - echo done
  post_build:
    on-failure: CONTINUE
reports:
  unit: {files: ['*.xml']}
artifacts:
  files: ['**/*', dist/app.js]
  name: app-$CODEBUILD_BUILD_NUMBER
  base-directory: out
  discard-paths: yes
  exclude-paths: '**/.git/**/*'
  enable-symlinks: yes
  secondary-artifacts:
    docs:
      files: docs/**/*
cache:
  paths: [node_modules]
`);
  assert.equal(spec.version, '0.2');
  assert.equal(spec.shell, 'bash');
  assert.equal(spec.gitCredentialHelper, true);
  assert.deepEqual(Object.fromEntries(spec.variables), {
    GREETING: 'hello: world',
    PORT: '8080',
    FLAG: 'on',
    HEX: '0x1F',
    EMPTY: '',
  });
  assert.deepEqual(spec.exportedVariables, ['COMMIT']);
  assert.deepEqual(spec.phases, {
    install: { commands: ['npm ci'], finally: [], onFailure: undefined },
    pre_build: { commands: [], finally: [] },
    build: { commands: ['echo one\necho two\n', '42'], finally: ['echo done'], onFailure: 'ABORT' },
    post_build: { commands: [], finally: [], onFailure: 'CONTINUE' },
  });
  assert.deepEqual(spec.artifacts, {
    files: ['**/*', 'dist/app.js'],
    name: 'app-$CODEBUILD_BUILD_NUMBER',
    discardPaths: true,
    baseDirectory: 'out',
    excludePaths: ['**/.git/**/*'],
    enableSymlinks: true,
    s3Prefix: undefined,
  });
  assert.deepEqual(spec.secondaryArtifacts.get('docs')?.files, ['docs/**/*']);
  assert.deepEqual(spec.notes, [
    'The variable AWS_REGION is not exported: names that start with AWS_ are not',
    "'runtime-versions' at line 15, column 5 has no effect",
    "'reports' at line 29, column 1 has no effect",
    "'cache' at line 41, column 1 has no effect",
  ]);
});

test('version 0.1 with its old names', () => {
  const spec = parseBuildspec(`version: 0.1
environment_variables:
  plaintext:
    A: b
phases:
  build:
    commands: [make]
artifacts:
  type: zip
  files: [out.zip]
`);
  assert.equal(spec.version, '0.1');
  assert.equal(spec.variables.get('A'), 'b');
  assert.deepEqual(spec.artifacts?.files, ['out.zip']);
});

test('anchors and aliases are followed', () => {
  const spec = parseBuildspec(`version: 0.2
phases:
  install:
    commands: &commands
      - &first echo a
      - *first
  build:
    commands: *commands
`);
  assert.deepEqual(spec.phases.build.commands, ['echo a', 'echo a']);
});

test('what is unknown is named and has no effect', () => {
  const { notes } = parseBuildspec(`version: 0.2
artifact:
  files: x
env:
  variable: {}
  variables: {CODEBUILD_BUILD_ID: forged}
phases:
  build:
    command: [a]
    commands: [b]
`);
  assert.deepEqual(notes, [
    "Unknown key 'artifact' in the buildspec at line 2, column 1 has no effect",
    "Unknown key 'variable' in env at line 5, column 3 has no effect",
    'The variable CODEBUILD_BUILD_ID at line 6, column 15 has no effect: names that start with CODEBUILD_ are reserved',
    "Unknown key 'command' in phases/build at line 9, column 5 has no effect",
  ]);
});

const BUILD = 'phases: {build: {commands: [make]}}';
const REFUSED: [what: string, text: string, message: string | RegExp][] = [
  ['nothing', '', /Missing the version/],
  ['no version', BUILD, /Missing the version/],
  [
    'another version',
    `version: 0.3\n${BUILD}`,
    'Invalid buildspec version: 0.3. Expecting: 0.1,0.2 at line 1, column 1',
  ],
  ['no YAML', 'version: 0.2\nphases:\n\tbuild:', /^Tabs are not allowed as indentation at line 3, column 1$/],
  [
    'an unclosed quote',
    'version: 0.2\nphases:\n  build:\n    commands:\n      - "echo',
    /Missing closing "quote at line 5, column 14/,
  ],
  ['a list at the top', '- version: 0.2', 'Expected the buildspec to be a mapping at line 1, column 1'],
  ['two documents', `version: 0.2\n${BUILD}\n---\na: b`, /multiple documents/],
  [
    'a key twice',
    `version: 0.2\nversion: 0.2\n${BUILD}`,
    'the buildspec has the key version twice at line 2, column 1',
  ],
  ['no phases', 'version: 0.2', /At least one phase with build commands is required/],
  ['phases without commands', 'version: 0.2\nphases:\n  build:\n    commands:\n', /At least one phase/],
  [
    'an unknown phase',
    'version: 0.2\nphases:\n  build: {commands: [a]}\n  artifacts:\n    files: [x]',
    'Invalid buildspec phase name: artifacts. Expecting: build,install,post_build,pre_build at line 4, column 3',
  ],
  [
    'a command with a colon',
    'version: 0.2\n\nphases:\n  build:\n    commands:\n     - echo "Hello: world"',
    'Expected Commands[0] to be of string type: found subkeys instead at line 6, column 8, value of the key tag on line 5 might be empty',
  ],
  [
    'commands as one text',
    'version: 0.2\nphases:\n  build:\n    commands: make',
    'Expected Commands to be a list at line 4, column 15',
  ],
  ['a number as phases', 'version: 0.2\nphases: 7', 'Expected phases to be a mapping at line 2, column 9'],
  [
    'parameters',
    `version: 0.2\nenv:\n  parameter-store:\n    A: /a\n${BUILD}`,
    'env/parameter-store is not supported, at line 3, column 3',
  ],
  [
    'secrets',
    `version: 0.2\nenv:\n  secrets-manager:\n    A: a:b\n${BUILD}`,
    'env/secrets-manager is not supported, at line 3, column 3',
  ],
  ['another user', `version: 0.2\nrun-as: joe\n${BUILD}`, 'run-as is not supported, at line 2, column 1'],
  [
    'another user in a phase',
    'version: 0.2\nphases:\n  build:\n    run-as: joe\n    commands: [a]',
    /run-as is not supported, at line 4, column 5/,
  ],
  [
    'another shell',
    `version: 0.2\nenv: {shell: powershell.exe}\n${BUILD}`,
    /env\/shell powershell.exe is not supported/,
  ],
  [
    'retries',
    'version: 0.2\nphases:\n  build:\n    on-failure: RETRY-3\n    commands: [a]',
    'on-failure: RETRY-3 is not supported at line 4, column 5',
  ],
  [
    'an unknown reaction',
    'version: 0.2\nphases:\n  build:\n    on-failure: IGNORE\n    commands: [a]',
    /on-failure: IGNORE is unknown/,
  ],
  ['steps', 'version: 0.2\nphases:\n  build:\n    steps: []', /unsupported field "steps"/],
  [
    'artifacts without files',
    `version: 0.2\n${BUILD}\nartifacts:\n  name: x`,
    'artifacts/files is required at line 3, column 1',
  ],
  [
    'a flag that is none',
    `version: 0.2\n${BUILD}\nartifacts:\n  files: x\n  discard-paths: maybe`,
    /Expected artifacts\/discard-paths to be yes or no at line 5, column 18/,
  ],
  [
    'an exported name that no shell has',
    `version: 0.2\nenv:\n  exported-variables: ["a; rm -rf /"]\n${BUILD}`,
    /Invalid name in exported-variables/,
  ],
  ['a NUL in a command', `version: 0.2\nphases: {build: {commands: ["a\\0b"]}}`, /NUL/],
  [
    'a merge',
    `version: 0.2\nx: &x {commands: [a]}\nphases:\n  build:\n    <<: *x`,
    'merge keys (<<) are not supported at line 5, column 5',
  ],
  ['an unknown alias', 'version: 0.2\nphases: *nothing', /nothing/],
];
for (const [what, text, message] of REFUSED) {
  test(`refuses ${what}`, () => {
    assert.throws(
      () => parseBuildspec(text),
      (error) => {
        assert.ok(error instanceof BuildspecError, String(error));
        if (typeof message === 'string') assert.equal(error.message, message);
        else assert.match(error.message, message);
        return true;
      },
    );
  });
}

const HOSTILE: Record<string, string> = {
  '1 MB': `version: 0.2\n${'# comment\n'.repeat(110_000)}${BUILD}`,
  'depth 10,000 in brackets': `version: 0.2\nx: ${'['.repeat(10_000)}${']'.repeat(10_000)}\n${BUILD}`,
  'depth 10,000 in dashes': `${'- '.repeat(10_000)}x`,
  'a billion laughs': `version: 0.2\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\nphases: {build: {commands: *b}}`,
  'more than 100 aliases': `version: 0.2\nx: &x a\nphases: {build: {commands: [${'*x,'.repeat(101)}]}}`,
  'an alias of itself': 'version: 0.2\nphases: &x {build: *x}',
  'a tag that makes an object': 'version: 0.2\nphases: {build: {commands: !!js/function "function(){}"}}',
};
for (const [what, text] of Object.entries(HOSTILE)) {
  test(`Y1: ${what} is refused quickly`, () => {
    const began = performance.now();
    assert.throws(() => parseBuildspec(text), BuildspecError);
    assert.ok(performance.now() - began < 3_000, `${performance.now() - began} ms`);
  });
}

test('Y1: many keys take time in proportion', () => {
  const variables = Array.from({ length: 6_000 }, (_, at) => `    K${at}: v`).join('\n');
  const began = performance.now();
  assert.equal(parseBuildspec(`version: 0.2\nenv:\n  variables:\n${variables}\n${BUILD}`).variables.size, 6_000);
  assert.ok(performance.now() - began < 5_000);
});

test('Y1: keys from the file touch no prototype', () => {
  const spec = parseBuildspec(`version: 0.2\nenv:\n  variables: {__proto__: a, constructor: b}\n${BUILD}`);
  assert.equal(spec.variables.get('__proto__'), 'a');
  assert.equal(({} as Record<string, unknown>)['a'], undefined);
});
