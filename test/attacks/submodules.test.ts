import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { GitClient } from '../../src/git/harness.ts';
import { buildCommands, phaseOf, startBuildServer } from '../../src/services/codebuild/fixtures.ts';
import { gitUser, workingCopy } from '../../src/services/codecommit/harness.ts';
import { services } from '../../src/services.ts';
import { temporaryFolder } from '../harness.ts';

type Entry = [mode: string, type: 'blob' | 'commit', id: string, path: string];

/** What stands in a hostile repository beside its buildspec. */
interface Trick {
  name: string;
  /** Whether git's own check of pushed objects stops it. */
  isRefused: boolean;
  entries(put: (content: string) => Promise<string>, payload: string, commit: string): Promise<Entry[]>;
}

const modules = (...lines: string[]) => `[submodule "x"]\n${lines.map((line) => `\t${line}\n`).join('')}`;

const TRICKS: Trick[] = [
  {
    name: 'CVE-2018-11235: a name that climbs to hooks in the tree',
    isRefused: true,
    async entries(put, payload, commit) {
      const text = `[submodule "../../evil"]\n\tpath = evil\n\turl = ./evil\n`;
      return [
        ['100644', 'blob', await put(text), '.gitmodules'],
        ['160000', 'commit', commit, 'evil'],
        ['100755', 'blob', await put(payload), 'evil-hooks/post-checkout'],
      ];
    },
  },
  {
    name: 'CVE-2018-17456: an address that is an option',
    isRefused: true,
    async entries(put, _, commit) {
      return [
        ['100644', 'blob', await put(modules('path = sub', 'url = -u./payload')), '.gitmodules'],
        ['160000', 'commit', commit, 'sub'],
      ];
    },
  },
  {
    name: 'CVE-2024-32002: a link to .git beside a submodule that differs in case',
    isRefused: false,
    async entries(put, payload, commit) {
      return [
        ['100644', 'blob', await put(modules('path = A/modules/x', 'url = ../app')), '.gitmodules'],
        ['160000', 'commit', commit, 'A/modules/x'],
        ['120000', 'blob', await put('.git'), 'a'],
        ['100755', 'blob', await put(payload), 'hooked/hooks/post-checkout'],
      ];
    },
  },
  {
    name: 'CVE-2025-48384: a path that ends with a carriage return',
    isRefused: false,
    async entries(put, payload, commit) {
      return [
        ['100644', 'blob', await put(modules('path = "sub\r"', 'url = ../app')), '.gitmodules'],
        ['160000', 'commit', commit, 'sub\r'],
        ['120000', 'blob', await put('.git/modules/x/hooks'), 'sub'],
        ['100755', 'blob', await put(payload), 'tools/post-checkout'],
      ];
    },
  },
  {
    name: 'a submodule over ssh with a command as its host',
    isRefused: false,
    async entries(put, _, commit) {
      const url = 'ssh://git@localhost/-oProxyCommand=touch+canary/x';
      return [
        ['100644', 'blob', await put(modules('path = sub', `url = ${url}`)), '.gitmodules'],
        ['160000', 'commit', commit, 'sub'],
      ];
    },
  },
  {
    name: 'a bare repository in the tree, whose configuration runs commands',
    isRefused: false,
    async entries(put, payload) {
      const config =
        '[core]\n\tbare = true\n\tfsmonitor = ./run\n\thooksPath = hooks\n[filter "x"]\n\tsmudge = ./run\n';
      return [
        ['100644', 'blob', await put('* filter=x\n'), '.gitattributes'],
        ['100644', 'blob', await put('ref: refs/heads/main\n'), 'HEAD'],
        ['100644', 'blob', await put(config), 'config'],
        ['100755', 'blob', await put(payload), 'hooks/post-checkout'],
        ['100644', 'blob', await put(''), 'objects/x'],
        ['100644', 'blob', await put(''), 'refs/x'],
        ['100755', 'blob', await put(payload), 'run'],
      ];
    },
  },
];

/** Says what the checkout has left: settings of the clone, files of submodules, hooks that could run. */
const LOOK = buildCommands(
  `printf 'settings: %s\\n' "$(git config --local --name-only --get-regexp '^submodule|hookspath|^filter|fsmonitor')"`,
  `printf 'files: %s\\n' "$(find .git/modules .git/hooks -type f ! -name '*.sample' 2>/dev/null)"`,
);

async function pushTrick(git: GitClient, branch: string, trick: Trick, payload: string) {
  const put = (content: string) => git.feed(content, 'hash-object', '-w', '--stdin');
  const base = await git.run('rev-parse', 'main');
  const entries = await trick.entries(put, payload, base);
  const spec: Entry = ['100644', 'blob', await put(LOOK), 'buildspec.yml'];
  const lines = [...entries, spec].map(([mode, , id, path]) => `${mode} ${id} 0\t${path}\0`);
  await git.run('read-tree', '--empty');
  // By ids alone: the working copy never has these files.
  await git.feed(
    lines.join(''),
    '-c',
    'core.protectNTFS=false',
    '-c',
    'core.protectHFS=false',
    'update-index',
    '-z',
    '--index-info',
  );
  const commit = await git.run('commit-tree', '-m', trick.name, await git.run('write-tree'));
  return git.attempt(['push', 'origin', `${commit}:refs/heads/${branch}`]);
}

async function hostileServer(t: TestContext) {
  const built = await startBuildServer(t, services);
  await built.clients.codecommit.createRepository({ repositoryName: 'app' });
  const mallory = await gitUser(built.server, 'mallory');
  const copy = await workingCopy(t, mallory.remote('app'));
  await copy.commitFile('a.txt', 'a');
  await copy.run('push', '-q', 'origin', 'main');
  return { ...built, copy };
}

const location = 'https://git-codecommit.us-east-1.amazonaws.com/v1/repos/app';

test('G7: no trick with submodules makes the checkout of a build run or fetch anything', async (t) => {
  const { copy, project, build, log } = await hostileServer(t);
  const outside = await temporaryFolder(t);
  const payload = `#!/bin/sh\ntouch '${join(outside, 'canary')}'\ncat\n`;
  await project('app', '', { source: { type: 'CODECOMMIT', location } });
  for (const [at, trick] of TRICKS.entries()) {
    const pushed = await pushTrick(copy, `trick-${at}`, trick, payload);
    assert.equal(pushed.status !== 0, trick.isRefused, `${trick.name}: ${pushed.stderr}`);
    if (trick.isRefused) {
      assert.match(pushed.stderr, /gitmodules/, trick.name);
      continue;
    }
    const done = await build('app', { sourceVersion: `trick-${at}` });
    const told = await log(done);
    assert.equal(done.buildStatus, 'SUCCEEDED', `${trick.name}: ${told}`);
    assert.match(told, /^settings: $/m, trick.name);
    assert.match(told, /^files: $/m, trick.name);
    assert.deepEqual(await readdir(outside), [], trick.name);
  }
});

test('G7: a project or build that asks for submodules is refused by name, and not built without them', async (t) => {
  const { project, build, clients } = await hostileServer(t);
  const source = { type: 'CODECOMMIT', location } as const;
  const submodules = { fetchSubmodules: true };
  const refused = { name: 'InvalidInputException', message: /submodules are not implemented/ };
  await assert.rejects(project('with', '', { source: { ...source, gitSubmodulesConfig: submodules } }), refused);
  await project('app', buildCommands('echo built'), { source: { ...source, buildspec: buildCommands('echo built') } });
  await assert.rejects(
    clients.codebuild.startBuild({ projectName: 'app', gitSubmodulesConfigOverride: submodules }),
    refused,
  );
  const plain = await build('app');
  assert.equal(phaseOf(plain, 'DOWNLOAD_SOURCE')!.phaseStatus, 'SUCCEEDED');
});
