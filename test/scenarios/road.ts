import { execFile } from 'node:child_process';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ActionExecutionDetail } from '@aws-sdk/client-codepipeline';
import { type DemoClients, demoClients } from '../../src/cli/demo/clients.ts';
import { type DemoApp, type DemoResources, makeResources } from '../../src/cli/demo/resources.ts';
import type { Keys } from '../harness.ts';

const run = promisify(execFile);
const EXAMPLE = new URL('../../examples/hello-web', import.meta.url).pathname;
const ACCOUNT = '123456789012';
const LOOK_EVERY_MS = 25;

export const APP: DemoApp = {
  name: 'hello-web',
  description: 'scenario',
  branch: 'main',
  buildTimeoutMinutes: 5,
  approval: true,
};

/** A repository, its pipeline and a working copy: the road from a push to a page, with real clients only. */
export interface Road {
  clients: DemoClients;
  resources: DemoResources;
  folder: string;
  git(...args: string[]): Promise<string>;
  /** Writes files, commits and pushes them; gives the commit's id. */
  push(files?: Record<string, string>): Promise<string>;
  /** The execution of a commit, when it is there. */
  execution(commitId: string): Promise<string>;
  /** Waits until an execution has left `InProgress`; approves what asks unless told not to. */
  finish(
    executionId: string,
    options?: { approve?: boolean },
  ): Promise<{ status: string; actions: ActionExecutionDetail[] }>;
  page(path?: string): Promise<{ status: number; body: string }>;
}

/** Lays the road at a server. @param folder for the working copy */
export async function layRoad(url: string, keys: Keys, folder: string, app: DemoApp = APP): Promise<Road> {
  const clients = demoClients(url, 'us-east-1', keys);
  const resources = await makeResources(clients, app, ACCOUNT, 'us-east-1');
  const { userName, password } = resources.gitUser;
  const helper = '!f() { echo "username=$GIT_USER"; echo "password=$GIT_PASS"; }; f';
  const environment = {
    PATH: process.env['PATH'],
    HOME: folder,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_USER: userName,
    GIT_PASS: password,
  };
  const git = async (...args: string[]) => {
    const { stdout } = await run('git', ['-c', 'credential.helper=', '-c', `credential.helper=${helper}`, ...args], {
      cwd: folder,
      env: environment,
    });
    return stdout.trim();
  };
  await mkdir(folder, { recursive: true });
  await cp(EXAMPLE, folder, { recursive: true });
  await git('init', '--quiet', '--initial-branch=main');
  await git('config', 'user.name', 'Scenario');
  await git('config', 'user.email', 'scenario@example.com');
  await git('remote', 'add', 'origin', resources.cloneUrl);
  const road: Road = {
    clients,
    resources,
    folder,
    git,
    async push(files = {}) {
      for (const [name, content] of Object.entries(files)) {
        await mkdir(dirname(join(folder, name)), { recursive: true });
        await writeFile(join(folder, name), content);
      }
      await git('add', '--all');
      await git('commit', '--quiet', '--allow-empty', '--message', 'a change');
      await git('push', '--quiet', 'origin', 'HEAD:main');
      return git('rev-parse', 'HEAD');
    },
    execution: (commitId) => until(() => findExecution(clients, app.name, commitId), `an execution of ${commitId}`),
    async finish(executionId, { approve = true } = {}) {
      const status = await until(async () => {
        const { pipelineExecution } = await clients.codepipeline.getPipelineExecution({
          pipelineName: app.name,
          pipelineExecutionId: executionId,
        });
        if (pipelineExecution?.status !== 'InProgress' && pipelineExecution?.status !== 'Stopping')
          return pipelineExecution?.status;
        if (approve) await approveWhatWaits(clients, app.name);
        return undefined;
      }, `the end of execution ${executionId}`);
      const { actionExecutionDetails = [] } = await clients.codepipeline.listActionExecutions({
        pipelineName: app.name,
        filter: { pipelineExecutionId: executionId },
      });
      return { status, actions: actionExecutionDetails };
    },
    async page(path = '') {
      const response = await fetch(`${url}/_website/${resources.siteBucket}/${path}`);
      return { status: response.status, body: await response.text() };
    },
  };
  return road;
}

async function findExecution(
  { codepipeline }: DemoClients,
  pipelineName: string,
  commitId: string,
): Promise<string | undefined> {
  const { pipelineExecutionSummaries = [] } = await codepipeline.listPipelineExecutions({ pipelineName });
  const found = pipelineExecutionSummaries.find(({ sourceRevisions = [] }) =>
    sourceRevisions.some(({ revisionId }) => revisionId === commitId),
  );
  return found?.pipelineExecutionId;
}

async function approveWhatWaits({ codepipeline }: DemoClients, pipelineName: string): Promise<void> {
  const { stageStates = [] } = await codepipeline.getPipelineState({ name: pipelineName });
  for (const stage of stageStates) {
    for (const action of stage.actionStates ?? []) {
      const { token, status } = action.latestExecution ?? {};
      if (token === undefined || status !== 'InProgress') continue;
      await codepipeline.putApprovalResult({
        pipelineName,
        stageName: stage.stageName,
        actionName: action.actionName,
        token,
        result: { status: 'Approved', summary: 'yes' },
      });
    }
  }
}

/** Looks until there is something; the suite's own time limit ends a wait that never does. */
export async function until<T>(look: () => Promise<T | undefined>, what: string, limitMs = 60_000): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms for ${what}`);
    await wait(LOOK_EVERY_MS);
  }
}

/** The failure text of an action. */
export function failureOf(actions: readonly ActionExecutionDetail[], actionName: string): string {
  const action = actions.find((one) => one.actionName === actionName);
  return `${action?.status}: ${action?.output?.executionResult?.errorDetails?.message ?? action?.output?.executionResult?.externalExecutionSummary ?? ''}`;
}
