import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { BusEvent, Context } from '../context.ts';
import { systemIds } from '../ids.ts';
import { createLogger } from '../log.ts';
import type { Consumer } from '../service.ts';
import type { Database } from '../store/database.ts';
import type { OutboxTable } from '../store/kernel-tables.ts';
import { TEST_DATABASES } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { HandClock } from '../testing/hand-clock.ts';
import { OutboxDispatcher, writeToOutbox } from './outbox.ts';

const LOG = createLogger('silent');

function event(id: string): BusEvent {
  return {
    id,
    source: 'aws.test',
    detailType: 'Test',
    account: '123456789012',
    region: 'us-east-1',
    time: '2026-11-21T00:00:00Z',
    resources: [],
    detail: { id },
  };
}

function emit(database: Database, clock: HandClock, ...ids: string[]): Promise<void> {
  return database.transaction(async (tx) => {
    for (const id of ids) await writeToOutbox(tx, event(id), clock.now().getTime());
  });
}

async function waiting(database: Database): Promise<OutboxTable[]> {
  return (await database.reader.selectFrom('kernel_outbox').selectAll().orderBy('position').execute()) as OutboxTable[];
}

/** A consumer that notes what it takes, and fails or hangs as the test wants. */
class Taker implements Consumer {
  readonly name: string;
  readonly taken: string[] = [];
  readonly tried: string[] = [];
  /** By the clock that was given. */
  readonly triedAt: number[] = [];
  clock: HandClock | undefined;
  fails: (id: string) => boolean = () => false;
  gate: Promise<void> | undefined;

  constructor(name: string) {
    this.name = name;
  }

  async handle({ id }: BusEvent): Promise<void> {
    this.tried.push(id);
    this.triedAt.push(this.clock?.now().getTime() ?? 0);
    await this.gate;
    if (this.fails(id)) throw new Error(`${this.name} does not take ${id}`);
    this.taken.push(id);
  }
}

function dispatcher(t: TestContext, database: Database, clock: HandClock, ...consumers: Consumer[]): OutboxDispatcher {
  const outbox = new OutboxDispatcher({
    database,
    clock,
    ids: systemIds,
    log: LOG,
    consumers,
    contextFor: () => ({}) as Context,
  });
  t.after(async () => {
    let isOver = false;
    const stopped = outbox.stop().finally(() => {
      isOver = true;
    });
    await clock.until(() => isOver, 1_000); // what hangs does not hold up the stop for ever
    await stopped;
  });
  return outbox;
}

const numbers = (count: number) => Array.from({ length: count }, (_, n) => `e${String(n).padStart(4, '0')}`);

for (const dialect of TEST_DATABASES) {
  const on = (what: string) => `${what} (${dialect.name})`;

  test(on('events are delivered to every consumer in the order of their commits, and leave the outbox'), async (t) => {
    const database = await dialect.open(t);
    const clock = new HandClock();
    const [one, two] = [new Taker('one'), new Taker('two')];
    const outbox = dispatcher(t, database, clock, one, two);
    const ids = numbers(350);
    for (let at = 0; at < ids.length; at += 50) {
      await emit(database, clock, ...ids.slice(at, at + 50));
      outbox.poke();
    }
    await eventually(async () => (await waiting(database)).length === 0);
    assert.deepEqual(one.taken, ids);
    assert.deepEqual(two.taken, ids);
  });

  test(on('no event comes of a transaction that was rolled back, or is still open'), async (t) => {
    const database = await dialect.open(t);
    const clock = new HandClock();
    const taker = new Taker('one');
    const outbox = dispatcher(t, database, clock, taker);
    const rolledBack = database.transaction(async (tx) => {
      await writeToOutbox(tx, event('never'), clock.now().getTime());
      throw new Error('changed my mind');
    });
    await assert.rejects(rolledBack);
    let early: string[] = [];
    await database.transaction(async (tx) => {
      await writeToOutbox(tx, event('later'), clock.now().getTime());
      outbox.poke();
      await new Promise((resolve) => setImmediate(resolve));
      early = [...taker.tried];
    });
    outbox.poke();
    await eventually(() => taker.taken.length > 0);
    assert.deepEqual([early, taker.taken], [[], ['later']]);
  });

  test(on('a consumer that fails gets the event again with growing delays, and nobody else does'), async (t) => {
    const database = await dialect.open(t);
    const clock = new HandClock();
    const [good, bad] = [new Taker('good'), new Taker('bad')];
    bad.clock = clock;
    bad.fails = (id) => id === 'a' && bad.tried.filter((one) => one === 'a').length < 5;
    const outbox = dispatcher(t, database, clock, bad, good);
    await emit(database, clock, 'a', 'b');
    outbox.poke();
    const attempted = async (times: number) => {
      const [row] = await waiting(database);
      return row === undefined ? times === 5 : row.attempts === times;
    };
    await eventually(async () => good.taken.length === 2 && (await attempted(1)));
    assert.deepEqual([good.taken, bad.taken], [['a', 'b'], ['b']]);
    const delays: number[] = [];
    for (let times = 1; times < 5; times++) {
      const [row] = await waiting(database);
      assert.equal(row!.waiting, '["bad"]');
      delays.push(row!.due_at - bad.triedAt.at(-1)!);
      const left = row!.due_at - clock.now().getTime();
      await clock.advance(left - 1);
      assert.equal(bad.tried.filter((one) => one === 'a').length, times, 'not before its time');
      await clock.until(() => attempted(times + 1));
    }
    assert.ok(
      delays.every((delay, at) => at === 0 || delay > delays[at - 1]! * 1.4),
      `growing: ${delays}`,
    );
    assert.deepEqual(await waiting(database), []);
    assert.deepEqual(
      [good.tried, bad.taken],
      [
        ['a', 'b'],
        ['b', 'a'],
      ],
    );
  });

  test(on('a consumer that hangs holds up nobody, and has its next event after a while'), async (t) => {
    const database = await dialect.open(t);
    const clock = new HandClock();
    const [good, stuck] = [new Taker('good'), new Taker('stuck')];
    let release: () => void = () => undefined;
    stuck.gate = new Promise((resolve) => {
      release = resolve;
    });
    const outbox = dispatcher(t, database, clock, stuck, good);
    const ids = numbers(700); // more than are in hand at once
    await emit(database, clock, ...ids);
    outbox.poke();
    await eventually(() => good.taken.length === 500);
    await clock.advance(7_000);
    await clock.until(() => good.taken.length === ids.length);
    assert.deepEqual(good.taken, ids);
    assert.deepEqual([stuck.tried[0], stuck.taken], [ids[0], []]);
    stuck.gate = undefined;
    await clock.advance(60_000);
    await clock.until(() => stuck.taken.length > 1);
    release();
    await clock.until(async () => (await waiting(database)).length === 0);
    assert.deepEqual(new Set(stuck.taken), new Set(ids));
    assert.equal(good.taken.length, ids.length, 'the good one got each event once');
  });

  test(on('what was not delivered is delivered after a restart, to those who did not take it'), async (t) => {
    const database = await dialect.open(t);
    const clock = new HandClock();
    const [good, bad] = [new Taker('good'), new Taker('bad')];
    bad.fails = () => true;
    const first = dispatcher(t, database, clock, good, bad, new Taker('gone'));
    await emit(database, clock, 'a', 'b');
    first.poke();
    await eventually(async () => (await waiting(database)).every(({ attempts }) => attempts === 1));
    await first.stop();
    await emit(database, clock, 'c');
    bad.fails = () => false;
    const second = dispatcher(t, database, clock, good, bad);
    second.poke();
    await clock.until(async () => (await waiting(database)).length === 0);
    assert.deepEqual(
      [good.taken, [...bad.taken].sort()],
      [
        ['a', 'b', 'c'],
        ['a', 'b', 'c'],
      ],
    );
  });

  test(on('a stop waits for the events in hand and leaves the others'), async (t) => {
    const database = await dialect.open(t);
    const clock = new HandClock();
    const taker = new Taker('one');
    let release: () => void = () => undefined;
    taker.gate = new Promise((resolve) => {
      release = resolve;
    });
    const outbox = dispatcher(t, database, clock, taker);
    await emit(database, clock, 'a', 'b');
    outbox.poke();
    await eventually(() => taker.tried.length === 1);
    const stopped = outbox.stop();
    release();
    await stopped;
    assert.deepEqual(taker.taken, ['a']);
    const rows = await waiting(database);
    assert.deepEqual(
      rows.map(({ id, claimed_until }) => [id, claimed_until]),
      [['b', 0]],
    );
    const next = new Taker('one');
    dispatcher(t, database, clock, next).poke();
    await eventually(() => next.taken.length === 1);
  });

  test(on('a clock that goes back does not hold events up'), async (t) => {
    const database = await dialect.open(t);
    const clock = new HandClock();
    await emit(database, clock, 'a');
    const taker = new Taker('one');
    dispatcher(t, database, new HandClock(clock.now().getTime() - 3_600_000), taker).poke();
    await eventually(() => taker.taken.length === 1);
  });

  test(on('an event without a consumer leaves the outbox'), async (t) => {
    const database = await dialect.open(t);
    const clock = new HandClock();
    await emit(database, clock, 'a');
    dispatcher(t, database, clock).poke();
    await eventually(async () => (await waiting(database)).length === 0);
  });
}

const postgres = TEST_DATABASES.at(-1)!;

test(`nodes share the events, each of them once (${postgres.name})`, async (t) => {
  const database = await postgres.open(t);
  const clock = new HandClock();
  const takers = [new Taker('one'), new Taker('one')];
  const ids = numbers(300);
  await emit(database, clock, ...ids);
  for (const taker of takers) dispatcher(t, database, clock, taker).poke();
  await eventually(async () => (await waiting(database)).length === 0);
  assert.deepEqual(takers.flatMap(({ taken }) => taken).sort(), ids);
});

test(`a node takes over the events of one that died, after a while (${postgres.name})`, async (t) => {
  const database = await postgres.open(t);
  const clock = new HandClock();
  await emit(database, clock, 'x');
  const dead = new Taker('one');
  dead.gate = new Promise(() => undefined);
  const lost = new OutboxDispatcher({
    database,
    clock: new HandClock(clock.now().getTime()), // it stands still from here on: nothing is renewed
    ids: systemIds,
    log: LOG,
    consumers: [dead],
    contextFor: () => ({}) as Context,
  });
  lost.poke();
  await eventually(() => dead.tried.length === 1);
  const taker = new Taker('one');
  dispatcher(t, database, clock, taker).poke();
  await clock.advance(5_000);
  assert.deepEqual(taker.tried, [], 'the claim holds for a while');
  await clock.until(async () => (await waiting(database)).length === 0, 1_000);
  assert.deepEqual(taker.taken, ['x']);
});

test(`a node that lives keeps its events however long they take (${postgres.name})`, async (t) => {
  const database = await postgres.open(t);
  const clock = new HandClock();
  const [slow, other] = [new Taker('one'), new Taker('one')];
  let release: () => void = () => undefined;
  slow.gate = new Promise((resolve) => {
    release = resolve;
  });
  await emit(database, clock, 'x');
  dispatcher(t, database, clock, slow).poke();
  await eventually(() => slow.tried.length === 1);
  dispatcher(t, database, clock, other).poke();
  const start = clock.now().getTime();
  const claimedUntil = async () => (await waiting(database))[0]!.claimed_until;
  while (clock.now().getTime() < start + 45_000) {
    await clock.until(async () => (await claimedUntil()) > clock.now().getTime() + 15_000);
    await clock.advance(2_000);
  }
  assert.deepEqual(other.tried, []);
  release();
  await clock.until(async () => (await waiting(database)).length === 0);
  assert.deepEqual([slow.taken, other.tried], [['x'], []]);
});
