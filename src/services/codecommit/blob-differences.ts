import * as sdk from '@aws-sdk/client-codecommit';
import {
  countLines,
  diffLines,
  type LineChange,
  LineNumbers,
  linesOf,
  MAX_COMPARED_LINES,
} from '../../git/line-diff.ts';
import type { ObjectReader } from '../../git/objects.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, nextToken } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { contentOf, requireBlob, requireBlobId } from './files.ts';
import { readRepository } from './git-cache.ts';
import { isBinary } from './hunks.ts';
import { invalidToken } from './repositories.ts';
import { ofRepository } from './resources.ts';
import { repositoryByName } from './store.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** AWS's default; it does not say how large a page may be. */
const PAGE = 100;
const MAX_PAGE = 1_000;
const CONTEXT_LINES = 3;
/** A page ends when its hunks have so many lines together. */
const MAX_PAGE_LINES = 20_000;
const SPACE = /[\t\v\f\r ]+/g;

interface Cursor {
  /** Hunks on the pages before. */
  seen: number;
}

/**
 * What differs between two blobs, line by line; without `beforeBlobId` all lines are additions.
 * https://docs.aws.amazon.com/codecommit/latest/APIReference/API_GetBlobDifferences.html
 */
export const GetBlobDifferences: Op<'GetBlobDifferences'> = {
  resource: ofRepository,
  async handle(input, ctx) {
    const { repositoryName, beforeBlobId, afterBlobId, contextLines = CONTEXT_LINES, ignoreWhitespace = false } = input;
    const { MaxResults: max = PAGE } = input;
    if (max < 1) throw fault(sdk.InvalidMaxResultsException, 'MaxResults must be greater than zero.');
    if (beforeBlobId !== undefined) requireBlobId(beforeBlobId);
    requireBlobId(afterBlobId);
    const repository = await repositoryByName(ctx, ctx, repositoryName);
    const limit = Math.min(max, MAX_PAGE);
    const compared = [repository.id, beforeBlobId, afterBlobId, contextLines, ignoreWhitespace];
    const scope = `GetBlobDifferences ${JSON.stringify(compared)}`;
    const { seen } = cursorOf<Cursor>(ctx, scope, input.NextToken, invalidToken) ?? { seen: 0 };
    return readRepository(ctx, repository, async ({ objects }) => {
      const before = beforeBlobId === undefined ? Buffer.alloc(0) : await blobOf(objects, beforeBlobId, repositoryName);
      const after = await blobOf(objects, afterBlobId, repositoryName);
      const sizes = { beforeBlobSize: before.length, afterBlobSize: after.length };
      if (isBinary(before) || isBinary(after)) return { hunks: [], isBinary: true, ...sizes };
      const texts = { before: fewLinesOf(before), after: fewLinesOf(after) };
      const groups = groupChanges(changesOf(texts, ignoreWhitespace), contextLines);
      const hunks = pageOf(texts, groups.slice(seen, seen + limit), contextLines);
      const next: Cursor = { seen: seen + hunks.length };
      const token = next.seen < groups.length ? { NextToken: nextToken(ctx, scope, next) } : {};
      return { hunks, isBinary: false, ...sizes, ...token };
    });
  },
};

async function blobOf(objects: ObjectReader, blobId: string, repositoryName: string): Promise<Buffer> {
  await requireBlob(objects, blobId, repositoryName);
  return contentOf(objects, blobId);
}

/** @throws FileTooLargeException */
function fewLinesOf(content: Buffer): Buffer[] {
  if (countLines(content) <= MAX_COMPARED_LINES) return linesOf(content);
  throw fault(
    sdk.FileTooLargeException,
    `Files of more than ${MAX_COMPARED_LINES} lines are not compared; use a Git client.`,
  );
}

interface Texts {
  before: readonly Buffer[];
  after: readonly Buffer[];
}

function changesOf({ before, after }: Texts, ignoreWhitespace: boolean): LineChange[] {
  const numbers = new LineNumbers();
  // As bytes, so that lines which differ in bytes that are no UTF-8 stay different. The line end is white space, too.
  const bare = (line: Buffer) => Buffer.from(line.toString('latin1').replace(SPACE, '').trimEnd(), 'latin1');
  const compared = (lines: readonly Buffer[]) => numbers.of(ignoreWhitespace ? lines.map(bare) : lines);
  return diffLines(compared(before), compared(after));
}

/** Changes whose context touches or overlaps stand in one hunk. */
function groupChanges(changes: readonly LineChange[], contextLines: number): LineChange[][] {
  const groups: LineChange[][] = [];
  let last: LineChange | undefined;
  for (const change of changes) {
    if (last !== undefined && change.aStart - last.aEnd <= 2 * contextLines) groups.at(-1)!.push(change);
    else groups.push([change]);
    last = change;
  }
  return groups;
}

function pageOf(texts: Texts, groups: readonly LineChange[][], contextLines: number): sdk.DiffHunk[] {
  const hunks: sdk.DiffHunk[] = [];
  let lines = 0;
  for (const group of groups) {
    const hunk = hunkOf(texts, group, contextLines);
    lines += hunk.changes!.length;
    if (lines > MAX_PAGE_LINES && hunks.length > 0) break;
    hunks.push(hunk);
  }
  return hunks;
}

/** @param group changes in ascending order, at least one */
function hunkOf({ before, after }: Texts, group: readonly LineChange[], contextLines: number): sdk.DiffHunk {
  const [first, last] = [group[0]!, group.at(-1)!];
  const leading = Math.min(contextLines, first.aStart, first.bStart);
  const trailing = Math.min(contextLines, before.length - last.aEnd, after.length - last.bEnd);
  let [a, b] = [first.aStart - leading, first.bStart - leading];
  const [beforeStart, afterStart] = [a, b];
  const changes: sdk.DiffChange[] = [];
  const context = (end: number) => {
    for (; a < end; a += 1, b += 1) changes.push(lineOf('CONTEXT', after[b]!, a, b));
  };
  for (const { aStart, aEnd, bEnd } of group) {
    context(aStart);
    for (; a < aEnd; a += 1) changes.push(lineOf('DELETE', before[a]!, a, undefined));
    for (; b < bEnd; b += 1) changes.push(lineOf('ADD', after[b]!, undefined, b));
  }
  context(last.aEnd + trailing);
  return { ...sideOf('before', beforeStart, a), ...sideOf('after', afterStart, b), changes };
}

/** Lines count from 1. A side without lines names the line before, as a unified diff does. */
function sideOf<Side extends 'before' | 'after'>(side: Side, start: number, end: number) {
  const count = end - start;
  return { [`${side}StartLine`]: count === 0 ? start : start + 1, [`${side}LineCount`]: count };
}

function lineOf(
  type: sdk.DiffChangeType,
  line: Buffer,
  before: number | undefined,
  after: number | undefined,
): sdk.DiffChange {
  return {
    type,
    ...(before === undefined ? {} : { beforeLineNumber: before + 1 }),
    ...(after === undefined ? {} : { afterLineNumber: after + 1 }),
    content: line.toString('utf8').replace(/\n$/, ''),
  };
}
