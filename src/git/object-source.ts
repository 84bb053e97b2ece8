import type { ObjectType } from './object-format.ts';

export interface ObjectInfo {
  type: ObjectType;
  size: number;
}

export interface ObjectContents extends ObjectInfo {
  body: Buffer;
}

/** Something that knows objects by their full id. */
export interface ObjectSource {
  /** True when it will answer no more; a new one is needed. */
  readonly dead: boolean;
  /** Type and size, or null when there is no such object. */
  info(id: string): Promise<ObjectInfo | null>;
  /** The whole object, or null. @throws {GitFailure} `object-too-large` beyond `capBytes`. */
  contents(id: string, capBytes: number): Promise<ObjectContents | null>;
}
