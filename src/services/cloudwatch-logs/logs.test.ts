import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { OutputLogEvent } from '@aws-sdk/client-cloudwatch-logs';
import { startServer } from '../../../test/harness.ts';
import { until } from '../../../test/scenarios/road.ts';

async function start(t: TestContext) {
  const server = await startServer(t);
  return { server, logs: server.root_.logs, now: Date.now() };
}

function texts(events: OutputLogEvent[] = []): string[] {
  return events.map(({ message }) => message!);
}

test('a batch is read back in order, from either end, and the end gives the same token again', async (t) => {
  const { logs, now } = await start(t);
  const name = { logGroupName: 'g', logStreamName: 's' };
  await logs.createLogGroup({ logGroupName: 'g' });
  await logs.createLogStream(name);
  for (let batch = 0; batch < 10; batch++) {
    await logs.putLogEvents({
      ...name,
      logEvents: [0, 1, 2].map((n) => ({ timestamp: now + batch * 10 + n, message: `${batch}.${n}` })),
    });
  }
  const expected = Array.from({ length: 30 }, (_, n) => `${Math.floor(n / 3)}.${n % 3}`);
  const forwards: string[] = [];
  let token: string | undefined;
  for (;;) {
    const page = await logs.getLogEvents({ ...name, startFromHead: true, limit: 7, nextToken: token });
    forwards.push(...texts(page.events));
    if (page.nextForwardToken === token) break;
    token = page.nextForwardToken;
  }
  assert.deepEqual(forwards, expected);
  await logs.putLogEvents({ ...name, logEvents: [{ timestamp: now + 1000, message: 'late' }] });
  assert.deepEqual(texts((await logs.getLogEvents({ ...name, nextToken: token })).events), ['late']);

  const backwards: string[] = [];
  let back: string | undefined;
  for (;;) {
    const page = await logs.getLogEvents({ ...name, limit: 7, nextToken: back });
    backwards.unshift(...texts(page.events));
    if (page.nextBackwardToken === back) break;
    back = page.nextBackwardToken;
  }
  assert.deepEqual(backwards, [...expected, 'late']);
});

test('batches that go back in time are merged; no event is lost or doubled', async (t) => {
  const { logs, now } = await start(t);
  const name = { logGroupName: 'g', logStreamName: 's' };
  await logs.createLogGroup({ logGroupName: 'g' });
  await logs.createLogStream(name);
  const put = (...offsets: number[]) =>
    logs.putLogEvents({ ...name, logEvents: offsets.map((at) => ({ timestamp: now + at, message: String(at) })) });
  await put(10, 20, 30);
  await put(40, 50);
  await put(5, 25, 45);
  await put(50, 60);
  await put(1);
  const { events } = await logs.getLogEvents({ ...name, startFromHead: true });
  assert.deepEqual(texts(events), ['1', '5', '10', '20', '25', '30', '40', '45', '50', '50', '60']);
  const between = await logs.getLogEvents({ ...name, startFromHead: true, startTime: now + 20, endTime: now + 45 });
  assert.deepEqual(texts(between.events), ['20', '25', '30', '40']);
});

test('FilterLogEvents joins streams by time, page by page, with a pattern', async (t) => {
  const { logs, now } = await start(t);
  await logs.createLogGroup({ logGroupName: 'g' });
  for (const [index, stream] of ['a-1', 'a-2', 'b-1'].entries()) {
    await logs.createLogStream({ logGroupName: 'g', logStreamName: stream });
    for (let batch = 0; batch < 4; batch++) {
      const logEvents = [0, 1, 2].map((n) => ({
        timestamp: now + batch * 30 + n * 10 + index,
        message: `${stream} ${batch * 3 + n} ${n === 1 ? 'odd' : 'even'}`,
      }));
      await logs.putLogEvents({ logGroupName: 'g', logStreamName: stream, logEvents });
    }
  }
  const all = async (input: object) => {
    const found: string[] = [];
    const ids = new Set<string>();
    let nextToken: string | undefined;
    do {
      const page = await logs.filterLogEvents({ logGroupName: 'g', limit: 5, ...input, nextToken });
      found.push(...texts(page.events));
      for (const { eventId } of page.events ?? []) ids.add(eventId!);
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    assert.equal(ids.size, found.length);
    return found;
  };
  const order = Array.from({ length: 12 }, (_, n) =>
    ['a-1', 'a-2', 'b-1'].map((stream) => `${stream} ${n} ${n % 3 === 1 ? 'odd' : 'even'}`),
  ).flat();
  assert.deepEqual(await all({}), order);
  assert.deepEqual(
    await all({ filterPattern: 'odd' }),
    order.filter((text) => text.endsWith('odd')),
  );
  assert.deepEqual(
    await all({ logStreamNamePrefix: 'a-' }),
    order.filter((text) => text.startsWith('a-')),
  );
  assert.deepEqual(
    await all({ logStreamNames: ['b-1'], startTime: now + 30 }),
    order.filter((text) => text.startsWith('b-1')).slice(3),
  );
  await assert.rejects(logs.filterLogEvents({ logGroupName: 'g', filterPattern: '%x%' }), {
    name: 'InvalidParameterException',
  });
});

test('limits of a batch are AWS’s, and events too old or too new are told and left out', async (t) => {
  const { logs, now } = await start(t);
  const name = { logGroupName: 'g', logStreamName: 's' };
  await logs.createLogGroup({ logGroupName: 'g' });
  await logs.createLogStream(name);
  const refused = (logEvents: { timestamp: number; message: string }[], message: RegExp) =>
    assert.rejects(logs.putLogEvents({ ...name, logEvents }), { name: 'InvalidParameterException', message });
  await refused(
    [
      { timestamp: now + 1, message: 'b' },
      { timestamp: now, message: 'a' },
    ],
    /chronological/,
  );
  await refused([{ timestamp: now, message: 'x'.repeat(1_048_576) }], /Upload too large/);
  await refused(
    [
      { timestamp: now - 90_000_000, message: 'a' },
      { timestamp: now, message: 'b' },
    ],
    /24 hours/,
  );
  const day = 86_400_000;
  const old = await logs.putLogEvents({ ...name, logEvents: [{ timestamp: now - 15 * day, message: 'old' }] });
  assert.deepEqual(old.rejectedLogEventsInfo, { tooOldLogEventEndIndex: 1 });
  const fresh = await logs.putLogEvents({
    ...name,
    logEvents: [
      { timestamp: now, message: 'now' },
      { timestamp: now + 3 * 3_600_000, message: 'new' },
    ],
  });
  assert.deepEqual(fresh.rejectedLogEventsInfo, { tooNewLogEventStartIndex: 1 });
  assert.deepEqual(texts((await logs.getLogEvents(name)).events), ['now']);
  assert.equal((await logs.getLogEvents(name)).events![0]!.message, 'now');
});

test('groups and streams: names once, lists in pages, gone with their group', async (t) => {
  const { logs, now } = await start(t);
  await assert.rejects(logs.createLogStream({ logGroupName: 'g', logStreamName: 's' }), {
    name: 'ResourceNotFoundException',
    message: 'The specified log group does not exist.',
  });
  await logs.createLogGroup({ logGroupName: 'g', tags: { team: 'red' } });
  await assert.rejects(logs.createLogGroup({ logGroupName: 'g' }), { name: 'ResourceAlreadyExistsException' });
  for (const name of ['c', 'a', 'b']) {
    await logs.createLogStream({ logGroupName: 'g', logStreamName: name });
    await logs.putLogEvents({
      logGroupName: 'g',
      logStreamName: name,
      logEvents: [{ timestamp: now - name.charCodeAt(0), message: name }],
    });
  }
  await assert.rejects(logs.createLogStream({ logGroupName: 'g', logStreamName: 'a' }), {
    name: 'ResourceAlreadyExistsException',
  });
  const names = async (input: object) => {
    const found: string[] = [];
    let nextToken: string | undefined;
    do {
      const page = await logs.describeLogStreams({ logGroupName: 'g', limit: 2, ...input, nextToken });
      found.push(...(page.logStreams ?? []).map(({ logStreamName }) => logStreamName!));
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    return found.join('');
  };
  assert.equal(await names({}), 'abc');
  assert.equal(await names({ descending: true }), 'cba');
  assert.equal(await names({ orderBy: 'LastEventTime' }), 'cba');
  assert.equal(await names({ orderBy: 'LastEventTime', descending: true }), 'abc');
  assert.equal(await names({ logStreamNamePrefix: 'b' }), 'b');
  const { logGroups } = await logs.describeLogGroups({ logGroupNamePrefix: 'g' });
  assert.equal(logGroups?.[0]?.logGroupArn, 'arn:aws:logs:us-east-1:123456789012:log-group:g');
  assert.equal(logGroups?.[0]?.storedBytes, 3 * 27);
  const resourceArn = logGroups![0]!.logGroupArn!;
  await logs.tagResource({ resourceArn, tags: { cost: '1' } });
  await logs.untagResource({ resourceArn, tagKeys: ['team'] });
  assert.deepEqual((await logs.listTagsForResource({ resourceArn })).tags, { cost: '1' });
  await logs.deleteLogStream({ logGroupName: 'g', logStreamName: 'a' });
  await assert.rejects(logs.getLogEvents({ logGroupName: 'g', logStreamName: 'a' }), {
    message: 'The specified log stream does not exist.',
  });
  await logs.deleteLogGroup({ logGroupName: 'g' });
  await assert.rejects(logs.deleteLogGroup({ logGroupName: 'g' }), { name: 'ResourceNotFoundException' });
  await logs.createLogGroup({ logGroupName: 'g' });
  assert.equal(await names({}), '');
});

test('retention deletes what has expired, and nothing else', async (t) => {
  const { logs, now } = await start(t);
  const name = { logGroupName: 'g', logStreamName: 's' };
  await logs.createLogGroup({ logGroupName: 'g' });
  await logs.createLogStream(name);
  await assert.rejects(logs.putRetentionPolicy({ logGroupName: 'g', retentionInDays: 2 }), {
    name: 'InvalidParameterException',
  });
  const day = 86_400_000;
  await logs.putLogEvents({ ...name, logEvents: [{ timestamp: now - 2 * day, message: 'old' }] });
  await logs.putLogEvents({ ...name, logEvents: [{ timestamp: now, message: 'young' }] });
  await logs.putRetentionPolicy({ logGroupName: 'g', retentionInDays: 1 });
  const left = await until(async () => {
    const { events } = await logs.getLogEvents(name);
    return events?.length === 1 ? events : undefined;
  }, 'the expired event to go');
  assert.deepEqual(texts(left), ['young']);
});

test('a user needs the permission for that stream', async (t) => {
  const { server, logs, now } = await start(t);
  const name = { logGroupName: 'g', logStreamName: 'mine' };
  await logs.createLogGroup({ logGroupName: 'g' });
  for (const logStreamName of ['mine', 'other']) await logs.createLogStream({ ...name, logStreamName });
  const alice = await server.user('alice', {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: 'logs:PutLogEvents', Resource: 'arn:aws:logs:*:*:log-group:g:log-stream:mine' },
    ],
  });
  const logEvents = [{ timestamp: now, message: 'x' }];
  await alice.logs.putLogEvents({ ...name, logEvents });
  await assert.rejects(alice.logs.putLogEvents({ ...name, logStreamName: 'other', logEvents }), {
    name: 'AccessDeniedException',
  });
  await assert.rejects(alice.logs.getLogEvents(name), { name: 'AccessDeniedException' });
});
