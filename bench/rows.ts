import type { Row } from './row.ts';
import { actions } from './rows/actions.ts';
import { buildLog } from './rows/build-log.ts';
import { builds } from './rows/builds.ts';
import { call } from './rows/call.ts';
import { callCost } from './rows/call-cost.ts';
import { clone, clones } from './rows/clone.ts';
import { codecommitCalls } from './rows/codecommit-calls.ts';
import { lists } from './rows/lists.ts';
import { pipeline } from './rows/pipeline.ts';
import { push } from './rows/push.ts';
import { pushToBuild } from './rows/push-to-build.ts';
import { start } from './rows/start.ts';

/** Every row, in the order of the table. */
export const rows: readonly Row[] = [
  call,
  callCost,
  codecommitCalls,
  clone,
  clones,
  push,
  pushToBuild,
  builds,
  actions,
  pipeline,
  start,
  buildLog,
  lists,
];
