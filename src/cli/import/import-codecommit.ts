import type { ApprovalRuleTemplate, RepositoryMetadata, RepositoryTrigger } from '@aws-sdk/client-codecommit';
import type { Config } from '../../kernel/config.ts';
import { MAX_BUNDLE_BYTES } from '../../services/codecommit/import-bundle.ts';
import { queryOf, RequestRefused, sendSigned } from '../signed-request.ts';
import { UsageError } from '../usage-error.ts';
import {
  pullRequestIds,
  readPullRequest,
  repositoryNames,
  templatesOf,
  told,
  triggersOf,
} from './codecommit-source.ts';
import { shown } from './git-command.ts';
import { copyGit, repositoryOf } from './import-git.ts';
import { countOf, Progress } from './progress.ts';
import {
  asUsageError,
  type CodeCommitServer,
  gitUrl,
  type SourceOptions,
  sourceServer,
  targetServer,
} from './server.ts';

export interface CodeCommitImport extends SourceOptions {
  /** A name, or undefined for all repositories. */
  name: string | undefined;
  repository?: string | undefined;
  overwrite?: boolean | undefined;
}

interface Road {
  readonly source: CodeCommitServer;
  readonly target: CodeCommitServer;
  readonly progress: Progress;
}

/**
 * `slipway import --from-codecommit`: repositories with their pull requests, out of AWS or another Slipway.
 * @returns the exit status: 1 when something could not be carried over
 */
export async function importCodeCommit(config: Config, given: CodeCommitImport): Promise<number> {
  const road: Road = {
    target: await targetServer(config),
    source: await sourceServer(given),
    progress: new Progress(),
  };
  try {
    const names = given.name === undefined ? await repositoryNames(road.source.client) : [given.name];
    let status = 0;
    for (const [at, name] of names.entries()) {
      if (names.length > 1) road.progress.line(`Repository ${at + 1} of ${names.length}: ${shown(name)}`);
      status = Math.max(status, await importOne(road, name, given));
    }
    return status;
  } catch (error) {
    throw asUsageError(error, 'The import stopped; another run goes on where it stopped');
  } finally {
    road.source.client.destroy();
    road.target.client.destroy();
  }
}

async function importOne(road: Road, name: string, given: CodeCommitImport): Promise<number> {
  const { source, target, progress } = road;
  source.budget?.allow();
  const answer = await source.client.getRepository({ repositoryName: name });
  const from = told(answer.repositoryMetadata, 'repositoryMetadata');
  const { tags } = await source.client.listTagsForResource({ resourceArn: told(from.Arn, 'Arn') });
  const own = Object.fromEntries(Object.entries(tags ?? {}).filter(([key]) => !key.startsWith('aws:')));
  const draft = { description: from.repositoryDescription, tags: own };
  const url = gitUrl(source, from);
  const git = { url, login: () => source.login(url) };
  let left = 0;
  const make = async () => {
    const to = await repositoryOf(target, given.repository ?? name, draft, progress);
    // Pull requests first: a branch that moves under an open one would be told in its history as news of today.
    left = await carryPullRequests(road, from, to);
    return to;
  };
  const { status, repository } = await copyGit(git, { server: target, make }, progress, { overwrite: given.overwrite });
  const isWhole = await carrySettings(road, from, repository);
  return left > 0 || !isWhole ? 1 : status;
}

/** What became of a pull request: of the server's words, or that it did not come, which is told. */
type Outcome = 'IMPORTED' | 'UNCHANGED' | 'CHANGED_HERE' | 'TAKEN' | 'LEFT';

/** @returns how many could not be carried */
async function carryPullRequests(road: Road, from: RepositoryMetadata, to: RepositoryMetadata): Promise<number> {
  const { source, progress } = road;
  const counts: Record<Outcome, number> = { IMPORTED: 0, UNCHANGED: 0, CHANGED_HERE: 0, TAKEN: 0, LEFT: 0 };
  const ids = await pullRequestIds(source.client, told(from.repositoryName, 'repositoryName'));
  for (const [at, id] of ids.entries()) {
    progress.update(`pull request ${at + 1} of ${ids.length}`);
    counts[await carryPullRequest(road, to, id)] += 1;
  }
  const { IMPORTED, UNCHANGED, TAKEN, LEFT } = counts;
  const were = UNCHANGED === 1 ? 'was' : 'were';
  progress.line(
    `${to.repositoryName}: ${countOf(ids.length, 'pull request')}, ${IMPORTED} came, ${UNCHANGED} ${were} here already`,
  );
  if (from.accountId !== to.accountId && ids.length > 0) {
    progress.line(
      `  Authors and approvers stay those of account ${shown(String(from.accountId))}. In an account of that`,
    );
    progress.line('  number (`slipway account create --id`) they are also people of today.');
  }
  return TAKEN + LEFT;
}

async function carryPullRequest(
  { source, target, progress }: Road,
  to: RepositoryMetadata,
  id: string,
): Promise<Outcome> {
  source.budget?.allow();
  const body = JSON.stringify(await readPullRequest(source.client, id));
  if (Buffer.byteLength(body) > MAX_BUNDLE_BYTES) {
    progress.line(
      `Pull request ${id} has more than ${MAX_BUNDLE_BYTES / 2 ** 20} MiB of comments and history; it did not come`,
    );
    return 'LEFT';
  }
  try {
    const { outcome } = (await sendSigned({
      url: target.endpoint!.replace(/\/+$/, ''),
      method: 'POST',
      target: `/_slipway/codecommit/pull-requests${queryOf({ repositoryName: to.repositoryName! })}`,
      region: target.region,
      service: 'codecommit',
      keys: await target.client.config.credentials(),
      body,
    })) as { outcome: Exclude<Outcome, 'LEFT'> };
    if (outcome === 'CHANGED_HERE')
      progress.line(`Pull request ${id} has been worked on here since; it stays as it is`);
    if (outcome === 'TAKEN') progress.line(`Pull request ${id}: another one has that number here; it did not come`);
    return outcome;
  } catch (error) {
    // One that the server finds fault with keeps none of the others out.
    if (!(error instanceof RequestRefused) || error.status !== 400) throw error;
    progress.line(`Pull request ${id} did not come: ${shown(error.message)}`);
    return 'LEFT';
  }
}

/** Triggers and approval rule templates, by the public API: they may be refused one by one. @returns whether all came */
async function carrySettings(road: Road, from: RepositoryMetadata, to: RepositoryMetadata): Promise<boolean> {
  const { source } = road;
  let isWhole = true;
  const triggers = await triggersOf(source.client, from.repositoryName!);
  if (triggers.length > 0) isWhole = await attempt(road, 'Triggers', () => putTriggers(road, to, triggers));
  for (const template of await templatesOf(source.client, from.repositoryName!)) {
    const what = `Approval rule template ${shown(told(template.approvalRuleTemplateName, 'approvalRuleTemplateName'))}`;
    if (!(await attempt(road, what, () => putTemplate(road, to, template)))) isWhole = false;
  }
  return isWhole;
}

async function attempt({ progress }: Road, what: string, run: () => Promise<unknown>): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (error) {
    const reason = asUsageError(error, `${what} did not come`);
    if (!(reason instanceof UsageError)) throw error;
    progress.line(shown(reason.message));
    return false;
  }
}

function putTriggers({ target }: Road, to: RepositoryMetadata, triggers: RepositoryTrigger[]): Promise<unknown> {
  return target.client.putRepositoryTriggers({ repositoryName: to.repositoryName!, triggers });
}

async function putTemplate({ target }: Road, to: RepositoryMetadata, template: ApprovalRuleTemplate): Promise<void> {
  const name = { approvalRuleTemplateName: template.approvalRuleTemplateName! };
  try {
    await target.client.createApprovalRuleTemplate({
      ...name,
      approvalRuleTemplateContent: template.approvalRuleTemplateContent!,
      ...(template.approvalRuleTemplateDescription === undefined
        ? {}
        : { approvalRuleTemplateDescription: template.approvalRuleTemplateDescription }),
    });
  } catch (error) {
    // It is here already, with whatever content was given to it here.
    if ((error as Error).name !== 'ApprovalRuleTemplateNameAlreadyExistsException') throw error;
  }
  await target.client.associateApprovalRuleTemplateWithRepository({ ...name, repositoryName: to.repositoryName! });
}
