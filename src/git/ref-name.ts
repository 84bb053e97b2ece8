/** The 40 zeros that stand for "no object" in the protocol. */
export const ZERO_ID = '0'.repeat(40);

const OBJECT_ID = /^[0-9a-f]{40}$/;
const MAX_NAME_LENGTH = 256;
const NAMESPACES = ['refs/heads/', 'refs/tags/', 'refs/notes/'];
/** What git-check-ref-format forbids anywhere in a name, beside the sequences below. */
const FORBIDDEN_CHARACTER = /[\u0000-\u0020\u007f~^:?*[\\]/;

/** True for 40 lower-case hexadecimal digits. */
export function isObjectId(text: string): boolean {
  return OBJECT_ID.test(text);
}

/**
 * Why a reference name is not accepted, or null when it is fine. Allowed are names below refs/heads, refs/tags and
 * refs/notes, well formed by git-check-ref-format(1), of at most 256 characters after the namespace (AWS's limit for
 * branches), whose last part is no object id and which cannot be taken for an option, for HEAD or for a full name.
 */
export function refNameProblem(name: string): string | null {
  const namespace = NAMESPACES.find((prefix) => name.startsWith(prefix));
  if (namespace === undefined) return 'only refs/heads, refs/tags and refs/notes can be written';
  return shortNameProblem(name.slice(namespace.length));
}

/** The same for the part after the namespace, such as a branch name in an API call. */
export function shortNameProblem(name: string): string | null {
  if (name.length === 0) return 'the name is empty';
  if (name.length > MAX_NAME_LENGTH) return `the name is longer than ${MAX_NAME_LENGTH} characters`;
  if (!name.isWellFormed() || name.includes('\ufffd')) return 'the name is not valid UTF-8';
  if (FORBIDDEN_CHARACTER.test(name)) return 'the name holds a character that is not allowed';
  if (name.includes('..') || name.includes('@{') || name === '@')
    return 'the name holds a sequence that is not allowed';
  if (name.startsWith('-')) return 'the name begins with a dash';
  if (name === 'HEAD') return 'the name HEAD is reserved';
  // Beside a branch `refs/heads/main`, git clients find two references that `main` could mean, and push to neither.
  if (name.startsWith('refs/')) return 'the name begins with refs/';
  if (/^[0-9a-fA-F]{40}$/.test(name)) return 'the name looks like an object id';
  if (name.endsWith('.')) return 'the name ends with a dot';
  return name.split('/').some(isBadPart) ? 'the name holds a part that is not allowed' : null;
}

function isBadPart(part: string): boolean {
  return part === '' || part.startsWith('.') || part.endsWith('.lock');
}

/** The names that would have to be folders for `name` to exist: `refs/heads/a` for `refs/heads/a/b`. */
export function parentNames(name: string): string[] {
  const parts = name.split('/');
  const parents: string[] = [];
  for (let length = 3; length < parts.length; length += 1) parents.push(parts.slice(0, length).join('/'));
  return parents;
}

/** Byte order of UTF-8, the order in which git and packed-refs list references. */
export function compareNames(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let at = 0; at < shared; at += 1) {
    const left = a.charCodeAt(at);
    const right = b.charCodeAt(at);
    if (left !== right) return utf8Rank(left) - utf8Rank(right);
  }
  return a.length - b.length;
}

/** UTF-8 sorts surrogate pairs (U+10000 and up) after U+E000..U+FFFF; UTF-16 sorts them before. */
function utf8Rank(unit: number): number {
  if (unit >= 0xe000) return unit - 0x800;
  return unit >= 0xd800 ? unit + 0x2000 : unit;
}
