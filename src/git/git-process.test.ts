import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { HandClock } from '../kernel/testing/hand-clock.ts';
import { GitProcesses, REFILL_MS } from './git-process.ts';
import { temporaryFolder } from './harness.ts';

const LIMITS = { wallMs: 20_000, cpuSeconds: 7, memoryBytes: 512 * 1024 ** 2 };
/** Prints what a process has got: its arguments, variables, limits, folder, and what stands on its standard input. */
const PROBE = 'printf "%s|" "$@"; ulimit -t; ulimit -v; pwd; env | sort; cat';

test('a shell that waited becomes the same process as one that is started: arguments, variables, limits, input', async (t) => {
  const clock = new HandClock();
  const git = new GitProcesses({ clock, home: await temporaryFolder(t), program: '/bin/sh' });
  t.after(() => git.close());
  const args = ['-c', PROBE, 'probe', '', '  two  spaces ', '$HOME `id` \\n "q" \'q\' *', '-x'];
  const input = 'e PATH=/x\nx\n\nlast line without an end';
  const options = { gitDir: '/a folder/r1', env: { EXTRA: ' a=b "c" $d ' }, limits: LIMITS, input };
  const started = (await git.run(args, options)).toString();
  await clock.advance(REFILL_MS);
  for (let at = 0; at < 3; at++) assert.equal((await git.run(args, options)).toString(), started);
  assert.ok(started.endsWith(input), started);
  assert.match(started, /^GIT_DIR=\/a folder\/r1$/m);
  if (process.platform === 'linux') assert.match(started, /\n524288\n\/\n/);
  // What does not fit on a line goes the other way, and arrives whole.
  assert.match((await git.run(['-c', 'printf %s "$1"', 'p', 'a\nx\nü'], { ...options })).toString(), /^a\nx\nü$/);
  assert.throws(() => git.spawn(['a\0b'], options), /null bytes/);
});

test('waiting shells keep no process from its end, and a process waits for theirs when it closes', async (t) => {
  const home = await temporaryFolder(t);
  const run = promisify(execFile);
  const script = (last: string) => `
    import { GitProcesses } from ${JSON.stringify(new URL('./git-process.ts', import.meta.url).href)};
    import { HandClock } from ${JSON.stringify(new URL('../kernel/testing/hand-clock.ts', import.meta.url).href)};
    const clock = new HandClock();
    const git = new GitProcesses({ clock, home: ${JSON.stringify(home)} });
    const limits = { wallMs: 20_000, cpuSeconds: 7, memoryBytes: 2 ** 29 };
    await git.run(['--version'], { gitDir: '/none', limits });
    await clock.advance(${REFILL_MS});
    ${last}
    console.log('end');`;
  for (const last of ['', 'await git.close();']) {
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script(last)], { timeout: 20_000 });
    assert.equal(stdout, 'end\n');
  }
});
