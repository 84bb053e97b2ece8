import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trimEnd } from '../../src/kernel/trim-end.ts';
import { gitPath, newFilePathOf } from '../../src/services/codecommit/rules.ts';
import { contextKeysOf } from '../../src/services/iam/policy-texts.ts';
import { headerGrants } from '../../src/services/s3/grants.ts';
import { verifyAssertion } from '../../src/services/sts/saml-assertion.ts';
import { startServer } from '../harness.ts';

/** What an expression that looks again and again takes for one of these texts is many times as much. */
const LONGEST_MS = 2_000;

async function soon(what: string, work: () => unknown): Promise<void> {
  const began = performance.now();
  await work();
  const tookMs = performance.now() - began;
  assert.ok(tookMs < LONGEST_MS, `${what}: ${tookMs} ms`);
}

const policyWith = (value: string) =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: '*', Resource: '*', Condition: { StringEquals: { 'aws:username': [value] } } },
    ],
  });

test('F5: a long run of one character in what a caller sends holds nobody up', async () => {
  const n = 120_000;
  await soon('slashes of a path', () => assert.throws(() => gitPath(`a${'/'.repeat(n)}x`)));
  const dots = `${'.'.repeat(4_000)}x`;
  await soon('dots of names', () => {
    for (let file = 0; file < 2_000; file += 1) newFilePathOf(dots);
  });
  await soon('a text', () => assert.equal(trimEnd(`a${'\n'.repeat(n)}x\n\n`, '\n').length, n + 2));
  const saml = `A${' '.repeat(n)}!`;
  const never = undefined as never;
  await soon('a SAML response', () =>
    assert.throws(() => verifyAssertion(saml, never, never), { name: /IdentityToken/ }),
  );
  const header = { GrantRead: `id=${' '.repeat(3_000)}x""` };
  await soon('a header with grants', () => assert.throws(() => headerGrants(header), { name: 'InvalidArgument' }));
  const spaces = policyWith(`\${${' '.repeat(n)}`);
  await soon('a variable of spaces', () => assert.deepEqual(contextKeysOf(spaces), ['aws:username']));
  const openings = policyWith('${a,'.repeat(n / 4));
  await soon('variables without end', () => assert.deepEqual(contextKeysOf(openings), ['aws:username', 'a']));
});

test('the short forms of these texts mean what they did', () => {
  assert.deepEqual(contextKeysOf(policyWith(`\${aws:a} \${$} \${aws:b , 'x'}\${*} \${ \${aws:c,'\${'} \${aws:d`)), [
    'aws:username',
    'aws:a',
    'aws:b',
    'aws:c',
  ]);
  assert.equal(gitPath('//a/b//'), 'a/b');
  const id = 'a'.repeat(64);
  for (const GrantRead of [`id="${id}"`, ` ID = ${id}`, `id= "${id}"`]) {
    assert.deepEqual(headerGrants({ GrantRead }), headerGrants({ GrantRead: `id=${id}` }), GrantRead);
  }
  assert.throws(() => headerGrants({ GrantRead: `id=a"${id}"` }), { name: 'InvalidArgument' });
});

test('F5: an event whose detail is a quarter of a megabyte of escaped quotation marks holds nobody up', async (t) => {
  const server = await startServer(t);
  const event = (Detail: string) => ({ Source: 'a', DetailType: 'b', Detail });
  await server.root_.events.putEvents({ Entries: [event('{}')] });
  await soon('the event', async () => {
    const answer = await server.root_.events.putEvents({ Entries: [event(`{"a":"${'\\"'.repeat(125_000)}`)] });
    assert.equal(answer.Entries?.[0]?.ErrorCode, 'MalformedDetail');
  });
  const [deep] = (await server.root_.events.putEvents({ Entries: [event(`{"a":"\\"[[","b":${'['.repeat(3_000)}`)] }))
    .Entries!;
  assert.equal(deep?.ErrorCode, 'MalformedDetail');
});
