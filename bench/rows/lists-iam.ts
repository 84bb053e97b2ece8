import type { Crowd } from '../crowd.ts';
import { numbered } from '../row-copies.ts';

const PAGE = 50;

/** IAM users. */
export const iamLists: Crowd = {
  service: 'IAM',
  async seed({ clients: { iam } }) {
    await iam.createUser({ UserName: 'seed' });
  },
  fill(tables, count) {
    tables.copy('iam_users', { name: 'seed' }, count, (n) => ({
      id: `AIDABENCH${numbered(n)}`,
      name: `user-${numbered(n)}`,
      name_key: `user-${numbered(n)}`,
    }));
  },
  calls: [
    {
      name: 'GetUser',
      async prepare({ clients: { iam } }, count) {
        return () => iam.getUser({ UserName: `user-${numbered(count - 1)}` });
      },
    },
    {
      name: 'ListUsers, first page',
      async prepare({ clients: { iam } }) {
        return () => iam.listUsers({ MaxItems: PAGE });
      },
    },
    {
      name: 'ListUsers, last page',
      async prepare({ clients: { iam } }, count) {
        let Marker: string | undefined;
        for (let left = count - PAGE; left > 0; left -= 1_000) {
          ({ Marker } = await iam.listUsers({ MaxItems: Math.min(left, 1_000), Marker }));
        }
        return () => iam.listUsers({ MaxItems: PAGE, Marker });
      },
    },
  ],
};
