/** What a caller knows of the object, as RFC 9110 words it. */
export interface ReadConditions {
  ifMatch?: string | undefined;
  ifNoneMatch?: string | undefined;
  ifModifiedSince?: Date | undefined;
  ifUnmodifiedSince?: Date | undefined;
}

/** The part of an object that conditions look at. */
export interface Representation {
  /** Without quotation marks. */
  etag: string;
  /** Epoch milliseconds. */
  modifiedAt: number;
}

/** What a read does: go on, answer 304, or fail with the name of the condition that did not hold. */
export type ReadOutcome = 'read' | 'not-modified' | 'If-Match' | 'If-None-Match' | 'If-Unmodified-Since';

/**
 * Evaluates the conditions of a read in the order of RFC 9110, section 13.2.2: an entity tag decides before a date does.
 * Dates have whole seconds on the wire.
 */
export function evaluateRead(conditions: ReadConditions, object: Representation): ReadOutcome {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions;
  const modified = Math.floor(object.modifiedAt / 1000);
  if (ifMatch !== undefined) {
    if (!names(ifMatch, object.etag)) return 'If-Match';
  } else if (ifUnmodifiedSince !== undefined && modified > seconds(ifUnmodifiedSince)) {
    return 'If-Unmodified-Since';
  }
  if (ifNoneMatch !== undefined) {
    if (names(ifNoneMatch, object.etag)) return 'not-modified';
  } else if (ifModifiedSince !== undefined && modified <= seconds(ifModifiedSince)) {
    return 'not-modified';
  }
  return 'read';
}

function seconds(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}

/** True when a list of entity tags (or `*`) names this one. Quotation marks are optional, as S3 has it. */
export function names(list: string, etag: string): boolean {
  return list.split(',').some((item) => {
    const tag = item.trim();
    return tag === '*' || tag.replace(/^W\//, '').replace(/^"(.*)"$/, '$1') === etag;
  });
}
