/** What of an HTTP request is signed, undecoded as it came in. */
export interface WireRequest {
  method: string;
  /** Path before `?`, as on the wire: one character per byte, nothing decoded. */
  path: string;
  /** What follows `?`, as on the wire; empty where there is none. */
  query: string;
  /** Node's `rawHeaders`: name, value, name, value ... with duplicates. */
  rawHeaders: readonly string[];
}

/** Splits Node's `request.url` into the two parts that are signed. */
export function splitTarget(url: string): { path: string; query: string } {
  const mark = url.indexOf('?');
  return mark < 0 ? { path: url, query: '' } : { path: url.slice(0, mark), query: url.slice(mark + 1) };
}

/** Headers by lower-case name; repeated ones are joined by a comma and remembered as repeated. */
export interface HeaderIndex {
  readonly values: ReadonlyMap<string, string>;
  readonly repeated: ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

/** Indexes Node's raw header list in one pass. */
export function indexHeaders(rawHeaders: readonly string[]): HeaderIndex {
  const values = new Map<string, string>();
  let repeated: Set<string> | undefined;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    const value = rawHeaders[i + 1]!;
    const before = values.get(name);
    if (before === undefined) values.set(name, value);
    else {
      values.set(name, `${before},${value}`);
      (repeated ??= new Set()).add(name);
    }
  }
  return { values, repeated: repeated ?? NONE };
}
