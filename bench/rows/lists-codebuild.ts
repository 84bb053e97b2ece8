import type { Crowd } from '../crowd.ts';
import { makeCommandProject } from '../delivery.ts';
import { until } from '../program.ts';
import { numbered } from '../row-copies.ts';

const projectName = 'crowd';

/** Builds of one project, and projects. */
export const codebuildLists: Crowd = {
  service: 'CodeBuild',
  async seed(slipway) {
    const { codebuild } = slipway.clients;
    await makeCommandProject(slipway, projectName, ':');
    const { build } = await codebuild.startBuild({ projectName });
    await until(async () => {
      const { builds = [] } = await codebuild.batchGetBuilds({ ids: [build!.id!] });
      return builds[0]?.buildComplete === true ? true : undefined;
    }, 'the first build');
  },
  fill(tables, count) {
    const place = (n: number) => 1_000 + n;
    tables.copy('codebuild_builds', {}, count, (n) => ({ id: buildOf(n), number: place(n), position: place(n) }));
    tables.copy('codebuild_projects', { name: projectName }, count, (n) => ({
      id: `bench-${numbered(n)}`,
      name: projectOf(n),
    }));
  },
  calls: [
    {
      name: 'BatchGetProjects',
      async prepare({ clients: { codebuild } }, count) {
        return () => codebuild.batchGetProjects({ names: [projectOf(count - 1)] });
      },
    },
    {
      name: 'BatchGetBuilds',
      async prepare({ clients: { codebuild } }, count) {
        return () => codebuild.batchGetBuilds({ ids: [buildOf(count - 1)] });
      },
    },
    {
      name: 'ListProjects',
      async prepare({ clients: { codebuild } }) {
        return () => codebuild.listProjects();
      },
    },
    {
      name: 'ListProjects, latest first',
      async prepare({ clients: { codebuild } }) {
        return () => codebuild.listProjects({ sortBy: 'LAST_MODIFIED_TIME', sortOrder: 'DESCENDING' });
      },
    },
    {
      name: 'ListBuilds',
      async prepare({ clients: { codebuild } }) {
        return () => codebuild.listBuilds();
      },
    },
    {
      name: 'ListBuildsForProject',
      async prepare({ clients: { codebuild } }) {
        return () => codebuild.listBuildsForProject({ projectName });
      },
    },
  ],
};

function projectOf(n: number): string {
  return `project-${numbered(n)}`;
}

function buildOf(n: number): string {
  return `${projectName}:00000000-0000-4000-8000-0000${numbered(n)}`;
}
