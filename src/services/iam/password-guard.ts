import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import type { Secrets } from '../../kernel/secrets.ts';
import { GuessGuard } from './guess-guard.ts';

/** Digest under which the password of a service-specific credential is stored. The password has 258 random bits. */
export function passwordDigest(secrets: Secrets, credentialId: string, password: string): string {
  return secrets.mac('iam.service-password', `${credentialId}\0${password}`).toString('base64');
}

/** Compares git passwords in constant time, and stops guessing. */
export class PasswordGuard {
  readonly #secrets: Secrets;
  readonly #guesses: GuessGuard;

  constructor(clock: Clock, secrets: Secrets) {
    this.#secrets = secrets;
    this.#guesses = new GuessGuard(clock);
  }

  /**
   * @param address whence the password comes
   * @param digest the stored one; absent when there is no such active credential: the same work is done.
   */
  matches(
    { userName, password, address }: { userName: string; password: string; address: string },
    credentialId = 'none',
    digest = '',
  ): boolean {
    const given = Buffer.from(passwordDigest(this.#secrets, credentialId, password), 'base64');
    const stored = Buffer.from(digest, 'base64');
    const equal = timingSafeEqual(given, stored.length === given.length ? stored : Buffer.alloc(given.length));
    if (this.#guesses.isResting(userName, address)) return false;
    if (equal && digest !== '') {
      this.#guesses.succeeded(userName, address);
      return true;
    }
    this.#guesses.failed(userName, address, given.toString('base64'));
    return false;
  }
}
