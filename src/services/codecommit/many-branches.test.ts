import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startWithRepository, workingCopy } from './harness.ts';

const app = { repositoryName: 'app' };

test('what the API and pushes do to references is seen by both, by either protocol and by another look at the rows', async (t) => {
  const { server, alice } = await startWithRepository(t);
  const { codecommit } = server.root_;
  const git = await workingCopy(t, alice.remote('app'));
  await git.commitFile('a.txt', 'a');
  await git.run('tag', '-m', 'one', 'v1');
  await git.run(
    'push',
    '-q',
    'origin',
    'main',
    'v1',
    ...Array.from({ length: 50 }, (_, n) => `main:refs/heads/many/${n}`),
  );
  const put = async (branchName: string, parentCommitId: string, text: string) =>
    (
      await codecommit.putFile({
        ...app,
        branchName,
        parentCommitId,
        filePath: 'b.txt',
        fileContent: Buffer.from(text),
      })
    ).commitId!;
  const first = await git.run('rev-parse', 'main');
  const look = async () => {
    const branches: string[] = [];
    for (const name of (await codecommit.listBranches(app)).branches!) {
      const { branch } = await codecommit.getBranch({ ...app, branchName: name });
      branches.push(`${branch!.commitId}\trefs/heads/${name}`);
    }
    const modern = (await git.run('ls-remote', '--heads', 'origin')).split('\n');
    assert.deepEqual(modern.toSorted(), branches.toSorted());
    assert.equal(await git.run('-c', 'protocol.version=0', 'ls-remote', '--heads', 'origin'), modern.join('\n'));
    // An old client's fetch has git itself look at the references.
    await git.run('-c', 'protocol.version=0', 'fetch', '-q', '--prune', 'origin');
    const fetched = await git.run(
      'for-each-ref',
      '--format=%(objectname)\trefs/heads/%(refname:lstrip=3)',
      'refs/remotes/origin',
    );
    assert.deepEqual(fetched.split('\n').toSorted(), branches.toSorted());
  };
  await look();
  await codecommit.createBranch({ ...app, branchName: 'aside', commitId: first });
  const second = await put('main', first, 'one');
  await look();
  await codecommit.deleteBranch({ ...app, branchName: 'many/7' });
  const third = await put('aside', first, 'two');
  await codecommit.updateDefaultBranch({ ...app, defaultBranchName: 'aside' });
  await look();
  await git.run('push', '-q', 'origin', ':refs/heads/many/9', `${second}:refs/heads/many/8`, `${third}:refs/heads/zz`);
  await put('zz', third, 'three');
  await look();
  assert.match(await git.run('ls-remote', '--symref', 'origin', 'HEAD'), /^ref: refs\/heads\/aside\tHEAD/);
});
