import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildAction, finishedExecution, makePipeline, makePipelineProject } from '../delivery.ts';
import { generateRepository } from '../generated-repository.ts';
import { git } from '../git-client.ts';
import { type GitHosts, startGitHosts } from '../git-hosts.ts';
import type { Row } from '../row.ts';
import type { Slipway } from '../slipway.ts';
import { measurePairs, median, pairedRatio, percentile } from '../statistics.ts';
import { milliseconds } from '../table.ts';
import type { Workspace } from '../workspace.ts';

const PUSHES = 15;
const TARGET_MS = 150;
const NAME = 'road';
/** Longer than any push to the first command should take: nothing looks at the server before. */
const PAUSE_MS = 600;

/** From the start of `git push` to the first command of the build that it causes. */
export const pushToBuild: Row = {
  name: 'push-to-build',
  async measure(workspace) {
    const hosts = await startGitHosts(workspace);
    const { slipway } = hosts;
    const folder = await workingCopy(workspace);
    const ours = await hosts.ours(NAME);
    await push(workspace, folder, ours, 'main');
    // The braces keep the shell's time of the command apart from the line of the log that shows the command.
    await makePipelineProject(slipway, NAME, 'echo "began-at-$(date +%s%N)"');
    await makePipeline(slipway, NAME, NAME, () => [{ name: 'Build', actions: [buildAction('Build', NAME)] }]);
    await finishedExecution(slipway, NAME, { commit: await headOf(workspace, folder, 'main') }, PAUSE_MS);
    const baseline = await hookedRepository(workspace, hosts, folder);
    for (let round = 0; round < PUSHES; round++) await commit(workspace, folder, round);

    const pairs = await measurePairs(PUSHES, baseline, async (round) => {
      const startedAt = Date.now();
      await push(workspace, folder, ours, `round-${round}`);
      return (await firstCommandAt(slipway, await headOf(workspace, folder, `round-${round}`))) - startedAt;
    });
    const ms = median(pairs.ours);
    return [
      {
        measure: 'start of git push -> first build command',
        baseline:
          pairs.baseline.length === 0
            ? 'baseline not installed'
            : `post-receive hook ${milliseconds(median(pairs.baseline))}`,
        ours: milliseconds(ms),
        ...(pairs.baseline.length === 0 ? {} : { ratio: pairedRatio(pairs) }),
        target: `<= ${TARGET_MS} ms`,
        met: ms <= TARGET_MS,
        notes: [
          `median of ${PUSHES} pushes through CodeCommit, CodePipeline and CodeBuild, p95 ${milliseconds(percentile(pairs.ours, 0.95))}; the hook only starts a shell`,
        ],
      },
    ];
  },
};

async function workingCopy(workspace: Workspace): Promise<string> {
  const generated = await generateRepository(workspace, { commits: 1, files: 10, fileBytes: 2_000 });
  const folder = workspace.path('working-copy');
  await git(workspace, workspace.folder, 'clone', '--quiet', generated, folder);
  return folder;
}

async function commit(workspace: Workspace, folder: string, round: number): Promise<void> {
  await writeFile(join(folder, 'counter.txt'), `${round}\n`);
  await git(workspace, folder, 'add', 'counter.txt');
  await git(workspace, folder, 'commit', '--quiet', '--message', `change ${round}`);
  await git(workspace, folder, 'branch', `round-${round}`);
}

function push(workspace: Workspace, folder: string, url: string, branch: string): Promise<string> {
  return git(workspace, folder, 'push', '--quiet', url, `${branch}:main`);
}

function headOf(workspace: Workspace, folder: string, branch: string): Promise<string> {
  return git(workspace, folder, 'rev-parse', branch);
}

/** When the build of a commit ran its command, in epoch milliseconds, as the build's log says. */
async function firstCommandAt(slipway: Slipway, commitId: string): Promise<number> {
  const { actions } = await finishedExecution(slipway, NAME, { commit: commitId }, PAUSE_MS);
  const id = actions.find(({ actionName }) => actionName === 'Build')?.output?.executionResult?.externalExecutionId;
  const { builds = [] } = await slipway.clients.codebuild.batchGetBuilds({ ids: [id!] });
  const { groupName, streamName } = builds[0]!.logs!;
  const { events = [] } = await slipway.clients.logs.getLogEvents({
    logGroupName: groupName!,
    logStreamName: streamName!,
    startFromHead: true,
  });
  const log = events.map(({ message }) => message).join('\n');
  const began = /began-at-(\d{19})/.exec(log);
  if (began === null) throw new Error(`the log of build ${id} does not say when its command ran: ${log.slice(-2000)}`);
  return Number(began[1]) / 1e6;
}

/** A repository of the baseline whose hook starts a shell that writes the time down. */
async function hookedRepository(
  workspace: Workspace,
  { backend }: GitHosts,
  folder: string,
): Promise<((round: number) => Promise<number>) | undefined> {
  if (backend === undefined) return undefined;
  const url = await backend.makeRepository(NAME);
  await push(workspace, folder, url, 'main');
  const file = join(workspace.folder, 'hook-ran-at');
  const hook = join(backend.folderOf(NAME), 'hooks', 'post-receive');
  await writeFile(hook, `#!/bin/sh\nsh -c 'date +%s%N > ${file}'\n`);
  await chmod(hook, 0o755);
  return async (round) => {
    const startedAt = Date.now();
    await push(workspace, folder, url, `round-${round}`);
    return Number(await readFile(file, 'utf8')) / 1e6 - startedAt;
  };
}
