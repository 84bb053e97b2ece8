/** Server-side encryption of objects: what a request or its bucket asks for, and how it is kept. Every blob is encrypted in any case. */
import type { Context } from '../../kernel/context.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { type CustomerKey, type CustomerKeyInput, customerKeyOf } from './customer-key.ts';
import { type Envelope, installationEnvelope, keyEnvelope, WRAPPING_KEY_BYTES } from './envelope.ts';
import { invalidArgument, invalidRequest, unsupported } from './faults.ts';
import { generateDataKey, openDataKey } from './kms-keys.ts';
import type { BucketTable } from './tables.ts';

/** How an object's data keys are sealed, as its row says. */
type Kept =
  | {
      kind: 'aws:kms';
      keyArn: string;
      bucketKey: boolean;
      /** The key that seals the data keys, as KMS sealed it, and its encryption context. */
      sealed: string;
      context: Record<string, string>;
    }
  | {
      kind: 'SSE-C';
      /** Opens with the customer's key and no other. */
      check: string;
    };

/** The rule of a bucket's default encryption. */
export interface DefaultEncryption {
  algorithm: 'AES256' | 'aws:kms';
  /** As it was put: id, ARN or alias. */
  keyId?: string | undefined;
  bucketKey: boolean;
  /** Whether writes with customers' keys are refused. */
  blocksCustomerKeys?: boolean | undefined;
}

/** What of a request says how to encrypt. */
export interface EncryptionInput extends CustomerKeyInput {
  ServerSideEncryption?: string | undefined;
  SSEKMSKeyId?: string | undefined;
  SSEKMSEncryptionContext?: string | undefined;
  BucketKeyEnabled?: boolean | undefined;
}

/** An encryption in use: for the row, for the answer, and to seal data keys with. */
export interface Encryption {
  /** JSON for the row. */
  stored: string | null;
  envelope: Envelope;
  /** Entity tags say nothing of the content where others hold the key. */
  hidesContent: boolean;
  /** Members of the answer. */
  members: EncryptionMembers;
}

export interface EncryptionMembers {
  ServerSideEncryption?: 'AES256' | 'aws:kms';
  SSEKMSKeyId?: string;
  SSEKMSEncryptionContext?: string;
  BucketKeyEnabled?: boolean;
  SSECustomerAlgorithm?: string;
  SSECustomerKeyMD5?: string;
}

const CUSTOMER_PURPOSE = 's3-sse-c';
const KMS_PURPOSE = 's3-sse-kms';
/** What the customer's key is tried on. */
const CHECK = 'customer-key';

export function defaultEncryptionOf(bucket: BucketTable): DefaultEncryption {
  return bucket.encryption === null
    ? { algorithm: 'AES256', bucketKey: false }
    : (JSON.parse(bucket.encryption) as DefaultEncryption);
}

/** Begins to encrypt a new object as its request or its bucket says. @throws what KMS says */
export async function beginEncryption(
  ctx: Context,
  bucket: BucketTable,
  key: string,
  input: EncryptionInput,
): Promise<Encryption> {
  const defaults = defaultEncryptionOf(bucket);
  const customerKey = customerKeyOf(input);
  if (customerKey !== undefined) return beginWithCustomerKey(ctx, input, defaults, customerKey);
  const algorithm = algorithmOf(input, defaults);
  if (algorithm === 'AES256') {
    return { ...plainEncryption(ctx), members: { ServerSideEncryption: 'AES256' } };
  }
  const asked = input.ServerSideEncryption === undefined ? undefined : input;
  const keyId = asked === undefined ? defaults.keyId : (asked.SSEKMSKeyId ?? sameKmsDefault(defaults));
  const bucketKey = input.BucketKeyEnabled ?? defaults.bucketKey;
  const more = contextOf(input.SSEKMSEncryptionContext);
  const made = await generateDataKey(ctx, bucket, key, keyId ?? 'alias/aws/s3', bucketKey, more);
  const kept: Kept = { kind: 'aws:kms', keyArn: made.keyArn, bucketKey, sealed: made.sealed, context: made.context };
  return {
    stored: JSON.stringify(kept),
    envelope: keyEnvelope(ctx.ids, made.plain, KMS_PURPOSE),
    hidesContent: true,
    members: {
      ...kmsMembers(kept),
      ...(input.SSEKMSEncryptionContext === undefined
        ? {}
        : { SSEKMSEncryptionContext: Buffer.from(JSON.stringify(made.context)).toString('base64') }),
    },
  };
}

function plainEncryption(ctx: Context): Omit<Encryption, 'members'> {
  return { stored: null, envelope: installationEnvelope(ctx), hidesContent: false };
}

/** Who asks for aws:kms without a key gets the bucket's, if it has one. */
function sameKmsDefault(defaults: DefaultEncryption): string | undefined {
  return defaults.algorithm === 'aws:kms' ? defaults.keyId : undefined;
}

function beginWithCustomerKey(
  ctx: Context,
  input: EncryptionInput,
  defaults: DefaultEncryption,
  key: CustomerKey,
): Encryption {
  if (input.ServerSideEncryption !== undefined) {
    throw invalidArgument(
      'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
      'x-amz-server-side-encryption',
      input.ServerSideEncryption,
    );
  }
  if (defaults.blocksCustomerKeys === true) {
    throw commonFault('AccessDenied', 'This bucket does not allow server-side encryption with customer-provided keys.');
  }
  const envelope = keyEnvelope(ctx.ids, key.bytes, CUSTOMER_PURPOSE);
  const kept: Kept = { kind: 'SSE-C', check: envelope.seal(CHECK, ctx.ids.bytes(WRAPPING_KEY_BYTES)) };
  return { stored: JSON.stringify(kept), envelope, hidesContent: true, members: customerMembers(key) };
}

function customerMembers(key: CustomerKey): EncryptionMembers {
  return { SSECustomerAlgorithm: 'AES256', SSECustomerKeyMD5: key.md5 };
}

function kmsMembers({ keyArn, bucketKey }: Extract<Kept, { kind: 'aws:kms' }>): EncryptionMembers {
  return {
    ServerSideEncryption: 'aws:kms',
    SSEKMSKeyId: keyArn,
    ...(bucketKey ? { BucketKeyEnabled: true } : {}),
  };
}

function algorithmOf(input: EncryptionInput, defaults: DefaultEncryption): 'AES256' | 'aws:kms' {
  const algorithm = input.ServerSideEncryption ?? defaults.algorithm;
  const saysKms = input.SSEKMSKeyId !== undefined || input.SSEKMSEncryptionContext !== undefined;
  if (saysKms && (input.ServerSideEncryption === undefined || algorithm === 'AES256')) {
    throw invalidArgument(
      'Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms',
      'x-amz-server-side-encryption',
      input.ServerSideEncryption ?? 'null',
    );
  }
  if (algorithm === 'AES256' || algorithm === 'aws:kms') return algorithm;
  if (algorithm.startsWith('aws:')) throw unsupported(`Server-side encryption with ${algorithm}`);
  throw invalidArgument('The encryption method specified is not supported', 'x-amz-server-side-encryption', algorithm);
}

/** The encryption context that a request adds: base64 of a JSON object of texts. @throws InvalidArgument */
function contextOf(text: string | undefined): Record<string, string> {
  if (text === undefined) return {};
  const invalid = () =>
    invalidArgument(
      'The header x-amz-server-side-encryption-context is not properly encoded',
      'x-amz-server-side-encryption-context',
      text,
    );
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(text, 'base64').toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) throw invalid();
    throw error;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid();
  if (!Object.values(value).every((one) => typeof one === 'string')) throw invalid();
  return value as Record<string, string>;
}

/** A row's encryption, and the key that goes with it. */
interface Encrypted {
  encryption: string | null;
}

/**
 * What an answer says of an object's encryption, after the key that the request brings was tried.
 * @throws InvalidRequest for a key that is missing or not needed, AccessDenied for a wrong one
 */
export function describeEncryption(ctx: Context, row: Encrypted, input: CustomerKeyInput): EncryptionMembers {
  const key = customerKeyOf(input);
  const kept = keptOf(row);
  if (kept?.kind !== 'SSE-C') {
    if (key !== undefined) throw invalidRequest('The encryption parameters are not applicable to this object.');
    return kept === undefined ? { ServerSideEncryption: 'AES256' } : kmsMembers(kept);
  }
  if (key === undefined) {
    throw invalidRequest(
      'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.',
    );
  }
  customerEnvelope(ctx, kept.check, key);
  return customerMembers(key);
}

function customerEnvelope(ctx: Context, check: string, key: CustomerKey): Envelope {
  const envelope = keyEnvelope(ctx.ids, key.bytes, CUSTOMER_PURPOSE);
  try {
    envelope.open(CHECK, check);
  } catch (error) {
    throw commonFault('AccessDenied', 'Access Denied', error);
  }
  return envelope;
}

/** Opens an object's encryption to read it, or an upload's to add a part. @throws as `describeEncryption`, and what KMS says */
export async function openEncryption(
  ctx: Context,
  bucket: BucketTable,
  row: Encrypted,
  input: CustomerKeyInput,
): Promise<Encryption> {
  const members = describeEncryption(ctx, row, input);
  const kept = keptOf(row);
  if (kept === undefined) return { ...plainEncryption(ctx), members };
  const envelope =
    kept.kind === 'SSE-C'
      ? customerEnvelope(ctx, kept.check, customerKeyOf(input)!)
      : keyEnvelope(ctx.ids, await openDataKey(ctx, bucket, kept, kept.bucketKey), KMS_PURPOSE);
  return { stored: row.encryption, envelope, hidesContent: true, members };
}

function keptOf({ encryption }: Encrypted): Kept | undefined {
  return encryption === null ? undefined : (JSON.parse(encryption) as Kept);
}

/** The encryption of a row for answers that need no key: lists, the end of an upload. */
export function knownEncryption(row: Encrypted): EncryptionMembers {
  const kept = keptOf(row);
  if (kept === undefined) return { ServerSideEncryption: 'AES256' };
  return kept.kind === 'aws:kms' ? kmsMembers(kept) : { SSECustomerAlgorithm: 'AES256' };
}

/** Whether two rows are encrypted with the same key in the same way. */
export function sameEncryption(a: Encrypted, b: Encrypted): boolean {
  const [one, other] = [keptOf(a), keptOf(b)];
  if (one === undefined || other === undefined) return one === other;
  return one.kind === 'aws:kms' && other.kind === 'aws:kms' && one.keyArn === other.keyArn;
}
