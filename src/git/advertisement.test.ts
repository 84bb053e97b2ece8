import assert from 'node:assert/strict';
import { test } from 'node:test';
import { advertise, answerLsRefs } from './advertisement.ts';
import { PacketReader, pktLine } from './pkt-line.ts';
import { type Ref, type RepositoryState, sortRefs } from './truth.ts';

const ID = 'a'.repeat(40);
const PEELED = 'b'.repeat(40);

function stateOf(head: string | null, ...refs: Ref[]): RepositoryState {
  return { generation: 1, head, refs: sortRefs(refs), packs: [], collections: 0 };
}

const branch = (name: string): Ref => ({ name, id: ID, peeled: null });
const state = stateOf('refs/heads/main', branch('refs/heads/main'), { name: 'refs/tags/v1', id: ID, peeled: PEELED });

async function lsRefs(of: RepositoryState, ...args: string[]): Promise<string> {
  const request = Buffer.concat([...args.map((line) => pktLine(`${line}\n`)), Buffer.from('0000')]);
  const input = (async function* () {
    yield Buffer.concat([pktLine('agent=test\n'), Buffer.from('0001'), request]);
  })();
  return (await answerLsRefs(new PacketReader(input), of)).toString();
}

test('version 0 names HEAD first, capabilities after a NUL, and what tags lead to', () => {
  const text = advertise('git-upload-pack', 0, state).toString();
  assert.match(
    text,
    /^001e# service=git-upload-pack\n0000[0-9a-f]{4}a{40} HEAD\0multi_ack .*symref=HEAD:refs\/heads\/main\n/,
  );
  assert.match(text, new RegExp(`003f${ID} refs/tags/v1|${PEELED} refs/tags/v1\\^\\{\\}\n0000$`));
});

test('receive-pack offers neither HEAD, nor what tags lead to, nor push options', () => {
  const text = advertise('git-receive-pack', 2, state).toString();
  assert.doesNotMatch(text, /HEAD|\^\{\}|push-options|version 2/);
  assert.match(text, /report-status report-status-v2 delete-refs side-band-64k quiet atomic ofs-delta/);
});

test('an empty repository still tells what it can', () => {
  assert.match(advertise('git-upload-pack', 0, stateOf(null)).toString(), /0{40} capabilities\^\{\}\0/);
});

test('G17: version 2 offers no bundle-uri and no object-info', () => {
  assert.doesNotMatch(advertise('git-upload-pack', 2, state).toString(), /bundle-uri|object-info|packfile-uris/);
});

for (const [name, of, args, expected] of [
  ['everything', state, [], `${ID} HEAD\n|${ID} refs/heads/main\n|${ID} refs/tags/v1\n`],
  [
    'symrefs and tags',
    state,
    ['symrefs', 'peel'],
    `${ID} HEAD symref-target:refs/heads/main\n|${ID} refs/heads/main\n|${ID} refs/tags/v1 peeled:${PEELED}\n`,
  ],
  ['a prefix', state, ['ref-prefix refs/heads/'], `${ID} refs/heads/main\n`],
  ['two prefixes', state, ['ref-prefix refs/tags/v1', 'ref-prefix HEAD'], `${ID} HEAD\n|${ID} refs/tags/v1\n`],
  ['a prefix of nothing', state, ['ref-prefix x'], ''],
  [
    'an unborn branch',
    stateOf('refs/heads/main'),
    ['symrefs', 'unborn'],
    'unborn HEAD symref-target:refs/heads/main\n',
  ],
  ['an unborn branch that nobody asked for', stateOf('refs/heads/main'), ['symrefs'], ''],
] as const) {
  test(`ls-refs: ${name}`, async () => {
    const text = await lsRefs(of, ...args);
    assert.equal(
      text,
      `${expected
        .split('|')
        .filter(Boolean)
        .map((line) => pktLine(line).toString())
        .join('')}0000`,
    );
  });
}

test('G11: forty thousand prefixes on forty thousand names cost no minutes', async () => {
  const refs = Array.from({ length: 40_000 }, (_, at) => branch(`refs/heads/feature/some-long-name-${at}`));
  const prefixes = Array.from({ length: 40_000 }, (_, at) => `ref-prefix refs/heads/feature/other-long-name-${at}`);
  const large = stateOf(null, ...refs);
  const before = performance.now();
  assert.equal(await lsRefs(large, ...prefixes), '0000');
  assert.ok(performance.now() - before < 20_000);
});
