import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Context } from '../context.ts';
import { createLogger } from '../log.ts';
import type { Reconciler } from '../service.ts';
import type { Database } from '../store/database.ts';
import type { WorkTable } from '../store/kernel-tables.ts';
import { TEST_DATABASES } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { HandClock } from '../testing/hand-clock.ts';
import { WorkQueue } from './work-queue.ts';
import { writeWake } from './work-table.ts';

const LOG = createLogger('silent');

/** A reconciler that notes its runs, and does in them what the test wants. */
class Worker implements Reconciler {
  readonly name: string;
  readonly runs: string[] = [];
  readonly running = new Set<string>();
  most = 0;
  twice = 0;
  act: (key: string) => Promise<{ againAt: Date } | undefined> = async () => undefined;
  keys: () => Promise<string[]> = async () => [];

  constructor(name = 'worker') {
    this.name = name;
  }

  async reconcile(key: string): Promise<{ againAt: Date } | undefined> {
    this.runs.push(key);
    if (this.running.has(key)) this.twice++;
    this.running.add(key);
    this.most = Math.max(this.most, this.running.size);
    try {
      return await this.act(key);
    } finally {
      this.running.delete(key);
    }
  }

  scan(): Promise<string[]> {
    return this.keys();
  }
}

async function queue(t: TestContext, database: Database, clock: HandClock, worker: Reconciler, node = 'node-1') {
  const work = new WorkQueue({
    database,
    clock,
    log: LOG,
    node,
    reconcilers: new Map([[worker.name, worker]]),
    contextFor: () => ({}) as Context,
  });
  await work.start();
  t.after(async () => {
    let isOver = false;
    const stopped = work.stop().finally(() => {
      isOver = true;
    });
    await clock.until(() => isOver, 1_000); // what hangs does not hold up the stop for ever
    await stopped;
  });
  return work;
}

async function wake(database: Database, at: Date, ...keys: string[]): Promise<void> {
  await database.transaction(async (tx) => {
    for (const key of keys) await writeWake(tx, 'worker', key, at.getTime());
  });
}

async function rows(database: Database): Promise<WorkTable[]> {
  return (await database.reader.selectFrom('kernel_work').selectAll().orderBy('key').execute()) as WorkTable[];
}

const isEmpty = async (database: Database) => (await rows(database)).length === 0;

/** A gate that a run waits at. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { wait: promise, open: resolve };
}

for (const dialect of TEST_DATABASES) {
  const on = (what: string) => `${what} (${dialect.name})`;

  test(on('a wake-up that commits runs its key; one that is rolled back does not'), async (t) => {
    const database = await dialect.open(t);
    const clock = new HandClock();
    const worker = new Worker();
    const work = await queue(t, database, clock, worker);
    const rolledBack = database.transaction(async (tx) => {
      await writeWake(tx, 'worker', 'never', clock.now().getTime());
      throw new Error('no');
    });
    await assert.rejects(rolledBack);
    await wake(database, clock.now(), 'a', 'b');
    work.poke();
    await eventually(() => isEmpty(database));
    assert.deepEqual(worker.runs, ['a', 'b']);
  });

  test(on('a timer runs at its time and not before; an earlier wake-up goes first'), async (t) => {
    const database = await dialect.open(t);
    const clock = new HandClock();
    const worker = new Worker();
    const ran: Record<string, number> = {};
    worker.act = async (key) => {
      ran[key] = clock.now().getTime();
      return undefined;
    };
    const work = await queue(t, database, clock, worker);
    const at = clock.now().getTime() + 10_000;
    await wake(database, new Date(at), 'late', 'sooner');
    await wake(database, new Date(at - 5_000), 'sooner');
    await wake(database, new Date(at + 5_000), 'late');
    work.poke();
    await clock.advance(4_900);
    assert.deepEqual(worker.runs, []);
    await clock.until(() => isEmpty(database));
    assert.deepEqual(worker.runs, ['sooner', 'late']);
    assert.ok(ran['sooner']! >= at - 5_000 && ran['late']! >= at, JSON.stringify(ran));
  });

  test(on('againAt is a timer; a run that asks for nothing takes the key off'), async (t) => {
    const database = await dialect.open(t);
    const clock = new HandClock();
    const worker = new Worker();
    const times: number[] = [];
    const start = clock.now().getTime();
    worker.act = async () => {
      times.push(clock.now().getTime() - start);
      return times.length < 4 ? { againAt: new Date(clock.now().getTime() + 3_000) } : undefined;
    };
    const work = await queue(t, database, clock, worker);
    await wake(database, clock.now(), 'a');
    work.poke();
    await clock.until(async () => times.length === 4 && (await isEmpty(database)));
    for (const [at, time] of times.entries()) assert.ok(at === 0 || time >= times[at - 1]! + 3_000, `${times}`);
  });

  test(on('a key that is woken while it runs runs again, and never twice at once'), async (t) => {
    const database = await dialect.open(t);
    const clock = new HandClock();
    const worker = new Worker();
    const first = gate();
    worker.act = async () => {
      if (worker.runs.length === 1) await first.wait;
      return undefined;
    };
    const work = await queue(t, database, clock, worker);
    await wake(database, clock.now(), 'a');
    work.poke();
    await eventually(() => worker.runs.length === 1);
    await wake(database, clock.now(), 'a');
    await wake(database, clock.now(), 'a');
    work.poke();
    await clock.advance(5_000);
    assert.equal(worker.runs.length, 1, 'not while it runs');
    first.open();
    await clock.until(() => isEmpty(database));
    assert.deepEqual([worker.runs, worker.twice], [['a', 'a'], 0]);
  });

  test(on('a timer that is set while its key runs is kept'), async (t) => {
    const database = await dialect.open(t);
    const clock = new HandClock();
    const worker = new Worker();
    const at = new Date(clock.now().getTime() + 30_000);
    worker.act = async (key) => {
      if (worker.runs.length === 1) await wake(database, at, key); // by itself, as a timer
      return undefined;
    };
    const work = await queue(t, database, clock, worker);
    await wake(database, clock.now(), 'a');
    work.poke();
    await eventually(async () => worker.runs.length === 1 && (await rows(database))[0]?.lease_owner === null);
    await clock.advance(29_000);
    assert.equal(worker.runs.length, 1, 'no hot loop');
    await clock.until(() => worker.runs.length === 2);
    assert.ok(clock.now() >= at);
    await clock.until(() => isEmpty(database));
  });

  test(
    on('a run that fails comes again with growing delays, its error is kept, and a wake-up cuts the delay short'),
    async (t) => {
      const database = await dialect.open(t);
      const clock = new HandClock();
      const worker = new Worker();
      let failures = 4;
      worker.act = async (key) => {
        if (failures-- <= 0) return undefined;
        await wake(database, clock.now(), key); // a change that woke its own key does not make it a hot loop
        throw new Error('it is broken');
      };
      const work = await queue(t, database, clock, worker);
      await wake(database, clock.now(), 'a');
      work.poke();
      const delays: number[] = [];
      for (let attempts = 1; attempts <= 3; attempts++) {
        await clock.until(async () => (await rows(database))[0]?.attempts === attempts, 10);
        const [row] = await rows(database);
        assert.match(row!.last_error!, /it is broken/);
        assert.equal(worker.runs.length, attempts);
        delays.push(row!.due_at - clock.now().getTime());
      }
      assert.ok(delays[1]! > delays[0]! && delays[2]! > delays[1]!, `${delays}`);
      await wake(database, clock.now(), 'a');
      work.poke();
      await eventually(() => worker.runs.length === 4);
      await clock.until(() => isEmpty(database));
      assert.equal(worker.runs.length, 5);
    },
  );

  test(on('a reconciler that this version does not have keeps its keys'), async (t) => {
    const database = await dialect.open(t);
    const clock = new HandClock();
    const work = await queue(t, database, clock, new Worker('another'));
    await wake(database, clock.now(), 'a');
    work.poke();
    await eventually(async () => (await rows(database))[0]?.attempts === 1);
    assert.match((await rows(database))[0]!.last_error!, /no reconciler worker/);
  });

  test(on('a scan finds what the queue lost, at start and now and then'), async (t) => {
    const database = await dialect.open(t);
    const clock = new HandClock();
    const worker = new Worker();
    const lost = new Set(['a', 'b']);
    worker.keys = async () => [...lost];
    worker.act = async (key) => {
      lost.delete(key);
      return undefined;
    };
    await queue(t, database, clock, worker);
    await eventually(() => isEmpty(database));
    assert.deepEqual([...worker.runs].sort(), ['a', 'b']);
    lost.add('c');
    await clock.advance(59_000);
    assert.equal(worker.runs.length, 2);
    await clock.until(() => worker.runs.length === 3);
    // A scan that fails is tried again, and does not shorten a timer.
    await wake(database, new Date(clock.now().getTime() + 600_000), 'timer');
    worker.keys = async () => {
      worker.keys = async () => ['timer'];
      throw new Error('the database is away');
    };
    await clock.advance(150_000);
    assert.equal(worker.runs.length, 3);
  });

  test(on('what was running when the process ended runs again after the next start'), async (t) => {
    const database = await dialect.open(t);
    const clock = new HandClock();
    const dead = new Worker();
    dead.act = () => new Promise(() => undefined);
    const deadClock = new HandClock(clock.now().getTime());
    const killed = new WorkQueue({
      database,
      clock: deadClock,
      log: LOG,
      node: 'dead',
      reconcilers: new Map([['worker', dead]]),
      contextFor: () => ({}) as Context,
    });
    await killed.start();
    await wake(database, clock.now(), 'a');
    await wake(database, new Date(clock.now().getTime() + 600_000), 'timer');
    killed.poke();
    await eventually(async () => (await rows(database))[0]?.lease_owner === 'dead' && dead.runs.length === 1);
    const worker = new Worker();
    await queue(t, database, clock, worker);
    await clock.until(() => worker.runs.length === 1, 1_000);
    assert.deepEqual(worker.runs, ['a']);
    await clock.until(async () => (await rows(database)).length === 1);
    assert.equal((await rows(database))[0]!.key, 'timer');
  });

  test(on('many keys at once: each runs once, not too many at a time, none is forgotten'), async (t) => {
    const database = await dialect.open(t);
    const clock = new HandClock();
    const worker = new Worker();
    worker.act = async () => {
      await new Promise((resolve) => setImmediate(resolve));
      return undefined;
    };
    const work = await queue(t, database, clock, worker);
    const keys = Array.from({ length: 300 }, (_, n) => `k${String(n).padStart(3, '0')}`);
    await wake(database, clock.now(), ...keys);
    work.poke();
    await clock.until(() => isEmpty(database), 10);
    assert.deepEqual([...worker.runs].sort(), keys);
    assert.ok(worker.most <= 64 && worker.most > 1, `${worker.most} at a time`);
    assert.equal(worker.twice, 0);
  });

  test(on('a key that wakes itself for ever leaves the process its turns'), async (t) => {
    const database = await dialect.open(t);
    const clock = new HandClock();
    const worker = new Worker();
    worker.act = async (key) => {
      await wake(database, clock.now(), key);
      return undefined;
    };
    const work = await queue(t, database, clock, worker);
    await wake(database, clock.now(), 'a');
    work.poke();
    await eventually(() => worker.runs.length > 20);
    worker.act = async () => undefined;
    await clock.until(() => isEmpty(database));
  });

  test(on('one key that hangs holds up no other'), async (t) => {
    const database = await dialect.open(t);
    const clock = new HandClock();
    const worker = new Worker();
    worker.act = (key) => (key === 'stuck' ? new Promise(() => undefined) : Promise.resolve(undefined));
    const work = await queue(t, database, clock, worker);
    await wake(database, clock.now(), 'stuck');
    work.poke();
    await eventually(() => worker.runs.length === 1);
    await wake(database, clock.now(), 'a', 'b');
    work.poke();
    await clock.until(async () => (await rows(database)).length === 1);
    assert.deepEqual(worker.runs, ['stuck', 'a', 'b']);
  });

  test(on('a stop waits for what runs and starts nothing more'), async (t) => {
    const database = await dialect.open(t);
    const clock = new HandClock();
    const worker = new Worker();
    const held = gate();
    worker.act = async () => {
      await held.wait;
      return undefined;
    };
    const work = await queue(t, database, clock, worker);
    await wake(database, clock.now(), 'a');
    work.poke();
    await eventually(() => worker.runs.length === 1);
    await wake(database, clock.now(), 'b');
    const stopped = work.stop();
    work.poke();
    held.open();
    await stopped;
    assert.deepEqual(worker.runs, ['a']);
    assert.deepEqual(
      (await rows(database)).map(({ key, lease_owner }) => [key, lease_owner]),
      [['b', null]],
    );
  });
}

const postgres = TEST_DATABASES.at(-1)!;

test(`two nodes never run a key at once, and share the work (${postgres.name})`, async (t) => {
  const database = await postgres.open(t);
  const clock = new HandClock();
  const worker = new Worker(); // one for both, so that it sees a key that runs twice at once
  const nodes = new Map<string, number>();
  worker.act = async () => {
    for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve));
    return undefined;
  };
  const counting = (node: string): Reconciler => ({
    name: 'worker',
    reconcile: (key) => {
      nodes.set(node, (nodes.get(node) ?? 0) + 1);
      return worker.reconcile(key);
    },
  });
  const queues = [
    await queue(t, database, clock, counting('one'), 'one'),
    await queue(t, database, clock, counting('two'), 'two'),
  ];
  const keys = Array.from({ length: 30 }, (_, n) => `k${n}`);
  for (let round = 0; round < 6; round++) {
    await wake(database, clock.now(), ...keys);
    for (const work of queues) work.poke();
  }
  await clock.until(() => isEmpty(database), 10);
  assert.equal(worker.twice, 0);
  assert.deepEqual(new Set(worker.runs), new Set(keys));
  assert.ok((nodes.get('one') ?? 0) + (nodes.get('two') ?? 0) === worker.runs.length);
});

test(`the lease of a node that lives is renewed; that of a dead one expires (${postgres.name})`, async (t) => {
  const database = await postgres.open(t);
  const clock = new HandClock();
  const alive = new Worker();
  const held = gate();
  alive.act = async () => {
    await held.wait;
    return undefined;
  };
  const first = await queue(t, database, clock, alive, 'alive');
  await wake(database, clock.now(), 'a');
  first.poke();
  await eventually(() => alive.runs.length === 1);
  const other = new Worker();
  await queue(t, database, clock, other, 'other');
  const leaseUntil = async () => (await rows(database))[0]!.lease_until;
  const start = clock.now().getTime();
  while (clock.now().getTime() < start + 120_000) {
    await clock.until(async () => (await leaseUntil()) > clock.now().getTime() + 15_000);
    await clock.advance(2_000);
  }
  assert.deepEqual(other.runs, [], 'it is still being worked on');
  held.open();
  await clock.until(() => isEmpty(database));
  assert.deepEqual(other.runs, []);
});

test(`a node that lost its lease does not settle what another one works on (${postgres.name})`, async (t) => {
  const database = await postgres.open(t);
  const slowClock = new HandClock();
  const slow = new Worker();
  const [slowGate, fastGate] = [gate(), gate()];
  slow.act = async () => {
    await slowGate.wait;
    return undefined;
  };
  const first = await queue(t, database, slowClock, slow, 'slow');
  await wake(database, slowClock.now(), 'a');
  first.poke();
  await eventually(() => slow.runs.length === 1);
  // Its clock stands still: it renews nothing, as a process that is stopped.
  const clock = new HandClock(slowClock.now().getTime());
  const fast = new Worker();
  fast.act = async () => {
    await fastGate.wait;
    return undefined;
  };
  await queue(t, database, clock, fast, 'fast');
  await clock.until(() => fast.runs.length === 1, 1_000);
  slowGate.open();
  await eventually(() => slow.running.size === 0);
  await clock.advance(3_000);
  assert.equal((await rows(database))[0]?.lease_owner, 'fast');
  fastGate.open();
  await clock.until(() => isEmpty(database));
  assert.deepEqual([slow.runs, fast.runs], [['a'], ['a']]);
});
