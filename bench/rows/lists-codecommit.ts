import type { Crowd } from '../crowd.ts';
import { numbered } from '../row-copies.ts';

const repositoryName = 'crowd';

/** Repositories, and branches of one of them. */
export const codecommitLists: Crowd = {
  service: 'CodeCommit',
  // Its lists have pages of a thousand, and nobody can ask for less.
  few: 1_000,
  async seed({ clients: { codecommit } }) {
    await codecommit.createRepository({ repositoryName });
    await codecommit.putFile({
      repositoryName,
      branchName: 'main',
      filePath: 'seed',
      fileContent: Buffer.from('seed'),
    });
  },
  fill(tables, count) {
    const id = tables.value('codecommit_repositories', 'id', { name: repositoryName });
    tables.copy('codecommit_refs', { repository_id: id }, count, (n) => ({ name: `refs/heads/${branchOf(n)}` }));
    const repository = (n: number) => ({ id: `bench-${numbered(n)}`, name: repositoryOf(n), head: null });
    tables.copy('codecommit_repositories', { id }, count, repository);
  },
  calls: [
    {
      name: 'GetRepository',
      async prepare({ clients: { codecommit } }, count) {
        return () => codecommit.getRepository({ repositoryName: repositoryOf(count - 1) });
      },
    },
    {
      name: 'GetBranch',
      async prepare({ clients: { codecommit } }, count) {
        return () => codecommit.getBranch({ repositoryName, branchName: branchOf(count - 1) });
      },
    },
    {
      name: 'GetFile',
      async prepare({ clients: { codecommit } }, count) {
        return () => codecommit.getFile({ repositoryName, commitSpecifier: branchOf(count - 1), filePath: 'seed' });
      },
    },
    {
      name: 'ListRepositories',
      async prepare({ clients: { codecommit } }) {
        return () => codecommit.listRepositories();
      },
    },
    {
      name: 'ListRepositories, latest first',
      async prepare({ clients: { codecommit } }) {
        return () => codecommit.listRepositories({ sortBy: 'lastModifiedDate', order: 'descending' });
      },
    },
    {
      name: 'ListBranches',
      async prepare({ clients: { codecommit } }) {
        return () => codecommit.listBranches({ repositoryName });
      },
    },
  ],
};

function repositoryOf(n: number): string {
  return `repository-${numbered(n)}`;
}

function branchOf(n: number): string {
  return `branch-${numbered(n)}`;
}
