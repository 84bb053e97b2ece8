import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { type Buildspec, parseBuildspec } from './buildspec.ts';
import { buildScript, parseReport, type Report } from './script.ts';

let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'slipway-script-'));
});
after(() => rm(root, { recursive: true, force: true }));

interface Outcome {
  code: number | null;
  /** Without the marks of reports. */
  log: string;
  reports: Report[];
  /** `build SUCCEEDED` in order. */
  phases: string[];
  /** Exit status by command text. */
  statuses: Record<string, number>;
  exported: Record<string, string>;
  folder: string;
}

async function runBuild(shell: string, text: string, environment: Record<string, string> = {}): Promise<Outcome> {
  const buildspec = parseBuildspec(text);
  const folder = await mkdtemp(join(root, 'build-'));
  const sourceFolder = join(folder, 'it\'s a "source"');
  const stateFolder = join(folder, 'state');
  await mkdir(sourceFolder);
  await mkdir(stateFolder);
  const script = buildScript(buildspec, { nonce: 'Nonce1', stateFolder, sourceFolder });
  await writeFile(join(folder, 'script.sh'), script.text);
  const env = { PATH: process.env['PATH'], CODEBUILD_BUILD_SUCCEEDING: '1', ...environment };
  const child = spawn(shell, [join(folder, 'script.sh')], { env, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
  const [log, channel, [code]] = await Promise.all([
    buffer(child.stdout!),
    buffer(child.stdio[3] as NodeJS.ReadableStream),
    once(child, 'exit') as Promise<[number | null]>,
  ]);
  const records = channel.toString().split('\0').slice(0, -1);
  const reports = records.map((record) => parseReport(record)).filter((report) => report !== undefined);
  assert.equal(reports.length, records.length, 'every record can be read');
  const outcome: Outcome = {
    code,
    log: log.toString().replace(/\x1eNonce1:\d+\x1e/g, ''),
    reports,
    phases: [],
    statuses: {},
    exported: {},
    folder: sourceFolder,
  };
  for (const report of reports) {
    if (report.kind === 'leave') outcome.phases.push(`${report.phase} ${report.succeeded ? 'SUCCEEDED' : 'FAILED'}`);
    if (report.kind === 'ended') outcome.statuses[script.commands.get(report.command)!.text] = report.status;
    if (report.kind === 'export') outcome.exported[report.name] = report.value;
  }
  return outcome;
}

function phases(spec: Partial<Record<keyof Buildspec['phases'], string[]>>, rest = ''): string {
  const lines = Object.entries(spec).map(
    ([name, commands]) =>
      `  ${name}:\n    commands:\n${commands.map((c) => `      - ${JSON.stringify(c)}\n`).join('')}`,
  );
  return `version: 0.2\n${rest}\nphases:\n${lines.join('')}`;
}

const SHELLS = ['dash', 'bash'].map((name) => {
  const isThere = spawnSync(name, ['-c', ':']).error === undefined;
  return { name, skip: isThere ? false : `needs ${name}` };
});

for (const { name: shell, skip } of SHELLS) {
  describe(`script under ${shell}`, { skip }, () => {
    test('one shell for all phases: folder, variables, functions and options last', async () => {
      const outcome = await runBuild(
        shell,
        phases({
          install: ['mkdir deep && cd deep', 'export EXPORTED=1; PLAIN="a  b"; f() { echo "f: $1"; }'],
          pre_build: ['set -f'],
          build: ['pwd', 'echo "$EXPORTED [$PLAIN]"', 'f x', 'echo *', 'IFS=,; set -u', 'echo still'],
        }),
      );
      assert.equal(outcome.code, 0);
      assert.equal(outcome.log, `${outcome.folder}/deep\n1 [a  b]\nf: x\n*\nstill\n`);
      assert.deepEqual(outcome.phases, [
        'install SUCCEEDED',
        'pre_build SUCCEEDED',
        'build SUCCEEDED',
        'post_build SUCCEEDED',
      ]);
      assert.equal(outcome.reports.at(-1)?.kind, 'done');
      assert.deepEqual(
        outcome.reports.map(({ sequence }) => sequence),
        outcome.reports.map((_, at) => at + 1),
      );
    });

    test('the marks in the log stand where the reports belong', async () => {
      const text = phases({ build: ['echo a', 'echo b >&2; false', 'echo c'] });
      const folder = await mkdtemp(join(root, 'marks-'));
      await mkdir(join(folder, 's'));
      const { text: script } = buildScript(parseBuildspec(text), {
        nonce: 'N',
        stateFolder: join(folder, 's'),
        sourceFolder: folder,
      });
      await writeFile(join(folder, 'x.sh'), script);
      const { stdout } = spawnSync(shell, [join(folder, 'x.sh')], { stdio: ['ignore', 'pipe', 'inherit', 'pipe'] });
      const marked = stdout.toString().replaceAll('\x1e', '|');
      assert.match(marked, /^\|N:1\|\|N:2\|\|N:3\|\|N:4\|\|N:5\|\|N:6\|a\n\|N:7\|\|N:8\|b\n\|N:9\|\|N:10\|/);
    });

    const FLOWS: [what: string, spec: string, phases: string[], log: string][] = [
      [
        'INSTALL fails: the build ends',
        phases({ install: ['false', 'echo no'], build: ['echo no'], post_build: ['echo no'] }),
        ['install FAILED'],
        '',
      ],
      [
        'PRE_BUILD fails: the build ends',
        phases({ pre_build: ['exit 7'], build: ['echo no'], post_build: ['echo no'] }),
        ['install SUCCEEDED', 'pre_build FAILED'],
        '',
      ],
      [
        'BUILD fails: POST_BUILD still runs and knows',
        phases({
          build: ['echo $CODEBUILD_BUILD_SUCCEEDING', 'false', 'echo no'],
          post_build: ['echo $CODEBUILD_BUILD_SUCCEEDING'],
        }),
        ['install SUCCEEDED', 'pre_build SUCCEEDED', 'build FAILED', 'post_build SUCCEEDED'],
        '1\n0\n',
      ],
      [
        'POST_BUILD fails',
        phases({ build: ['true'], post_build: ['false', 'echo no'] }),
        ['install SUCCEEDED', 'pre_build SUCCEEDED', 'build SUCCEEDED', 'post_build FAILED'],
        '',
      ],
      [
        'finally runs after a failure, and what fails there fails the phase',
        `version: 0.2
phases:
  build:
    commands: ["false", "echo no"]
    finally: ["echo cleaned $CODEBUILD_BUILD_SUCCEEDING", "exit 4", "echo no"]
  post_build:
    commands: ["echo post"]
    finally: ["echo last", "false"]`,
        ['install SUCCEEDED', 'pre_build SUCCEEDED', 'build FAILED', 'post_build FAILED'],
        'cleaned 0\npost\nlast\n',
      ],
      [
        'on-failure: ABORT of BUILD skips POST_BUILD',
        'version: 0.2\nphases:\n  build: {on-failure: ABORT, commands: ["false"], finally: [echo f]}\n  post_build: {commands: [echo no]}',
        ['install SUCCEEDED', 'pre_build SUCCEEDED', 'build FAILED'],
        'f\n',
      ],
      [
        'on-failure: CONTINUE of INSTALL goes on',
        'version: 0.2\nphases:\n  install: {on-failure: CONTINUE, commands: ["false"]}\n  build: {commands: [echo $CODEBUILD_BUILD_SUCCEEDING]}',
        ['install FAILED', 'pre_build SUCCEEDED', 'build SUCCEEDED', 'post_build SUCCEEDED'],
        '0\n',
      ],
    ];
    for (const [what, spec, expected, log] of FLOWS) {
      test(what, async () => {
        const outcome = await runBuild(shell, spec);
        assert.deepEqual(outcome.phases, expected);
        assert.equal(outcome.log, log);
        assert.equal(outcome.reports.at(-1)?.kind, 'done', 'a failed build is a finished script');
      });
    }

    test('what ends the shell ends the command only, and exported variables and the folder stay', async () => {
      const outcome = await runBuild(
        shell,
        `version: 0.2
phases:
  install:
    commands:
      - cd /usr && export KEPT='a "b" $c'
      - exit 0
      - test "$KEPT" = 'a "b" $c' && pwd
      - exec echo replaced
      - return 0
      - echo still $(pwd)
  build:
    commands:
      - exit 3
      - echo no
    finally:
      - echo "$KEPT"
  post_build:
    commands: [echo end]`,
      );
      assert.equal(outcome.log, '/usr\nreplaced\nstill /usr\na "b" $c\nend\n');
      assert.deepEqual(outcome.phases, [
        'install SUCCEEDED',
        'pre_build SUCCEEDED',
        'build FAILED',
        'post_build SUCCEEDED',
      ]);
      assert.equal(outcome.statuses['exit 3'], 3);
    });

    const FAILING: [command: string, status: number | null, log: RegExp][] = [
      ['exit 3', 3, /^$/],
      ['return 5', 5, /^$/],
      ['set -e; false; echo no', 1, /^$/],
      ['set -e\nfalse\necho no', 1, /^$/],
      ['sh -c "exit 9"', 9, /^$/],
      ['nonexistent-command-4711', 127, /not found/],
      ["kill -9 $(exec sh -c 'echo $PPID')", null, /./],
      ['echo "unterminated', 2, /[Uu]ntermi|unexpected EOF/],
      ['if true; then', null, /./],
      [')', 2, /yntax/],
      ['cd /nonexistent', null, /nonexistent/],
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is shell
      ['echo ${missing:?is missing}', null, /is missing/],
      ['readonly r=1; r=2', null, /./],
      ['false | true; false', 1, /^$/],
    ];
    for (const [command, status, log] of FAILING) {
      test(`a failing command: ${command}`, async () => {
        const outcome = await runBuild(shell, phases({ build: [command, 'echo no'], post_build: ['echo post'] }));
        assert.deepEqual(outcome.phases.slice(2), ['build FAILED', 'post_build SUCCEEDED']);
        if (status === null) assert.ok(outcome.statuses[command]! > 0);
        else assert.equal(outcome.statuses[command], status);
        assert.match(outcome.log, /post\n$/);
        assert.doesNotMatch(outcome.log, /^no$/m);
        assert.match(outcome.log.replace(/post\n$/, ''), log);
      });
    }

    test('set -x and set -v show the commands, not our own', async () => {
      const { log } = await runBuild(shell, phases({ build: ['set -x', 'echo a', 'set +x', 'echo b'] }));
      assert.equal(log.replaceAll('++', '+'), '+ echo a\na\n+ set +x\nb\n');
    });

    test('set -e and set -o noclobber stay in force without harm to the build', async () => {
      const { log, phases: ended } = await runBuild(
        shell,
        phases({
          install: ['set -eC'],
          build: ['echo x > f', 'echo y > f || echo kept', 'false; echo no', 'echo no'],
          post_build: ['cat f'],
        }),
      );
      assert.match(log, /kept\nx\n$/);
      assert.deepEqual(ended.slice(2), ['build FAILED', 'post_build SUCCEEDED']);
    });

    test('a command can neither read its input nor reach the side channel', async () => {
      const { log, phases: ended } = await runBuild(
        shell,
        phases({
          build: [
            'cat; read x || echo empty',
            '(printf "9 leave build SUCCEEDED\\000" >&3) || echo closed',
            'exec >/dev/null 2>&1',
            'echo back',
          ],
        }),
      );
      assert.match(log, /^empty\n[^\n]*\nclosed\nback\n$/);
      assert.equal(ended.length, 4);
    });

    test('a background process does not hold the next commands up', async () => {
      const { log } = await runBuild(
        shell,
        phases({ build: ['(sleep 0.3; echo late) &', 'echo next', 'wait', 'echo waited'] }),
      );
      assert.equal(log, 'next\nlate\nwaited\n');
    });

    test('an EXIT trap of a command does its work', async () => {
      const { log } = await runBuild(shell, phases({ build: ["trap 'echo trapped' EXIT; exit 0", 'echo next'] }));
      assert.equal(log, 'trapped\nnext\n');
    });

    test('exported variables: last values, whatever they hold; unset ones are left out', async () => {
      const { exported } = await runBuild(
        shell,
        phases(
          { install: ['A=1'], build: ['A=2', 'B="two\nlines "\'$x `y`\' ', 'EMPTY='], post_build: ['A=3'] },
          'env: {exported-variables: [A, B, EMPTY, MISSING]}',
        ),
      );
      assert.deepEqual(exported, { A: '3', B: 'two\nlines $x `y`', EMPTY: '' });
    });

    test('texts of the artifacts are expanded by the shell, quotes kept as they are', async () => {
      const { reports } = await runBuild(
        shell,
        `${phases({ build: ['NAME=app'] })}
artifacts:
  name: $NAME-$(echo 1)-"q"-\\$x
  files: ['**/*', '$NAME/*']
  base-directory: \${MISSING?gone}
  secondary-artifacts:
    docs: {files: [x], name: \`echo docs\`}`.replaceAll('`echo docs`', '"`echo docs`"'),
      );
      const expanded = reports.filter((report) => report.kind === 'expanded').map(({ key, value }) => [key, value]);
      assert.deepEqual(expanded, [
        ['primary:name', 'app-1-"q"-$x'],
        ['primary:base-directory', undefined],
        ['primary:files:1', 'app/*'],
        ['secondary:docs:name', 'docs'],
      ]);
    });

    test('version 0.1: every command in a shell of its own', async () => {
      const {
        log,
        phases: ended,
        folder,
      } = await runBuild(
        shell,
        'version: 0.1\nphases:\n  build:\n    commands: ["cd /usr; export A=1; exit 0", "echo [$A]; pwd", "exit 5", "echo no"]',
      );
      assert.equal(log, `[]\n${folder}\n`);
      assert.deepEqual(ended.slice(2), ['build FAILED', 'post_build SUCCEEDED']);
    });

    test('P7: nothing in a command, a name or a value leaves its quotes', async () => {
      const hostile = `'; echo INJECTED; '`;
      const { log } = await runBuild(
        shell,
        `version: 0.2\nphases:\n  build:\n    commands: [${JSON.stringify(`echo "${hostile}" "$V"`)}]`,
        { V: '$(echo INJECTED)`echo INJECTED`' },
      );
      assert.equal(log, `'; echo INJECTED; ' $(echo INJECTED)\`echo INJECTED\`\n`);
    });
  });
}

test('records that the script does not write are not understood', () => {
  for (const record of ['', 'x', '1', '1 nonsense', '1 enter deploy', 'a enter build']) {
    assert.equal(parseReport(record), undefined, record);
  }
});
