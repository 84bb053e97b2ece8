import type { Context } from '../../kernel/context.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { GuessGuard } from './guess-guard.ts';
import { isPassword } from './password-hash.ts';

/** Checks passwords that people type, in constant time for known and unknown users, and stops guessing. */
export class ConsolePasswords {
  readonly #guesses: GuessGuard;

  constructor({ clock }: Context) {
    this.#guesses = new GuessGuard(clock);
  }

  /**
   * @param name whose password it is said to be: one key for each user, known or not
   * @param hash the stored one; absent when there is no such user, or he has no password
   * @throws ThrottlingException while this name rests for the caller's address
   */
  async check(ctx: Context, name: string, password: string, hash: string | undefined): Promise<boolean> {
    const { sourceIp, secrets } = ctx;
    this.#refuseResting(name, sourceIp);
    const digest = secrets.mac('iam.guess', password).toString('base64');
    const isRight = await isPassword(secrets, password, hash);
    this.#refuseResting(name, sourceIp);
    if (isRight) this.#guesses.succeeded(name, sourceIp);
    else this.#guesses.failed(name, sourceIp, digest);
    return isRight;
  }

  #refuseResting(name: string, address: string): void {
    if (this.#guesses.isResting(name, address)) throw commonFault('ThrottlingException', 'Rate exceeded');
  }
}
