import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HandClock } from '../../kernel/testing/hand-clock.ts';
import { type LogEvent, LogWriter } from './log-writer.ts';
import { Masker } from './masking.ts';

function writer(options: { maxBytes?: number; secret?: string } = {}) {
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
    { clock, masker, ...(options.maxBytes === undefined ? {} : { maxBytes: options.maxBytes }) },
  );
  const messages = () => calls.flat().map(({ message }) => message);
  return { clock, calls, log, messages, hold: (until: Promise<void>) => (open = until) };
}

test('lines of one moment go out together, each an event with its end', async () => {
  const { clock, calls, log } = writer();
  log.bytes(Buffer.from('one\ntwo\nthr'));
  log.bytes(Buffer.from('ee\n\n'));
  assert.equal(calls.length, 0);
  await clock.advance(100);
  assert.deepEqual(
    calls.map((events) => events.map(({ message }) => message)),
    [['one\n', 'two\n', 'three\n', '\n']],
  );
});

test('a line without an end is shown after a while, and goes on after it', async () => {
  const { clock, log, messages } = writer();
  log.bytes(Buffer.from('......'));
  await clock.advance(300);
  assert.deepEqual(messages(), []);
  await clock.advance(700);
  assert.deepEqual(messages(), ['......']);
  log.bytes(Buffer.from('..done\n'));
  await clock.advance(100);
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
  await clock.advance(100);
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
  const { log, messages } = writer({ maxBytes: 100 });
  for (let at = 0; at < 50; at++) log.bytes(Buffer.from('0123456789\n'));
  log.line('end');
  await log.flush();
  const text = messages().join('');
  assert.match(
    text,
    /^(0123456789\n){9}\n\[The log is longer than 100 bytes; what else the commands print is not kept\.\]\nend\n$/,
  );
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
  await clock.advance(100);
  await log.bytes(Buffer.from('b\n'));
  await assert.rejects(log.flush(), /denied/);
  assert.deepEqual(failures, ['denied']);
});

const LARGE: [what: string, text: string][] = [
  ['short lines', 'x\n'.repeat(60_000)],
  ['empty lines', '\n'.repeat(60_000)],
  ['ordinary lines', `${'y'.repeat(99)}\n`.repeat(20_000)],
  ['one line of two-byte characters', 'ü'.repeat(1_000_000)],
  ['one line of four-byte characters', `${'😀'.repeat(40_000)}\n`],
  ['characters of all lengths', 'aü€😀'.repeat(50_000)],
];
for (const [what, text] of LARGE) {
  test(`calls keep to what PutLogEvents takes: ${what}`, async () => {
    const { calls, log, messages } = writer();
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += 65_521) log.bytes(bytes.subarray(at, at + 65_521));
    await log.flush();
    assert.ok(messages().join('') === text, 'nothing is lost or broken');
    for (const batch of calls) {
      assert.ok(batch.length <= 10_000);
      const size = batch.reduce((sum, { message }) => sum + Buffer.byteLength(message) + 26, 0);
      assert.ok(size <= 1_048_576, `${size} bytes`);
      for (const { message } of batch) assert.ok(Buffer.byteLength(message) <= 256 * 1024);
    }
  });
}

test('a log that pours has fewer, larger events', async () => {
  const { log, messages } = writer();
  log.bytes(Buffer.from(`${'y'.repeat(99)}\n`.repeat(20_000)));
  await log.flush();
  assert.ok(messages().length < 2_000, `${messages().length} events`);
  assert.ok(messages().every((message) => message.endsWith('\n')));
});

test('bytes are copied: the caller may use the buffer again', async () => {
  const { log, messages } = writer();
  const chunk = Buffer.from('first\n');
  log.bytes(chunk);
  chunk.fill('x');
  await log.flush();
  assert.deepEqual(messages(), ['first\n']);
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
