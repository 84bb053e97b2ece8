import { createHash } from 'node:crypto';
import { GitFailure } from './failure.ts';

export type ObjectType = 'commit' | 'tree' | 'blob' | 'tag';

/** Author or committer. `date` is as git keeps it: seconds since 1970 and the offset, `1484167798 -0800`. */
export interface Person {
  name: string;
  email: string;
  date: string;
}

export interface Commit {
  tree: string;
  parents: string[];
  author: Person;
  committer: Person;
  message: string;
  /** Further header lines (signature, encoding, merge tags), as they stand. */
  additional: string;
}

export interface TreeEntry {
  /** Octal as git writes it: `40000` folder, `100644` file, `100755` executable, `120000` link, `160000` submodule. */
  mode: string;
  name: string;
  /** The name's bytes, which need not be UTF-8. */
  rawName: Buffer;
  id: string;
}

const ID_BYTES = 20;
/** The empty tree, which git knows without storing it. */
export const EMPTY_TREE_ID = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

/** The id of an object: SHA-1 over its header and body. */
export function objectIdOf(type: ObjectType, body: Uint8Array): string {
  return createHash('sha1').update(`${type} ${body.length}\0`).update(body).digest('hex');
}

/** @throws {GitFailure} `object-wrong-type` when the bytes are no commit. */
export function parseCommit(body: Buffer): Commit {
  const text = body.toString('utf8');
  const end = text.indexOf('\n\n');
  const head = end < 0 ? text : text.slice(0, end);
  const commit = { tree: '', parents: [] as string[], author: '', committer: '', additional: [] as string[] };
  for (const line of head.split('\n')) {
    const space = line.indexOf(' ');
    const [key, value] = [line.slice(0, space), line.slice(space + 1)];
    if (key === 'tree' && commit.tree === '') commit.tree = value;
    else if (key === 'parent') commit.parents.push(value);
    else if (key === 'author' && commit.author === '') commit.author = value;
    else if (key === 'committer' && commit.committer === '') commit.committer = value;
    else commit.additional.push(line);
  }
  if (commit.tree === '') throw new GitFailure('object-wrong-type', 'the object is not a commit');
  return {
    tree: commit.tree,
    parents: commit.parents,
    author: parsePerson(commit.author),
    committer: parsePerson(commit.committer),
    message: end < 0 ? '' : text.slice(end + 2),
    additional: commit.additional.join('\n'),
  };
}

/** Reads `Name <email> seconds offset`; old histories hold odd ones, so every part may come out empty. */
export function parsePerson(text: string): Person {
  const open = text.indexOf('<');
  const close = text.lastIndexOf('>');
  if (open < 0 || close < open) return { name: text.trim(), email: '', date: '' };
  return {
    name: text.slice(0, open).trim(),
    email: text.slice(open + 1, close),
    date: text.slice(close + 1).trim(),
  };
}

/** Seconds since 1970 of a person's date; 0 when it is unreadable. */
export function secondsOf(person: Person): number {
  const seconds = Number.parseInt(person.date, 10);
  return Number.isFinite(seconds) ? seconds : 0;
}

/**
 * The bytes of a commit object. Names and addresses lose what would break the format (angle brackets, line ends, NUL),
 * as git's own `commit` strips them.
 */
export function formatCommit(commit: Omit<Commit, 'additional'>): Buffer {
  const lines = [`tree ${commit.tree}`, ...commit.parents.map((parent) => `parent ${parent}`)];
  lines.push(`author ${formatPerson(commit.author)}`, `committer ${formatPerson(commit.committer)}`, '');
  const message = commit.message.replaceAll('\0', '');
  return Buffer.from(`${lines.join('\n')}\n${message}${message.endsWith('\n') || message === '' ? '' : '\n'}`);
}

function formatPerson(person: Person): string {
  // git's own fsck refuses a person without a name but not an empty address.
  const name = cleanPart(person.name) || 'unknown';
  return `${name} <${cleanPart(person.email)}> ${person.date}`;
}

function cleanPart(text: string): string {
  return text.replace(/[\0\n\r<>]/g, '').replace(/^[\s.,:;"'\\]+|[\s.,:;"'\\]+$/g, '');
}

/** @throws {GitFailure} `object-wrong-type` when the bytes are no tree. */
export function parseTree(body: Buffer): TreeEntry[] {
  const entries: TreeEntry[] = [];
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const nul = space < 0 ? -1 : body.indexOf(0, space);
    if (nul < 0 || nul + 21 > body.length) throw new GitFailure('object-wrong-type', 'the object is not a tree');
    const rawName = body.subarray(space + 1, nul);
    entries.push({
      mode: body.toString('latin1', at, space),
      name: rawName.toString('utf8'),
      rawName,
      id: body.toString('hex', nul + 1, nul + 21),
    });
    at = nul + 21;
  }
  return entries;
}

/**
 * The entry of one name, without making all the others.
 * @param name as {@link TreeEntry} has it, so U+FFFD stands for bytes that are no UTF-8
 * @throws {GitFailure} `object-wrong-type` when the bytes are no tree
 */
export function findInTree(body: Buffer, name: string): { mode: string; id: string } | null {
  if (name.includes('\ufffd')) return parseTree(body).find((entry) => entry.name === name) ?? null;
  const wanted = Buffer.from(name);
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const nul = space < 0 ? -1 : body.indexOf(0, space);
    if (nul < 0 || nul + 21 > body.length) throw new GitFailure('object-wrong-type', 'the object is not a tree');
    if (nul - space - 1 === wanted.length && wanted.compare(body, space + 1, nul) === 0) {
      return { mode: body.toString('latin1', at, space), id: body.toString('hex', nul + 1, nul + 21) };
    }
    at = nul + 21;
  }
  return null;
}

/** The bytes of a tree object, in git's order: names as bytes, folders as if they ended with a slash. */
export function formatTree(entries: readonly Omit<TreeEntry, 'name'>[]): Buffer {
  const keyed = entries.map((entry) => ({
    entry,
    key: isFolder(entry.mode) ? Buffer.concat([entry.rawName, Buffer.from('/')]) : entry.rawName,
  }));
  keyed.sort((a, b) => Buffer.compare(a.key, b.key));
  const size = entries.reduce((sum, { mode, rawName }) => sum + mode.length + rawName.length + 2 + ID_BYTES, 0);
  const body = Buffer.alloc(size);
  let at = 0;
  for (const { entry } of keyed) {
    at += body.write(`${entry.mode} `, at, 'latin1');
    at += entry.rawName.copy(body, at) + 1;
    at += body.write(entry.id, at, 'hex');
  }
  return body;
}

export function isFolder(mode: string): boolean {
  return mode === '40000' || mode === '040000';
}

/** What an annotated tag points at. @throws {GitFailure} `object-wrong-type` when the bytes are no tag. */
export function parseTag(body: Buffer): { target: string; type: ObjectType } {
  const match = /^object ([0-9a-f]{40})\ntype (commit|tree|blob|tag)\n/.exec(body.toString('latin1', 0, 100));
  if (match === null) throw new GitFailure('object-wrong-type', 'the object is not a tag');
  return { target: match[1]!, type: match[2] as ObjectType };
}
