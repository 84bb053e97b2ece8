import { GitFailure } from './failure.ts';
import { FLUSH, lineText, type PacketReader, pktLine } from './pkt-line.ts';
import { ZERO_ID } from './ref-name.ts';
import type { Ref, RepositoryState } from './truth.ts';

export type GitService = 'git-upload-pack' | 'git-receive-pack';

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

/**
 * The answer to `info/refs`, made from rows alone: no process is started and no cache is touched.
 * Version 2 (gitprotocol-v2) names no references; it exists for upload-pack only.
 */
export function advertise(service: GitService, version: 0 | 2, state: RepositoryState): Buffer {
  const packets = [pktLine(`# service=${service}\n`), FLUSH];
  if (version === 2 && service === 'git-upload-pack') packets.push(...v2Capabilities());
  else packets.push(...referenceLines(service, state));
  packets.push(FLUSH);
  return Buffer.concat(packets);
}

/** What a client sees first over SSH, where no service line is needed. */
export function v2Capabilities(): Buffer[] {
  return V2_CAPABILITIES.map((line) => pktLine(`${line}\n`));
}

function referenceLines(service: GitService, state: RepositoryState): Buffer[] {
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
  return lines.map((line) => pktLine(`${line}\n`));
}

interface LsRefs {
  peel: boolean;
  symrefs: boolean;
  unborn: boolean;
  prefixes: string[];
}

/**
 * Answers a version 2 `ls-refs` whose command line has been read.
 * @throws {GitFailure} `bad-request`.
 */
export async function answerLsRefs(request: PacketReader, state: RepositoryState): Promise<Buffer> {
  const wanted = await readLsRefs(request);
  const packets: Buffer[] = [];
  const head = headLine(wanted, state);
  if (head !== null) packets.push(pktLine(head));
  for (const ref of state.refs.values()) {
    if (matches(wanted, ref.name)) packets.push(pktLine(refLine(wanted, ref)));
  }
  packets.push(FLUSH);
  return Buffer.concat(packets);
}

async function readLsRefs(request: PacketReader): Promise<LsRefs> {
  const wanted: LsRefs = { peel: false, symrefs: false, unborn: false, prefixes: [] };
  let packet = await request.next();
  while (packet instanceof Buffer) packet = await request.next(); // capabilities: agent, object-format
  if (packet === 'flush') return wanted;
  if (packet !== 'delimiter') throw new GitFailure('bad-request', 'ls-refs: a delimiter is missing');
  for (packet = await request.next(); packet instanceof Buffer; packet = await request.next()) {
    const line = lineText(packet);
    if (line === 'peel') wanted.peel = true;
    else if (line === 'symrefs') wanted.symrefs = true;
    else if (line === 'unborn') wanted.unborn = true;
    else if (line.startsWith('ref-prefix ')) wanted.prefixes.push(line.slice('ref-prefix '.length));
    else throw new GitFailure('bad-request', 'ls-refs: unknown argument');
    if (wanted.prefixes.length > MAX_REF_PREFIXES) throw new GitFailure('bad-request', 'ls-refs: too many prefixes');
  }
  if (packet !== 'flush') throw new GitFailure('bad-request', 'ls-refs: a flush is missing');
  return wanted;
}

function matches(wanted: LsRefs, name: string): boolean {
  return wanted.prefixes.length === 0 || wanted.prefixes.some((prefix) => name.startsWith(prefix));
}

function headLine(wanted: LsRefs, state: RepositoryState): string | null {
  if (state.head === null || !matches(wanted, 'HEAD')) return null;
  const target = state.refs.get(state.head);
  const symref = wanted.symrefs ? ` symref-target:${state.head}` : '';
  if (target !== undefined) return `${target.id} HEAD${symref}\n`;
  return wanted.unborn ? `unborn HEAD${symref}\n` : null;
}

function refLine(wanted: LsRefs, ref: Ref): string {
  const peeled = wanted.peel && ref.peeled !== null ? ` peeled:${ref.peeled}` : '';
  return `${ref.id} ${ref.name}${peeled}\n`;
}
