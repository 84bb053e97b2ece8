import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { changeRepository, type WantedUpdate } from './change.ts';
import { isGitFailure } from './failure.ts';
import { COLLECT_AFTER_MS, GitClient, startGitServer, type TestServer, temporaryFolder } from './harness.ts';
import { formatTree } from './object-format.ts';
import { ObjectWriter } from './object-writer.ts';
import type { Repository } from './repository.ts';
import { STALE } from './truth.ts';

/** A longer run: `SLIPWAY_TEST_STEPS=1000`. */
const STEPS = Number(process.env['SLIPWAY_TEST_STEPS'] ?? 15);
const SEED = Number(process.env['SLIPWAY_TEST_SEED'] ?? Math.floor(performance.timeOrigin));
const WRITERS = 4;
const BRANCHES = 3;
const PERSON = 'Ada <ada@example.com> 1700000000 +0000';

interface Run {
  server: TestServer;
  repository: Repository;
  /** From 0 to below `most`. */
  pick(most: number): number;
  /** Every commit that was ever made. */
  made: string[];
  mentioned: Set<string>;
}

/** Builds on whatever was ever made, whether anything leads to it or not. */
async function move(run: Run, number: number): Promise<void> {
  const { made, pick } = run;
  const writer = new ObjectWriter();
  const blob = writer.add('blob', Buffer.from(`content ${number} ${made.length}`));
  const tree = writer.add('tree', formatTree([{ mode: '100644', rawName: Buffer.from('file'), id: blob }]));
  const parent = made.length === 0 || pick(4) === 0 ? '' : `parent ${made[pick(made.length)]}\n`;
  const text = `tree ${tree}\n${parent}author ${PERSON}\ncommitter ${PERSON}\n\n${number}\n`;
  const to = writer.add('commit', Buffer.from(text));
  await change(run, to, writer);
  made.push(to);
}

async function change(run: Run, to: string | null, writer: ObjectWriter | null): Promise<void> {
  const { repository, server } = run;
  const name = `refs/heads/b${run.pick(BRANCHES)}`;
  const from = (await repository.state()).refs.get(name)?.id ?? null;
  if (from === to) return;
  const update: WantedUpdate = { name, from, to };
  const commit = async (wanted: Parameters<typeof server.truths.commit>[1]) => {
    for (let turns = run.pick(20); turns > 0; turns -= 1) await setImmediate();
    return server.truths.commit('r1', wanted);
  };
  const refused = await changeRepository(repository, {
    updates: [update],
    atomic: true,
    pack: writer?.pack() ?? null,
    commit,
  });
  for (const problem of refused.values()) assert.match(problem, new RegExp(`^(${STALE}|missing necessary objects)$`));
}

/** Looks whether a commit is there and writes a row that names it, one after the other. */
async function mention({ repository, server, made, mentioned, pick }: Run): Promise<void> {
  const id = made[pick(made.length)];
  if (id === undefined) return;
  await repository.read(async ({ objects, state }) => {
    if ((await objects.findInfo(id)) === null) return;
    for (let turns = pick(20); turns > 0; turns -= 1) await setImmediate();
    server.truths.mention('r1', id, state.collections);
    mentioned.add(id);
  });
}

async function step(run: Run, number: number): Promise<void> {
  const { server, repository, made, pick } = run;
  const chance = pick(12);
  try {
    if (chance < 5) await move(run, number);
    else if (chance < 7) await change(run, null, null);
    else if (chance < 8) await change(run, made[pick(made.length)] ?? null, null);
    else if (chance < 10) await mention(run);
    else await server.store.maintain(repository);
  } catch (error) {
    // What a writer leans on may have gone; he is told.
    if (!isGitFailure(error, 'pack-refused') && !isGitFailure(error, 'collected')) throw error;
  }
}

/** The same numbers for the same seed (mulberry32); what runs beside what is up to the machine. */
function picker(seed: number): (most: number) => number {
  let state = seed;
  return (most) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * most) | 0;
  };
}

test('pushes, forced pushes, deletions, rows and collections in any order: all that is named is whole', async (t) => {
  const server = await startGitServer(t);
  server.store.surroundings.changed = () => undefined;
  const repository = server.store.repository(server.truths.truth('r1'));
  const run: Run = { server, repository, pick: picker(SEED), made: [], mentioned: new Set() };
  // Time flies: every look at it is a part of the grace later.
  let now = 1_000;
  server.truths.now = () => (now += COLLECT_AFTER_MS / 4);
  const writer = async (first: number) => {
    for (let number = first; number < STEPS * WRITERS; number += WRITERS) await step(run, number);
  };
  await Promise.all(Array.from({ length: WRITERS }, (_, first) => writer(first)));
  now += COLLECT_AFTER_MS;
  // Another node, which knows nothing but the truth, comes to the end of it.
  const fresh = await startGitServer(t, { folder: server.folder, cache: 'fresh' });
  fresh.truths.now = () => now;
  const last = fresh.store.repository(fresh.truths.truth('r1'));
  await fresh.store.maintain(last);
  t.diagnostic(`seed ${SEED}: ${run.made.length} commits, ${server.collections.length} collections`);
  const refs = [...(await last.state()).refs.values()].map(({ id }) => id);
  const named = [...new Set([...refs, ...run.mentioned])];
  for (const one of [last, repository]) {
    const { gitDir } = await one.read(async (lease) => lease);
    const git = new GitClient(gitDir);
    await git.run('fsck', '--full', '--strict');
    for (const id of named) await git.run('rev-list', '--objects', id);
  }
  const bob = new GitClient(await temporaryFolder(t));
  await bob.run('clone', '-q', '--mirror', fresh.remote('r1'), '.');
  await bob.run('fsck', '--full', '--strict');
  for (const id of named) await bob.run('fetch', '-q', 'origin', id);
  assert.deepEqual([...server.reported, ...fresh.reported], []);
});
