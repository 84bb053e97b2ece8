import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import ssh2 from 'ssh2';
import { ALLOW_ALL, startServer, type TestServer, temporaryFolder } from '../../../test/harness.ts';
import { GitProcesses } from '../../git/git-process.ts';
import { entry, packOf } from '../../git/harness.ts';
import { objectIdOf } from '../../git/object-format.ts';
import { FLUSH, pktLine } from '../../git/pkt-line.ts';
import { ZERO_ID } from '../../git/ref-name.ts';
import { ended, exec, hasSsh, login, type SshUser, sshPortOf, sshUser, start } from './ssh-harness.ts';

const run = promisify(execFile);
const app = { repositoryName: 'app' };
const FETCH = "git-upload-pack '/v1/repos/app'";
const PUSH = "git-receive-pack '/v1/repos/app'";
const EMPTY_PACK = packOf();

/** A server whose repository has one commit, and a user who may do everything. */
async function started(t: TestContext, settings = {}): Promise<{ server: TestServer; alice: SshUser; tip: string }> {
  const server = await startServer(t, { settings });
  const { codecommit } = server.root_;
  await codecommit.createRepository(app);
  const file = { ...app, branchName: 'main', filePath: 'a', fileContent: Buffer.from('a\n') };
  const { commitId } = await codecommit.putFile(file);
  return { server, alice: await sshUser(t, server, 'alice'), tip: commitId! };
}

/** What receive-pack reads for one new reference. */
function pushOf(name: string, to: string, pack: Uint8Array, capabilities = 'report-status'): Buffer {
  return Buffer.concat([pktLine(`${ZERO_ID} ${to} ${name}\0${capabilities}`), FLUSH, pack]);
}

/** A pack of one commit whose tree has a single entry, and the commit's id. */
function commitPack(mode: string, name: string, content: string): { pack: Buffer; commit: string } {
  const blob = Buffer.from(content);
  const tree = Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(objectIdOf('blob', blob), 'hex')]);
  const text = `tree ${objectIdOf('tree', tree)}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n`;
  const commit = Buffer.from(text);
  return {
    pack: packOf(entry(3, blob.length, blob), entry(2, tree.length, tree), entry(1, commit.length, commit)),
    commit: objectIdOf('commit', commit),
  };
}

async function branches({ root_: { codecommit } }: TestServer): Promise<string[]> {
  return (await codecommit.listBranches(app)).branches!;
}

test('what the pushes of an attacker carry is refused over SSH as it is over HTTP', async (t) => {
  const { server, alice, tip } = await started(t, { gitMaxPushMib: 1 });
  const client = await login(t, server, alice);
  const push = async (input: Uint8Array) => {
    const { output, errors } = await exec(client, PUSH, input);
    return output.toString() + errors;
  };
  for (const name of [
    'refs/heads/--upload-pack=id',
    'refs/heads/HEAD',
    `refs/heads/${'a'.repeat(40)}`,
    `refs/replace/${'b'.repeat(40)}`,
    'refs/pull/1/head',
    'refs/heads/../../config',
    'refs/heads/a\u001b[31m',
    'config',
  ]) {
    await t.test(`G1, G16: the reference ${JSON.stringify(name)}`, async () => {
      const answer = await push(pushOf(name, tip, EMPTY_PACK));
      assert.match(answer, /ng /);
      assert.doesNotMatch(answer, /ok refs|\u001b/);
    });
  }
  for (const [id, what, mode, name, content] of [
    ['G5', 'a folder .git', '100644', '.git', 'x'],
    ['G5', 'a link .gitmodules', '120000', '.gitmodules', '/etc/passwd'],
    ['G7', 'a submodule that is an option', '100644', '.gitmodules', '[submodule "x"]\n\tpath = x\n\turl = -u./x\n'],
    ['G8', 'an attribute longer than git bears', '100644', '.gitattributes', `* ${'a'.repeat(3_000)}\n`],
  ] as const) {
    await t.test(`${id}: ${what}`, async () => {
      const { pack, commit } = commitPack(mode, name, content);
      assert.match(
        await push(pushOf('refs/heads/hostile', commit, pack)),
        /unpack (?!ok).*\n.*ng refs\/heads\/hostile/,
      );
    });
  }
  const { pack: whole, commit } = commitPack('100644', 'file', 'hello');
  const flipped = Buffer.from(whole);
  flipped[20]! ^= 0x40;
  const huge = randomBytes(2 * 1024 ** 2);
  for (const [what, pack, says] of [
    ['with a flipped bit', flipped, /unpack (?!ok)/],
    ['that is cut off', whole.subarray(0, -10), /unpack (?!ok)/],
    ['that is missing', Buffer.alloc(0), /unpack the pack is missing/],
    ['beyond the limit', packOf(entry(3, huge.length, huge)), /unpack the pack is larger than 1048576 bytes/],
    ['that leads nowhere', EMPTY_PACK, /missing necessary objects/],
  ] as const) {
    await t.test(`G9: a pack ${what}`, async () => {
      const answer = await push(pushOf('refs/heads/x', commit, pack));
      assert.match(answer, says);
      assert.match(answer, /ng refs\/heads\/x/);
    });
  }
  await t.test('G4: push options, offered to nobody', async () => {
    const answer = await push(pushOf('refs/heads/x', tip, EMPTY_PACK, 'report-status push-options'));
    assert.match(answer, /push options are not supported/);
    assert.doesNotMatch(answer.slice(0, answer.indexOf('0000')), /push-options/);
  });
  assert.deepEqual(await branches(server), ['main']);
  assert.match(await push(pushOf('refs/heads/good', commit, whole)), /unpack ok\n.*ok refs\/heads\/good/);
});

test('G14: of pushes over SSH and HTTP to one branch at the same time one wins', async (t) => {
  const { server, alice, tip } = await started(t);
  const client = await login(t, server, alice);
  const { codecommit } = server.root_;
  let from = tip;
  for (let round = 0; round < 3; round += 1) {
    const made = Array.from({ length: 5 }, (_, at) => commitPack('100644', `file-${round}-${at}`, `${round} ${at}`));
    const pushed = made.map(async ({ pack, commit }) => {
      const line = pktLine(`${from} ${commit} refs/heads/main\0report-status`);
      const { output } = await exec(client, PUSH, Buffer.concat([line, FLUSH, pack]));
      return output.includes('ok refs/heads/main') ? commit : null;
    });
    const put = codecommit
      .putFile({
        ...app,
        branchName: 'main',
        parentCommitId: from,
        filePath: `put${round}`,
        fileContent: Buffer.from('x'),
      })
      .then(
        ({ commitId }) => commitId!,
        (error: Error) => {
          assert.equal(error.name, 'ParentCommitIdOutdatedException');
          return null;
        },
      );
    const winners = (await Promise.all([...pushed, put])).filter((one) => one !== null);
    const { branch } = await codecommit.getBranch({ ...app, branchName: 'main' });
    assert.deepEqual(winners, [branch!.commitId]);
    from = branch!.commitId!;
  }
});

test('G3: over SSH no variable of a client reaches git, and nothing but the two commands is granted', async (t) => {
  const { server, alice } = await started(t);
  const canary = join(await temporaryFolder(t), 'canary');
  const client = await login(t, server, alice);
  const hostile = {
    GIT_TRACE: canary,
    GIT_TRACE2: canary,
    LD_PRELOAD: canary,
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'uploadpack.packObjectsHook',
    GIT_CONFIG_VALUE_0: `touch ${canary}; git`,
    GIT_CONFIG_GLOBAL: canary,
    GIT_EXEC_PATH: canary,
    GIT_DIR: '/',
    PATH: '/nowhere',
  };
  const advertised = async (env: Record<string, string>) => {
    const channel = await start(client, FETCH, { env: { ...hostile, ...env } });
    const end = ended(channel);
    channel.end(FLUSH);
    const { status, output, errors } = await end;
    assert.deepEqual([status, errors], [0, '']);
    return output.toString().startsWith('000eversion 2\n') ? 2 : 0;
  };
  for (const [value, version] of [
    ['version=2', 2],
    ['version=1:version=2', 2],
    ['version=0', 0],
    ['version=22', 0],
    [`version=2\nGIT_TRACE=${canary}`, 0],
    [`${'x'.repeat(100)}:version=2`, 0],
  ] as const) {
    assert.equal(await advertised({ GIT_PROTOCOL: value }), version, JSON.stringify(value));
  }
  await assert.rejects(access(canary), { code: 'ENOENT' });

  const denied = async (what: string, ask: (done: (error?: Error | null) => void) => void) => {
    const error = await new Promise<Error | null | undefined>((resolve) => ask(resolve));
    assert.ok(error instanceof Error, what);
  };
  const { port } = new URL(server.url);
  await denied('sftp', (done) => client.sftp(done));
  await denied('subsystem', (done) => client.subsys('netconf', done));
  await denied('-L', (done) => client.forwardOut('127.0.0.1', 1, '127.0.0.1', Number(port), done));
  await denied('-R', (done) => client.forwardIn('127.0.0.1', 0, done));
  await denied('-L socket', (done) => client.openssh_forwardOutStreamLocal(canary, done));
  await denied('-R socket', (done) => client.openssh_forwardInStreamLocal(canary, done));
  await denied('-X', (done) => client.exec(FETCH, { x11: true }, done));
  // An agent is not asked for anything, and a terminal changes nothing.
  assert.equal((await exec(client, FETCH, FLUSH)).status, 0);
  const inTerminal = await start(client, 'id', { pty: true });
  assert.equal((await ended(inTerminal)).status, 128);
});

test('G3, G4: the programs ssh and git get no forwarding, no copies and no push options', async (t) => {
  if (!(await hasSsh(t))) return;
  const { server, alice } = await started(t);
  const to = [...alice.options, '-p', String(sshPortOf(server))];
  const host = `${alice.keyId}@127.0.0.1`;
  const forwarding = ['-R', '127.0.0.1:0:127.0.0.1:1', '-o', 'ExitOnForwardFailure=yes'];
  await assert.rejects(run('ssh', [...to, ...forwarding, host, FETCH]), /remote port forwarding failed/);
  const folder = await temporaryFolder(t);
  const git = (...args: string[]) => run('git', args, { cwd: folder, env: alice.env });
  const { repositoryMetadata } = await server.root_.codecommit.getRepository(app);
  const url = repositoryMetadata!.cloneUrlSsh!.replace('ssh://', `ssh://${alice.keyId}@`);
  await git('clone', '-q', url, '.');
  assert.equal(await readFile(join(folder, 'a'), 'utf8'), 'a\n');
  await assert.rejects(git('push', '-o', 'x;y', url, 'HEAD:refs/heads/x'), /does not support push options/);
  await writeFile(join(folder, 'b'), 'b');
  await git('add', '.');
  await git('commit', '-qm', 'b');
  await assert.rejects(git('push', url, 'HEAD:refs/heads/--exec=id'), /remote rejected.*--exec=id/);
  assert.deepEqual(await branches(server), ['main']);
});

test('G11: over SSH nothing is answered and no git is started for whoever has no good key', async (t) => {
  const { server, alice } = await started(t);
  const spawn = t.mock.method(GitProcesses.prototype, 'spawn');
  const other = await server.account('other');
  const stranger = await sshUser(t, server, 'stranger', { root: other.root });
  const nobody = await sshUser(t, server, 'nobody', {
    policy: { ...ALLOW_ALL, Statement: [{ Effect: 'Deny', Action: 'codecommit:*', Resource: '*' }] },
  });
  const attempt = (config: ssh2.ConnectConfig) =>
    new Promise<string>((resolve) => {
      const client = new ssh2.Client();
      client.on('ready', () => resolve('in')).on('error', ({ message }) => resolve(message));
      client.on('close', () => resolve('closed'));
      t.after(() => client.destroy());
      client.connect({ host: '127.0.0.1', port: sshPortOf(server), username: alice.keyId, ...config });
    });
  for (const config of [
    {},
    { password: 'secret' },
    { password: server.root.secretAccessKey, username: server.root.accessKeyId },
    { tryKeyboard: true },
    { privateKey: stranger.privateKey },
    { privateKey: stranger.privateKey, localHostname: 'localhost', localUsername: 'alice' },
    { privateKey: alice.privateKey, username: alice.keyId.toLowerCase() },
    { privateKey: alice.privateKey, username: `${alice.keyId}\0` },
  ]) {
    assert.match(await attempt(config), /^All configured authentication methods failed$/, JSON.stringify(config));
  }
  // A key of another account opens that account's repositories, and its name is the only thing that is said.
  const abroad = await exec(await login(t, server, stranger), FETCH);
  assert.deepEqual([abroad.status, abroad.errors], [128, "fatal: repository '/v1/repos/app' not found\n"]);
  for (const command of [FETCH, PUSH]) {
    const { status, output, errors } = await exec(await login(t, server, nobody), command);
    assert.deepEqual([status, output.length], [128, 0]);
    assert.match(errors, /user\/nobody is not authorized to perform: codecommit:Git(Pull|Push)/);
  }
  assert.equal(spawn.mock.callCount(), 0);
  await server.root_.iam.deleteSSHPublicKey({ UserName: 'alice', SSHPublicKeyId: alice.keyId });
  assert.match(await attempt({ privateKey: alice.privateKey }), /authentication methods failed/);
});
