import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { temporaryFolder } from '../harness.ts';
import { startServerProcess } from '../server-process.ts';
import { failureOf, layRoad } from './road.ts';

/** Milliseconds after the push at which the server dies: over the whole road, source to deploy. */
const KILL_AFTER_MS = [0, 20, 60, 120, 250, 500, 900];

test('kill -9 at any moment: an acknowledged push is there, its execution goes on or fails visibly, no build runs twice unsaid', async (t) => {
  const data = await temporaryFolder(t);
  const server = await startServerProcess(t, join(data, 'slipway'));
  const road = await layRoad(server.url, server.keys, join(data, 'work'));
  let shown = '';
  for (const [turn, delayMs] of KILL_AFTER_MS.entries()) {
    const commit = await road.push({ 'visit.txt': `${turn + 1}\n` });
    await wait(delayMs);
    await server.kill();
    await server.start();
    const { branch } = await road.clients.codecommit.getBranch({ repositoryName: 'hello-web', branchName: 'main' });
    assert.equal(branch?.commitId, commit, `killed ${delayMs} ms after the push`);
    const execution = await road.execution(commit);
    const { status, actions } = await road.finish(execution);
    if (status === 'Succeeded') shown = commit;
    else
      assert.match(failureOf(actions, 'BuildAndTest'), /^Failed: .+/, `killed ${delayMs} ms after the push: ${status}`);
    const { ids = [] } = await road.clients.codebuild.listBuildsForProject({ projectName: 'hello-web' });
    const { builds = [] } = await road.clients.codebuild.batchGetBuilds({ ids: ids.slice(0, 100) });
    const ofThis = builds.filter(
      ({ resolvedSourceVersion, sourceVersion }) => resolvedSourceVersion === commit || sourceVersion?.includes(commit),
    );
    assert.ok(ofThis.length <= 1, `killed ${delayMs} ms after the push: ${ofThis.length} builds for one action`);
  }
  // Whatever happened before, the road is open.
  const last = await road.push({ 'visit.txt': '100\n' });
  const { status, actions } = await road.finish(await road.execution(last));
  assert.equal(status, 'Succeeded', failureOf(actions, 'BuildAndTest'));
  assert.ok((await road.page()).body.includes(last));
  assert.notEqual(shown, last);
});

test('clone after a kill shows every commit that a push was told about', async (t) => {
  const data = await temporaryFolder(t);
  const server = await startServerProcess(t, join(data, 'slipway'));
  const road = await layRoad(server.url, server.keys, join(data, 'work'));
  const acknowledged: string[] = [];
  for (let turn = 0; turn < 3; turn++) {
    for (let commit = 0; commit < 3; commit++)
      acknowledged.push(await road.push({ 'visit.txt': `${turn}${commit}\n` }));
    const inFlight = road.push({ 'visit.txt': `${turn}-in-flight\n` }).then(
      (id) => acknowledged.push(id),
      () => 'not acknowledged',
    );
    await server.kill();
    await inFlight;
    await server.start();
  }
  await road.git('clone', '--quiet', road.resources.cloneUrl, join(data, 'clone'));
  const history = (await road.git('-C', join(data, 'clone'), 'log', '--format=%H')).split('\n');
  for (const id of acknowledged) assert.ok(history.includes(id), id);
  await road.git('-C', join(data, 'clone'), 'fsck', '--full', '--strict');
});
