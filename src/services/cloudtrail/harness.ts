import type { TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { type Clients, startServer, type TestServer } from '../../../test/harness.ts';
import { systemClock } from '../../kernel/clock.ts';
import { bus, busKey } from './bus.ts';
import { delivery } from './delivery.ts';

export const ACCOUNT = '123456789012';
const SETTLED_MS = 3_000;

/** A server whose clock a test moves on, with the deliveries in the test's hands. */
export interface TrailServer extends TestServer {
  /** Lets so much time pass and everything that was called settle, then delivers what the trail has taken. */
  deliver(trailArn: string, afterMs?: number): Promise<void>;
  /** The same for the event bus. */
  emit(region?: string): Promise<void>;
  /** More than five minutes, and signatures of clients are out of time. */
  pass(ms: number): void;
  backToNow(): void;
}

export async function startTrailServer(t: TestContext): Promise<TrailServer> {
  let shiftMs = 0;
  const server = await startServer(t, {
    clock: { ...systemClock, now: () => new Date(systemClock.now().getTime() + shiftMs) },
  });
  const own = () => server.kernel.serviceContext('cloudtrail.amazonaws.com');
  const pass = (ms: number) => {
    shiftMs += ms;
  };
  const settle = async (ms: number) => {
    await server.kernel.audit.flush();
    pass(ms);
  };
  return Object.assign(server, {
    pass,
    backToNow: () => pass(-shiftMs),
    async deliver(trailArn: string, afterMs = SETTLED_MS) {
      await settle(afterMs);
      await delivery.reconcile(trailArn, own());
    },
    async emit(region = 'us-east-1') {
      await settle(SETTLED_MS);
      await bus.reconcile(busKey({ account: ACCOUNT, region }), own());
    },
  });
}

/** The bucket policy that AWS documents for trails. Source: CloudTrail User Guide, "Amazon S3 bucket policy for CloudTrail". */
export function bucketPolicy(bucket: string, trailArn: string, prefix = ''): string {
  const principal = { Service: 'cloudtrail.amazonaws.com' };
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Sid: 'AclCheck',
        Effect: 'Allow',
        Principal: principal,
        Action: 's3:GetBucketAcl',
        Resource: `arn:aws:s3:::${bucket}`,
        Condition: { StringEquals: { 'aws:SourceArn': trailArn } },
      },
      {
        Sid: 'Write',
        Effect: 'Allow',
        Principal: principal,
        Action: 's3:PutObject',
        Resource: `arn:aws:s3:::${bucket}/${prefix}AWSLogs/${ACCOUNT}/*`,
        Condition: { StringEquals: { 's3:x-amz-acl': 'bucket-owner-full-control', 'aws:SourceArn': trailArn } },
      },
    ],
  });
}

export function trailArnOf(name: string, region = 'us-east-1'): string {
  return `arn:aws:cloudtrail:${region}:${ACCOUNT}:trail/${name}`;
}

/** A bucket that a trail of that name may write to. */
export async function trailBucket({ s3 }: Clients, bucket: string, trail: string, prefix = ''): Promise<void> {
  await s3.createBucket({ Bucket: bucket });
  await s3.putBucketPolicy({ Bucket: bucket, Policy: bucketPolicy(bucket, trailArnOf(trail), prefix) });
}

/** Keys of a bucket's files, without the folders. */
export async function filesOf(
  { s3 }: Clients,
  bucket: string,
  kind: 'CloudTrail' | 'CloudTrail-Digest' = 'CloudTrail',
) {
  const { Contents = [] } = await s3.listObjectsV2({ Bucket: bucket });
  return Contents.map(({ Key }) => Key!).filter((key) => key.includes(`/${kind}/`) && !key.endsWith('/'));
}

// biome-ignore lint/suspicious/noExplicitAny: records have many forms
export type LogRecord = any;

export async function readJson({ s3 }: Clients, bucket: string, key: string): Promise<LogRecord> {
  const { Body } = await s3.getObject({ Bucket: bucket, Key: key });
  return JSON.parse(gunzipSync(await Body!.transformToByteArray()).toString());
}

/** Every record of a bucket's files. */
export async function recordsOf(clients: Clients, bucket: string): Promise<LogRecord[]> {
  const files = await Promise.all((await filesOf(clients, bucket)).map((key) => readJson(clients, bucket, key)));
  return files.flatMap(({ Records }) => Records);
}
