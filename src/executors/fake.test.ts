import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { Clock } from '../kernel/clock.ts';
import type { RunSpec } from './executor.ts';
import { FakeExecutor, type FakePlan } from './fake.ts';

/** A clock that stands still until it is moved. */
function handClock(): Clock & { advance(ms: number): void } {
  let nowMs = 0;
  const timers: { at: number; run: () => void }[] = [];
  return {
    now: () => new Date(nowMs),
    monotonicMs: () => nowMs,
    after(delayMs, run) {
      const timer = { at: nowMs + delayMs, run };
      timers.push(timer);
      return { cancel: () => void timers.splice(timers.indexOf(timer), timers.includes(timer) ? 1 : 0) };
    },
    advance(ms) {
      nowMs += ms;
      for (const timer of timers.filter(({ at }) => at <= nowMs)) {
        timers.splice(timers.indexOf(timer), 1);
        timer.run();
      }
    },
  };
}

async function spec(id: string, timeoutMs = 1000): Promise<RunSpec> {
  const workspaceFolder = await mkdtemp(join(tmpdir(), 'slipway-fake-'));
  return { id, shell: 'sh', script: '', environment: {}, workspaceFolder, limits: { timeoutMs } };
}

const silent = { log: () => undefined, report: () => undefined };

test('plays its steps on the injected clock', async () => {
  const clock = handClock();
  const plan: FakePlan = {
    steps: [
      { log: 'first\n', report: '1 phase INSTALL' },
      { afterMs: 500, log: 'second\n', files: { 'out/app': 'bits' } },
    ],
    end: { kind: 'exited', code: 7 },
  };
  const executor = new FakeExecutor(clock, () => plan);
  const heard: string[] = [];
  const first = Promise.withResolvers<void>();
  const run = await executor.start(await spec('a'), {
    log: (chunk) => {
      heard.push(chunk.toString());
      first.resolve();
    },
    report: (record) => void heard.push(record.toString()),
  });
  await first.promise;
  assert.deepEqual(heard, ['1 phase INSTALL', 'first\n']);
  await new Promise((resume) => setImmediate(resume));
  clock.advance(500);
  assert.deepEqual(await run.ended, { kind: 'exited', code: 7 });
  assert.deepEqual(heard, ['1 phase INSTALL', 'first\n', 'second\n']);
  assert.equal(await text(await (await run.files()).open('out/app')), 'bits');
  await executor.discard('a');
});

test('hangs until it is stopped or its time is over; says when it cannot start; can be lost', async () => {
  const clock = handClock();
  const plans: Record<string, FakePlan> = {
    stopped: { end: 'hang' },
    late: { end: 'hang' },
    never: { startError: 'no such image' },
    lost: { end: { kind: 'lost', reason: 'node gone' } },
  };
  const executor = new FakeExecutor(clock, ({ id }) => plans[id]!);
  const stopped = await executor.start(await spec('stopped'), silent);
  await stopped.stop();
  assert.deepEqual(await stopped.ended, { kind: 'stopped' });
  const late = await executor.start(await spec('late'), silent);
  clock.advance(1000);
  assert.deepEqual(await late.ended, { kind: 'timed-out' });
  await assert.rejects(executor.start(await spec('never'), silent), /no such image/);
  const lost = await executor.start(await spec('lost'), silent);
  assert.deepEqual(await lost.ended, { kind: 'lost', reason: 'node gone' });
  for (const id of Object.keys(plans)) await executor.discard(id);
});

test('a second executor on the same machine finds what the first left', async () => {
  const machine = new Set<string>();
  const clock = handClock();
  const first = new FakeExecutor(clock, () => ({ end: 'hang' }), machine);
  await first.start(await spec('orphan'), silent);
  const second = new FakeExecutor(clock, () => ({}), machine);
  assert.deepEqual(await second.runs(), ['orphan']);
  await second.discard('orphan');
  assert.deepEqual(await second.runs(), []);
  await first.close();
});
