import type { Clock } from '../../kernel/clock.ts';

const WINDOW_MS = 60_000;
/** Different wrong passwords a minute for one name from one address. */
const MAX_FOR_NAME_AND_ADDRESS = 10;
/** For all names from one address. */
const MAX_FROM_ADDRESS = 100;
/** For one name from all addresses from which nobody has signed in under it. */
const MAX_FOR_NAME = 100;
const MAX_KEYS = 20_000;

interface Failures {
  sinceMs: number;
  /** Digests of the wrong passwords: a client that repeats the same one is misconfigured, not guessing. */
  digests: Set<string>;
}

/**
 * Counts wrong passwords and says when a guesser has to wait. It is the guesser's address that rests, so a stranger
 * keeps nobody out; where many addresses guess together, the name rests for all but those from which it was used before.
 */
export class GuessGuard {
  readonly #clock: Clock;
  readonly #failures = new Map<string, Failures>();
  readonly #familiar = new Set<string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether no attempt for this name counts from this address now, right or wrong. */
  isResting(name: string, address: string): boolean {
    const source = network(address);
    if (this.#count(pair(name, source)) >= MAX_FOR_NAME_AND_ADDRESS) return true;
    if (this.#count(`from ${source}`) >= MAX_FROM_ADDRESS) return true;
    return !this.#familiar.has(pair(name, source)) && this.#count(`for ${name}`) >= MAX_FOR_NAME;
  }

  /** @param digest of the wrong password, keyed: it stays in memory for the minute */
  failed(name: string, address: string, digest: string): void {
    const source = network(address);
    const keyed = `${name}\0${digest}`;
    for (const key of [pair(name, source), `from ${source}`, `for ${name}`]) this.#remember(key, keyed);
  }

  succeeded(name: string, address: string): void {
    const key = pair(name, network(address));
    if (this.#familiar.has(key)) return;
    if (this.#familiar.size >= MAX_KEYS) this.#familiar.delete(this.#familiar.keys().next().value!);
    this.#familiar.add(key);
  }

  #count(key: string): number {
    const failures = this.#failures.get(key);
    if (failures === undefined) return 0;
    if (this.#clock.monotonicMs() - failures.sinceMs < WINDOW_MS) return failures.digests.size;
    this.#failures.delete(key);
    return 0;
  }

  #remember(key: string, digest: string): void {
    if (this.#count(key) === 0) {
      if (this.#failures.size >= MAX_KEYS) this.#failures.delete(this.#failures.keys().next().value!);
      this.#failures.set(key, { sinceMs: this.#clock.monotonicMs(), digests: new Set() });
    }
    const { digests } = this.#failures.get(key)!;
    if (digests.size < MAX_FROM_ADDRESS) digests.add(digest);
  }
}

const pair = (name: string, source: string) => `${source} ${name}`;

/** The part of an address that one party holds: an IPv6 host has 2^64 of them. */
function network(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const left = head.split(':');
  if (tail !== undefined) {
    const right = tail.split(':');
    while (left.length + right.length < 8) left.push('0');
    left.push(...right);
  }
  return left
    .slice(0, 4)
    .map((part) => part.replace(/^0+(?=.)/, '') || '0')
    .join(':');
}
