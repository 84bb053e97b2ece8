import { ALNUM, type Ids } from '../../kernel/ids.ts';

const ALPHABET = `${ALNUM}._`;
const LENGTH = 32;

/** A new version id: opaque, as S3's are. */
export function randomVersionId(ids: Ids): string {
  return ids.string(LENGTH, ALPHABET);
}

/** True for text that can be a version id of ours. */
export function isVersionId(text: string): boolean {
  return text === 'null' || (text.length === LENGTH && /^[A-Za-z0-9._]+$/.test(text));
}
