import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type ssh2 from 'ssh2';
import { GitClient } from '../../src/git/harness.ts';
import { eventually } from '../../src/kernel/testing/eventually.ts';
import { ended, login, start } from '../../src/services/codecommit/ssh-harness.ts';
import { temporaryFolder } from '../harness.ts';
import { startServerProcess } from '../server-process.ts';
import { clientsOf, overSsh, remoteOf } from './git-under-fire-clients.ts';

/** Over HTTP, and as many over SSH. A release run sends more: `SLIPWAY_TEST_MALFORMED=10000`. */
const MALFORMED = Number(process.env['SLIPWAY_TEST_MALFORMED'] ?? 500);
const SEED = Number(process.env['SLIPWAY_TEST_SEED'] ?? 20_261_128);
const AT_ONCE = 8;
const app = { repositoryName: 'app' };
const HTTP_PATH = '/v1/repos/app';

/** Requests that are nearly git's: pieces of the protocol in any order, and anything between them. */
function bodies(tip: string): fc.Arbitrary<Buffer> {
  const line = (text: string) => `${(text.length + 4).toString(16).padStart(4, '0')}${text}`;
  const piece = fc.oneof(
    fc.constantFrom('0000', '0001', '0002', 'ffff', '0004', 'PACK', 'PACK\0\0\0\u0002\0\0\0\u0001', '\0', 'done'),
    fc.constantFrom(`want ${tip}\n`, `have ${tip}\n`, 'done\n', 'deepen 1', 'deepen -1', 'filter blob:none').map(line),
    fc.constantFrom('command=fetch', 'command=ls-refs\n', 'command=x', 'ref-prefix refs/', `shallow ${tip}`).map(line),
    fc.constant(line(`${tip} ${tip} refs/heads/main\0report-status atomic side-band-64k`)),
    fc.constant(line(`${'0'.repeat(40)} ${tip} refs/heads/x\0 push-options object-format=sha256`)),
    fc.string({ maxLength: 40 }).map(line),
    fc.string({ maxLength: 40 }),
  );
  return fc.array(piece, { maxLength: 10 }).map((pieces) => Buffer.from(pieces.join(''), 'latin1'));
}

const SERVICES = ['git-upload-pack', 'git-receive-pack'] as const;

/** A request over HTTP/1.1, byte by byte; some are none. */
function requests(tip: string, authorization: string): fc.Arbitrary<Buffer> {
  const rest = fc.constantFrom(
    ...SERVICES.map((service) => `/${service}`),
    ...SERVICES.map((service) => `/info/refs?service=${service}`),
    '/info/refs?service=git-upload-pack&service=%00',
    '/info/lfs/objects/batch',
    '/HEAD',
    '/%2e%2e/app/git-upload-pack',
    '//git-upload-pack',
    '',
  );
  const header = fc.oneof(
    fc.constantFrom(...SERVICES.map((service) => `Content-Type: application/x-${service}-request`)),
    fc.constantFrom('Git-Protocol: version=2', 'Git-Protocol: version=1:x\u00ff', 'Content-Encoding: gzip'),
    fc.constantFrom('Content-Encoding: br', 'Transfer-Encoding: chunked', 'Expect: 100-continue', 'Range: bytes=0-1'),
    fc.string({ maxLength: 30 }).map((text) => `X-${text.replace(/[\r\n]/g, '')}`),
  );
  const method = fc.constantFrom('POST', 'POST', 'POST', 'GET', 'HEAD', 'PUT', 'OPTIONS', 'post');
  const wrong = fc.constantFrom('too long', 'too short', 'none', 'nonsense');
  const length = fc.oneof({ arbitrary: fc.constant('as it is'), weight: 6 }, wrong);
  const form = fc.record({ method, rest, headers: fc.array(header, { maxLength: 4 }), body: bodies(tip), length });
  const spoilt = fc.tuple(form, fc.nat({ max: 3 }), fc.nat(), fc.integer({ min: 0, max: 255 }));
  return spoilt.map(([{ method, rest, headers, body, length }, spoil, at, byte]) => {
    const sent = headers.includes('Content-Encoding: gzip') && body.length % 2 === 0 ? gzipSync(body) : body;
    const size = {
      'too long': sent.length + 50,
      'too short': Math.max(sent.length - 5, 0),
      nonsense: '0x10',
      none: '',
    };
    const lengths = length === 'none' ? [] : [`Content-Length: ${length === 'as it is' ? sent.length : size[length]}`];
    const known = [`Host: x`, `Authorization: ${authorization}`, 'Connection: close', ...lengths, ...headers];
    const head = `${method} ${HTTP_PATH}${rest} HTTP/1.1\r\n${known.join('\r\n')}\r\n\r\n`;
    const bytes = Buffer.concat([Buffer.from(head, 'latin1'), sent]);
    if (spoil === 0) bytes[at % bytes.length] = byte;
    return bytes;
  });
}

/** What is asked for on a channel of SSH, what comes over it then, and how it ends. */
interface Conversation {
  command: string;
  env: Record<string, string>;
  input: Buffer;
  end: 'half' | 'close' | 'both';
}

function conversations(tip: string): fc.Arbitrary<Conversation> {
  const path = fc.constantFrom(HTTP_PATH, HTTP_PATH, HTTP_PATH, `${HTTP_PATH}.git`, '/v1/repos/none', "it'\\''s", '');
  const command = fc.oneof(
    fc.tuple(fc.constantFrom(...SERVICES), path).map(([service, where]) => `${service} '${where}'`),
    fc.tuple(fc.constantFrom(...SERVICES), fc.string()).map(([service, where]) => `${service} ${where}`),
    fc.string({ maxLength: 200 }),
  );
  return fc.record({
    command,
    env: fc.constantFrom<Record<string, string>[]>(
      {},
      { GIT_PROTOCOL: 'version=2' },
      { GIT_PROTOCOL: 'version=1' },
      { LD_PRELOAD: 'x' },
    ),
    input: bodies(tip),
    end: fc.constantFrom('half', 'close', 'both'),
  });
}

test('malformed requests over HTTP and SSH by the thousand leave no process, no descriptor and a server that works', async (t) => {
  if (process.platform !== 'linux') return t.skip('counts what /proc shows');
  const data = await temporaryFolder(t);
  const server = await startServerProcess(t, join(data, 'slipway'));
  const clients = clientsOf(t, server);
  await clients.codecommit.createRepository(app);
  const file = { ...app, branchName: 'main', filePath: 'a', fileContent: Buffer.from('a') };
  const tip = (await clients.codecommit.putFile(file)).commitId!;
  const remote = await remoteOf(server, clients);
  const ssh = await overSsh(t, server, clients);
  const works = async () => {
    for (const [client, address] of [
      [new GitClient(await temporaryFolder(t)), remote],
      [ssh.client, ssh.remote],
    ] as const) {
      assert.match(await client.run('ls-remote', address, 'main'), new RegExp(`^${tip}\t`));
      await client.run('clone', '-q', '--bare', address, await temporaryFolder(t));
    }
  };
  await works();
  const address = { addresses: [`ssh://127.0.0.1:${server.sshPort}`] };
  const connections = await Promise.all(Array.from({ length: AT_ONCE }, () => login(t, address, ssh)));
  const pid = server.pid();
  const before = await usedBy(pid);
  const { username, password, port } = new URL(remote);
  const basic = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const settings = { numRuns: MALFORMED, seed: SEED };

  const authorization = `Basic ${Buffer.from(basic).toString('base64')}`;
  const statuses = new Map<string, number>();
  await spread(fc.sample(requests(tip, authorization), settings), async (bytes) => {
    const status = /^HTTP\/1\.1 (\d+)/.exec(await exchange(Number(port), bytes))?.[1] ?? 'none';
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    assert.ok(status === 'none' || Number(status) < 500, `${status}: ${bytes.toString('latin1')}`);
  });

  const ends = new Map<string, number>();
  await spread(fc.sample(conversations(tip), settings), async (conversation, worker) => {
    const status = String(await converse(connections[worker]!, conversation));
    ends.set(status, (ends.get(status) ?? 0) + 1);
  });
  const told = (counts: Map<string, number>) => JSON.stringify(Object.fromEntries([...counts].sort()));
  t.diagnostic(`seed ${SEED}: ${MALFORMED} over HTTP ${told(statuses)}, ${MALFORMED} over SSH ${told(ends)}`);

  let now = before;
  await eventually(async () => {
    now = await usedBy(pid);
    return now.processes <= before.processes && now.descriptors <= before.descriptors;
  }).catch(() => assert.deepEqual(now, before));
  t.diagnostic(`before ${JSON.stringify(before)}, after ${JSON.stringify(now)}`);
  assert.equal(server.pid(), pid);
  await works();
  const { branches } = await clients.codecommit.listBranches(app);
  assert.deepEqual(branches, ['main']);
  assert.deepEqual(server.errors().split('\n').filter(isOurFault), []);
});

/** A line of the log that tells of a mistake in the server, and not of one in what git was told. */
function isOurFault(line: string): boolean {
  if (!line.startsWith('{')) return line !== '';
  const { level, err } = JSON.parse(line) as { level: number; err?: { reason?: string } };
  return level >= 50 && err?.reason !== 'process-failed';
}

/** Hands everything out to a few workers. */
async function spread<T>(all: readonly T[], work: (one: T, worker: number) => Promise<void>): Promise<void> {
  const queue = all.values();
  const workers = Array.from({ length: AT_ONCE }, async (_, worker) => {
    for (const one of queue) await work(one, worker);
  });
  await Promise.all(workers);
}

/** Sends bytes, and nothing after them, and answers what comes. */
function exchange(port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => undefined).on('close', () => resolve(answer));
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1');
    });
    socket.end(bytes);
  });
}

async function converse(client: ssh2.Client, { command, env, input, end }: Conversation): Promise<number | undefined> {
  const channel = await start(client, command, { env });
  const over = ended(channel);
  if (end === 'half') channel.end(input);
  else channel.write(input);
  if (end === 'both') channel.end();
  if (end !== 'half') channel.close();
  return (await over).status;
}

/** Processes below a process, and files and sockets that it holds open. */
async function usedBy(pid: number): Promise<{ processes: number; descriptors: number }> {
  const children = async (parent: number): Promise<number[]> => {
    const text = await readFile(`/proc/${parent}/task/${parent}/children`, 'latin1').catch(() => '');
    const own = text.trim() === '' ? [] : text.trim().split(' ').map(Number);
    return [...own, ...(await Promise.all(own.map(children))).flat()];
  };
  return { processes: (await children(pid)).length, descriptors: (await readdir(`/proc/${pid}/fd`)).length };
}
