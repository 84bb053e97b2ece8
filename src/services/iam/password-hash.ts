import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import type { Secrets } from '../../kernel/secrets.ts';
import { commonFault } from '../../kernel/wire/errors.ts';

/** Work for one guess: 16 MiB and some 40 ms, for who has the installation's key too; without it there is nothing to try. */
const LOG2_N = 14;
const BLOCK_SIZE = 8;
const PARALLEL = 1;
const HASH_BYTES = 32;
const SALT_BYTES = 16;
/** So many at once, each with its memory and its thread; so many may wait, the rest is refused. */
const MAX_RUNNING = 2;
const MAX_WAITING = 64;

let running = 0;
const waiting: (() => void)[] = [];

/** Runs when its turn comes. @throws Throttling when too many wait already */
async function inTurn<T>(run: () => Promise<T>): Promise<T> {
  if (running < MAX_RUNNING) {
    running++;
  } else {
    if (waiting.length >= MAX_WAITING) throw commonFault('ThrottlingException', 'Rate exceeded');
    // Whoever ends hands its turn on, so the number that runs stays the same.
    await new Promise<void>((resolve) => waiting.push(resolve));
  }
  try {
    return await run();
  } finally {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }
}

function derive(secrets: Secrets, password: string, salt: Buffer, log2N: number): Promise<Buffer> {
  // With the installation's key in it, hashes alone (a copy of the database) are worth nothing.
  const peppered = secrets.mac('iam.console-password', password.normalize('NFC'));
  const options: ScryptOptions = { N: 2 ** log2N, r: BLOCK_SIZE, p: PARALLEL, maxmem: 256 * 2 ** log2N * BLOCK_SIZE };
  return inTurn(
    () =>
      new Promise((resolve, reject) => {
        scrypt(peppered, salt, HASH_BYTES, options, (error, key) => (error === null ? resolve(key) : reject(error)));
      }),
  );
}

/** What is stored of a password: `scrypt$14$salt$hash`. */
export async function hashPassword(secrets: Secrets, password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await derive(secrets, password, salt, LOG2_N);
  return ['scrypt', LOG2_N, salt.toString('base64'), hash.toString('base64')].join('$');
}

/** @param stored absent where there is nobody: the same work is done, and the answer is no */
export async function isPassword(secrets: Secrets, password: string, stored: string | undefined): Promise<boolean> {
  const [, log2N = String(LOG2_N), salt = '', hash = ''] = stored?.split('$') ?? [];
  const saltBytes = stored === undefined ? Buffer.alloc(SALT_BYTES) : Buffer.from(salt, 'base64');
  const derived = await derive(secrets, password, saltBytes, Number(log2N));
  const expected = Buffer.from(hash, 'base64');
  const isEqual = timingSafeEqual(derived, expected.length === HASH_BYTES ? expected : Buffer.alloc(HASH_BYTES));
  return isEqual && expected.length === HASH_BYTES;
}
