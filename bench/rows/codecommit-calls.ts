import { request } from 'node:http';
import { generateRepository } from '../generated-repository.ts';
import { git, timePush } from '../git-client.ts';
import { gitUser } from '../git-hosts.ts';
import { timeMs } from '../program.ts';
import type { Result, Row } from '../row.ts';
import { type Slipway, startSlipway } from '../slipway.ts';
import { median } from '../statistics.ts';
import { milliseconds } from '../table.ts';
import type { Workspace } from '../workspace.ts';

const BRANCHES = 10_000;
/** A push may have 4,000. */
const BRANCHES_A_PUSH = 2_500;
const CALLS = 200;
const COMMITS = 20;
const FILES_A_COMMIT = 100;
const FILE_BYTES = 2_000;
const READ_MS = 3;
const COMMIT_MS = 30;
const ADVERTISEMENT_MS = 10;

/** What CodeCommit's API takes for one file, branch and commit, for a commit of 100 files, and git's look at many references. */
export const codecommitCalls: Row = {
  name: 'codecommit-calls',
  async measure(workspace) {
    const slipway = await startSlipway(workspace);
    const url = await (await gitUser(slipway))('called');
    await pushBranches(workspace, url);
    return [...(await reads(slipway)), await commits(slipway), await advertisement(url)];
  },
};

async function pushBranches(workspace: Workspace, url: string): Promise<void> {
  const folder = await generateRepository(workspace, { commits: 500, files: 1_000, fileBytes: FILE_BYTES });
  await timePush(workspace, folder, url);
  for (let first = 0; first < BRANCHES; first += BRANCHES_A_PUSH) {
    const specs = Array.from({ length: BRANCHES_A_PUSH }, (_, n) => `main:refs/heads/branch-${first + n}`);
    await git(workspace, folder, 'push', '--quiet', url, ...specs);
  }
}

/** One call after the other by the SDK, whose own work counts. */
async function medianMs(calls: number, call: (n: number) => Promise<unknown>): Promise<number> {
  for (let warm = 0; warm < 20; warm++) await call(warm);
  const times: number[] = [];
  for (let n = 0; n < calls; n++) times.push(await timeMs(() => call(n)));
  return median(times);
}

function result(measure: string, ms: number, limitMs: number): Result {
  return {
    measure,
    baseline: '-',
    ours: milliseconds(ms),
    target: `<= ${limitMs} ms`,
    met: ms <= limitMs,
    notes: ['median, one call after the other, client included'],
  };
}

async function reads({ clients: { codecommit } }: Slipway): Promise<Result[]> {
  const repositoryName = 'called';
  const { branch } = await codecommit.getBranch({ repositoryName, branchName: 'main' });
  const filePath = (n: number) => `folder-0/file-${n % 50}.txt`;
  const calls = {
    GetBranch: (n: number) => codecommit.getBranch({ repositoryName, branchName: `branch-${n}` }),
    GetCommit: () => codecommit.getCommit({ repositoryName, commitId: branch!.commitId! }),
    GetFile: (n: number) => codecommit.getFile({ repositoryName, filePath: filePath(n) }),
  };
  const results: Result[] = [];
  for (const [name, call] of Object.entries(calls)) {
    results.push(result(`${name} in a repository of 10,000 branches`, await medianMs(CALLS, call), READ_MS));
  }
  return results;
}

async function commits({ clients: { codecommit } }: Slipway): Promise<Result> {
  const repositoryName = 'commits';
  await codecommit.createRepository({ repositoryName });
  let parentCommitId: string | undefined;
  const ms = await medianMs(COMMITS, async (n) => {
    const putFiles = Array.from({ length: FILES_A_COMMIT }, (_, file) => ({
      filePath: `folder-${file % 10}/file-${file}.txt`,
      fileContent: Buffer.from(`${n} ${parentCommitId} ${file} `.padEnd(FILE_BYTES, 'text ')),
    }));
    const made = await codecommit.createCommit({ repositoryName, branchName: 'main', parentCommitId, putFiles });
    parentCommitId = made.commitId;
  });
  return result(`CreateCommit of ${FILES_A_COMMIT} files`, ms, COMMIT_MS);
}

/** What git does before a fetch: what can the server do, and which references has it? */
async function advertisement(url: string): Promise<Result> {
  const { username, password, host, pathname } = new URL(url);
  const authorization = `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`;
  const headers = { authorization, 'git-protocol': 'version=2' };
  const at = `http://${host}${pathname}`;
  const command = '0014command=ls-refs\n00010009peel\n000csymrefs\n0000';
  const body = Buffer.from(command);
  const ms = await medianMs(50, async () => {
    const offered = await exchange(`${at}/info/refs?service=git-upload-pack`, headers);
    if (!offered.includes('ls-refs')) throw new Error('the server does not offer ls-refs');
    const type = { 'content-type': 'application/x-git-upload-pack-request', 'content-length': `${body.length}` };
    const refs = await exchange(`${at}/git-upload-pack`, { ...headers, ...type }, body);
    if (refs.split('\n').length < BRANCHES) throw new Error(`not all references came: ${refs.slice(0, 500)}`);
  });
  return {
    ...result(`info/refs and ls-refs of ${BRANCHES} references`, ms, ADVERTISEMENT_MS),
    notes: ['median of two requests on kept connections, as git sends them, with a password'],
  };
}

function exchange(url: string, headers: Record<string, string>, body?: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: body === undefined ? 'GET' : 'POST', headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('latin1');
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`${url} answered ${response.statusCode}: ${text.slice(0, 500)}`));
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
