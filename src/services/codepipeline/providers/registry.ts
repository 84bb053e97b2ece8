import { codeBuild } from './codebuild.ts';
import { codeCommitSource } from './codecommit.ts';
import { manualApproval } from './manual-approval.ts';
import type { Provider } from './provider.ts';
import { s3Deploy } from './s3-deploy.ts';
import { s3Source } from './s3-source.ts';

const PROVIDERS: Readonly<Record<string, Provider>> = {
  'Source/CodeCommit': codeCommitSource,
  'Source/S3': s3Source,
  'Build/CodeBuild': codeBuild,
  'Test/CodeBuild': codeBuild,
  'Approval/Manual': manualApproval,
  'Deploy/S3': s3Deploy,
};

/** Who does the work of an action type; every type of SUPPORTED_ACTION_TYPES has one. */
export function providerOf(category: string, provider: string): Provider {
  const found = PROVIDERS[`${category}/${provider}`];
  if (found === undefined) throw new Error(`no provider ${category}/${provider}`);
  return found;
}
