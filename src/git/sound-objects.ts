import { type ObjectType, parseTree, type TreeEntry } from './object-format.ts';
import type { NewObject, ObjectWriter } from './object-writer.ts';
import type { ObjectReader } from './objects.ts';
import { isCollisionAttack } from './sha1-attack.ts';

/** What an entry of each mode leads to; submodules lead out of the repository. Of links git may want to see the target. */
const LEADS_TO: Readonly<Record<string, ObjectType | null>> = {
  '40000': 'tree',
  '100644': 'blob',
  '100755': 'blob',
  '160000': null,
};
const MAX_NAME_BYTES = 255;
/** Beyond so many objects of the repository git finds them faster. */
const MAX_QUESTIONS = 250;
const NOTHING = '0'.repeat(40);
/** A person as git's fsck wants it: a name, an address, seconds without leading zeros, an offset. */
const PERSON = String.raw`[^<>\n\0]+ <[^<>\n\0]*> (?:0|[1-9]\d{0,11}) [+-]\d{4}`;
/** Lines that may follow the committer, with those that go on with them; fsck passes over them. */
const MORE = String.raw`(?:(?:encoding|gpgsig|gpgsig-sha256|mergetag) [^\n\0]*\n(?: [^\n\0]*\n)*)*`;
const COMMIT = new RegExp(
  String.raw`^tree ([0-9a-f]{40})\n((?:parent [0-9a-f]{40}\n)*)author ${PERSON}\ncommitter ${PERSON}\n${MORE}\n[^\0]*$`,
);

/**
 * Whether nothing that `git index-pack --strict` looks for can be wrong with objects that were made here, so that no process
 * needs to be started for them: their form is ours, whatever they name is among them or in the repository, none was made to
 * collide, and no new name is one that git has an opinion about. Where this cannot be told, the answer is no, and git decides.
 *
 * What a tree has in common with one of the repository was checked when that one came in.
 * @param objects those of the repository
 */
export async function areSound(writer: ObjectWriter, objects: ObjectReader): Promise<boolean> {
  const known: Known = { writer, objects, questions: MAX_QUESTIONS };
  for (const object of writer.objects.values()) {
    if (!(await isSound(object, known))) return false;
    const header = Buffer.from(`${object.type} ${object.body.length}\0`);
    if (isCollisionAttack([header, object.body])) return false;
  }
  return true;
}

/** The new objects, and those of the repository. */
interface Known {
  writer: ObjectWriter;
  objects: ObjectReader;
  /** How often the repository may still be asked for an object. */
  questions: number;
}

async function isSound(object: NewObject, known: Known): Promise<boolean> {
  if (object.type === 'blob') return true;
  if (object.type === 'tree') return isSoundTree(object, known);
  return object.type === 'commit' && isSoundCommit(object.body, known);
}

async function isSoundCommit(body: Uint8Array, known: Known): Promise<boolean> {
  const [, tree, parents] = COMMIT.exec(Buffer.from(body).toString('latin1')) ?? [];
  if (tree === undefined || !(await isThere(tree, 'tree', known))) return false;
  for (const line of parents!.split('\n').slice(0, -1)) {
    if (!(await isThere(line.slice('parent '.length), 'commit', known))) return false;
  }
  return true;
}

async function isThere(id: string, type: ObjectType, known: Known): Promise<boolean> {
  const made = known.writer.objects.get(id);
  if (made !== undefined) return made.type === type;
  known.questions -= 1;
  return known.questions >= 0 && (await known.objects.findInfo(id))?.type === type;
}

async function isSoundTree({ body, from }: NewObject, known: Known): Promise<boolean> {
  const { writer, objects } = known;
  const entries = parseTree(Buffer.from(body));
  const names = entries.map(({ rawName }) => rawName.toString('latin1'));
  if (!isInOrder(entries, names)) return false;
  const checked: ReadonlyMap<string, TreeEntry>[] = [];
  for (const base of from) {
    // A tree that was made here itself is no witness.
    if (writer.objects.has(base) || (await objects.findInfo(base)) === null) return false;
    checked.push(new Map((await objects.tree(base)).map((entry) => [entry.rawName.toString('latin1'), entry])));
  }
  for (const [at, entry] of entries.entries()) {
    const name = names[at]!;
    if (checked.some((base) => isSame(base.get(name), entry))) continue;
    const leadsTo = LEADS_TO[entry.mode];
    if (leadsTo === undefined || !isPlainName(name) || entry.id === NOTHING) return false;
    if (leadsTo !== null && !(await isThere(entry.id, leadsTo, known))) return false;
  }
  return true;
}

function isSame(base: TreeEntry | undefined, entry: TreeEntry): boolean {
  return base !== undefined && base.id === entry.id && base.mode === entry.mode;
}

/** In git's order, and each name once. @param names bytes as Latin-1 characters, which compare as bytes do */
function isInOrder(entries: readonly TreeEntry[], names: readonly string[]): boolean {
  let last = '';
  for (const [at, { mode }] of entries.entries()) {
    const key = mode === '40000' ? `${names[at]}/` : names[at]!;
    if (key <= last) return false;
    last = key;
  }
  return new Set(names).size === names.length;
}

/**
 * True for a name about which git's fsck has nothing to say. It looks for names that some file system takes for `.git`,
 * `.gitmodules` and the like: in other letters, with characters that HFS+ passes over (none of them is ASCII), in NTFS's short
 * form (with a tilde), with a stream behind a colon, with dots and spaces behind it, and behind a backslash.
 * @param name its bytes as Latin-1 characters
 */
export function isPlainName(name: string): boolean {
  if (name === '' || name.length > MAX_NAME_BYTES || /[\0-\x1f/\\:~]/.test(name) || /^\.\.?$/.test(name)) return false;
  const seen = name.replace(/[^\x20-\x7e]/g, '').toLowerCase();
  if (seen !== name.toLowerCase()) return !/^\.(?:git|mailmap)/.test(seen);
  return !/^\.(?:git|gitmodules|gitattributes|gitignore|mailmap)[ .]*$/.test(seen) || /^\.gitignore$/.test(name);
}
