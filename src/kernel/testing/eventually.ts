import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';

const GIVE_UP_MS = 20_000;

/** Waits until a condition holds, looking again at every turn of the event loop. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  const start = performance.now();
  while (!(await condition())) {
    assert.ok(performance.now() - start < GIVE_UP_MS, 'the condition did not come true');
    await turn();
  }
}
