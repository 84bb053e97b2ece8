import { CodeBuild } from '@aws-sdk/client-codebuild';
import { CodeCommit } from '@aws-sdk/client-codecommit';
import { CodePipeline } from '@aws-sdk/client-codepipeline';
import { IAM } from '@aws-sdk/client-iam';
import { S3 } from '@aws-sdk/client-s3';
import type { RootCredentials } from '../../kernel/store/data-folder.ts';

/** The SDK clients that the demo works with: it uses nothing but the public API. */
export interface DemoClients {
  codebuild: CodeBuild;
  codecommit: CodeCommit;
  codepipeline: CodePipeline;
  iam: IAM;
  s3: S3;
}

/** Clients of the root user at a server. */
export function demoClients(endpoint: string, region: string, credentials: RootCredentials): DemoClients {
  const settings = { endpoint, region, credentials };
  return {
    codebuild: new CodeBuild(settings),
    codecommit: new CodeCommit(settings),
    codepipeline: new CodePipeline(settings),
    iam: new IAM(settings),
    s3: new S3({ ...settings, forcePathStyle: true }),
  };
}

/** Runs `make`; an error that says the thing is there already is fine: the demo carries on from what it finds. */
export async function unlessThere(make: Promise<unknown>, ...codes: string[]): Promise<void> {
  try {
    await make;
  } catch (error) {
    if (!codes.includes((error as Error).name)) throw error;
  }
}
