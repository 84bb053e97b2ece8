import { join, relative } from 'node:path';
import type { Config } from '../kernel/config.ts';
import { type DemoClients, demoClients } from './demo/clients.ts';
import { executionOf, followExecution, followPushes } from './demo/follow.ts';
import { Progress } from './demo/progress.ts';
import { commitExample, type GitAccess, push } from './demo/push.ts';
import { type DemoApp, makeResources } from './demo/resources.ts';
import { exportLines } from './env.ts';
import { startNoted, stopSignal } from './serve.ts';

export interface DemoOptions {
  /** Leave the server running when the demo is done. */
  keep: boolean;
  /** Push this project's own repository. */
  self: boolean;
}

const ROOT = new URL('../..', import.meta.url).pathname;
const EXAMPLE: DemoApp = {
  name: 'hello-web',
  description: 'The example of the demo',
  branch: 'main',
  buildTimeoutMinutes: 10,
  approval: true,
};
const SELF: DemoApp = {
  name: 'slipway',
  description: 'Slipway itself',
  branch: 'main',
  buildTimeoutMinutes: 30,
  approval: false,
};

/**
 * From `git push` to a deployed page, against a server that this starts.
 * @returns the exit status: 0 when the page was deployed.
 */
export async function demo(config: Config, options: DemoOptions): Promise<number> {
  const out = process.stdout;
  const say = (text: string) => out.write(`${text}\n`);
  const server = await startNoted(config);
  const app = options.self ? SELF : EXAMPLE;
  let deployed = false;
  try {
    say(`slipway ready ${[server.url, ...server.addresses].join(' ')}`);
    const clients = demoClients(server.url, config.region, server.root);
    deployed = await pushAndDeploy(clients, config, app, server.url, say, new Progress(out));
    if (deployed) for (const line of closingLines(app, server.url, config, server.root)) say(line);
    if (options.keep || (out.isTTY && deployed)) await keepRunning(clients, config, app, say, out);
  } finally {
    await server.stop();
  }
  return deployed ? 0 : 1;
}

/** Serves until Ctrl-C, and shows what further pushes do. */
async function keepRunning(
  clients: DemoClients,
  config: Config,
  app: DemoApp,
  say: (text: string) => void,
  out: NodeJS.WriteStream,
): Promise<void> {
  const copy = relative(process.cwd(), join(config.data, 'demo', app.name));
  say('\nThe server keeps running until Ctrl-C. Another push runs the pipeline again, from another terminal:');
  if (app !== SELF) say(`  cd ${copy} && git commit --allow-empty -m again && git push`);
  const stopped = new AbortController();
  const following = followPushes(clients, app.name, new Progress(out), stopped.signal);
  await Promise.race([stopSignal(), following]);
  stopped.abort();
  await following;
}

async function pushAndDeploy(
  clients: DemoClients,
  config: Config,
  app: DemoApp,
  url: string,
  say: (text: string) => void,
  progress: Progress,
): Promise<boolean> {
  const { cloneUrl, siteBucket, gitUser } = await makeResources(clients, app, config.account, config.region);
  say(`user demo, repository ${app.name}, build project ${app.name}, buckets and pipeline are there`);
  const access: GitAccess = { url: cloneUrl, ...gitUser };
  const folder = app === SELF ? ROOT : join(config.data, 'demo', app.name);
  if (app !== SELF) await commitExample(join(ROOT, 'examples', app.name), folder, access);
  const commitId = await push(folder, app.branch, access);
  say(`git push ${cloneUrl} ${app.branch} (${commitId.slice(0, 12)})`);
  const status = await followExecution(clients, app.name, await executionOf(clients, app.name, commitId), progress);
  if (status !== 'Succeeded') {
    say(`the pipeline ended as ${status}`);
    return false;
  }
  return showPage(`${url}/_website/${siteBucket}/`, commitId, say, app !== SELF);
}

/** Fetches the page as a visitor would, and checks that it is the one of this commit. */
async function showPage(
  address: string,
  commitId: string,
  say: (text: string) => void,
  whole: boolean,
): Promise<boolean> {
  const response = await fetch(address);
  const page = await response.text();
  say(`\n${address} answers ${response.status}:\n`);
  say(whole ? page : page.slice(0, 2_000));
  if (response.status === 200 && page.includes(commitId)) return true;
  say(`this is not the page of commit ${commitId}`);
  return false;
}

/** What to type next, in the words of the `aws` command line. */
function closingLines(
  app: DemoApp,
  url: string,
  config: Config,
  root: { accessKeyId: string; secretAccessKey: string },
): string[] {
  return [
    `API ${url}`,
    ...exportLines(url, config.region, root).map((line) => `  ${line}`),
    'Try:',
    `  aws codepipeline list-pipeline-executions --pipeline-name ${app.name}`,
    `  aws codecommit get-file --repository-name ${app.name} --file-path buildspec.yml`,
    '  aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=GitPush',
  ];
}
