import { tagProblem } from '../../kernel/tags.ts';
import { invalidArgument, noObjectLock, s3Fault, unsupported } from './faults.ts';

/** Headers that an object is stored with and answered with. */
export interface StoredHeaders {
  CacheControl?: string | undefined;
  ContentDisposition?: string | undefined;
  ContentEncoding?: string | undefined;
  ContentLanguage?: string | undefined;
  ContentType?: string | undefined;
  /** Epoch milliseconds. */
  Expires?: number | undefined;
  WebsiteRedirectLocation?: string | undefined;
}

/** Type of an object that was stored without one. */
const DEFAULT_TYPE = 'binary/octet-stream';
/** All user metadata together, names and values. */
const MAX_METADATA_BYTES = 2 * 1024;
const MAX_OBJECT_TAGS = 10;

interface HeaderInput extends Omit<StoredHeaders, 'Expires'> {
  Expires?: Date | undefined;
}

/** Takes the headers to be stored out of a request. */
export function headersOf(input: HeaderInput): StoredHeaders {
  // `aws-chunked` is how the body came over the wire, not what it is.
  const encoding = input.ContentEncoding?.split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '' && item !== 'aws-chunked')
    .join(',');
  const redirect = input.WebsiteRedirectLocation;
  if (redirect !== undefined && !/^(\/|https?:\/\/)/.test(redirect)) {
    throw s3Fault(
      'InvalidRedirectLocation',
      400,
      "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
    );
  }
  return {
    CacheControl: input.CacheControl,
    ContentDisposition: input.ContentDisposition,
    ContentEncoding: encoding === '' ? undefined : encoding,
    ContentLanguage: input.ContentLanguage,
    ContentType: input.ContentType || DEFAULT_TYPE,
    Expires: input.Expires?.getTime(),
    WebsiteRedirectLocation: redirect,
  };
}

/** Checks user metadata. @throws MetadataTooLarge */
export function metadataOf(input: Readonly<Record<string, string>> | undefined): Record<string, string> {
  const metadata = Object.fromEntries(Object.entries(input ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
  const size = Object.entries(metadata).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value),
    0,
  );
  if (size > MAX_METADATA_BYTES) {
    throw s3Fault('MetadataTooLarge', 400, 'Your metadata headers exceed the maximum allowed metadata size', {
      Size: size,
      MaxSizeAllowed: MAX_METADATA_BYTES,
    });
  }
  return metadata;
}

/** Reads the `x-amz-tagging` header: tags as a query string. */
export function taggingOf(header: string | undefined): Record<string, string> | undefined {
  if (header === undefined || header === '') return undefined;
  const pairs = [...new URLSearchParams(header)];
  return tagsOfPairs(pairs, MAX_OBJECT_TAGS);
}

/** Reads a tag set from an XML body. @throws InvalidTag, BadRequest */
export function tagSetOf(
  tagging: { TagSet?: { Key?: string | undefined; Value?: string | undefined }[] | undefined } | undefined,
  maxTags = MAX_OBJECT_TAGS,
): Record<string, string> {
  return tagsOfPairs(
    (tagging?.TagSet ?? []).map(({ Key = '', Value = '' }) => [Key, Value]),
    maxTags,
  );
}

function tagsOfPairs(pairs: readonly (readonly [string, string])[], maxTags: number): Record<string, string> {
  if (pairs.length > maxTags) {
    throw s3Fault('BadRequest', 400, `Object tags cannot be greater than ${maxTags}`);
  }
  if (new Set(pairs.map(([key]) => key)).size < pairs.length) {
    throw s3Fault('InvalidTag', 400, 'Cannot provide multiple Tags with the same key');
  }
  const tags = Object.fromEntries(pairs);
  switch (tagProblem(tags)) {
    case undefined:
    case 'too-many':
      return tags;
    case 'system-tag':
      throw s3Fault('InvalidTag', 400, 'System tags cannot be added/updated by requester');
    case 'bad-key':
      throw s3Fault('InvalidTag', 400, 'The TagKey you have provided is invalid');
    case 'bad-value':
      throw s3Fault('InvalidTag', 400, 'The TagValue you have provided is invalid');
  }
}

/** What of a request would change how an object is kept, and is not what Slipway does. */
export interface StorageWishes {
  StorageClass?: string | undefined;
  ObjectLockMode?: string | undefined;
  ObjectLockRetainUntilDate?: Date | undefined;
  ObjectLockLegalHoldStatus?: string | undefined;
  ObjectLockEventHold?: string | undefined;
  BypassGovernanceRetention?: boolean | undefined;
  WriteOffsetBytes?: number | undefined;
  MFA?: string | undefined;
}

const STORAGE_CLASSES = [
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'DEEP_ARCHIVE',
  'OUTPOSTS',
  'GLACIER_IR',
  'SNOW',
  'EXPRESS_ONEZONE',
];

/** Refuses by name every wish that would otherwise be ignored. Every object is of class STANDARD, and none is locked. */
export function refuseWishes(input: StorageWishes): void {
  const storageClass = input.StorageClass;
  if (storageClass !== undefined && storageClass !== 'STANDARD') {
    if (STORAGE_CLASSES.includes(storageClass)) throw unsupported(`The storage class ${storageClass}`);
    throw s3Fault('InvalidStorageClass', 400, 'The storage class you specified is not valid');
  }
  const locks = [
    input.ObjectLockMode,
    input.ObjectLockRetainUntilDate,
    input.ObjectLockLegalHoldStatus,
    input.ObjectLockEventHold,
  ];
  if (locks.some((lock) => lock !== undefined)) throw noObjectLock();
  if (input.BypassGovernanceRetention === true) {
    throw invalidArgument(
      'x-amz-bypass-governance-retention is only applicable to Object Lock enabled buckets.',
      'x-amz-bypass-governance-retention',
    );
  }
  if (input.WriteOffsetBytes !== undefined) throw unsupported('Appending to an object');
  if (input.MFA !== undefined) throw unsupported('MFA delete');
}
