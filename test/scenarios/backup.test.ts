import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { GetCommitOutput } from '@aws-sdk/client-codecommit';
import { restore } from '../../src/cli/backup/restore.ts';
import { UsageError } from '../../src/cli/usage-error.ts';
import { readConfig } from '../../src/kernel/config.ts';
import { cleanUp, startServer, temporaryFolder } from '../harness.ts';
import { ownDatabase } from '../postgres.ts';

const run = promisify(execFile);
const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;
const slipway = (...args: string[]) => run(process.execPath, [MAIN, ...args]);
const failure = (running: Promise<unknown>) =>
  running.then(
    () => assert.fail('it should have failed'),
    (error: { stderr: string }) => error.stderr,
  );

type Settings = { data: string; databaseUrl: string };

/** What names an installation on the command line. */
const at = ({ data, databaseUrl }: Settings) => ['--data', data, '--database-url', databaseUrl];

/** Where nothing is yet, on the dialect of another installation. */
async function freshPlace(t: TestContext, { databaseUrl }: { databaseUrl: string }): Promise<Settings> {
  const data = join(await temporaryFolder(t), 'data');
  if (databaseUrl === '') return { data, databaseUrl };
  const database = (await ownDatabase())!;
  cleanUp(t, () => database.drop());
  return { data, databaseUrl: database.url };
}

test('a backup taken while commits and objects come in restores everything that was acknowledged before it', async (t) => {
  const data = join(await temporaryFolder(t), 'data');
  const server = await startServer(t, { settings: { data } });
  const where = at(server.config);
  const { codecommit, kms, s3 } = server.root_;
  const { KeyMetadata: key } = await kms.createKey({});
  const { CiphertextBlob } = await kms.encrypt({ KeyId: key!.KeyId!, Plaintext: Buffer.from('sealed') });
  await codecommit.createRepository({ repositoryName: 'app', kmsKeyId: key!.KeyId! });
  await s3.createBucket({ Bucket: 'things' });
  const acknowledged: { tip: string; objects: string[] } = { tip: '', objects: [] };
  let count = 0;
  const work = async () => {
    count += 1;
    const parent = acknowledged.tip === '' ? {} : { parentCommitId: acknowledged.tip };
    const put = {
      repositoryName: 'app',
      branchName: 'main',
      filePath: `f${count}`,
      fileContent: Buffer.from(`${count}`),
    };
    acknowledged.tip = (await codecommit.putFile({ ...put, ...parent })).commitId!;
    await s3.putObject({ Bucket: 'things', Key: `k${count}`, Body: `object ${count}` });
    acknowledged.objects.push(`k${count}`);
  };
  for (let i = 0; i < 5; i += 1) await work();
  const before = structuredClone(acknowledged);
  let isOver = false;
  const busy = (async () => {
    while (!isOver) await work();
  })();
  const target = join(await temporaryFolder(t), 'backup');
  await slipway('backup', target, ...where);
  isOver = true;
  await busy;
  assert.match(await failure(slipway('backup', target, ...where)), /is not empty/);
  assert.equal(
    (await readdir(data)).some((name) => name.startsWith('backup-')),
    false,
  );

  const check = async (settings: Settings) => {
    const restored = await startServer(t, { settings });
    assert.equal(restored.root.accessKeyId, server.root.accessKeyId);
    const { branch } = await restored.root_.codecommit.getBranch({ repositoryName: 'app', branchName: 'main' });
    const history = new Set<string>();
    for (let id: string | undefined = branch!.commitId!; id !== undefined; ) {
      history.add(id);
      const found: GetCommitOutput = await restored.root_.codecommit.getCommit({ repositoryName: 'app', commitId: id });
      id = found.commit!.parents![0];
    }
    assert.ok(history.has(before.tip), 'every acknowledged commit is there');
    for (const objectKey of before.objects) {
      const { Body } = await restored.root_.s3.getObject({ Bucket: 'things', Key: objectKey });
      assert.equal(await Body!.transformToString(), `object ${objectKey.slice(1)}`);
    }
    const { Plaintext } = await restored.root_.kms.decrypt({ CiphertextBlob });
    assert.equal(Buffer.from(Plaintext!).toString(), 'sealed');
    return restored;
  };
  const copy = await freshPlace(t, server.config);
  await slipway('restore', target, ...at(copy));
  assert.match(await failure(slipway('restore', target, ...at(copy))), /is not empty/);
  await check(copy);

  if (server.config.databaseUrl !== '') {
    // From one dialect to the other, and back.
    const inSqlite = await freshPlace(t, { databaseUrl: '' });
    await slipway('restore', target, ...at(inSqlite));
    await check(inSqlite);
    const second = join(await temporaryFolder(t), 'second');
    await slipway('backup', second, ...at(inSqlite));
    const inPostgres = await freshPlace(t, server.config);
    await slipway('restore', second, ...at(inPostgres));
    await check(inPostgres);
    const used = { ...(await freshPlace(t, { databaseUrl: '' })), databaseUrl: server.config.databaseUrl };
    assert.match(await failure(slipway('restore', second, ...at(used))), /The database is not empty/);
  }

  // A byte that was changed, and a file that is gone, are found before anything is made.
  const names = Object.keys(JSON.parse(await readFile(join(target, 'manifest.json'), 'utf8')).files);
  const blob = names.find((name) => name.startsWith('blobs/'))!;
  const bytes = await readFile(join(target, blob));
  bytes[0]! ^= 1;
  await writeFile(join(target, blob), bytes);
  const other = await freshPlace(t, server.config);
  assert.match(await failure(slipway('restore', target, ...at(other))), /The backup is damaged/);
  await rm(join(target, blob));
  assert.match(await failure(slipway('restore', target, ...at(other))), /The backup is damaged/);
  await assert.rejects(readdir(other.data));
});

test('a restore tells what is wrong with a backup, by its file, and leaves nothing', async (t) => {
  const source = await temporaryFolder(t);
  const config = { ...readConfig({ data: join(await temporaryFolder(t), 'data') }, {}) };
  const sha256 = (text: string | Uint8Array) => createHash('sha256').update(text).digest('hex');
  const none = sha256('');
  const attempt = async (manifest: unknown, files: Record<string, string | Uint8Array> = {}) => {
    for (const name of await readdir(source)) await rm(join(source, name), { recursive: true });
    for (const [name, content] of Object.entries(files)) await writeFile(join(source, name), content);
    const text = typeof manifest === 'string' ? manifest : JSON.stringify(manifest);
    await writeFile(join(source, 'manifest.json'), text);
    const message = await restore(config, source).then(
      () => 'it was restored',
      (error: unknown) => (error instanceof UsageError ? error.message : `${(error as Error).stack}`),
    );
    await assert.rejects(readdir(config.data), { code: 'ENOENT' }, message);
    return message;
  };
  const then = { createdAt: '2026-01-01T00:00:00Z' };
  const rows = (text: string) => {
    const packed = gzipSync(text);
    return [{ ...then, format: 2, files: { 'rows.jsonl.gz': sha256(packed) } }, { 'rows.jsonl.gz': packed }] as const;
  };
  const database = { ...then, format: 1, files: { 'slipway.db': sha256('no database') } };
  const cases: [() => Promise<string>, RegExp][] = [
    [() => attempt('{'), /damaged: manifest\.json: .*JSON/],
    [() => attempt('null'), /manifest\.json: it names no format/],
    [() => attempt({ ...then, format: 9 }), /unknown format 9/],
    [() => attempt({ ...then, format: 1 }), /manifest\.json: it lists no files/],
    [() => attempt({ ...then, format: 1, files: {} }), /manifest\.json: it does not list slipway\.db/],
    [() => attempt({ ...then, format: 1, files: { 'slipway.db': 7 } }), /slipway\.db has no SHA-256/],
    ...['../x', '/etc/x', 'blobs/../x', 'blobs//x', 'slipway.db-wal', 'blobs'].map(
      (name): [() => Promise<string>, RegExp] => [
        () => attempt({ ...then, format: 1, files: { 'slipway.db': none, [name]: none } }),
        /manifest\.json: no backup holds a file/,
      ],
    ),
    [() => attempt({ ...then, format: 1, files: { 'slipway.db': none } }), /slipway\.db: it is missing/],
    [() => attempt(database, { 'slipway.db': 'no database' }), /slipway\.db: file is not a database/],
    [() => attempt(...rows('[1]\n')), /rows\.jsonl\.gz: line 1: a row stands before/],
    [() => attempt(...rows('{"table":"nowhere","columns":["a"]}\n[1]\n')), /Rows of nowhere cannot be restored: /],
  ];
  for (const [run, words] of cases) assert.match(await run(), words);
});

test('without keys a backup holds nothing that opens it', async (t) => {
  const data = join(await temporaryFolder(t), 'data');
  const server = await startServer(t, { settings: { data } });
  const target = join(await temporaryFolder(t), 'backup');
  await slipway('backup', target, ...at(server.config), '--without-keys');
  assert.deepEqual(
    (await readdir(target)).sort().filter((name) => !name.startsWith('blobs')),
    ['manifest.json', 'root.key.check', server.config.databaseUrl === '' ? 'slipway.db' : 'rows.jsonl.gz'],
  );
  const place = await freshPlace(t, server.config);
  await slipway('restore', target, ...at(place));
  // A new key would open nothing, and nobody would know why.
  await assert.rejects(startServer(t, { settings: place }), /Put its root\.key back/);
  await copyFile(join(data, 'root.key'), join(place.data, 'root.key'));
  await startServer(t, { settings: place });
  const nowhere = join(await temporaryFolder(t), 'none');
  assert.match(await failure(slipway('backup', join(target, 'x'), '--data', nowhere)), /There is no installation/);
});
