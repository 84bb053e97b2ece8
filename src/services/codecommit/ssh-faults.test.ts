import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type ssh2 from 'ssh2';
import { type HarnessOptions, startServer, type TestServer } from '../../../test/harness.ts';
import { type GitChild, GitProcesses } from '../../git/git-process.ts';
import { entry, packOf } from '../../git/harness.ts';
import { FLUSH, pktLine } from '../../git/pkt-line.ts';
import { ZERO_ID } from '../../git/ref-name.ts';
import { eventually } from '../../kernel/testing/eventually.ts';
import { HandClock } from '../../kernel/testing/hand-clock.ts';
import { ended, exec, login, type SshUser, sshPortOf, sshUser, start } from './ssh-harness.ts';
import { Logins } from './ssh-limits.ts';

const app = { repositoryName: 'app' };
const FETCH = "git-upload-pack '/v1/repos/app'";
const PUSH = "git-receive-pack '/v1/repos/app'";
const MIB = 1024 ** 2;
const PUSHED = pktLine(`${ZERO_ID} ${'1'.repeat(40)} refs/heads/x\0report-status`);

/** What the client's library does not offer, because no good client does it. */
interface Inside {
  _sock: Socket;
  _protocol: {
    session(channel: number, windowBytes: number, packetBytes: number): void;
    exec(channel: number, command: string, wantReply: boolean): void;
  };
}

interface ChannelInside {
  outgoing: { id: number; window: number };
}

const inside = (client: ssh2.Client) => client as unknown as Inside;

/** A server with a repository and a user, and every git that it starts. */
async function started(t: TestContext, options: HarnessOptions = {}) {
  const children: { name: string; child: GitChild }[] = [];
  const spawn = GitProcesses.prototype.spawn;
  t.mock.method(GitProcesses.prototype, 'spawn', function (this: GitProcesses, ...args: Parameters<typeof spawn>) {
    const child = spawn.apply(this, args);
    children.push({ name: args[0][0]!, child });
    return child;
  });
  const server = await startServer(t, options);
  await server.root_.codecommit.createRepository(app);
  const alice = await sshUser(t, server, 'alice');
  const git = async (name: string) => {
    await eventually(() => children.some((one) => one.name === name));
    return children.find((one) => one.name === name)!.child;
  };
  return { server, alice, git, children };
}

/** Puts so many files of 6 MB, which nothing shrinks, and answers the last commit. */
async function fill({ root_: { codecommit } }: TestServer, files: number): Promise<string> {
  let tip: string | undefined;
  for (let file = 0; file < files; file += 1) {
    const put = { ...app, branchName: 'main', filePath: `noise${file}`, fileContent: randomBytes(6 * MIB) };
    ({ commitId: tip } = await codecommit.putFile(tip === undefined ? put : { ...put, parentCommitId: tip }));
  }
  return tip!;
}

/** Opens the next channels with that window and that size of packets. */
function announce(client: ssh2.Client, windowBytes: number, packetBytes: number): void {
  const protocol = inside(client)._protocol;
  const session = protocol.session.bind(protocol);
  protocol.session = (channel) => session(channel, windowBytes, packetBytes);
}

function quarantineOf({ config }: TestServer): Promise<string[]> {
  return readdir(join(config.data, 'cache', 'git', 'quarantine'));
}

/** Whatever went wrong before. */
function closed(client: ssh2.Client): Promise<void> {
  return new Promise((resolve) => client.once('close', () => resolve()));
}

/** Version 2's request for all that leads to a commit. */
function fetchOf(tip: string): Buffer {
  const lines = [pktLine('command=fetch'), Buffer.from('0001'), pktLine(`want ${tip}\n`), pktLine('done\n'), FLUSH];
  return Buffer.concat(lines);
}

const worksFor = async (t: TestContext, server: TestServer, user: SshUser) => {
  const { status, output } = await exec(await login(t, server, user), FETCH, FLUSH);
  assert.equal(status, 0);
  assert.match(output.toString(), /^[0-9a-f]{44} /);
};

test('clients that break the rules of SSH lose their connections, and nobody else notices', async (t) => {
  const { server, alice } = await started(t);
  const file = { ...app, branchName: 'main', filePath: 'a', fileContent: Buffer.from('a') };
  await server.root_.codecommit.putFile(file);
  await t.test('a second command on one channel', async () => {
    const client = await login(t, server, alice);
    const channel = await start(client, FETCH);
    for (const command of [FETCH, PUSH, 'id']) {
      inside(client)._protocol.exec((channel as unknown as ChannelInside).outgoing.id, command, true);
    }
    channel.end(FLUSH);
    assert.equal((await ended(channel)).status, 0);
    await worksFor(t, server, alice);
  });
  await t.test('packets of no bytes', async () => {
    const client = await login(t, server, alice);
    const gone = closed(client);
    announce(client, 2 * MIB, 0);
    await assert.rejects(start(client, FETCH));
    await gone;
    await worksFor(t, server, alice);
  });
  await t.test('garbage when the house is full', async (s) => {
    // As if all who may be in were in.
    const full = s.mock.getter(Logins.prototype, 'size', () => -512);
    const socket = connect(sshPortOf(server), '127.0.0.1').on('error', () => undefined);
    socket.write(Buffer.concat([Buffer.from('SSH-2.0-late\r\n'), Buffer.alloc(400, 7)]));
    await once(socket.resume(), 'close');
    assert.ok(full.mock.callCount() > 0);
    full.mock.restore();
    await worksFor(t, server, alice);
  });
});

test('G13: over SSH, who takes nothing however large his window holds git back, and is hung up on', async (t) => {
  const clock = new HandClock(Date.now());
  const { server, alice, git } = await started(t, { clock });
  const tip = await fill(server, 3);
  const client = await login(t, server, alice);
  announce(client, 0xffffffff, 32_768);
  const channel = await start(client, FETCH);
  await once(channel, 'data');
  channel.write(Buffer.concat([pktLine(`want ${tip} side-band-64k\n`), FLUSH, pktLine('done\n')]));
  const upload = await git('upload-pack');
  inside(client)._sock.pause();
  let end: Awaited<GitChild['ended']> | undefined;
  upload.ended.then((one) => {
    end = one;
  });
  // Git has more to say, and nobody listens.
  let [still, last] = [0, -1];
  await eventually(() => {
    const { readableLength } = upload.stdout;
    still = readableLength > 0 && readableLength === last ? still + 1 : 0;
    last = readableLength;
    return still > 500 || end !== undefined;
  });
  assert.equal(end, undefined, 'git has ended by itself: all of it is in the memory of the server');
  await clock.until(() => end !== undefined, 1_000);
  assert.equal(end!.stopped, 'abort');
});

test('G13: over SSH, who sends more than he was asked for is hung up on', async (t) => {
  const { server, alice } = await started(t);
  const tip = await fill(server, 1);
  const client = await login(t, server, alice);
  const channel = await start(client, FETCH, { env: { GIT_PROTOCOL: 'version=2' } });
  await once(channel, 'data');
  channel.pause();
  channel.write(fetchOf(tip));
  // Sizes that never come to the end of the window exactly.
  Object.assign((channel as unknown as ChannelInside).outgoing, { window: 2 ** 40, packetSize: 30_001 });
  const gone = closed(client).then(() => 'hung up on');
  const flood = new Promise<string>((resolve) => channel.write(Buffer.alloc(64 * MIB), () => resolve('sent')));
  const taken = flood.then(
    () => new Promise((resolve) => inside(client)._sock.once('drain', () => resolve('all was taken'))),
  );
  assert.equal(await Promise.race([gone, taken]), 'hung up on');
  await worksFor(t, server, alice);
});

test('G13: over SSH, a client that vanishes in mid-pack takes its git along', async (t) => {
  const { server, alice, git } = await started(t);
  const client = await login(t, server, alice);
  const channel = await start(client, PUSH);
  const pack = packOf(entry(3, 3 * MIB, randomBytes(3 * MIB)));
  channel.write(Buffer.concat([PUSHED, FLUSH, pack.subarray(0, 2 * MIB)]));
  const indexing = await git('index-pack');
  inside(client)._sock.destroy();
  assert.equal((await indexing.ended).stopped, 'abort');
  await eventually(async () => (await quarantineOf(server)).length === 0);

  // So does one that closes its channel while nobody reads what it has sent.
  const tip = await fill(server, 1);
  const other = await login(t, server, alice);
  const fetching = await start(other, FETCH, { env: { GIT_PROTOCOL: 'version=2' } });
  await once(fetching, 'data');
  fetching.pause();
  fetching.write(Buffer.concat([fetchOf(tip), Buffer.alloc(MIB)]));
  const upload = await git('upload-pack');
  fetching.close();
  assert.equal((await upload.ended).stopped, 'abort');
});

test('G13: over SSH, who sends nothing is waited for as long as there is a reason to', async (t) => {
  const clock = new HandClock(Date.now());
  const { server, alice, git, children } = await started(t, { clock });
  const put = await server.root_.codecommit.putFile({
    ...app,
    branchName: 'main',
    filePath: 'a',
    fileContent: Buffer.from('a'),
  });
  const client = await login(t, server, alice);
  const over = async <T>(running: Promise<T>): Promise<T> => {
    let isOver = false;
    void running.then(() => {
      isOver = true;
    });
    await clock.until(() => isOver, 5_000);
    return running;
  };

  // A fetch in either protocol: two minutes, whatever the client has to find out about itself.
  for (const env of [{}, { GIT_PROTOCOL: 'version=2' }]) {
    const { status, errors } = await over(ended(await start(client, FETCH, { env })));
    assert.deepEqual([status, errors], [128, 'the client has sent nothing for 120 seconds\n']);
  }

  // A push: packing may take minutes, but a pack that has begun goes on.
  const push = async (name: string) => {
    const pushing = await start(client, PUSH);
    const end = ended(pushing);
    pushing.write(Buffer.concat([pktLine(`${ZERO_ID} ${put.commitId} ${name}\0report-status`), FLUSH]));
    await clock.advance(600_000);
    return { pushing, end };
  };
  const slow = await push('refs/heads/slow');
  slow.pushing.end(packOf());
  assert.match((await slow.end).output.toString(), /unpack ok\n.*ok refs\/heads\/slow/);
  children.length = 0;
  const broken = await push('refs/heads/broken');
  broken.pushing.write(packOf(entry(3, 3 * MIB, randomBytes(3 * MIB))).subarray(0, 2 * MIB));
  const indexing = await git('index-pack');
  const { output } = await over(broken.end);
  assert.match(output.toString(), /unpack the client has sent nothing for 30 seconds\n/);
  assert.notEqual((await indexing.ended).stopped, null);
  await eventually(async () => (await quarantineOf(server)).length === 0);
  const silent = await over((await push('refs/heads/silent')).end);
  assert.match(silent.output.toString(), /unpack the client has sent nothing for 1800 seconds\n/);

  // A connection without a command: ten minutes.
  await over(closed(client));
});
