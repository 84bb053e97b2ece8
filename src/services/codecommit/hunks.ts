import type * as sdk from '@aws-sdk/client-codecommit';
import { countLines, linesOf, MAX_COMPARED_LINES } from '../../git/line-diff.ts';
import { type LineRange, type MergedLines, mergeLines } from '../../git/line-merge.ts';
import type { PathEntry } from '../../git/objects.ts';
import { type FileConflict, objectTypeOf, type Versions } from './conflicts-find.ts';
import { type Merge, requireFewFiles } from './merges-evaluate.ts';
import { MAX_FILE_BYTES } from './rules.ts';

type Side = keyof Versions;
const SIDES: readonly Side[] = ['source', 'destination', 'base'];

/** How far into a file git looks for a NUL byte, which makes it binary. */
const BINARY_PROBE_BYTES = 8_000;

/** One side of a file: undefined contents where there is none, or it is no file, or it is too large to look at. */
export interface LoadedFile {
  size: number | undefined;
  content: Buffer | undefined;
  isBinary: boolean;
}

export type LoadedFiles = Record<Side, LoadedFile | undefined>;

/** The three versions of a file with their contents. */
export async function loadVersions(merge: Merge, versions: Versions, stages: Stages): Promise<LoadedFiles> {
  const load = async (side: Side) => loadOne(merge, side === 'base' ? (stages.base ?? versions.base) : versions[side]);
  const [source, destination, base] = await Promise.all(SIDES.map(load));
  return { source, destination, base };
}

/** What git has taken for the base, where several bases had to be merged into one first. */
interface Stages {
  base: PathEntry | undefined;
}

/** The base that git has merged a conflicting file with. */
export function stagesOf({ trees }: Merge, { rawPath, displaced }: FileConflict): Stages {
  const names = new Set([rawPath, ...displaced].map((name) => name.toString('latin1')));
  const entry = trees.unmerged.find(({ stage, rawPath: name }) => stage === 1 && names.has(name));
  return { base: entry === undefined ? undefined : { mode: entry.mode, id: entry.id } };
}

async function loadOne({ trees }: Merge, entry: PathEntry | null): Promise<LoadedFile | undefined> {
  if (entry === null) return undefined;
  const type = objectTypeOf(entry);
  if (type === 'DIRECTORY' || type === 'GIT_LINK') return { size: undefined, content: undefined, isBinary: false };
  const size = (await trees.objects.findInfo(entry.id))!.size;
  if (size > MAX_FILE_BYTES) return { size, content: undefined, isBinary: false };
  const content = await trees.objects.blob(entry.id, MAX_FILE_BYTES);
  return { size, content, isBinary: isBinary(content) };
}

/** What git takes for binary. */
export function isBinary(content: Buffer): boolean {
  return content.subarray(0, BINARY_PROBE_BYTES).includes(0);
}

/** True when the lines of the versions can be looked at: plain files on both sides, none binary, too large or of too many lines. */
function isTextual({ base, source, destination }: LoadedFiles): boolean {
  const isText = (file: LoadedFile | undefined) =>
    file?.content !== undefined && !file.isBinary && countLines(file.content) <= MAX_COMPARED_LINES;
  return isText(source) && isText(destination) && (base === undefined || isText(base));
}

interface Lines {
  lines: Record<Side, Buffer[]>;
  merged: MergedLines[];
}

function mergedLinesOf(files: LoadedFiles): Lines {
  const lines = {
    base: linesOf(files.base?.content ?? Buffer.alloc(0)),
    source: linesOf(files.source!.content!),
    destination: linesOf(files.destination!.content!),
  };
  return { lines, merged: mergeLines(lines.base, lines.source, lines.destination) };
}

/**
 * A text whose conflicting lines are those of one side; null when it has to be that side's version as a whole (binary, or
 * gone on the other side).
 * @throws MaximumFileContentToLoadExceededException for a file beyond 6 MB
 */
export async function acceptedLines(
  merge: Merge,
  conflict: FileConflict,
  side: 'source' | 'destination',
): Promise<Buffer | null> {
  const files = await loadVersions(merge, conflict.versions, stagesOf(merge, conflict));
  requireLoaded(files);
  if (!isTextual(files)) return null;
  const { lines, merged } = mergedLinesOf(files);
  if (!merged.some(({ kind }) => kind === 'conflict')) return null;
  const parts = merged.flatMap((stretch) => {
    const from = stretch.kind === 'conflict' ? side : sideOf(stretch.kind);
    const range = rangeOf(stretch, from);
    return lines[from].slice(range.start, range.end);
  });
  return Buffer.concat(parts);
}

/** @throws MaximumFileContentToLoadExceededException */
export function requireLoaded(files: LoadedFiles): void {
  const isTooLarge = SIDES.some((side) => (files[side]?.size ?? 0) > MAX_FILE_BYTES);
  if (isTooLarge) requireFewFiles(Number.POSITIVE_INFINITY);
}

/** Whose lines a stretch without conflict shows. */
function sideOf(kind: Exclude<MergedLines['kind'], 'conflict'>): Side {
  if (kind === 'same') return 'base';
  return kind === 'theirs' ? 'destination' : 'source';
}

/** The source is "ours" in the comparison; which side is which does not matter to it. */
function rangeOf(stretch: MergedLines, side: Side): LineRange {
  if (side === 'base') return stretch.base;
  return side === 'source' ? stretch.ours : stretch.theirs;
}

/** How the versions of one file are told apart. */
export interface HunkOptions {
  isConflict: boolean;
  byFile: boolean;
  /** The side whose lines a conflict takes; the hunks are no conflicts then. */
  accepted?: 'source' | 'destination' | undefined;
}

/**
 * The versions of a file stretch by stretch. A conflict has all its versions; any other stretch has the one that the
 * merged file has. By file, and where lines cannot be told apart, the file is one stretch. Binary files have none.
 */
export function hunksOf(files: LoadedFiles, { isConflict, byFile, accepted }: HunkOptions): sdk.MergeHunk[] {
  if (SIDES.some((side) => files[side]?.isBinary)) return [];
  if (byFile || !isTextual(files)) return [wholeFile(files, { isConflict, accepted })];
  const { lines, merged } = mergedLinesOf(files);
  const hasConflict = merged.some(({ kind }) => kind === 'conflict');
  // git has found one where this comparison finds none: rare, as lines can be matched in several ways.
  if (isConflict && !hasConflict) return [wholeFile(files, { isConflict, accepted })];
  return merged.map((stretch) => {
    const detail = (side: Side) => detailOf(lines[side], rangeOf(stretch, side));
    if (stretch.kind !== 'conflict') {
      const side = sideOf(stretch.kind);
      return { isConflict: false, [side]: detail(side) };
    }
    if (accepted !== undefined) return { isConflict: false, [accepted]: detail(accepted) };
    const base = files.base === undefined ? {} : { base: detail('base') };
    return { isConflict: true, source: detail('source'), destination: detail('destination'), ...base };
  });
}

function wholeFile(files: LoadedFiles, options: Omit<HunkOptions, 'byFile'>): sdk.MergeHunk {
  const hunk: sdk.MergeHunk = { isConflict: options.isConflict && options.accepted === undefined };
  for (const side of SIDES) {
    const content = files[side]?.content;
    if (content === undefined || (options.accepted !== undefined && side !== options.accepted)) continue;
    hunk[side] = { startLine: 0, endLine: countLines(content), hunkContent: content.toString('base64') };
  }
  return hunk;
}

/** Lines count from 0; `endLine` is the first one behind. */
function detailOf(lines: readonly Buffer[], { start, end }: LineRange): sdk.MergeHunkDetail {
  const hunkContent = Buffer.concat(lines.slice(start, end)).toString('base64');
  return { startLine: start, endLine: end, hunkContent };
}

/** Conflicts in the contents: one for each stretch, or one for the file. */
export function countContentConflicts(files: LoadedFiles, byFile: boolean): number {
  if (byFile || !isTextual(files)) return 1;
  return Math.max(1, mergedLinesOf(files).merged.filter(({ kind }) => kind === 'conflict').length);
}
