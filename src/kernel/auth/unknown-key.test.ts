// Has a process of its own: a signing key that another test has derived is not derived again.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { test } from 'node:test';
import { Fault } from '../fault.ts';
import { parseAuthorization, verifySignature } from './sigv4.ts';
import { bodyHash, type Draft, rulesFor, type SigningTask, signWithSdk } from './testdata/signers.ts';

const TASK: SigningTask = { service: 'codecommit', style: 'json' };
const DRAFT: Draft = { method: 'POST', path: '/', headers: {}, body: '{}' };
const COUNTED = ['createHash', 'createHmac', 'hash', 'timingSafeEqual'] as const;

test('S8: a wrong signature costs the same cryptography whether its key is known or not', async (t) => {
  const request = await signWithSdk(DRAFT, TASK);
  const parsed = { ...parseAuthorization(request, rulesFor(TASK)), signature: 'ab'.repeat(32) };
  let done: string[] = [];
  for (const name of COUNTED) {
    const original = crypto[name] as (...given: unknown[]) => unknown;
    t.mock.method(crypto, name, (...given: unknown[]) => {
      done.push(name);
      return original(...given);
    });
  }
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  const workOf = (secret: string | undefined) => {
    done = [];
    const options = { style: TASK.style, bodyHash: bodyHash(DRAFT.body), secret };
    assert.throws(() => verifySignature(request, parsed, options), Fault);
    return done;
  };
  // The first derives the key of the day, by the same steps; those after it find it.
  for (const round of ['first', 'second']) {
    const known = workOf('a secret');
    assert.deepEqual(workOf(undefined), known, round);
    assert.ok(known.includes('createHmac') && known.includes('timingSafeEqual'), known.join());
  }
});
