import type { StoppedTables } from './row-copies.ts';
import type { Slipway } from './slipway.ts';

/** A kind of thing of which there may be very many. */
export interface Crowd {
  service: string;
  /** How many are few; 100 unless the service's pages are larger than that. */
  few?: number;
  /** Makes one through the API, which the copies are taken from, and whatever the calls need. */
  seed(slipway: Slipway): Promise<void>;
  /** Copies it, in the tables of the stopped server. */
  fill(tables: StoppedTables, count: number): void;
  /** Calls whose time must not depend on how many there are. */
  calls: readonly CrowdCall[];
}

export interface CrowdCall {
  name: string;
  /** Prepares the call on a filled server, such as a page far down the list, and gives it. */
  prepare(slipway: Slipway, count: number): Promise<() => Promise<unknown>>;
}
