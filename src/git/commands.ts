import { GitFailure } from './failure.ts';
import { lineText, type PacketReader } from './pkt-line.ts';
import { isObjectId, parentNames, refNameProblem, ZERO_ID } from './ref-name.ts';
import { type RepositoryState, STALE } from './truth.ts';

/** One line of a push. */
export interface PushCommand {
  name: string;
  /** Object that the client believes to be there; null to create. */
  from: string | null;
  /** null to delete. */
  to: string | null;
}

/** What a client asks receive-pack to do, before the pack. */
export interface PushRequest {
  commands: PushCommand[];
  reportStatus: boolean;
  sideBand: boolean;
  atomic: boolean;
  quiet: boolean;
}

/** AWS's limit of references in one push. */
export const MAX_COMMANDS = 4_000;
/** Roots of a shallow clone that a client may mention. */
const MAX_SHALLOW_LINES = 100_000;
/** Room for ids, the longest name in UTF-8 and the capabilities. */
const MAX_COMMAND_BYTES = 4_096;

/**
 * Reads shallow lines and commands up to the flush. No commands at all means that the client only tries whether it
 * may push.
 * @throws {GitFailure} `bad-request`.
 */
export async function readPushRequest(reader: PacketReader, maxCommands = MAX_COMMANDS): Promise<PushRequest> {
  const request: PushRequest = { commands: [], reportStatus: false, sideBand: false, atomic: false, quiet: false };
  let shallowLines = 0;
  for (let packet = await reader.next(); packet !== 'flush'; packet = await reader.next()) {
    if (packet === 'end' && request.commands.length === 0) return request;
    if (!(packet instanceof Buffer)) throw new GitFailure('bad-request', 'the list of commands is cut off');
    if (packet.length > MAX_COMMAND_BYTES) throw new GitFailure('bad-request', 'a command is too long');
    if (request.commands.length === 0 && packet.toString('latin1', 0, 8) === 'shallow ') {
      shallowLines += 1;
      if (shallowLines > MAX_SHALLOW_LINES) throw new GitFailure('bad-request', 'too many shallow lines');
      continue;
    }
    if (request.commands.length === 0) readCapabilities(packet, request);
    request.commands.push(readCommand(packet));
    if (request.commands.length > maxCommands) {
      throw new GitFailure('bad-request', `a push may change at most ${maxCommands} references`);
    }
  }
  return request;
}

function readCapabilities(packet: Buffer, request: PushRequest): void {
  const nul = packet.indexOf(0);
  const capabilities = new Set(nul < 0 ? [] : lineText(packet.subarray(nul + 1)).split(' '));
  request.reportStatus = capabilities.has('report-status') || capabilities.has('report-status-v2');
  request.sideBand = capabilities.has('side-band-64k');
  request.atomic = capabilities.has('atomic');
  request.quiet = capabilities.has('quiet');
  if (capabilities.has('push-options')) throw new GitFailure('bad-request', 'push options are not supported');
  for (const capability of capabilities) {
    if (capability.startsWith('object-format=') && capability !== 'object-format=sha1') {
      throw new GitFailure('bad-request', 'only SHA-1 repositories are supported');
    }
  }
}

function readCommand(packet: Buffer): PushCommand {
  const nul = packet.indexOf(0);
  const text = lineText(nul < 0 ? packet : packet.subarray(0, nul));
  const [from, to, name] = [text.slice(0, 40), text.slice(41, 81), text.slice(82)];
  const isWellFormed = text[40] === ' ' && text[81] === ' ' && isObjectId(from) && isObjectId(to) && name !== '';
  if (!isWellFormed || (from === ZERO_ID && to === ZERO_ID)) {
    throw new GitFailure('bad-request', 'a command is not well formed');
  }
  return { name, from: from === ZERO_ID ? null : from, to: to === ZERO_ID ? null : to };
}

/**
 * The commands that cannot be carried out whatever the pack holds, with the reason: bad names, names that would be a
 * folder of another, one name twice, and references that are elsewhere than the client believes.
 */
export function findHopelessCommands(commands: readonly PushCommand[], state: RepositoryState): Map<string, string> {
  const problems = new Map<string, string>();
  const seen = new Set<string>();
  for (const { name, from, to } of commands) {
    const present = state.refs.get(name)?.id ?? null;
    const badName = to === null ? null : refNameProblem(name);
    if (seen.has(name)) problems.set(name, 'multiple updates for one reference are not allowed');
    else if (badName !== null) problems.set(name, badName);
    else if (present !== from) problems.set(name, STALE);
    seen.add(name);
  }
  for (const [name, other] of findFolderConflicts(commands, state)) {
    if (!problems.has(name)) problems.set(name, `'${other}' exists; cannot create '${name}'`);
  }
  return problems;
}

/** New names that cannot stand beside another one because one would be a folder of the other, with that other one. */
function findFolderConflicts(commands: readonly PushCommand[], state: RepositoryState): Map<string, string> {
  const created = commands.filter(({ from, to }) => from === null && to !== null);
  const conflicts = new Map<string, string>();
  if (created.length === 0) return conflicts;
  const names = new Set(state.refs.keys());
  for (const { name, to } of commands) {
    if (to === null) names.delete(name);
    else names.add(name);
  }
  const folders = new Map<string, string>();
  for (const name of names) {
    for (const parent of parentNames(name)) folders.set(parent, name);
  }
  for (const { name } of created) {
    const other = parentNames(name).find((parent) => names.has(parent)) ?? folders.get(name);
    if (other !== undefined) conflicts.set(name, other);
  }
  return conflicts;
}
