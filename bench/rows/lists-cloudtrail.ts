import type { Crowd } from '../crowd.ts';
import { numbered } from '../row-copies.ts';

/** The audit trail, in which one call of many is looked for. */
export const cloudtrailLists: Crowd = {
  service: 'CloudTrail',
  async seed({ clients: { sts, iam, cloudtrail } }) {
    await sts.getCallerIdentity();
    await iam.createGroup({ GroupName: 'rare' });
    await cloudtrail.lookupEvents();
  },
  fill(tables, count) {
    tables.copy('kernel_audit', { event_name: 'GetCallerIdentity' }, count, (n) => ({ id: `bench-${numbered(n)}` }));
  },
  calls: [
    {
      name: 'LookupEvents, first page',
      async prepare({ clients: { cloudtrail } }) {
        return () => cloudtrail.lookupEvents({ MaxResults: 50 });
      },
    },
    {
      name: 'LookupEvents by EventName',
      async prepare({ clients: { cloudtrail } }) {
        return () =>
          cloudtrail.lookupEvents({ LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'CreateGroup' }] });
      },
    },
  ],
};
