import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { testFolder } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { ledger } from '../testing/ledger.ts';
import { startElsewhere } from '../testing/other-process.ts';
import { sendSigned } from '../testing/raw-http.ts';
import { testIdentities } from '../testing/services.ts';

const CREATE = { 'x-amz-target': 'CodeCommit_20150413.CreateRepository' };

/** Starts on the data of a killed server and gives the names whose events arrive. */
async function eventsAfterRestart(t: Parameters<typeof startServer>[0], data: string): Promise<string[]> {
  const names: string[] = [];
  const service = ledger({
    async onEvent(event) {
      names.push(String(event.detail['name']));
    },
  });
  const server = await startServer(t, { services: [testIdentities(), service], settings: { data, databaseUrl: '' } });
  await eventually(async () => {
    const rows = await server.kernel.database.reader.selectFrom('kernel_outbox').select('id').execute();
    return rows.length === 0;
  });
  return names;
}

test('no event is lost when the process is killed between commit and delivery', async (t) => {
  const data = await testFolder(t);
  const other = await startElsewhere(t, data, '{ onEvent: () => new Promise(() => undefined) }');
  const names = ['one', 'two', 'three', 'four'];
  for (const repositoryName of names) {
    const answer = await sendSigned(other.url, 'codecommit', other.root, {
      headers: CREATE,
      body: JSON.stringify({ repositoryName }),
    });
    assert.equal(answer.status, 200);
  }
  await other.kill();
  assert.deepEqual(await eventsAfterRestart(t, data), names);
});

test('an event is delivered again when the process is killed while its consumer works', async (t) => {
  const data = await testFolder(t);
  const options = `{ onEvent: async (event) => { say(event.detail.name); if (event.detail.name === 'two') await new Promise(() => undefined); } }`;
  const other = await startElsewhere(t, data, options);
  for (const repositoryName of ['one', 'two', 'three']) {
    await sendSigned(other.url, 'codecommit', other.root, {
      headers: CREATE,
      body: JSON.stringify({ repositoryName }),
    });
  }
  await eventually(() => other.lines.includes('two'));
  await other.kill();
  const names = await eventsAfterRestart(t, data);
  assert.deepEqual(names.slice(-2), ['two', 'three']);
});

test('an event whose transaction was open when the process was killed never was', async (t) => {
  const data = await testFolder(t);
  const options = `{ inTransaction: async () => { say('open'); await new Promise(() => undefined); } }`;
  const other = await startElsewhere(t, data, options);
  const headers = CREATE;
  const answer = sendSigned(other.url, 'codecommit', other.root, { headers, body: '{"repositoryName":"one"}' });
  const lost = assert.rejects(answer);
  await eventually(() => other.lines.includes('open'));
  await other.kill();
  await lost;
  assert.deepEqual(await eventsAfterRestart(t, data), []);
});
