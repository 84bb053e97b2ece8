import type { Crowd } from '../crowd.ts';
import { numbered } from '../row-copies.ts';

const Bucket = 'bench-crowd';
const PAGE = 50;

/** Objects of one bucket, in one folder. */
export const s3Lists: Crowd = {
  service: 'S3',
  async seed({ clients: { s3 } }) {
    await s3.createBucket({ Bucket });
    await s3.putObject({ Bucket, Key: 'seed', Body: 'seed' });
  },
  fill(tables, count) {
    tables.copy('s3_objects', { bucket: Bucket }, count, (n) => ({ key: Buffer.from(keyOf(n)) }));
  },
  calls: [
    {
      name: 'HeadObject',
      async prepare({ clients: { s3 } }, count) {
        return () => s3.headObject({ Bucket, Key: keyOf(count - 1) });
      },
    },
    {
      name: 'ListObjectsV2, first page',
      async prepare({ clients: { s3 } }) {
        return () => s3.listObjectsV2({ Bucket, MaxKeys: PAGE });
      },
    },
    {
      name: 'ListObjectsV2, last page',
      async prepare({ clients: { s3 } }, count) {
        return () => s3.listObjectsV2({ Bucket, MaxKeys: PAGE, StartAfter: keyOf(count - PAGE - 1) });
      },
    },
    {
      name: 'ListObjectsV2 by folder',
      async prepare({ clients: { s3 } }) {
        return () => s3.listObjectsV2({ Bucket, MaxKeys: PAGE, Delimiter: '/' });
      },
    },
  ],
};

function keyOf(n: number): string {
  return `folder/object-${numbered(n)}`;
}
