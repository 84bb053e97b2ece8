import { arn } from '../../kernel/arn.ts';
import type { Context } from '../../kernel/context.ts';
import type { ConditionKeys, ResourceRef } from '../../kernel/service.ts';
import { taggedResource } from '../../kernel/tags.ts';
import { branchRef } from './store.ts';

/** Where a resource is. Contexts and rows of repositories are places. */
export interface Place {
  readonly account: string;
  readonly region: string;
}

/** ARN of a repository. Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS CodeCommit". */
export function repositoryArn({ account, region }: Place, name: string): string {
  return arn('codecommit', region, account, name);
}

/** What IAM evaluates for a repository: its ARN with its tags. */
export function repositoryResource(ctx: Context, name: string): ResourceRef {
  return taggedResource(ctx, repositoryArn(ctx, name));
}

/** `resource` of every operation on one repository. */
export function ofRepository(input: { repositoryName?: string | undefined }, ctx: Context): ResourceRef {
  return repositoryResource(ctx, input.repositoryName ?? '');
}

/** `conditions` of every operation that moves a branch. */
export function branchReferences(input: { branchName?: string | undefined }): ConditionKeys {
  return references([branchRef(input.branchName ?? '')]);
}

/** Condition key for references in full form. Source: CodeCommit User Guide, "Limit pushes and merges to branches". */
export function references(names: string[]): ConditionKeys {
  return { 'codecommit:References': names };
}

/**
 * Addresses for git clients, in AWS's form on this installation's own host.
 * @param sshPort port of git over SSH; undefined where it is switched off: no address is better than one that leads nowhere.
 */
export function cloneUrls(
  publicUrl: string,
  sshPort: number | undefined,
  name: string,
): { cloneUrlHttp: string; cloneUrlSsh?: string } {
  const cloneUrlHttp = `${publicUrl}/v1/repos/${name}`;
  if (sshPort === undefined) return { cloneUrlHttp };
  const port = sshPort === 22 ? '' : `:${sshPort}`;
  return { cloneUrlHttp, cloneUrlSsh: `ssh://${hostOf(publicUrl)}${port}/v1/repos/${name}` };
}

let known = { publicUrl: '', hostname: '' };

/** An installation has one public address, and every answer about a repository names it. */
function hostOf(publicUrl: string): string {
  if (known.publicUrl !== publicUrl) known = { publicUrl, hostname: new URL(publicUrl).hostname };
  return known.hostname;
}
