import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HandClock } from '../../kernel/testing/hand-clock.ts';
import { batches, type LogEvent, LogWriter } from './log-writer.ts';
import { Masker } from './masking.ts';

function writer(options: { maxChars?: number; secret?: string } = {}) {
  const clock = new HandClock();
  const calls: LogEvent[][] = [];
  const masker = new Masker();
  if (options.secret !== undefined) masker.add(options.secret);
  let open = Promise.resolve();
  const log = new LogWriter(
    async (events) => {
      calls.push(events);
      await open;
    },
    { clock, masker, ...(options.maxChars === undefined ? {} : { maxChars: options.maxChars }) },
  );
  const messages = () => calls.flat().map(({ message }) => message);
  return { clock, calls, log, messages, hold: (until: Promise<void>) => (open = until) };
}

test('lines of one moment go out together, each an event with its end', async () => {
  const { clock, calls, log } = writer();
  log.bytes(Buffer.from('one\ntwo\nthr'));
  log.bytes(Buffer.from('ee\n\n'));
  assert.equal(calls.length, 0);
  await clock.advance(40);
  assert.deepEqual(
    calls.map((events) => events.map(({ message }) => message)),
    [['one\n', 'two\n', 'three\n', '\n']],
  );
});

test('a line without an end is shown after a while, and goes on after it', async () => {
  const { clock, log, messages } = writer();
  log.bytes(Buffer.from('......'));
  await clock.advance(400);
  assert.deepEqual(messages(), []);
  await clock.advance(700);
  assert.deepEqual(messages(), ['......']);
  log.bytes(Buffer.from('..done\n'));
  await clock.advance(40);
  assert.deepEqual(messages(), ['......', '..done\n']);
});

test('a line of our own stands on a line of its own', async () => {
  const { log, messages } = writer();
  log.line('first');
  log.bytes(Buffer.from('no end'));
  log.line('second');
  log.bytes(Buffer.from([0xe2, 0x82]));
  log.line('third');
  await log.flush();
  assert.deepEqual(messages(), ['first\n', 'no end\n', 'second\n', '\uFFFD\n', 'third\n']);
});

test('B5: characters cut in two, invalid UTF-8, NUL and colours', async () => {
  const { log, messages } = writer();
  const euro = Buffer.from('€');
  log.bytes(euro.subarray(0, 1));
  log.bytes(Buffer.concat([euro.subarray(1), Buffer.from([0xff, 0x00]), Buffer.from('\x1b[31m\r\n')]));
  await log.flush();
  assert.deepEqual(messages(), ['€\uFFFD\0\x1b[31m\r\n']);
});

test('what comes while a batch is stored goes out in the next one', async () => {
  const { clock, calls, log, hold } = writer();
  const gate = Promise.withResolvers<void>();
  hold(gate.promise);
  log.bytes(Buffer.from('a\n'));
  await clock.advance(40);
  for (const letter of 'bcd') log.bytes(Buffer.from(`${letter}\n`));
  await clock.advance(1000);
  assert.equal(calls.length, 1);
  gate.resolve();
  await log.flush();
  assert.deepEqual(
    calls.map((events) => events.length),
    [1, 3],
  );
});

test('B5: a build that writes faster than its log is stored waits', async () => {
  const { clock, calls, log, hold } = writer();
  const gate = Promise.withResolvers<void>();
  hold(gate.promise);
  const chunk = Buffer.from(`${'x'.repeat(99)}\n`.repeat(1000));
  let written = 0;
  let isHeld = false;
  const writing = (async () => {
    for (; written < 60; written++) {
      isHeld = true;
      await log.bytes(chunk);
      isHeld = false;
    }
  })();
  await clock.advance(100);
  assert.ok(isHeld && written < 45, `${written} chunks were taken`);
  gate.resolve();
  await writing;
  await log.flush();
  assert.equal(
    calls.flat().reduce((sum, { message }) => sum + message.length, 0),
    60 * chunk.length,
  );
});

test('B5: a log beyond its size is cut off, and says so', async () => {
  const { log, messages } = writer({ maxChars: 100 });
  for (let at = 0; at < 50; at++) log.bytes(Buffer.from('0123456789\n'));
  log.line('end');
  await log.flush();
  const text = messages().join('');
  assert.match(text, /^(0123456789\n){9}\n\[The log is longer than 100 characters; the rest of it is not kept\.\]\n$/);
});

test('a log that cannot be stored says so once, and what comes later is dropped', async () => {
  const clock = new HandClock();
  const log = new LogWriter(
    async () => {
      throw new Error('denied');
    },
    { clock, masker: new Masker() },
  );
  const failures: string[] = [];
  log.onFailure = (error) => failures.push(error.message);
  log.bytes(Buffer.from('a\n'));
  await clock.advance(40);
  await log.bytes(Buffer.from('b\n'));
  await assert.rejects(log.flush(), /denied/);
  assert.deepEqual(failures, ['denied']);
});

test('batches keep to what PutLogEvents takes', () => {
  const check = (text: string) => {
    const all = [...batches(text, 1)];
    assert.equal(
      all
        .flat()
        .map(({ message }) => message)
        .join(''),
      text,
    );
    for (const batch of all) {
      assert.ok(batch.length <= 10_000);
      const bytes = batch.reduce((sum, { message }) => sum + Buffer.byteLength(message) + 26, 0);
      assert.ok(bytes <= 1_048_576, `${bytes} bytes`);
      for (const { message } of batch) assert.ok(Buffer.byteLength(message) <= 256 * 1024);
    }
    return all;
  };
  check('x\n'.repeat(60_000));
  check('\n'.repeat(60_000));
  check('ü'.repeat(1_000_000));
  check(`${'😀'.repeat(40_000)}\n`);
  assert.equal(check('a line\nand another\n').flat().length, 2);
  assert.ok(
    check(`${'y'.repeat(99)}\n`.repeat(20_000)).flat().length < 200,
    'a log that pours has fewer, larger events',
  );
});

test('B1: a secret is taken out however it is cut', async () => {
  const secret = 'hunter2-hunter2';
  for (let at = 1; at < secret.length; at++) {
    const { clock, log, messages } = writer({ secret });
    log.bytes(Buffer.from(`token=${secret.slice(0, at)}`));
    await clock.advance(2_000);
    log.bytes(Buffer.from(`${secret.slice(at)}!\n`));
    await log.flush();
    assert.equal(messages().join(''), 'token=***!\n', `cut at ${at}`);
  }
});
