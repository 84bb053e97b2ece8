import * as sdk from '@aws-sdk/client-codebuild';
import { defineService } from '../../kernel/define-service.ts';
import constraints from './constraints.generated.json' with { type: 'json' };
import * as environmentImages from './environment-images.ts';
import * as projects from './projects.ts';
import { projectMigrations } from './tables.ts';

/** CodeBuild: projects and the builds that run them. */
export const codebuild = defineService({
  name: 'codebuild',
  sdk,
  protocol: 'json-1.1',
  signingName: 'codebuild',
  iamPrefix: 'codebuild',
  eventSource: 'codebuild.amazonaws.com',
  targetPrefix: 'CodeBuild_20161006',
  constraints,
  families: [projects, environmentImages],
  migrations: projectMigrations,
});
