import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { ratioResult } from '../comparison.ts';
import { load } from '../load-client.ts';
import type { Row } from '../row.ts';
import { type SignedRequest, signedRequests } from '../signed-requests.ts';
import { makeCaller, processorMs, type Slipway, startSlipway } from '../slipway.ts';
import { measurePairs, median } from '../statistics.ts';
import { perSecond } from '../table.ts';
import type { Workspace } from '../workspace.ts';

const ROUNDS = 5;
const ROUND_MS = 1_500;
const CONNECTIONS = 32;
const NAME = 'called';
const BARE = new URL('../bare-server.ts', import.meta.url).pathname;

/** A signed call of an IAM user, authorised by his policy and recorded, against the least that node:http can do. */
export const call: Row = {
  name: 'call',
  async measure(workspace) {
    const slipway = await startSlipway(workspace);
    await slipway.clients.codecommit.createRepository({ repositoryName: NAME });
    const requests = await signedRequests(slipway.url, await makeCaller(slipway.clients.iam, NAME), NAME);
    const ours: Loaded = { port: Number(new URL(slipway.url).port), pid: slipway.pid, processorUs: [] };
    const bare = await startBareServer(workspace, await answerTo(slipway, requests[0]!));
    let next = 0;
    const nextRequest = () => requests[next++ % requests.length]!.bytes;
    const rate = async (server: Loaded) => {
      const before = await processorMs(server.pid);
      const { answers, seconds } = await load(server.port, CONNECTIONS, ROUND_MS, nextRequest);
      server.processorUs.push(((await processorMs(server.pid)) - before) * (1000 / answers));
      return answers / seconds;
    };
    await rate(bare);
    await rate(ours);
    const before = await recorded(slipway);
    const pairs = await measurePairs(
      ROUNDS,
      () => rate(bare),
      () => rate(ours),
    );
    if ((await recorded(slipway)) <= before) throw new Error('calls were answered that the audit trail does not show');
    const format = (value: number) => perSecond(value, 'requests');
    const measure = 'signed GetRepository, authorised and recorded';
    const [bareUs, oursUs] = [bare, ours].map(({ processorUs }) => median(processorUs).toFixed(0));
    const notes = [
      `${CONNECTIONS} connections, the same signed requests for both; processor time a request: ${bareUs} us bare, ${oursUs} us ours`,
    ];
    return [ratioResult({ measure, baseline: 'bare node:http', limit: { atLeast: 0.3 }, format, notes }, pairs)];
  },
};

/** A server under load. */
interface Loaded {
  port: number;
  pid: number;
  /** Processor time of one request, in microseconds, of each round. */
  processorUs: number[];
}

interface Answer {
  headers: Record<string, string>;
  body: string;
}

/** What Slipway answers, for the bare server to answer the same. */
async function answerTo({ url }: Slipway, { headers, body }: SignedRequest): Promise<Answer> {
  const { host: _, 'content-length': __, ...sent } = headers;
  const response = await fetch(url, { method: 'POST', headers: sent, body });
  const answer = await response.text();
  if (response.status !== 200) throw new Error(`GetRepository answered ${response.status}: ${answer}`);
  // node:http writes these by itself.
  const { date, connection, 'keep-alive': keepAlive, ...own } = Object.fromEntries(response.headers);
  return { headers: own, body: answer };
}

async function startBareServer(workspace: Workspace, answer: Answer): Promise<Loaded> {
  const child = spawn(process.execPath, [BARE, JSON.stringify(answer)], { stdio: ['ignore', 'pipe', 'inherit'] });
  workspace.defer(async () => {
    child.kill();
    await once(child, 'exit');
  });
  for await (const line of createInterface({ input: child.stdout })) {
    return { port: Number(line), pid: child.pid!, processorUs: [] };
  }
  throw new Error('the bare server did not start');
}

/** How many of the latest fifty records are of this call by this user. */
async function recorded({ clients: { cloudtrail } }: Slipway): Promise<number> {
  const { Events = [] } = await cloudtrail.lookupEvents({
    LookupAttributes: [{ AttributeKey: 'Username', AttributeValue: 'caller' }],
    MaxResults: 50,
  });
  return Math.max(...Events.map(({ EventTime }) => Number(EventTime)));
}
