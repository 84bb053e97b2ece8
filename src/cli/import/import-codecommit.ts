import type { ApprovalRuleTemplate, RepositoryMetadata, RepositoryTrigger } from '@aws-sdk/client-codecommit';
import type { Config } from '../../kernel/config.ts';
import { queryOf, sendSigned } from '../signed-request.ts';
import { UsageError } from '../usage-error.ts';
import { pullRequestIds, readPullRequest, repositoryNames, templatesOf, triggersOf } from './codecommit-source.ts';
import { copyGit, repositoryOf } from './import-git.ts';
import { Progress } from './progress.ts';
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
      if (names.length > 1) road.progress.line(`Repository ${at + 1} of ${names.length}: ${name}`);
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
  const from = (await source.client.getRepository({ repositoryName: name })).repositoryMetadata!;
  const { tags = {} } = await source.client.listTagsForResource({ resourceArn: from.Arn! });
  const own = Object.fromEntries(Object.entries(tags).filter(([key]) => !key.startsWith('aws:')));
  const draft = { description: from.repositoryDescription, tags: own };
  const to = await repositoryOf(target, given.repository ?? name, draft, progress);
  // Pull requests first: a branch that moves under an open one would be told in its history as news of today.
  const left = await carryPullRequests(road, from, to);
  const url = gitUrl(source, from);
  const git = { url, login: () => source.login(url) };
  const status = await copyGit(git, { server: target, repository: to }, progress, { overwrite: given.overwrite });
  const isWhole = await carrySettings(road, from, to);
  return left > 0 || !isWhole ? 1 : status;
}

/** @returns how many could not be carried */
async function carryPullRequests(
  { source, target, progress }: Road,
  from: RepositoryMetadata,
  to: RepositoryMetadata,
): Promise<number> {
  const outcomes: Record<string, number> = {};
  let left = 0;
  const ids = await pullRequestIds(source.client, from.repositoryName!);
  for (const [at, id] of ids.entries()) {
    progress.update(`pull request ${at + 1} of ${ids.length}`);
    const body = JSON.stringify(await readPullRequest(source.client, id));
    const { outcome } = (await sendSigned({
      url: target.endpoint!.replace(/\/+$/, ''),
      method: 'POST',
      target: `/_slipway/codecommit/pull-requests${queryOf({ repositoryName: to.repositoryName! })}`,
      region: target.region,
      service: 'codecommit',
      keys: await target.client.config.credentials(),
      body,
    })) as { outcome: string };
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    if (outcome === 'CHANGED_HERE')
      progress.line(`Pull request ${id} has been worked on here since; it stays as it is`);
    if (outcome === 'TAKEN') progress.line(`Pull request ${id}: another one has that number here; it did not come`);
    if (outcome === 'TAKEN') left += 1;
  }
  const { IMPORTED = 0, UNCHANGED = 0 } = outcomes;
  progress.line(`${to.repositoryName}: ${ids.length} pull requests, ${IMPORTED} came, ${UNCHANGED} were here already`);
  if (from.accountId !== to.accountId && ids.length > 0) {
    progress.line(`  Authors and approvers stay those of account ${from.accountId}. In an account of that number`);
    progress.line('  (`slipway account create --id`) they are also people of today.');
  }
  return left;
}

/** Triggers and approval rule templates, by the public API: they may be refused one by one. @returns whether all came */
async function carrySettings(road: Road, from: RepositoryMetadata, to: RepositoryMetadata): Promise<boolean> {
  const { source } = road;
  let isWhole = true;
  const triggers = await triggersOf(source.client, from.repositoryName!);
  if (triggers.length > 0) isWhole = await attempt(road, 'Triggers', () => putTriggers(road, to, triggers));
  for (const template of await templatesOf(source.client, from.repositoryName!)) {
    const what = `Approval rule template ${template.approvalRuleTemplateName}`;
    if (!(await attempt(road, what, () => putTemplate(road, to, template)))) isWhole = false;
  }
  return isWhole;
}

async function attempt({ progress }: Road, what: string, run: () => Promise<unknown>): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (error) {
    const told = asUsageError(error, `${what} did not come`);
    if (!(told instanceof UsageError)) throw error;
    progress.line(told.message);
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
