/** What lifecycle rules mean for objects and uploads. Pure. Source: S3 User Guide, "Lifecycle configuration elements". */
import type * as sdk from '@aws-sdk/client-s3';
import type { BucketTable, ObjectTable, UploadTable } from './tables.ts';
import { keyText } from './versions.ts';

/** A rule as it is kept: dates are epoch milliseconds. */
export interface LifecycleRule {
  id: string;
  enabled: boolean;
  prefix: string;
  tags: Readonly<Record<string, string>>;
  /** Only objects larger than this many bytes, and smaller than that. */
  largerThan?: number | undefined;
  smallerThan?: number | undefined;
  expiration?: { days?: number | undefined; at?: number | undefined; markers?: boolean | undefined } | undefined;
  noncurrent?: { days: number; keep: number } | undefined;
  abortDays?: number | undefined;
  /** The rule as it was put. */
  shown: sdk.LifecycleRule;
}

/** A bucket's lifecycle configuration as it is kept. */
export interface Lifecycle {
  rules: LifecycleRule[];
  minimumSize: string;
}

const DAY_MS = 24 * 60 * 60_000;
const parsed = new Map<string, Lifecycle>();
const MAX_PARSED = 200;

export function lifecycleOf(bucket: Pick<BucketTable, 'lifecycle'>): Lifecycle | undefined {
  const { lifecycle: text } = bucket;
  if (text === null) return undefined;
  let known = parsed.get(text);
  if (known === undefined) {
    known = JSON.parse(text) as Lifecycle;
    if (parsed.size >= MAX_PARSED) parsed.clear();
    parsed.set(text, known);
  }
  return known;
}

/** Rules that are enabled. */
export function rulesOf(bucket: Pick<BucketTable, 'lifecycle'>): readonly LifecycleRule[] {
  return lifecycleOf(bucket)?.rules.filter(({ enabled }) => enabled) ?? [];
}

/** When something is due, in epoch milliseconds, and by which rule. */
export interface Due {
  at: number;
  rule: string;
}

/** Days after an instant, rounded up to the next midnight UTC. */
export function midnightAfter(instant: number, days: number): number {
  return (Math.floor(instant / DAY_MS) + days + 1) * DAY_MS;
}

type Subject = Pick<ObjectTable, 'key' | 'size' | 'tags' | 'modified_at' | 'is_delete_marker'>;

/** Whether a rule is about this version. Delete markers have neither tags nor size. */
function applies(rule: LifecycleRule, object: Subject): boolean {
  if (!keyText(object.key).startsWith(rule.prefix)) return false;
  const wanted = Object.entries(rule.tags);
  const { largerThan = -1, smallerThan = Number.POSITIVE_INFINITY } = rule;
  if (object.is_delete_marker === 1) {
    return wanted.length === 0 && rule.largerThan === undefined && rule.smallerThan === undefined;
  }
  if (object.size <= largerThan || object.size >= smallerThan) return false;
  if (wanted.length === 0) return true;
  const tags = object.tags === null ? {} : (JSON.parse(object.tags) as Record<string, string>);
  return wanted.every(([name, value]) => Object.hasOwn(tags, name) && tags[name] === value);
}

function earliest(found: readonly Due[]): Due | undefined {
  return found.reduce<Due | undefined>((best, one) => (best === undefined || one.at < best.at ? one : best), undefined);
}

/** When the newest version of a key expires; undefined for never. */
export function expirationOf(rules: readonly LifecycleRule[], object: Subject): Due | undefined {
  if (object.is_delete_marker === 1) return undefined;
  return earliest(
    rules.flatMap((rule): Due[] => {
      const { days, at } = rule.expiration ?? {};
      if ((days === undefined && at === undefined) || !applies(rule, object)) return [];
      return [{ at: at ?? midnightAfter(object.modified_at, days!), rule: rule.id }];
    }),
  );
}

/** When a delete marker with nothing behind it is removed. */
function markerExpiration(rules: readonly LifecycleRule[], marker: Subject): Due | undefined {
  return earliest(
    rules.flatMap((rule): Due[] => {
      const { days, markers } = rule.expiration ?? {};
      if (!applies(rule, marker)) return [];
      if (markers === true) return [{ at: marker.modified_at, rule: rule.id }];
      return days === undefined ? [] : [{ at: midnightAfter(marker.modified_at, days), rule: rule.id }];
    }),
  );
}

/** When an upload is aborted. */
export function abortionOf(
  rules: readonly LifecycleRule[],
  upload: Pick<UploadTable, 'key' | 'initiated_at'>,
): Due | undefined {
  const key = keyText(upload.key);
  return earliest(
    rules.flatMap((rule): Due[] =>
      rule.abortDays === undefined || !key.startsWith(rule.prefix)
        ? []
        : [{ at: midnightAfter(upload.initiated_at, rule.abortDays), rule: rule.id }],
    ),
  );
}

/** What lifecycle does to one key. */
export interface Verdict {
  /** The newest version expires: it gets a delete marker, or goes where there are no versions. */
  expires: boolean;
  /** Ids of versions that go for good. */
  removes: string[];
}

/**
 * Decides about all versions of one key at a time.
 * @param versions newest first
 */
export function judge(rules: readonly LifecycleRule[], versions: readonly ObjectTable[], now: number): Verdict {
  const [newest, ...older] = versions;
  const verdict: Verdict = { expires: false, removes: [] };
  if (newest === undefined) return verdict;
  if (newest.is_delete_marker === 1) {
    const due = older.length === 0 ? markerExpiration(rules, newest) : undefined;
    if (due !== undefined && due.at <= now) verdict.removes.push(newest.version_id);
  } else {
    const due = expirationOf(rules, newest);
    verdict.expires = due !== undefined && due.at <= now;
  }
  for (const [at, version] of older.entries()) {
    // It is noncurrent since the version before it in this list came.
    const since = versions[at]!.modified_at;
    if (rules.some((rule) => expiresNoncurrent(rule, version, since, at, now))) {
      verdict.removes.push(version.version_id);
    }
  }
  return verdict;
}

/** @param newer how many noncurrent versions of the key are newer */
function expiresNoncurrent(rule: LifecycleRule, version: ObjectTable, since: number, newer: number, now: number) {
  const { noncurrent } = rule;
  if (noncurrent === undefined || newer < noncurrent.keep || !applies(rule, version)) return false;
  return midnightAfter(since, noncurrent.days) <= now;
}

/** The `x-amz-expiration` header of an object; undefined where no rule applies. */
export function expirationHeader(bucket: BucketTable, object: ObjectTable): string | undefined {
  if (bucket.lifecycle === null) return undefined;
  const due = expirationOf(rulesOf(bucket), object);
  if (due === undefined) return undefined;
  return `expiry-date="${new Date(due.at).toUTCString()}", rule-id="${encodeURIComponent(due.rule)}"`;
}
