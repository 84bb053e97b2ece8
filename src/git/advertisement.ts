import { GitFailure } from './failure.ts';
import { lineText, type PacketReader, pktText } from './pkt-line.ts';
import { ZERO_ID } from './ref-name.ts';
import type { Repository } from './repository.ts';
import type { Ref, RepositoryState } from './truth.ts';

export type GitService = 'git-upload-pack' | 'git-receive-pack';

/** Version 1 is version 0 that says so first. Pushes have no version 2. */
export type ProtocolVersion = 0 | 1 | 2;

const AGENT = 'agent=git/slipway';
const UPLOAD_CAPABILITIES = [
  'multi_ack',
  'thin-pack',
  'side-band',
  'side-band-64k',
  'ofs-delta',
  'shallow',
  'deepen-since',
  'deepen-not',
  'deepen-relative',
  'no-progress',
  'include-tag',
  'multi_ack_detailed',
  'no-done',
  'filter',
  'object-format=sha1',
  AGENT,
];
/** No push-options: nothing would read them, and they have been a way in elsewhere. */
const RECEIVE_CAPABILITIES = [
  'report-status',
  'report-status-v2',
  'delete-refs',
  'side-band-64k',
  'quiet',
  'atomic',
  'ofs-delta',
  'object-format=sha1',
  AGENT,
];
const V2_CAPABILITIES = [
  'version 2',
  AGENT,
  'ls-refs=unborn',
  'fetch=shallow wait-for-done filter',
  'object-format=sha1',
];
const MAX_REF_PREFIXES = 65_536;
/** Clients ask for a few beginnings; answers to longer lists are not asked for twice. */
const MAX_KEPT_PREFIXES = 16;

/**
 * The highest version that a client says it knows; what it says beside that is passed over, as git does.
 * @param asked the header `Git-Protocol` or the variable `GIT_PROTOCOL`, such as `version=2:future=yes`
 */
export function protocolVersionOf(asked: string | undefined): ProtocolVersion {
  const versions = asked?.split(':') ?? [];
  if (versions.includes('version=2')) return 2;
  return versions.includes('version=1') ? 1 : 0;
}

/**
 * The answer to `info/refs`, made from rows alone: no process is started and no cache is touched.
 * Version 2 (gitprotocol-v2) names no references; it exists for upload-pack only.
 */
export function advertise(service: GitService, version: ProtocolVersion, state: RepositoryState): Buffer {
  return Buffer.concat([pktText([`# service=${service}\n`]), greet(service, version, state)]);
}

/** As {@link advertise}; made once for each state of the repository. */
export function advertisedBytes(
  repository: Repository,
  service: GitService,
  version: ProtocolVersion,
): Promise<Buffer> {
  return madeOnce(repository, `${service} ${version}`, (state) => advertise(service, version, state));
}

/** The same as a server begins with where the connection is one for both directions (gitprotocol-pack, SSH). */
export function greet(service: GitService, version: ProtocolVersion, state: RepositoryState): Buffer {
  if (version === 2 && service === 'git-upload-pack') return pktText(V2_CAPABILITIES.map((line) => `${line}\n`));
  const lines = referenceLines(service, state);
  return pktText(version === 1 ? ['version 1\n', ...lines] : lines);
}

/** Keeps an answer as long as references and head stay as they are. */
async function madeOnce(
  repository: Repository,
  asked: string,
  make: (state: RepositoryState) => Buffer,
): Promise<Buffer> {
  const { advertisements } = repository.surroundings;
  const state = await repository.state();
  const key = `${repository.id} ${state.generation} ${asked}`;
  const known = await advertisements.find(key);
  if (known !== null) return known;
  const made = make(state);
  advertisements.settle(key, made);
  return made;
}

function referenceLines(service: GitService, state: RepositoryState): string[] {
  const isUpload = service === 'git-upload-pack';
  const head = state.head === null ? undefined : state.refs.get(state.head);
  const capabilities = isUpload ? [...UPLOAD_CAPABILITIES] : [...RECEIVE_CAPABILITIES];
  const lines: string[] = [];
  if (isUpload && head !== undefined) {
    capabilities.push(`symref=HEAD:${head.name}`);
    lines.push(`${head.id} HEAD`);
  }
  for (const ref of state.refs.values()) {
    lines.push(`${ref.id} ${ref.name}`);
    // receive-pack advertises no peeled tags.
    if (isUpload && ref.peeled !== null) lines.push(`${ref.peeled} ${ref.name}^{}`);
  }
  if (lines.length === 0) lines.push(`${ZERO_ID} capabilities^{}`);
  lines[0] += `\0${capabilities.join(' ')}`;
  return lines.map((line) => `${line}\n`);
}

interface LsRefs {
  peel: boolean;
  symrefs: boolean;
  unborn: boolean;
  prefixes: Set<string>;
}

/**
 * Answers a version 2 `ls-refs` whose command line has been read; made once for each state of the repository.
 * @throws {GitFailure} `bad-request`.
 */
export async function lsRefsBytes(request: PacketReader, repository: Repository): Promise<Buffer> {
  const wanted = await readLsRefs(request);
  const { prefixes, ...options } = wanted;
  if (prefixes.size > MAX_KEPT_PREFIXES) return lsRefs(wanted, await repository.state());
  const asked = `ls-refs ${JSON.stringify([options, [...prefixes].sort()])}`;
  return madeOnce(repository, asked, (state) => lsRefs(wanted, state));
}

/** As {@link lsRefsBytes}, of one state. @throws {GitFailure} `bad-request`. */
export async function answerLsRefs(request: PacketReader, state: RepositoryState): Promise<Buffer> {
  return lsRefs(await readLsRefs(request), state);
}

function lsRefs(wanted: LsRefs, state: RepositoryState): Buffer {
  const matches = matcherOf(wanted);
  const head = matches('HEAD') ? headLine(wanted, state) : null;
  const lines = head === null ? [] : [head];
  for (const ref of state.refs.values()) {
    if (matches(ref.name)) lines.push(refLine(wanted, ref));
  }
  return pktText(lines);
}

async function readLsRefs(request: PacketReader): Promise<LsRefs> {
  const wanted: LsRefs = { peel: false, symrefs: false, unborn: false, prefixes: new Set() };
  let packet = await request.next();
  while (packet instanceof Buffer) packet = await request.next(); // capabilities: agent, object-format
  if (packet === 'flush') return wanted;
  if (packet !== 'delimiter') throw new GitFailure('bad-request', 'ls-refs: a delimiter is missing');
  for (packet = await request.next(); packet instanceof Buffer; packet = await request.next()) {
    const line = lineText(packet);
    if (line === 'peel') wanted.peel = true;
    else if (line === 'symrefs') wanted.symrefs = true;
    else if (line === 'unborn') wanted.unborn = true;
    else if (line.startsWith('ref-prefix ')) wanted.prefixes.add(line.slice('ref-prefix '.length));
    else throw new GitFailure('bad-request', 'ls-refs: unknown argument');
    if (wanted.prefixes.size > MAX_REF_PREFIXES) throw new GitFailure('bad-request', 'ls-refs: too many prefixes');
  }
  if (packet !== 'flush') throw new GitFailure('bad-request', 'ls-refs: a flush is missing');
  return wanted;
}

/**
 * A test for names by their beginning. It looks up one piece of the name for each length that prefixes have, so that
 * tens of thousands of prefixes on tens of thousands of names stay cheap.
 */
function matcherOf({ prefixes }: LsRefs): (name: string) => boolean {
  if (prefixes.size === 0) return () => true;
  const lengths = [...new Set(Array.from(prefixes, (prefix) => prefix.length))].sort((a, b) => a - b);
  return (name) => {
    for (const length of lengths) {
      if (length > name.length) return false;
      if (prefixes.has(name.slice(0, length))) return true;
    }
    return false;
  };
}

function headLine(wanted: LsRefs, state: RepositoryState): string | null {
  if (state.head === null) return null;
  const target = state.refs.get(state.head);
  const symref = wanted.symrefs ? ` symref-target:${state.head}` : '';
  if (target !== undefined) return `${target.id} HEAD${symref}\n`;
  return wanted.unborn ? `unborn HEAD${symref}\n` : null;
}

function refLine(wanted: LsRefs, ref: Ref): string {
  const peeled = wanted.peel && ref.peeled !== null ? ` peeled:${ref.peeled}` : '';
  return `${ref.id} ${ref.name}${peeled}\n`;
}
