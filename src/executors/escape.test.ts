import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '../kernel/clock.ts';
import { systemIds } from '../kernel/ids.ts';
import { probeConfinement } from './confinement.ts';
import { ProcessExecutor } from './process.ts';

const bubblewrap = await probeConfinement(process.geteuid?.() === 0, process.env['PATH'] ?? '');
const skip = bubblewrap.kind === 'none' ? `needs bubblewrap: ${bubblewrap.reason}` : false;

describe('B2: what a hostile build tries from inside bubblewrap', { skip, timeout: 60_000 }, () => {
  let root: string;
  let executor: ProcessExecutor;
  const alive = setInterval(() => undefined, 60_000);

  before(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'slipway-escape-')));
    await mkdir(join(root, 'data'));
    await writeFile(join(root, 'data', 'root.key'), 'canary-0815', { mode: 0o644 });
    executor = await ProcessExecutor.open({
      folder: join(root, 'executor'),
      hidden: [join(root, 'data')],
      clock: systemClock,
      ids: systemIds,
      hostEnvironment: process.env,
      home: '/root',
    });
  });
  after(async () => {
    clearInterval(alive);
    await rm(root, { recursive: true, force: true });
  });

  async function logOf(script: string, environment: Record<string, string> = {}): Promise<string> {
    const workspaceFolder = await mkdtemp(join(root, 'source-'));
    const chunks: Buffer[] = [];
    const spec = { id: systemIds.uuid(), shell: 'sh', script, environment, workspaceFolder } as const;
    const run = await executor.start(
      { ...spec, limits: { timeoutMs: 30_000 } },
      { log: (chunk) => void chunks.push(Buffer.from(chunk)), report: () => undefined },
    );
    await run.ended;
    await executor.discard(spec.id);
    return Buffer.concat(chunks).toString();
  }

  test('B2: variables of the loader act on the script alone, not on what starts it', async () => {
    // The loader of each program that starts with these writes such a file, on the host if the program runs there.
    const traces = join(root, 'traces');
    await mkdir(traces, { mode: 0o777 });
    const log = await logOf('echo "$LD_DEBUG_OUTPUT"', {
      LD_DEBUG: 'libs',
      LD_DEBUG_OUTPUT: join(traces, 'loader'),
    });
    assert.deepEqual(await readdir(traces), []);
    assert.ok(log.includes(`${join(traces, 'loader')}\n`), 'the script has the variable');
  });

  test('B2: nothing is loaded into a process with more rights than the script', async () => {
    const log = await logOf(':', { LD_PRELOAD: '/nowhere/evil.so', LD_DEBUG: 'files', LANG: 'C' });
    assert.doesNotMatch(log, /bwrap|setpriv/);
    assert.match(log, /evil\.so/, 'the script itself starts with it');
  });

  test('B2: a PATH of the build shows nothing more of the host', async () => {
    const beside = join(root, 'private');
    await mkdir(beside, { mode: 0o755 });
    await writeFile(join(beside, 'secret'), 'canary-0815', { mode: 0o644 });
    const log = await logOf(`cat ${beside}/secret ${root}/data/root.key; echo end`, {
      PATH: `/usr/bin:/bin:${beside}:${root}/data:/run/docker.sock:/home/somebody/.ssh`,
    });
    assert.doesNotMatch(log, /canary/);
    assert.match(log, /end/);
  });

  test('B2: probes of the host and of the kernel find nothing that gives way', async () => {
    const probes: [name: string, command: string][] = [
      ['data', `cat ${root}/data/root.key`],
      ['data of runs', `ls ${root}/executor/runs`],
      ['data by the root of process 1', `cat /proc/1/root${root}/data/root.key`],
      ['write to the host', 'touch /usr/bin/x || touch /etc/x || touch /x || touch /var/x'],
      ['remount', 'mount -o remount,rw /usr'],
      ['mount', 'mount -t tmpfs none /mnt'],
      ['a new proc', 'mount -t proc proc /tmp'],
      ['devices', 'mknod /tmp/disk b 8 0'],
      ['disks', 'ls /dev/sda /dev/vda /dev/nvme0n1 /dev/mem /dev/kmsg /dev/fuse /dev/loop0'],
      ['sockets of daemons', 'ls /run/docker.sock /run/containerd /run/dbus /run/systemd/private /var/run/docker.sock'],
      ['settings of the kernel', 'echo x > /proc/sys/kernel/core_pattern'],
      ['sysrq', 'echo h > /proc/sysrq-trigger'],
      ['memory of process 1', 'head -c 1 /proc/1/mem'],
      ['environment of process 1', 'cat /proc/1/environ'],
      ['cgroups', 'mkdir /sys/fs/cgroup/x || echo x > /sys/fs/cgroup/release_agent'],
      ['sys', 'echo 1 > /sys/kernel/uevent_helper'],
      ['other users', 'setpriv --reuid=0 --clear-groups true'],
      ['set-user-id', 'cp /bin/sh /tmp/s && chmod 4755 /tmp/s && /tmp/s -p -c "test $(id -u) = 0"'],
      ['su', 'su -c true'],
      ['shadow', 'cat /etc/shadow'],
      ['host processes', `kill -0 ${process.pid}`],
      ['chroot', 'chroot / true'],
      ['hostname', 'hostname slipway-owned'],
      ['clock', 'date -s 2001-01-01'],
      ['modules', 'modprobe dummy || insmod /x.ko'],
      ['home folders', 'ls /home/* /root/.ssh /root/.aws'],
    ];
    const script = probes.map(([name, command]) => `( ${command} ) >/dev/null 2>&1 && echo 'got: ${name}'`).join('\n');
    const log = await logOf(`${script}\necho "capabilities: $(grep CapEff /proc/self/status | tr -dc 0-9a-f)"
      echo "no new privileges: $(grep NoNewPrivs /proc/self/status | tr -dc 0-9)"`);
    assert.doesNotMatch(log, /got:/);
    assert.match(log, /no new privileges: 1/);
  });
});
