import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bubblewrapCommand, probeConfinement, toolFolder } from './confinement.ts';

const TOOL_FOLDERS: [pathEntry: string, shown: string | undefined][] = [
  ['/home/alice/.nvm/versions/node/v26.1.0/bin', '/home/alice/.nvm/versions/node/v26.1.0'],
  ['/home/alice/.nvm/versions/node/v26.1.0/bin/', '/home/alice/.nvm/versions/node/v26.1.0'],
  ['/root/.rbenv/shims', '/root/.rbenv'],
  ['/root/.cargo/bin', '/root/.cargo'],
  ['/home/alice/project/node_modules/.bin', '/home/alice/project/node_modules'],
  ['/home/alice/bin', '/home/alice/bin'],
  ['/home/alice/.local/bin', '/home/alice/.local/bin'],
  ['/root/bin', '/root/bin'],
  ['/home/alice/tools', '/home/alice/tools'],
  ['/home/alice', undefined],
  ['/home', undefined],
  ['/root', undefined],
  ['/', undefined],
];

for (const [entry, shown] of TOOL_FOLDERS) {
  test(`of ${entry} in PATH a script sees ${shown ?? 'nothing'}`, () => assert.equal(toolFolder(entry), shown));
}

test('data of the server that lies beside a tool of PATH stays hidden', () => {
  const folder = { host: '/h', inside: '/codebuild/x' };
  const command = bubblewrapCommand(
    { kind: 'bubblewrap', bwrap: '/usr/bin/bwrap', hostMounts: [] },
    {
      workspace: folder,
      home: { host: '/h/home', inside: '/home/alice' },
      temporary: '/h/tmp',
      readOnly: { host: '/h/run', inside: '/codebuild/readonly' },
      hidden: ['/home/alice/tools/data', '/home/alice/elsewhere', '/srv/data'],
    },
    '/usr/bin:/home/alice/tools:relative:',
  ).join(' ');
  assert.match(command, /--ro-bind-try \/home\/alice\/tools \/home\/alice\/tools .*--tmpfs \/home\/alice\/tools\/data/);
  assert.match(command, /--tmpfs \/srv\/data/);
  assert.doesNotMatch(command, /elsewhere/, 'the home is not shown, so there is nothing to hide');
});

test('without bubblewrap the reason is told', async () => {
  const empty = await mkdtemp(join(tmpdir(), 'slipway-path-'));
  const confinement = await probeConfinement(false, empty);
  await rm(empty, { recursive: true });
  assert.deepEqual(confinement, { kind: 'none', reason: 'bubblewrap (bwrap) is not installed' });
});
