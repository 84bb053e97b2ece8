import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeAt, stepAt, stepOfCodes, toBase32 } from './totp.ts';

const SEED = Buffer.from('12345678901234567890');

test('the codes of RFC 6238, appendix B', () => {
  const vectors: [number, string][] = [
    [59, '94287082'],
    [1_111_111_109, '07081804'],
    [1_111_111_111, '14050471'],
    [1_234_567_890, '89005924'],
    [2_000_000_000, '69279037'],
    [20_000_000_000, '65353130'],
  ];
  for (const [seconds, code] of vectors) assert.equal(codeAt(SEED, stepAt(seconds * 1000)), code.slice(2));
});

test('runs of codes are found where they are, and only after what was spent', () => {
  const codes = [codeAt(SEED, 1000), codeAt(SEED, 1001)];
  const around = { step: 1000, before: 1, beyond: 1 };
  assert.equal(stepOfCodes(SEED, codes, around, 0), 1001);
  assert.equal(stepOfCodes(SEED, codes, around, 999), 1001);
  assert.equal(stepOfCodes(SEED, codes, around, 1000), undefined);
  assert.equal(stepOfCodes(SEED, codes, { ...around, step: 1002 }, 0), undefined);
  assert.equal(stepOfCodes(SEED, codes.toReversed(), around, 0), undefined);
  assert.equal(stepOfCodes(SEED, ['', ''], around, 0), undefined);
});

test('Base32 of RFC 4648', () => {
  assert.equal(toBase32(Buffer.from('fooba')), 'MZXW6YTB');
  assert.equal(toBase32(Buffer.alloc(5)), 'AAAAAAAA');
});
