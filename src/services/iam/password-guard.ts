import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import type { Secrets } from '../../kernel/secrets.ts';

const WINDOW_MS = 60_000;
const MAX_WRONG_PASSWORDS = 10;
const MAX_NAMES = 10_000;

interface Failures {
  sinceMs: number;
  /** Digests of the wrong passwords: a client that repeats the same one is misconfigured, not guessing. */
  digests: Set<string>;
}

/** Digest under which the password of a service-specific credential is stored. The password has 258 random bits. */
export function passwordDigest(secrets: Secrets, credentialId: string, password: string): string {
  return secrets.mac('iam.service-password', `${credentialId}\0${password}`).toString('base64');
}

/** Compares passwords in constant time and stops guessing: after ten different wrong ones a name rests for the minute. */
export class PasswordGuard {
  readonly #clock: Clock;
  readonly #secrets: Secrets;
  readonly #failures = new Map<string, Failures>();

  constructor(clock: Clock, secrets: Secrets) {
    this.#clock = clock;
    this.#secrets = secrets;
  }

  /** @param digest the stored one; absent when there is no such active credential: the same work is done. */
  matches(userName: string, password: string, credentialId = 'none', digest = ''): boolean {
    const given = Buffer.from(passwordDigest(this.#secrets, credentialId, password), 'base64');
    const stored = Buffer.from(digest, 'base64');
    const equal = timingSafeEqual(given, stored.length === given.length ? stored : Buffer.alloc(given.length));
    if (this.#isResting(userName)) return false;
    if (equal && digest !== '') return true;
    this.#remember(userName, given.toString('base64'));
    return false;
  }

  #isResting(userName: string): boolean {
    const failures = this.#failures.get(userName);
    if (failures === undefined) return false;
    if (this.#clock.monotonicMs() - failures.sinceMs >= WINDOW_MS) this.#failures.delete(userName);
    return this.#failures.has(userName) && failures.digests.size >= MAX_WRONG_PASSWORDS;
  }

  #remember(userName: string, digest: string): void {
    let failures = this.#failures.get(userName);
    if (failures === undefined) {
      if (this.#failures.size >= MAX_NAMES) this.#failures.delete(this.#failures.keys().next().value!);
      failures = { sinceMs: this.#clock.monotonicMs(), digests: new Set() };
      this.#failures.set(userName, failures);
    }
    failures.digests.add(digest);
  }
}
