import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '../kernel/clock.ts';
import { systemIds } from '../kernel/ids.ts';
import { probeConfinement } from './confinement.ts';
import { type RunEnd, type RunSpec, RunStartError, type WorkspaceFiles } from './executor.ts';
import { ProcessExecutor } from './process.ts';
import { processTable } from './process-table.ts';

const bubblewrap = await probeConfinement(process.geteuid?.() === 0, process.env['PATH'] ?? '');
let root: string;
// The clock's timers do not keep a process alive, and in some tests nothing else does.
const alive = setInterval(() => undefined, 60_000);

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'slipway-process-'));
});
after(async () => {
  clearInterval(alive);
  await rm(root, { recursive: true, force: true });
});

async function executorAt(folder: string, confine: boolean, hidden: string[] = []): Promise<ProcessExecutor> {
  return ProcessExecutor.open({
    folder,
    hidden,
    confine,
    clock: systemClock,
    ids: systemIds,
    hostEnvironment: process.env,
    home: '/root',
  });
}

interface Outcome {
  id: string;
  end: RunEnd;
  log: string;
  reports: string[];
  files: WorkspaceFiles;
}

async function runScript(executor: ProcessExecutor, script: string, spec: Partial<RunSpec> = {}): Promise<Outcome> {
  const id = systemIds.uuid();
  const workspaceFolder = spec.workspaceFolder ?? (await mkdtemp(join(root, 'source-')));
  const chunks: Buffer[] = [];
  const reports: string[] = [];
  const run = await executor.start(
    { id, shell: 'sh', script, environment: {}, limits: { timeoutMs: 60_000 }, ...spec, workspaceFolder },
    { log: (chunk) => void chunks.push(Buffer.from(chunk)), report: (record) => void reports.push(record.toString()) },
  );
  const end = await run.ended;
  return { id, end, log: Buffer.concat(chunks).toString(), reports, files: await run.files() };
}

async function aliveWith(marker: string): Promise<number> {
  return (await processTable({ variable: marker })).filter((entry) => entry.marked).length;
}

for (const confine of [true, false]) {
  const skip = confine && bubblewrap.kind === 'none' ? `needs bubblewrap: ${bubblewrap.reason}` : false;
  describe(confine ? 'process executor inside bubblewrap' : 'process executor unconfined', {
    skip,
    timeout: 60_000,
  }, () => {
    let executor: ProcessExecutor;
    before(async () => {
      executor = await executorAt(await mkdtemp(join(root, 'executor-')), confine);
    });

    test('the first line of the log tells how it runs', () => {
      const line = executor.describe({ image: 'aws/codebuild/standard:7.0' });
      assert.match(line, confine ? /inside bubblewrap/ : /UNCONFINED.*switched off/);
      assert.match(line, /image aws\/codebuild\/standard:7\.0 is not used/);
    });

    test('what a script reports arrives, also when the script is over before anybody could look at it', async () => {
      const runs = Array.from({ length: 40 }, (_, n) => runScript(executor, `printf 'report ${n}\\000' >&3`));
      const outcomes = await Promise.all(runs);
      assert.deepEqual(
        outcomes.map(({ reports }) => reports),
        outcomes.map((_, n) => [`report ${n}`]),
      );
    });

    test('runs a script: output in order, exit code, reports, environment', async () => {
      const script = `printf 'one\\n'; printf 'two\\n' >&2; printf 'three\\n'
        printf 'a b\\000second\\nline\\000' >&3
        echo "GREETING=$GREETING HOME=$HOME stdin=$(cat)"; exit 3`;
      const { end, log, reports, id } = await runScript(executor, script, { environment: { GREETING: 'hi' } });
      assert.deepEqual(end, { kind: 'exited', code: 3 });
      assert.equal(log, `one\ntwo\nthree\nGREETING=hi HOME=${executor.layout(id).home} stdin=\n`);
      assert.deepEqual(reports, ['a b', 'second\nline']);
    });

    test('a script holds no descriptors but its own', async () => {
      // The listing itself is one.
      const { log } = await runScript(
        executor,
        'cd /proc/self/fd && for fd in *; do [ "$fd" -gt 3 ] || echo $fd; done',
      );
      assert.equal(log, '0\n1\n2\n3\n');
      const { log: info } = await runScript(executor, 'readlink /proc/$$/fd/4; echo $?');
      assert.equal(info, '1\n');
    });

    test('nothing of the server environment reaches a script', async () => {
      process.env['SLIPWAY_TEST_SECRET'] = 'canary-4711';
      const { log } = await runScript(executor, 'env');
      delete process.env['SLIPWAY_TEST_SECRET'];
      assert.ok(!log.includes('canary-4711'));
    });

    test('/dev/stdout and /dev/stderr can be opened, as under a terminal', async () => {
      const { log, end } = await runScript(executor, 'echo x >/dev/stdout && echo y | tee /dev/stderr');
      assert.deepEqual(end, { kind: 'exited', code: 0 });
      assert.equal(log, 'x\ny\ny\n');
    });

    test('the workspace goes in and comes out; home and /tmp are writable', async () => {
      const workspaceFolder = await mkdtemp(join(root, 'source-'));
      await mkdir(join(workspaceFolder, 'src'));
      await writeFile(join(workspaceFolder, 'src', 'in.txt'), 'from outside', { mode: 0o600 });
      const script = `cat src/in.txt; mkdir out; echo made > out/file; ln -s out/file link; ln -s /etc/passwd leak
        ln -s "$PWD/out" folder-link; t=$(mktemp) && rm "$t" && echo h > "$HOME/x" && echo ' ok'`;
      const { log, files, id } = await runScript(executor, script, { workspaceFolder });
      assert.equal(log, 'from outside ok\n');
      assert.equal(existsSync(workspaceFolder), false, 'the executor has taken the folder over');
      const entries: string[] = [];
      for await (const { path, type } of files.list('')) entries.push(`${type} ${path}`);
      assert.deepEqual(entries, [
        'link folder-link',
        'link leak',
        'link link',
        'folder out',
        'file out/file',
        'folder src',
        'file src/in.txt',
      ]);
      assert.equal(await text(await files.open('folder-link/file')), 'made\n', 'an absolute link inside is followed');
      await assert.rejects(files.open('leak'), { reason: 'outside' });
      await assert.rejects(files.open('../x'), { reason: 'outside' });
      await assert.rejects(files.open('out'), { reason: 'wrong-kind' });
      await assert.rejects(files.open('nowhere/x'), { reason: 'missing' });
      await executor.discard(id);
      assert.ok(!(await executor.runs()).includes(id));
    });

    test('bash when asked for, and never a login shell', async () => {
      const { log } = await runScript(executor, 'echo "$BASH" "$(shopt -q login_shell && echo login)"', {
        shell: 'bash',
      });
      assert.match(log, /bash \n$/);
    });

    test('a shell that is missing is a failed run with a reason in its log', async () => {
      const { end, log } = await runScript(executor, 'true', { shell: 'bash', environment: { PATH: '/nonexistent' } });
      assert.ok(end.kind === 'exited' && end.code !== 0);
      assert.match(log, /bash/);
    });

    test('an environment that the system refuses is a RunStartError and leaves nothing', async () => {
      const before = await executor.runs();
      const environment = { BIG: 'x'.repeat(3 * 1024 * 1024) };
      await assert.rejects(runScript(executor, 'true', { environment }), RunStartError);
      assert.deepEqual(await executor.runs(), before);
    });

    test('B6: timeout ends what ignores TERM, left its session and was forked twice', async () => {
      const script = `trap '' TERM
        setsid sh -c "trap '' TERM HUP; while :; do sleep 1000; done" &
        (setsid sh -c 'sleep 1000 & sleep 1000 & wait' &)
        sh -c 'kill -STOP $$' &
        echo ready; while :; do sleep 1000; done`;
      const { id, end } = await runScript(executor, script, { limits: { timeoutMs: 300 } });
      assert.deepEqual(end, { kind: 'timed-out' });
      assert.equal(await aliveWith(`SLIPWAY_RUN=${id}`), 0);
    });

    test('B6: a daemon that cleared its environment does not outlive the script', async () => {
      const script = `env -i setsid sh -c 'sleep 4567.891 & wait' & sleep 0.2; echo done`;
      const { end, log } = await runScript(executor, script);
      assert.deepEqual(end, { kind: 'exited', code: 0 });
      assert.equal(log, 'done\n');
      const left = (await readdir('/proc')).filter(
        (pid) => /^\d+$/.test(pid) && commandOf(pid).includes('sleep\u00004567.891'),
      );
      assert.deepEqual(left, []);
    });

    test('stop asks first: a command that cleans up on TERM gets to do so, and no further command runs', async () => {
      const started = Promise.withResolvers<void>();
      const chunks: Buffer[] = [];
      const run = await executor.start(
        {
          id: systemIds.uuid(),
          shell: 'sh',
          script: `sh -c 'trap "sleep 0.2; echo cleaned; exit" TERM; printf "up\\0" >&3; while :; do sleep 0.05; done'
            echo next command`,
          environment: {},
          workspaceFolder: await mkdtemp(join(root, 'source-')),
          limits: { timeoutMs: 60_000 },
        },
        { log: (chunk) => void chunks.push(Buffer.from(chunk)), report: () => started.resolve() },
      );
      await started.promise;
      await run.stop();
      assert.deepEqual(await run.ended, { kind: 'stopped' });
      const log = Buffer.concat(chunks).toString();
      assert.match(log, /cleaned\n$/);
      assert.doesNotMatch(log, /next command/);
    });

    test('a shell that is killed from inside is told from one that exits', async () => {
      const { end } = await runScript(executor, 'kill -9 $$');
      // bubblewrap reports the signal as an exit code, as a shell does.
      assert.deepEqual(end, confine ? { kind: 'exited', code: 137 } : { kind: 'killed', signal: 'SIGKILL' });
    });

    test('B5: NUL, invalid UTF-8 and no newline pass through byte by byte', async () => {
      const { log } = await runScript(executor, String.raw`printf 'a\000b\033[1m\n\n'; printf 'end'`);
      assert.equal(log, 'a\0b\x1b[1m\n\nend');
    });

    test('B5: one line of 1 GB arrives whole with flat memory, held back by a slow reader', async () => {
      let bytes = 0;
      const before = process.memoryUsage().rss;
      let peak = before;
      const run = await executor.start(
        {
          id: systemIds.uuid(),
          shell: 'sh',
          script: 'head -c 1000000000 /dev/zero',
          environment: {},
          workspaceFolder: await mkdtemp(join(root, 'source-')),
          limits: { timeoutMs: 60_000 },
        },
        {
          log: async (chunk) => {
            bytes += chunk.byteLength;
            if (bytes % (64 * 1024 * 1024) < chunk.byteLength) {
              peak = Math.max(peak, process.memoryUsage().rss);
              await new Promise((resume) => setImmediate(resume));
            }
          },
          report: () => undefined,
        },
      );
      assert.deepEqual(await run.ended, { kind: 'exited', code: 0 });
      assert.equal(bytes, 1_000_000_000);
      assert.ok(peak - before < 100 * 1024 * 1024, `RSS grew by ${(peak - before) >> 20} MiB`);
    });

    test('B5: runaway output is slowed down to the limit', async () => {
      let bytes = 0;
      const run = await executor.start(
        {
          id: systemIds.uuid(),
          shell: 'sh',
          script: 'yes',
          environment: {},
          workspaceFolder: await mkdtemp(join(root, 'source-')),
          limits: { timeoutMs: 500, logBytesPerSecond: 1_000_000 },
        },
        { log: (chunk) => void (bytes += chunk.byteLength), report: () => undefined },
      );
      assert.deepEqual(await run.ended, { kind: 'timed-out' });
      assert.ok(bytes < 6_000_000, `${bytes} bytes in about half a second`);
    });

    test('a sink that fails ends the run as lost', async () => {
      const run = await executor.start(
        {
          id: systemIds.uuid(),
          shell: 'sh',
          script: 'echo x; sleep 1000',
          environment: {},
          workspaceFolder: await mkdtemp(join(root, 'source-')),
          limits: { timeoutMs: 60_000 },
        },
        {
          log: () => {
            throw new Error('disk full');
          },
          report: () => undefined,
        },
      );
      const end = await run.ended;
      assert.ok(end.kind === 'lost' && /disk full/.test(end.reason));
    });

    test('B6: after kill -9 of the server a new one finds the run and ends it', async () => {
      const folder = await mkdtemp(join(root, 'executor-'));
      const server = spawn(process.execPath, ['--input-type=module', '-e', serverThatStartsARun(folder, confine)], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, TEST_ROOT: root },
      });
      const [output] = (await once(server.stdout, 'data')) as [Buffer];
      const id = output.toString().trim();
      server.kill('SIGKILL');
      await once(server, 'exit');
      const next = await executorAt(folder, confine);
      assert.deepEqual(await next.runs(), [id]);
      await next.discard(id);
      assert.equal(await aliveWith(`SLIPWAY_RUN=${id}`), 0);
      assert.deepEqual(await next.runs(), []);
    });

    test('discard removes a workspace that took away its own rights', async () => {
      const { id } = await runScript(executor, 'mkdir -p a/b; echo x > a/b/c; chmod 000 a/b a');
      await executor.discard(id);
      assert.ok(!(await executor.runs()).includes(id));
      await executor.discard(id);
      await executor.discard('never-existed');
      await assert.rejects(executor.discard('../x'), /bad run id/);
    });

    test('close ends every run', async () => {
      const own = await executorAt(await mkdtemp(join(root, 'executor-')), confine);
      const outcome = runScript(own, 'sleep 1000');
      // The run is there once its folder is; it is live once start() resolved, which close() needs.
      const started = Promise.withResolvers<void>();
      const second = own
        .start(
          {
            id: systemIds.uuid(),
            shell: 'sh',
            script: 'sleep 1000',
            environment: {},
            workspaceFolder: await mkdtemp(join(root, 'source-')),
            limits: { timeoutMs: 60_000 },
          },
          { log: () => undefined, report: () => undefined },
        )
        .then((run) => {
          started.resolve();
          return run.ended;
        });
      await started.promise;
      await own.close();
      assert.deepEqual(await second, { kind: 'stopped' });
      await own.close();
      assert.deepEqual((await outcome).end, { kind: 'stopped' });
    });
  });
}

describe('B2: what a confined script cannot do', {
  skip: bubblewrap.kind === 'none' ? 'needs bubblewrap' : false,
}, () => {
  const probes: Record<string, string> = {
    'write to /etc': 'echo x > /etc/slipway-probe',
    'write to /usr': 'echo x > /usr/slipway-probe',
    'write to the root': 'echo x > /slipway-probe',
    'make a device': 'mknod /tmp/null c 1 3',
    mount: 'mount -t tmpfs none /tmp',
    'remount the host writable': 'mount -o remount,rw /usr',
    'set a kernel parameter': 'cat /proc/sys/kernel/panic > /proc/sys/kernel/panic',
    'see processes of the host': 'test "$(ls /proc | grep -c "^[0-9]*$")" -gt 8',
    'signal the server': 'kill -0 $SERVER_PID',
    'read the password file': 'cat /etc/shadow',
    'enter the first process': 'ls /proc/1/root/',
    'reach the docker socket': 'test -S /var/run/docker.sock || test -S /run/docker.sock',
    'read the data of the server': 'cat "$SECRET_FILE"',
    'see the other runs': 'ls "$RUNS_FOLDER"/*',
    'gain rights by sudo or su': 'su -c true || sudo -n true',
    'hold a capability': '! grep -q "CapEff:.0*$" /proc/self/status',
    'be root': 'test "$(id -u)" = 0 && test -w /etc/passwd',
  };
  for (const [what, script] of Object.entries(probes)) {
    test(what, async () => {
      // Not below the temporary folder, which is private anyway: hiding it is what must keep the script out.
      const data = await mkdtemp(join(import.meta.dirname, '.slipway-data-'));
      const secret = join(data, 'root-key');
      await writeFile(secret, 'canary');
      const executor = await executorAt(join(data, 'executor'), true, [data]);
      const environment = {
        SECRET_FILE: secret,
        RUNS_FOLDER: join(data, 'executor', 'runs'),
        SERVER_PID: String(process.pid),
      };
      const { end, log } = await runScript(executor, script, { environment });
      await rm(data, { recursive: true, force: true });
      assert.ok(end.kind === 'exited' && end.code !== 0, `it could: ${JSON.stringify(end)} ${log}`);
    });
  }
});

test('B4: a confined script cannot start processes without end', {
  skip: bubblewrap.kind === 'none' ? 'needs bubblewrap' : false,
}, async () => {
  const executor = await executorAt(await mkdtemp(join(root, 'executor-')), true);
  const script = 'i=0; while [ $i -lt 300 ]; do sleep 1000 & i=$((i+1)); done; echo started all';
  const { id, end, log } = await runScript(executor, script, { limits: { timeoutMs: 30_000, processes: 100 } });
  assert.ok(end.kind === 'exited' && end.code !== 0, JSON.stringify(end));
  assert.doesNotMatch(log, /started all/);
  assert.equal(await aliveWith(`SLIPWAY_RUN=${id}`), 0);
});

test('the first command runs a few milliseconds after the start', async (t) => {
  for (const confine of bubblewrap.kind === 'none' ? [false] : [true, false]) {
    const executor = await executorAt(await mkdtemp(join(root, 'executor-')), confine);
    const times: number[] = [];
    for (let round = 0; round < 15; round++) {
      const workspaceFolder = await mkdtemp(join(root, 'source-'));
      const began = performance.now();
      const first = Promise.withResolvers<number>();
      const run = await executor.start(
        {
          id: systemIds.uuid(),
          shell: 'sh',
          script: 'echo x',
          environment: {},
          workspaceFolder,
          limits: { timeoutMs: 60_000 },
        },
        { log: () => first.resolve(performance.now() - began), report: () => undefined },
      );
      times.push(await first.promise);
      await run.ended;
      await executor.discard(run.id);
    }
    // The lower quartile: what else the machine does makes others longer.
    const quartile = times.sort((a, b) => a - b)[3]!;
    t.diagnostic(`${confine ? 'bubblewrap' : 'unconfined'}: ${quartile.toFixed(1)} ms`);
    assert.ok(quartile < 100, `${quartile} ms`);
  }
});

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOENT');
    return '';
  }
}

/** A program that starts an endless run and prints its id. */
function serverThatStartsARun(folder: string, confine: boolean): string {
  const here = new URL('.', import.meta.url).href;
  return `
    import { mkdtempSync } from 'node:fs';
    import { systemClock } from '${here}../kernel/clock.ts';
    import { systemIds } from '${here}../kernel/ids.ts';
    import { ProcessExecutor } from '${here}process.ts';
    setInterval(() => undefined, 60_000);
    const executor = await ProcessExecutor.open({
      folder: ${JSON.stringify(folder)}, hidden: [], confine: ${confine}, clock: systemClock, ids: systemIds,
      hostEnvironment: process.env, home: '/root',
    });
    const id = systemIds.uuid();
    await executor.start({
      id, shell: 'sh', environment: {}, limits: { timeoutMs: 600000 },
      script: "trap '' TERM HUP PIPE; setsid sleep 1000 & printf 'up\\\\000' >&3; while :; do sleep 1000; done",
      workspaceFolder: mkdtempSync(process.env.TEST_ROOT + '/source-'),
    }, { log: () => undefined, report: () => console.log(id) });
  `;
}
