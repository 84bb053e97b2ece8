import { ratioResult } from '../comparison.ts';
import type { Crowd, CrowdCall } from '../crowd.ts';
import { timeMs } from '../program.ts';
import type { Result, Row } from '../row.ts';
import { StoppedTables } from '../row-copies.ts';
import { type Slipway, startSlipway } from '../slipway.ts';
import { measurePairs } from '../statistics.ts';
import { milliseconds } from '../table.ts';
import type { Workspace } from '../workspace.ts';
import { cloudtrailLists } from './lists-cloudtrail.ts';
import { codebuildLists } from './lists-codebuild.ts';
import { codecommitLists } from './lists-codecommit.ts';
import { codepipelineLists } from './lists-codepipeline.ts';
import { iamLists } from './lists-iam.ts';
import { logsLists } from './lists-logs.ts';
import { s3Lists } from './lists-s3.ts';

const FEW = 100;
const MANY = 100_000;
/** Calls of each, in turn. */
const ROUNDS = 60;
const WARM_UPS = 5;

const crowds: readonly Crowd[] = [
  iamLists,
  cloudtrailLists,
  s3Lists,
  codecommitLists,
  codebuildLists,
  logsLists,
  codepipelineLists,
];

/** Lists and look-ups with very many rows against few: of each service the call that suffers most, and all that miss. */
export const lists: Row = {
  name: 'lists',
  async measure(workspace) {
    const few = await crowdedServer(workspace, (crowd) => crowd.few ?? FEW);
    const many = await crowdedServer(workspace, () => MANY);
    const results: Result[] = [];
    for (const crowd of crowds) {
      const ofService: Result[] = [];
      for (const call of crowd.calls) {
        const result = await compare(call, crowd, few, many);
        workspace.say(`${result.measure}: ${result.baseline}, ${result.ours}`);
        ofService.push(result);
      }
      const [worst, ...others] = ofService.sort((a, b) => b.ratio! - a.ratio!);
      const measure = `${worst!.measure} (the worst of ${ofService.length})`;
      results.push({ ...worst!, measure }, ...others.filter(({ met }) => met === false));
    }
    return results;
  },
};

async function crowdedServer(workspace: Workspace, countOf: (crowd: Crowd) => number): Promise<Slipway> {
  const first = await startSlipway(workspace);
  for (const crowd of crowds) await crowd.seed(first);
  await first.stop();
  {
    using tables = new StoppedTables(first.data);
    for (const crowd of crowds) crowd.fill(tables, countOf(crowd));
  }
  return startSlipway(workspace, { data: first.data });
}

async function compare({ name, prepare }: CrowdCall, crowd: Crowd, few: Slipway, many: Slipway): Promise<Result> {
  const fewCount = crowd.few ?? FEW;
  const [fewCall, manyCall] = [await prepare(few, fewCount), await prepare(many, MANY)];
  for (const call of [fewCall, manyCall]) for (let n = 0; n < WARM_UPS; n++) await call();
  const pairs = await measurePairs(
    ROUNDS,
    () => timeMs(fewCall),
    () => timeMs(manyCall),
  );
  const measure = `${crowd.service} ${name}, ${MANY.toLocaleString('en')} rows`;
  const baseline = `${fewCount.toLocaleString('en')} rows`;
  return ratioResult({ measure, baseline, limit: { atMost: 2 }, format: milliseconds }, pairs);
}
