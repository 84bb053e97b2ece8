import { hash } from 'node:crypto';
import { CodeCommit } from '@aws-sdk/client-codecommit';
import { IAM } from '@aws-sdk/client-iam';
import { authenticate, readAuthorization } from '../../src/kernel/auth/authenticate.ts';
import { readConfig } from '../../src/kernel/config.ts';
import { type CallFrame, createContext } from '../../src/kernel/runtime.ts';
import type { HttpRequest } from '../../src/kernel/wire/http.ts';
import { invoke } from '../../src/kernel/wire/invoke.ts';
import { startServer } from '../../src/server.ts';
import { services } from '../../src/services.ts';
import type { Row } from '../row.ts';
import { type SignedRequest, signedRequests } from '../signed-requests.ts';
import { makeCaller, REGION } from '../slipway.ts';
import { median } from '../statistics.ts';
import type { Workspace } from '../workspace.ts';

const NAME = 'called';
const ROUNDS = 7;
const CALLS = 4_000;
const LIMIT_US = 150;

/**
 * What it costs to know a caller, to ask his policies and to write the record, without the wire and without what the
 * operation itself does: the gateway's own functions on signed requests, in this process, in processor time.
 */
export const callCost: Row = {
  name: 'call-cost',
  async measure(workspace) {
    const measured = await prepare(workspace);
    const rounds = { authenticate: [] as number[], invoke: [] as number[], handle: [] as number[] };
    for (let round = 0; round < ROUNDS; round++) {
      for (const stage of ['authenticate', 'invoke', 'handle'] as const) {
        rounds[stage].push(await processorUs(measured[stage], measured.settle));
      }
    }
    const [known, invoked, handled] = [rounds.authenticate, rounds.invoke, rounds.handle].map((one) => median(one));
    const cost = known! + invoked! - handled!;
    const part = (us: number) => `${us.toFixed(0)} us`;
    return [
      {
        measure: 'authentication, authorisation and record of a call, processor time',
        baseline: '-',
        ours: part(cost),
        target: `<= ${LIMIT_US} us`,
        met: cost <= LIMIT_US,
        notes: [
          `signature ${part(known!)}; the call of GetRepository with checks of its input, policies and record, written in batches, ${part(invoked!)}, of which ${part(handled!)} for what the operation does`,
        ],
      },
    ];
  },
};

type Stage = (call: number) => Promise<unknown>;

interface Measured {
  authenticate: Stage;
  invoke: Stage;
  handle: Stage;
  /** Writes what waits: it belongs to the calls that made it. */
  settle(): Promise<void>;
}

async function prepare(workspace: Workspace): Promise<Measured> {
  const data = workspace.path('data');
  const config = readConfig({ port: '0', 'ssh-port': 'off', data, 'log-level': 'silent' }, {});
  const { url, kernel, root, stop } = await startServer(config, services);
  workspace.defer(stop);
  const settings = { endpoint: url, region: REGION, credentials: root, maxAttempts: 1 };
  const [codecommit, iam] = [new CodeCommit(settings), new IAM(settings)];
  await codecommit.createRepository({ repositoryName: NAME });
  const requests = await signedRequests(url, await makeCaller(iam, NAME), NAME);
  for (const client of [codecommit, iam]) client.destroy();
  const service = kernel.services.get('codecommit')!;
  const known = (call: number) => {
    const signed = requests[call % requests.length]!;
    const request = received(signed);
    const parsed = readAuthorization(kernel, service, request);
    return authenticate(kernel, service, request, parsed, hash('sha256', signed.body, 'hex'));
  };
  const { caller, region } = await known(0);
  const frame = (call: number): CallFrame => ({
    caller,
    account: caller.account,
    region,
    requestId: `request-${call}`,
    sourceIp: '127.0.0.1',
    userAgent: 'bench',
    signal: () => kernel.stopping,
  });
  const input = { repositoryName: NAME };
  const operation = service.operations.get('GetRepository')!;
  return {
    authenticate: known,
    invoke: (call) => invoke(kernel, service, 'GetRepository', input, frame(call)),
    handle: (call) => operation.handle(input, createContext(kernel, frame(call))),
    settle: () => kernel.audit.flush(),
  };
}

/** What the gateway makes of the bytes. */
function received({ headers }: SignedRequest): HttpRequest {
  const rawHeaders = Object.entries(headers).flat();
  return {
    method: 'POST',
    path: '/',
    query: '',
    host: headers['host']!,
    headers,
    rawHeaders,
    message: undefined as never,
  };
}

/** Processor time of one call, in microseconds. */
async function processorUs(stage: Stage, settle: () => Promise<void>): Promise<number> {
  await settle();
  const before = process.cpuUsage();
  for (let call = 0; call < CALLS; call++) await stage(call);
  await settle();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / CALLS;
}
