import { ratioResult } from '../comparison.ts';
import type { Crowd, CrowdCall } from '../crowd.ts';
import type { Result, Row } from '../row.ts';
import { StoppedTables } from '../row-copies.ts';
import { type Slipway, startSlipway } from '../slipway.ts';
import { measurePairs, median } from '../statistics.ts';
import { milliseconds } from '../table.ts';
import type { Workspace } from '../workspace.ts';
import { cloudtrailLists } from './lists-cloudtrail.ts';
import { codepipelineLists } from './lists-codepipeline.ts';
import { iamLists } from './lists-iam.ts';
import { logsLists } from './lists-logs.ts';
import { s3Lists } from './lists-s3.ts';

const FEW = 100;
const MANY = 100_000;
const ROUNDS = 7;
/** Calls of one round, as far as they fit into its time. */
const CALLS = 30;
const ROUND_MS = 200;

const crowds: readonly Crowd[] = [iamLists, cloudtrailLists, s3Lists, logsLists, codepipelineLists];

/** Lists and look-ups with very many rows against few. */
export const lists: Row = {
  name: 'lists',
  async measure(workspace) {
    const few = await crowdedServer(workspace, FEW);
    const many = await crowdedServer(workspace, MANY);
    const results: Result[] = [];
    for (const { calls } of crowds) for (const call of calls) results.push(await compare(call, few, many));
    return results;
  },
};

async function crowdedServer(workspace: Workspace, count: number): Promise<Slipway> {
  const first = await startSlipway(workspace);
  for (const crowd of crowds) await crowd.seed(first);
  await first.stop();
  {
    using tables = new StoppedTables(first.data);
    for (const crowd of crowds) crowd.fill(tables, count);
  }
  return startSlipway(workspace, { data: first.data });
}

async function compare({ name, prepare }: CrowdCall, few: Slipway, many: Slipway): Promise<Result> {
  const [fewCall, manyCall] = [await prepare(few, FEW), await prepare(many, MANY)];
  for (const call of [fewCall, manyCall]) await oneCallMs(call);
  const pairs = await measurePairs(
    ROUNDS,
    () => oneCallMs(fewCall),
    () => oneCallMs(manyCall),
  );
  const limit = { atMost: 2 };
  const measure = `${name} of ${MANY.toLocaleString('en')}`;
  return ratioResult({ measure, baseline: `of ${FEW}`, limit, format: milliseconds }, pairs);
}

/** Median time of one call, of several in a row. */
async function oneCallMs(call: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  const end = performance.now() + ROUND_MS;
  while (times.length === 0 || (times.length < CALLS && performance.now() < end)) {
    const start = performance.now();
    await call();
    times.push(performance.now() - start);
  }
  return median(times);
}
