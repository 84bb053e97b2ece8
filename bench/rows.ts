import type { Row } from './row.ts';
import { clone, clones } from './rows/clone.ts';
import { push } from './rows/push.ts';
import { start } from './rows/start.ts';

/** Every row, in the order of the table. */
export const rows: readonly Row[] = [clone, clones, push, start];
