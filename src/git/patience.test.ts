import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { HandClock, settled } from '../kernel/testing/hand-clock.ts';
import { isGitFailure } from './failure.ts';
import { PatientInput } from './patience.ts';

function reading(idleMs: number, isBusy?: () => boolean) {
  const [clock, stream] = [new HandClock(), new PassThrough()];
  const input = new PatientInput(stream, clock, idleMs, isBusy);
  let outcome: unknown = 'waiting';
  const seen: string[] = [];
  const read = async () => {
    for await (const chunk of input) seen.push(chunk.toString());
    return 'end';
  };
  read().then(
    (end) => {
      outcome = end;
    },
    (error: unknown) => {
      outcome = error;
    },
  );
  return { clock, stream, input, seen, outcome: () => outcome };
}

test('a client is waited for so long and no longer, from its last byte', async () => {
  const { clock, stream, seen, outcome } = reading(10_000);
  for (const byte of 'abc') {
    await clock.advance(9_999);
    stream.write(byte);
    await settled();
  }
  await clock.advance(9_999);
  assert.deepEqual([seen, outcome()], [['a', 'b', 'c'], 'waiting']);
  await clock.advance(1);
  assert.ok(isGitFailure(outcome(), 'stopped'));
  assert.match(String(outcome()), /sent nothing for 10 seconds/);
  assert.equal(stream.destroyed, false);
});

test('a limit that changes holds from the next byte, and nobody waits while it is not the client’s turn', async () => {
  let isBusy = true;
  const { clock, stream, input, outcome } = reading(10_000, () => isBusy);
  await clock.advance(100_000);
  isBusy = false;
  input.wait(1_000);
  await clock.advance(9_000);
  assert.equal(outcome(), 'waiting');
  stream.write('a');
  await settled();
  await clock.advance(500);
  input.restart();
  await clock.advance(999);
  assert.equal(outcome(), 'waiting');
  await clock.advance(1);
  assert.match(String(outcome()), /sent nothing for 1 seconds/);
});

test('an input that ends leaves no timer', async () => {
  const { clock, stream, outcome } = reading(10_000);
  stream.end('a');
  await settled();
  assert.deepEqual([outcome(), clock.waiting], ['end', 0]);
});
