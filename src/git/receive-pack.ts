import { ATOMIC_FAILED, changeRepository } from './change.ts';
import { findHopelessCommands, type PushCommand, type PushRequest, readPushRequest } from './commands.ts';
import { GitFailure, isGitFailure, printable } from './failure.ts';
import { DEFAULT_PACK_LIMITS, type PackLimits } from './incoming-pack.ts';
import { FLUSH, KEEP_ALIVE, PacketReader, pktLine, sideBand } from './pkt-line.ts';
import type { Repository } from './repository.ts';
import type { CommitChange } from './truth.ts';

/** What the caller decides about a push. */
export interface PushRules {
  /** Answers the commands that this user may not carry out, by name, with the text for the user. */
  authorize(commands: readonly PushCommand[]): Promise<ReadonlyMap<string, string>>;
  /** The transaction; must not use the repository. */
  commit: CommitChange;
  limits?: PackLimits;
  /** References that one push may change; AWS's 4,000 by default. */
  maxReferences?: number;
}

/** An empty pack: signature, version 2, no objects, checksum. */
const EMPTY_PACK_BYTES = 32;
/** As often as git's own receive-pack sends a sign of life. */
const KEEP_ALIVE_MS = 5_000;

/**
 * Serves one push: reads commands and pack from `input`, answers through `write`. The report is written after the
 * transaction, so "ok" means durable.
 *
 * Shallow lines are read and need no more: a pack that passes has all its history, so no reference gets a new root.
 * @param out.report is told about failures that are not the client's; the client hears a plain sentence.
 * @param out.begun is told when the first bytes of the pack are here.
 * @throws {GitFailure} `bad-request` before anything was written.
 */
export async function receivePack(
  repository: Repository,
  input: AsyncIterable<Uint8Array>,
  rules: PushRules,
  out: { write(bytes: Uint8Array): void; report(error: unknown): void; begun?(): void; signal?: AbortSignal },
): Promise<void> {
  const reader = new PacketReader(input);
  const request = await readPushRequest(reader, rules.maxReferences);
  if (request.commands.length === 0) return;
  const alive = keepAlive(repository, request, out);
  let answer: Buffer[];
  try {
    answer = await carryOut(repository, reader, request, rules, out);
  } finally {
    alive.cancel();
  }
  for (const bytes of answer) out.write(bytes);
}

async function carryOut(
  repository: Repository,
  reader: PacketReader,
  request: PushRequest,
  rules: PushRules,
  out: { report(error: unknown): void; begun?(): void; signal?: AbortSignal },
): Promise<Buffer[]> {
  const problems = findHopelessCommands(request.commands, await repository.state());
  const rest = request.commands.filter((command) => !problems.has(command.name));
  for (const [name, text] of rest.length > 0 ? await rules.authorize(rest) : []) problems.set(name, text);
  if (request.atomic && problems.size > 0) {
    for (const { name } of request.commands) if (!problems.has(name)) problems.set(name, ATOMIC_FAILED);
  }
  const updates = request.commands.filter((command) => !problems.has(command.name));
  const limits = rules.limits ?? DEFAULT_PACK_LIMITS;
  if (updates.length === 0) {
    await skip(reader, limits.maxPackBytes);
    return reportOf(request, 'ok', problems);
  }
  try {
    const { atomic } = request;
    const { signal } = out;
    const pack = (await bringsObjects(reader, updates)) ? reader.rest() : null;
    out.begun?.();
    const abandoned = request.commands.flatMap(({ name, to }) => (problems.has(name) && to !== null ? [to] : []));
    const { commit } = rules;
    const wanted = { updates, atomic, pack, limits, signal, commit, abandoned };
    const refused = await changeRepository(repository, wanted);
    for (const [name, text] of refused) problems.set(name, text);
    return reportOf(request, 'ok', problems);
  } catch (error) {
    const isClients = isGitFailure(error) && error.reason !== 'process-failed';
    if (!isClients) out.report(error);
    if (!isGitFailure(error, 'pack-too-large')) await skip(reader, limits.maxPackBytes);
    return reportFailure(isClients ? error : null, request, problems);
  }
}

/** False when the push deletes only, or brings a pack without objects because all are here already. */
async function bringsObjects(reader: PacketReader, updates: readonly PushCommand[]): Promise<boolean> {
  if (updates.every((update) => update.to === null)) return false;
  const header = await reader.peek(EMPTY_PACK_BYTES + 1);
  if (header.length < 12 || header.toString('latin1', 0, 4) !== 'PACK') {
    throw new GitFailure('pack-refused', 'the pack is missing');
  }
  return !(header.length === EMPTY_PACK_BYTES && header.readUInt32BE(8) === 0);
}

/** Reads a pack that nobody wants, so that the client gets to hear the answer. */
async function skip(reader: PacketReader, maxBytes: number): Promise<void> {
  let size = 0;
  for await (const chunk of reader.rest()) {
    size += chunk.length;
    if (size > maxBytes) throw new GitFailure('pack-too-large', 'the pack is too large');
  }
}

/** @param failure what the client has to know; null when the fault is ours. */
function reportFailure(failure: GitFailure | null, request: PushRequest, problems: Map<string, string>): Buffer[] {
  for (const { name } of request.commands) if (!problems.has(name)) problems.set(name, 'unpacker error');
  const detail = failure?.reason === 'pack-refused' ? failure.detail : '';
  return reportOf(request, failure?.message ?? 'internal error', problems, detail);
}

/** report-status (gitprotocol-pack); version 2 of it adds nothing where names and ids are as asked for. */
function reportOf(request: PushRequest, unpack: string, problems: ReadonlyMap<string, string>, detail = ''): Buffer[] {
  const answer: Buffer[] = [];
  if (request.sideBand && detail !== '') answer.push(sideBand(2, Buffer.from(`${printable(detail.trimEnd())}\n`)));
  const lines = request.commands.map(({ name }) => {
    const problem = problems.get(name);
    return pktLine(problem === undefined ? `ok ${name}\n` : `ng ${oneLine(name)} ${oneLine(problem)}\n`);
  });
  const report = Buffer.concat([pktLine(`unpack ${oneLine(unpack)}\n`), ...lines, FLUSH]);
  if (request.sideBand) {
    if (request.reportStatus) answer.push(sideBand(1, report));
    answer.push(FLUSH);
  } else if (request.reportStatus) answer.push(report);
  return answer;
}

function oneLine(text: string): string {
  return printable(text).replaceAll('\n', ' ').slice(0, 1_000);
}

function keepAlive(
  repository: Repository,
  request: PushRequest,
  out: { write(bytes: Uint8Array): void },
): { cancel(): void } {
  if (!request.sideBand) return { cancel: () => undefined };
  const { clock } = repository.surroundings;
  const beat = () => {
    out.write(KEEP_ALIVE);
    timer = clock.after(KEEP_ALIVE_MS, beat);
  };
  let timer = clock.after(KEEP_ALIVE_MS, beat);
  return { cancel: () => timer.cancel() };
}
