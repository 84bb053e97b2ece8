import type { Crowd } from '../crowd.ts';
import { numbered } from '../row-copies.ts';

const logGroupName = '/bench/crowd';
const limit = 50;

/** Streams of one log group: CodeBuild makes one for each build. */
export const logsLists: Crowd = {
  service: 'CloudWatch Logs',
  async seed({ clients: { logs } }) {
    await logs.createLogGroup({ logGroupName });
    await logs.createLogStream({ logGroupName, logStreamName: 'seed' });
    const logEvents = [{ timestamp: Date.now(), message: 'seed' }];
    await logs.putLogEvents({ logGroupName, logStreamName: 'seed', logEvents });
  },
  fill(tables, count) {
    const last = Number(tables.value('logs_streams', 'last_event_at', { name: 'seed' }));
    const stream = (n: number) => ({ id: `bench-${numbered(n)}`, name: streamOf(n), last_event_at: last - n });
    tables.copy('logs_streams', { name: 'seed' }, count, stream);
    const id = tables.value('logs_streams', 'id', { name: 'seed' });
    tables.copy('logs_segments', { stream_id: id }, count, (n) => ({ stream_id: `bench-${numbered(n)}` }));
  },
  calls: [
    {
      name: 'DescribeLogStreams, first page',
      async prepare({ clients: { logs } }) {
        return () => logs.describeLogStreams({ logGroupName, limit });
      },
    },
    {
      name: 'DescribeLogStreams, latest first',
      async prepare({ clients: { logs } }) {
        return () => logs.describeLogStreams({ logGroupName, limit, orderBy: 'LastEventTime', descending: true });
      },
    },
    {
      name: 'GetLogEvents',
      async prepare({ clients: { logs } }, count) {
        return () => logs.getLogEvents({ logGroupName, logStreamName: streamOf(count - 1), startFromHead: true });
      },
    },
  ],
};

function streamOf(n: number): string {
  return `stream-${numbered(n)}`;
}
