import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Masker } from './masking.ts';

const SECRET = 'p@ss "wörd"/+=&\\1';
const FORMS: Record<string, string> = {
  plain: SECRET,
  'in a URL': encodeURIComponent(SECRET),
  'in JSON': JSON.stringify({ password: SECRET }),
  hex: Buffer.from(SECRET).toString('hex'),
  HEX: Buffer.from(SECRET).toString('hex').toUpperCase(),
  base64: Buffer.from(SECRET).toString('base64'),
  'base64 behind one byte': Buffer.from(`u${SECRET}`).toString('base64'),
  'base64 behind two bytes': Buffer.from(`us${SECRET}`).toString('base64'),
  'basic authentication': Buffer.from(`alice:${SECRET}`).toString('base64'),
  base64url: Buffer.from(SECRET).toString('base64url'),
};
for (const [what, text] of Object.entries(FORMS)) {
  test(`B1: a secret ${what} is masked`, () => {
    const masker = new Masker();
    masker.add(SECRET);
    const masked = masker.mask(`before ${text} after`);
    assert.match(masked, /^before .*\*\*\*.* after$/);
    assert.ok(masked.length < `before ${text} after`.length / 2 + 20, masked);
  });
}

test('B1: each line of a secret of several lines', () => {
  const masker = new Masker();
  masker.add('-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQ\n-----END KEY-----');
  assert.equal(masker.mask('  | MIIEvQIBADANBg |\n  | kqhkiG9w0BAQ |'), '  | *** |\n  | *** |');
});

test('access key ids are masked, short words and other text are not', () => {
  const masker = new Masker();
  masker.add('');
  masker.add('yes');
  assert.equal(masker.mask('yes AKIAIOSFODNN7EXAMPLE ASIAIOSFODNN7EXAMPLE AKIA'), 'yes *** *** AKIA');
  assert.equal(masker.heldAtEnd('anything'), 0);
});
