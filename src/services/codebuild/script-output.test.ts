import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ScriptOutput } from './script-output.ts';

const mark = (sequence: number, nonce = 'N') => `\x1e${nonce}:${sequence}\x1e`;

function listener() {
  const heard: string[] = [];
  const output = new ScriptOutput(
    'N',
    {
      text: (chunk) => {
        const last = heard.at(-1);
        if (last?.startsWith('text ')) heard[heard.length - 1] = last + chunk.toString();
        else heard.push(`text ${chunk}`);
      },
      report: (report) => void heard.push(`report ${report.sequence} ${report.kind}`),
    },
    () => 0,
  );
  return { heard, output };
}

const LOG = `before${mark(1)}${mark(2)}in \x1e the middle\n${mark(3)}after`;
const HEARD = [
  'text before',
  'report 1 enter',
  'report 2 command',
  'text in \x1e the middle\n',
  'report 3 ended',
  'text after',
];

test('reports come where their marks stand, however the log is cut', async () => {
  for (let size = 1; size <= LOG.length; size++) {
    const { heard, output } = listener();
    for (const record of ['1 enter build', '2 command 2', '3 ended 2 0']) output.report(Buffer.from(record));
    for (let at = 0; at < LOG.length; at += size) await output.log(Buffer.from(LOG.slice(at, at + size)));
    await output.finish();
    assert.deepEqual(heard, HEARD, `in pieces of ${size}`);
  }
});

test('a mark waits for its report', async () => {
  const { heard, output } = listener();
  const logged = output.log(Buffer.from(LOG));
  for (const record of ['1 enter build', '2 command 2', '3 ended 2 0']) {
    await new Promise((resume) => setImmediate(resume));
    output.report(Buffer.from(record));
  }
  await logged;
  await output.finish();
  assert.deepEqual(heard, HEARD);
});

test('reports whose marks never come are told at the end, in order', async () => {
  const { heard, output } = listener();
  output.report(Buffer.from('2 command 2'));
  output.report(Buffer.from('1 enter build'));
  output.report(Buffer.from('4 done'));
  await output.log(Buffer.from('text'));
  await output.finish();
  assert.deepEqual(heard, ['text text', 'report 1 enter', 'report 2 command'], 'without 3 there is no 4');
});

test('what only looks like a mark is text', async () => {
  const forged = [mark(2), mark(1, 'X'), '\x1eN:', '\x1eN:99999999999999999999\x1e', '\x1eN:1', '\x1e\x1e\x1e'];
  for (const text of forged) {
    const { heard, output } = listener();
    output.report(Buffer.from('1 enter build'));
    await output.log(Buffer.from(text));
    await output.log(Buffer.from('x'));
    await output.finish();
    assert.equal(heard[0], `text ${text}x`, JSON.stringify(text));
  }
});

test('a forged mark whose report nobody makes does not hang the log beyond the side channel', async () => {
  const { heard, output } = listener();
  const logged = output.log(Buffer.from(`a${mark(1)}b`));
  output.reportsEnded();
  await logged;
  await output.finish();
  assert.deepEqual(heard, ['text ab']);
});

test('records that the script does not write, and records told twice, are dropped', async () => {
  const { heard, output } = listener();
  for (const record of ['1 enter build', '1 enter install', 'garbage', '0 done']) output.report(Buffer.from(record));
  await output.log(Buffer.from(mark(1)));
  output.report(Buffer.from('1 enter post_build'));
  await output.finish();
  assert.deepEqual(heard, ['report 1 enter']);
});
