import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { startServer, type TestServer, temporaryFolder } from '../../../test/harness.ts';
import { gitUser, remoteOf } from '../../services/codecommit/harness.ts';
import { UsageError } from '../usage-error.ts';
import { Git } from './git-command.ts';
import { portionsOf } from './portions.ts';
import { Progress } from './progress.ts';
import { pushAll } from './push.ts';
import { nameOf, readSourceAddress } from './source-address.ts';

const MAIN = new URL('../../main.ts', import.meta.url).pathname;
const ALLOW_NOTHING = {
  Version: '2012-10-17',
  Statement: { Effect: 'Allow', Action: 'sts:*', Resource: '*' },
};
const needsLfs = spawnSync('git', ['lfs', 'version']).status === 0 ? false : 'needs git-lfs';

/** A repository to import: commits come by `commit`. */
async function source(t: TestContext) {
  const folder = join(await temporaryFolder(t), 'source');
  await mkdir(folder);
  const env = {
    ...process.env,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_AUTHOR_NAME: 'A',
    GIT_AUTHOR_EMAIL: 'a@example.com',
    GIT_COMMITTER_NAME: 'A',
    GIT_COMMITTER_EMAIL: 'a@example.com',
  };
  // Never in the way of this process: the server is in it.
  const git = async (args: string[], input = '') => {
    const child = spawn('git', args, { cwd: folder, env });
    // Some git do not read it.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    const ended = once(child, 'close');
    const [stdout, stderr] = await Promise.all([textOf(child.stdout), textOf(child.stderr)]);
    assert.deepEqual((await ended)[0], 0, `git ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const commit = async (name: string, content: string | Buffer = name) => {
    await writeFile(join(folder, name), content);
    await git(['add', '.']);
    await git(['commit', '-qm', `Add ${name}`]);
    return await git(['rev-parse', 'HEAD']);
  };
  await git(['init', '-q', '-b', 'trunk']);
  return { folder, git, commit };
}

function slipway(server: TestServer, ...args: string[]) {
  // A temporary folder of its own shows what a run leaves there; other tests use the system's.
  const env = { ...server.env(server.root_.keys), GIT_CONFIG_GLOBAL: '/dev/null', TMPDIR: server.config.data };
  return new Promise<{ status: number; text: string }>((resolve) => {
    execFile(process.execPath, [MAIN, 'import', ...args], { env }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), text: stdout + stderr });
    });
  });
}

/** References of a repository by name, as git shows them. */
async function refsAt(url: string): Promise<Record<string, string>> {
  const { stdout } = await promisify(execFile)('git', ['ls-remote', '--', url]);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => line.split('\t') as [string, string]);
  return Object.fromEntries(lines.filter(([, name]) => name !== 'HEAD').map(([id, name]) => [name, id]));
}

test('a repository comes in with branches, tags and notes; again it brings what is new; what cannot come is told', async (t) => {
  const server = await startServer(t);
  const { codecommit } = server.root_;
  const { folder, git, commit } = await source(t);
  const first = await commit('one');
  await git(['tag', '-a', 'v1', '-m', 'One']);
  await git(['notes', 'add', '-m', 'A note']);
  await git(['branch', 'side']);
  await git(['update-ref', 'refs/pull/1/head', first]);
  await git(['update-ref', 'refs/pull/2/head', first]);
  await commit('two');
  // A commit whose author has no address, which the server's check does not let in.
  const bad = await git(
    ['hash-object', '-w', '-t', 'commit', '--literally', '--stdin'],
    `tree ${await git(['rev-parse', 'HEAD^{tree}'])}\nauthor Nobody 1700000000 +0000\ncommitter Nobody 1700000000 +0000\n\nx\n`,
  );
  await git(['update-ref', 'refs/heads/broken', bad]);
  const alice = await gitUser(server, 'alice');
  const here = () => refsAt(alice.remote('app'));

  const came = await slipway(server, folder, '--repository', 'app', '--description', 'From elsewhere');
  assert.equal(came.status, 1, came.text);
  assert.match(came.text, /has 3 branches, 1 tag, 1 of notes/);
  assert.match(came.text, /2 references below refs\/pull\/ were not taken/);
  assert.match(
    came.text,
    new RegExp(`refs/heads/broken was refused: [^]*git fsck --strict[^]*error in commit ${bad}: missing`),
  );
  const wanted = await refsAt(folder);
  for (const name of Object.keys(wanted)) if (/^refs\/(pull|heads\/broken)/.test(name)) delete wanted[name];
  assert.deepEqual(await here(), wanted);
  const { repositoryMetadata } = await codecommit.getRepository({ repositoryName: 'app' });
  assert.equal(repositoryMetadata!.defaultBranch, 'trunk');
  assert.equal(repositoryMetadata!.repositoryDescription, 'From elsewhere');

  await t.test('a source that is mistyped leaves nothing behind', async () => {
    const mistyped = await slipway(server, `${folder}-x`, '--repository', 'mistyped');
    assert.equal(mistyped.status, 2, mistyped.text);
    assert.match(mistyped.text, /cannot be read/);
    await assert.rejects(codecommit.getRepository({ repositoryName: 'mistyped' }), {
      name: 'RepositoryDoesNotExistException',
    });
  });

  await t.test('again', async () => {
    await git(['update-ref', '-d', 'refs/heads/broken']);
    await commit('three');
    await git(['branch', 'late']);
    const again = await slipway(server, folder, '--repository', 'app');
    assert.equal(again.status, 0, again.text);
    assert.match(again.text, /app: 1 reference is new, 1 was moved/);
    assert.match((await slipway(server, folder, '--repository', 'app')).text, /0 references are new, 0 were moved/);
  });

  await t.test('a rewritten branch moves when that is asked for, and the rest in any case', async () => {
    await git(['checkout', '-q', 'side']);
    await git(['commit', '-q', '--amend', '-m', 'Rewritten']);
    await git(['checkout', '-q', 'trunk']);
    await commit('four');
    const refused = await slipway(server, folder, '--repository', 'app');
    assert.equal(refused.status, 1, refused.text);
    assert.match(refused.text, /refs\/heads\/side was refused: non-fast-forward\n.*--overwrite/);
    assert.equal((await here())['refs/heads/trunk'], (await refsAt(folder))['refs/heads/trunk']);
    assert.equal((await slipway(server, folder, '--repository', 'app', '--overwrite')).status, 0);
    assert.equal((await here())['refs/heads/side'], (await refsAt(folder))['refs/heads/side']);
  });

  await t.test('over HTTP with a password, which is neither shown nor kept', async () => {
    const cache = join(await temporaryFolder(t), 'cache');
    const from = alice.remote('app');
    const copied = await slipway(server, from, '--repository', 'copy', '--cache', cache);
    assert.equal(copied.status, 0, copied.text);
    assert.deepEqual(await refsAt(alice.remote('copy')), await here());
    assert.doesNotMatch(copied.text, new RegExp(alice.password.slice(0, 12).replace(/\W/g, '\\$&')));
    const grep = spawnSync('grep', ['-rlF', alice.password, cache]);
    assert.equal(grep.status, 1, 'nothing of it is in the folder that is kept');
    const wrong = await slipway(server, remoteOf(server, 'app', alice.userName, 'guessed-it'), '--repository', 'copy');
    assert.equal(wrong.status, 2);
    assert.match(wrong.text, /cannot be read/);
    assert.doesNotMatch(wrong.text, /guessed-it/);
  });

  await t.test('who may not, brings nothing', async () => {
    const nobody = await server.user('nobody', ALLOW_NOTHING);
    const { status, text } = await slipway(
      { ...server, root_: nobody, env: () => server.env(nobody.keys) } as TestServer,
      folder,
    );
    assert.equal(status, 2);
    assert.match(text, /AccessDeniedException: .*codecommit:GetRepository/);
    const left = (await readdir(server.config.data)).filter((name) => name.startsWith('slipway-import-'));
    assert.deepEqual(left, [], 'no folder stays behind');
  });
});

test('what git would take for an option or a program is refused, whatever it looks like', () => {
  const bad = [
    '--upload-pack=touch /tmp/x',
    '-oProxyCommand=x',
    'ext::sh -c touch% /tmp/x',
    'fd::17',
    '::x',
    'git://example.com/x',
    'ftp://example.com/x',
    'ssh://-oProxyCommand=x/y',
    'ssh://user:password@example.com/x',
    '-oProxyCommand=x:y',
    'me@-oProxyCommand=x:y',
    'a\nb',
    '',
  ];
  for (const text of bad) assert.throws(() => readSourceAddress(text), UsageError, text);
  assert.deepEqual(readSourceAddress('https://me:s%40crt@example.com:8443/a/b.git'), {
    url: 'https://example.com:8443/a/b.git',
    origin: 'https://example.com:8443',
    userName: 'me',
    password: 's@crt',
  });
  const names = [
    'https://example.com/a/my-app.git/',
    'git@example.com:a/my-app.git',
    '/srv/my-app/.git',
    'ssh://h/my-app',
  ];
  for (const text of names) assert.equal(nameOf(readSourceAddress(text)), 'my-app', text);
});

test('a history that is too large for one push goes commit by commit, and many references in portions', async (t) => {
  const { folder, git, commit } = await source(t);
  for (let at = 1; at <= 6; at += 1) await commit(`f${at}`, randomBytes(20_000));
  for (let at = 1; at <= 7; at += 1) await git(['branch', `b${at}`]);
  const local = new Git(join(folder, '.git'));
  const tip = await git(['rev-parse', 'trunk']);
  const refs = Object.entries(await refsAt(folder)).sort(
    ([a], [b]) => Number(b === 'refs/heads/trunk') - Number(a === 'refs/heads/trunk'),
  );
  const limits = { maxRefs: 3, maxBytes: 30_000 };
  const portions = await portionsOf(local, refs, [], limits);
  const steps = portions.filter(([one]) => one![0] === 'refs/heads/trunk').map(([one]) => one![1]);
  assert.ok(steps.length > 2, `${steps.length} pushes of the first branch`);
  assert.equal(steps.at(-1), tip);
  for (const [at, step] of steps.entries()) {
    if (at > 0) await git(['merge-base', '--is-ancestor', steps[at - 1]!, step]);
  }
  const target = join(await temporaryFolder(t), 'target.git');
  await git(['init', '-q', '--bare', target]);
  const to = { url: target, login: async () => ({}) };
  const outcome = await pushAll(local, to, refs, new Map(), new Progress(), { overwrite: false, limits });
  assert.deepEqual(outcome, { created: 8, updated: 0, refused: [] });
  assert.deepEqual(await refsAt(target), Object.fromEntries(refs));
  const small = await portionsOf(local, refs, [], { maxRefs: 3, maxBytes: 1e9 });
  assert.deepEqual(
    small.map(({ length }) => length),
    [3, 3, 2],
  );
});

test('files of Git LFS come along', { skip: needsLfs }, async (t) => {
  const server = await startServer(t);
  const { folder, git, commit } = await source(t);
  await git(['lfs', 'install', '--local']);
  await git(['lfs', 'track', '*.bin']);
  await commit('large.bin', Buffer.alloc(100_000, 7));
  const { status, text } = await slipway(server, folder, '--repository', 'lfs');
  assert.equal(status, 0, text);
  assert.match(text, /The files of Git LFS are here/);
  const alice = await gitUser(server, 'alice');
  const clone = join(await temporaryFolder(t), 'clone');
  await git(['clone', '-q', alice.remote('lfs'), clone]);
  await git(['-C', clone, 'lfs', 'pull']);
  assert.equal(
    await git(['-C', clone, 'hash-object', '--no-filters', 'large.bin']),
    await git(['hash-object', '--no-filters', 'large.bin']),
  );
});
