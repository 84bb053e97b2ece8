/** Lifecycle configurations as they are put, held against S3's rules. */
import type * as sdk from '@aws-sdk/client-s3';
import type { Ids } from '../../kernel/ids.ts';
import { ALNUM } from '../../kernel/ids.ts';
import { invalidArgument, invalidRequest, malformedXml, unsupported } from './faults.ts';
import type { Lifecycle, LifecycleRule } from './lifecycle-rules.ts';
import { tagSetOf } from './stored-headers.ts';

const MAX_RULES = 1000;
const MAX_ID_CHARS = 255;
const MAX_KEPT_VERSIONS = 100;
const DAY_MS = 24 * 60 * 60_000;
const MINIMUM_SIZES = ['all_storage_classes_128K', 'varies_by_storage_class'];

/** Reads a configuration. @throws MalformedXML, InvalidArgument, InvalidRequest; NotImplemented for transitions */
export function readLifecycle(
  given: sdk.BucketLifecycleConfiguration | undefined,
  minimumSize: string | undefined,
  ids: Ids,
): Lifecycle {
  const rules = given?.Rules ?? [];
  if (rules.length === 0 || rules.length > MAX_RULES) throw malformedXml();
  const size = minimumSize ?? MINIMUM_SIZES[0]!;
  if (!MINIMUM_SIZES.includes(size)) {
    throw invalidArgument(
      'Invalid x-amz-transition-default-minimum-object-size',
      'x-amz-transition-default-minimum-object-size',
      size,
    );
  }
  const read = rules.map((rule) => readRule(rule, ids));
  if (new Set(read.map(({ id }) => id)).size < read.length) {
    throw invalidArgument('Rule ID must be unique. Found same ID for one or more rules');
  }
  return { rules: read, minimumSize: size };
}

function readRule(rule: sdk.LifecycleRule, ids: Ids): LifecycleRule {
  const { Status: status, Expiration: expiration, AbortIncompleteMultipartUpload: abort } = rule;
  if (status !== 'Enabled' && status !== 'Disabled') throw malformedXml();
  const id = rule.ID || ids.string(48, ALNUM);
  if (id.length > MAX_ID_CHARS) throw invalidArgument('ID length should not exceed allowed limit of 255');
  const transition = rule.Transitions?.[0] ?? rule.NoncurrentVersionTransitions?.[0];
  if (transition !== undefined) throw unsupported(`Transition to the storage class ${transition.StorageClass}`);
  const filter = readFilter(rule);
  const noncurrent = rule.NoncurrentVersionExpiration;
  if (expiration === undefined && noncurrent === undefined && abort === undefined) {
    throw invalidRequest('At least one action needs to be specified in a rule');
  }
  const narrow = filter.largerThan !== undefined || filter.smallerThan !== undefined;
  const tagged = Object.keys(filter.tags).length > 0;
  if (abort !== undefined && (tagged || narrow)) {
    throw invalidRequest(`AbortIncompleteMultipartUpload cannot be specified with ${tagged ? 'Tags' : 'ObjectSize'}.`);
  }
  if (expiration?.ExpiredObjectDeleteMarker !== undefined && (tagged || narrow)) {
    throw invalidRequest(`ExpiredObjectDeleteMarker cannot be specified with ${tagged ? 'Tags' : 'ObjectSize'}.`);
  }
  return {
    id,
    enabled: status === 'Enabled',
    ...filter,
    expiration: expiration && readExpiration(expiration),
    noncurrent: noncurrent && readNoncurrent(noncurrent, rule.Filter !== undefined),
    abortDays: abort && positive(abort.DaysAfterInitiation, 'DaysAfterInitiation', 'AbortIncompleteMultipartUpload'),
    shown: { ...rule, ID: id },
  };
}

type Scope = Pick<LifecycleRule, 'prefix' | 'tags' | 'largerThan' | 'smallerThan'>;

function readFilter({ Prefix: oldPrefix, Filter: filter }: sdk.LifecycleRule): Scope {
  if ((oldPrefix === undefined) === (filter === undefined)) throw malformedXml();
  if (filter === undefined) return { prefix: oldPrefix!, tags: {} };
  const { And: and, Tag: tag, Prefix: prefix, ObjectSizeGreaterThan: larger, ObjectSizeLessThan: smaller } = filter;
  const given = [and, tag, prefix, larger, smaller].filter((one) => one !== undefined);
  if (given.length > 1) throw malformedXml();
  if (and === undefined) {
    const tags = tag === undefined ? {} : tagSetOf({ TagSet: [tag] });
    return checkSizes({ prefix: prefix ?? '', tags, largerThan: larger, smallerThan: smaller });
  }
  const count =
    (and.Tags?.length ?? 0) +
    [and.Prefix, and.ObjectSizeGreaterThan, and.ObjectSizeLessThan].filter((one) => one !== undefined).length;
  if (count < 2) throw malformedXml();
  return checkSizes({
    prefix: and.Prefix ?? '',
    tags: tagSetOf({ TagSet: and.Tags }),
    largerThan: and.ObjectSizeGreaterThan,
    smallerThan: and.ObjectSizeLessThan,
  });
}

function checkSizes(scope: Scope): Scope {
  const { largerThan, smallerThan } = scope;
  for (const size of [largerThan, smallerThan]) {
    if (size !== undefined && (!Number.isSafeInteger(size) || size < 0)) throw malformedXml();
  }
  if (largerThan !== undefined && smallerThan !== undefined && largerThan >= smallerThan) {
    throw invalidRequest("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'");
  }
  return scope;
}

function readExpiration({ Days: days, Date: date, ExpiredObjectDeleteMarker: markers }: sdk.LifecycleExpiration) {
  if ([days, date, markers].filter((one) => one !== undefined).length !== 1) throw malformedXml();
  if (days !== undefined) return { days: positive(days, 'Days', 'Expiration') };
  if (date === undefined) return { markers };
  const at = date.getTime();
  if (at % DAY_MS !== 0) throw invalidArgument("'Date' must be at midnight GMT");
  return { at };
}

function readNoncurrent(given: sdk.NoncurrentVersionExpiration, hasFilter: boolean): { days: number; keep: number } {
  const { NoncurrentDays: days, NewerNoncurrentVersions: keep } = given;
  if (days === undefined) throw malformedXml();
  if (keep !== undefined) {
    if (!hasFilter) throw invalidRequest("'NewerNoncurrentVersions' can only be used with a Filter");
    if (!Number.isInteger(keep) || keep < 1 || keep > MAX_KEPT_VERSIONS) {
      throw invalidArgument(
        "'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be between 1 and 100",
      );
    }
  }
  return { days: positive(days, 'NoncurrentDays', 'NoncurrentVersionExpiration'), keep: keep ?? 0 };
}

function positive(days: number | undefined, name: string, action: string): number {
  if (days !== undefined && Number.isInteger(days) && days > 0 && days <= 2 ** 31 - 1) return days;
  throw invalidArgument(`'${name}' for ${action} action must be a positive integer`);
}
