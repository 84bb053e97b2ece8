import * as sdk from '@aws-sdk/client-codebuild';
import { defineService } from '../../kernel/define-service.ts';
import type { Service } from '../../kernel/service.ts';
import { credentialsRoute } from './build-credentials.ts';
import { BuildQueue, type OpenExecutor, queueOf } from './build-queue.ts';
import * as builds from './builds.ts';
import constraints from './constraints.generated.json' with { type: 'json' };
import * as environmentImages from './environment-images.ts';
import { openConfiguredExecutor } from './open-executor.ts';
import * as projects from './projects.ts';
import * as startBuild from './start-build.ts';
import { codebuildMigrations } from './tables.ts';

/** CodeBuild with builds run by another executor, for tests. */
export function codebuildWith(openExecutor: OpenExecutor): Service {
  return defineService({
    name: 'codebuild',
    sdk,
    protocol: 'json-1.1',
    signingName: 'codebuild',
    iamPrefix: 'codebuild',
    eventSource: 'codebuild.amazonaws.com',
    targetPrefix: 'CodeBuild_20161006',
    constraints,
    families: [projects, environmentImages, startBuild, builds],
    routes: [credentialsRoute((ctx) => queueOf(ctx).tokens)],
    migrations: codebuildMigrations,
    lifecycle: {
      async start(ctx) {
        BuildQueue.start(ctx, openExecutor);
      },
      stop: (ctx) => queueOf(ctx).stop(),
    },
  });
}

/** CodeBuild: projects and the builds that run them. */
export const codebuild = codebuildWith(openConfiguredExecutor);
