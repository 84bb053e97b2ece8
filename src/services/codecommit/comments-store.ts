import * as sdk from '@aws-sdk/client-codecommit';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { ResourceRef } from '../../kernel/service.ts';
import type { Comparison, Place } from './comments-locations.ts';
import { actor, commentChange } from './events.ts';
import { broughtId, knownId } from './import-ids.ts';
import { hiddenResource } from './pull-requests-access.ts';
import { type CommentRow, reviews } from './review-tables.ts';
import { isCommentId } from './specifiers.ts';
import { findRepositoryById } from './store.ts';
import { type RepositoryRow, tables } from './tables.ts';

/** AWS's limit of a comment's content. */
const MAX_CHARACTERS = 10_240;

/** As `ofPullRequest`, for a call that names a comment only. */
export function ofComment(action: string, member: 'commentId' | 'inReplyTo' = 'commentId') {
  return async (input: { commentId?: string; inReplyTo?: string }, ctx: Context): Promise<ResourceRef> => {
    const id = input[member] ?? '';
    const comment = await findComment(ctx, ctx, id);
    return hiddenResource(ctx, comment?.repository_id, [action, 'GetComment'], () => commentDoesNotExist(id));
  };
}

/** The comment of that id in the caller's account and region. @throws InvalidCommentIdException */
export async function findComment(
  source: Context | Tx,
  { account, region }: Context,
  id: string,
): Promise<CommentRow | undefined> {
  if (!isCommentId(id)) {
    throw fault(sdk.InvalidCommentIdException, `${id.slice(0, 100)} is not a valid comment ID`);
  }
  // The one that was brought here sorts behind one of that id that was made here, perhaps in another account.
  const found = await reviews(source)
    .selectFrom('codecommit_comments')
    .selectAll()
    .where('id', 'in', [id, broughtId({ account, region }, id)])
    .orderBy('id', 'desc')
    .execute();
  for (const comment of found) {
    const repository = await findRepositoryById(source, comment.repository_id);
    if (repository?.account === account && repository.region === region) return comment;
  }
  return undefined;
}

/** @throws InvalidCommentIdException, CommentDoesNotExistException */
export async function commentById(source: Context | Tx, ctx: Context, id: string): Promise<CommentRow> {
  const comment = await findComment(source, ctx, id);
  if (comment === undefined) throw commentDoesNotExist(id);
  return comment;
}

/** As {@link commentById}. @throws CommentDeletedException */
export async function presentCommentById(source: Context | Tx, ctx: Context, id: string): Promise<CommentRow> {
  const comment = await commentById(source, ctx, id);
  if (comment.content !== null) return comment;
  throw fault(sdk.CommentDeletedException, `The comment ${id} has already been deleted`);
}

export function commentDoesNotExist(id: string) {
  return fault(sdk.CommentDoesNotExistException, `No comment exists with the ID ${id}`);
}

/** @throws CommentContentRequiredException, CommentContentSizeLimitExceededException */
export function requireCommentContent(content: string): void {
  if (content.trim() === '') throw fault(sdk.CommentContentRequiredException, 'A comment cannot be empty.');
  if ([...content].length <= MAX_CHARACTERS) return;
  throw fault(sdk.CommentContentSizeLimitExceededException, `A comment can have at most ${MAX_CHARACTERS} characters.`);
}

/** The comment that the caller has made with that token. @throws IdempotencyParameterMismatchException */
export async function findCommentByToken(
  tx: Tx,
  ctx: Context,
  token: string | null,
  hash: string,
): Promise<CommentRow | undefined> {
  if (token === null) return undefined;
  const known = await reviews(tx)
    .selectFrom('codecommit_comments')
    .selectAll()
    .where('author_arn', '=', actor(ctx.caller))
    .where('client_request_token', '=', token)
    .execute();
  for (const row of known) {
    if ((await findComment(tx, ctx, knownId(row.id))) === undefined) continue;
    if (row.request_sha256 === hash) return row;
    throw fault(
      sdk.IdempotencyParameterMismatchException,
      'The client request token has been used with other parameters.',
    );
  }
  return undefined;
}

/** A comment that shall be made. */
export interface CommentDraft {
  pullRequest: string | null;
  comparison: Comparison;
  place: Place;
  inReplyTo: CommentRow | null;
  content: string;
  token: string | null;
  hash: string;
}

/** Makes a comment. Those at the same place, and replies, stand together. */
export async function addComment(
  tx: Tx,
  ctx: Context,
  repository: RepositoryRow,
  draft: CommentDraft,
): Promise<CommentRow> {
  const { comparison, place, inReplyTo, token } = draft;
  const now = ctx.now().getTime();
  const sequence = await nextSequence(tx, repository);
  const row: CommentRow = {
    id: ctx.ids.uuid(),
    repository_id: repository.id,
    pull_request: draft.pullRequest,
    before_commit: comparison.before,
    after_commit: comparison.after,
    before_blob: place.beforeBlob,
    after_blob: place.afterBlob,
    file_path: place.path,
    file_position: place.position,
    file_version: place.version,
    in_reply_to: inReplyTo?.id ?? null,
    sequence,
    place: inReplyTo === null ? sequence : Number(inReplyTo.place),
    content: draft.content,
    author_arn: actor(ctx.caller),
    client_request_token: token,
    request_sha256: token === null ? null : draft.hash,
    created_at: now,
    modified_at: now,
  };
  if (inReplyTo === null) row.place = (await firstAtPlace(tx, row)) ?? sequence;
  await reviews(tx).insertInto('codecommit_comments').values(row).execute();
  await tellOfComment(tx, ctx, repository, row, 'Created');
  return row;
}

async function nextSequence(tx: Tx, { id }: RepositoryRow): Promise<number> {
  const { last } = await reviews(tx)
    .selectFrom('codecommit_comments')
    .select((e) => e.fn.max('sequence').as('last'))
    .where('repository_id', '=', id)
    .executeTakeFirstOrThrow();
  return Number(last ?? 0) + 1;
}

async function firstAtPlace(tx: Tx, row: CommentRow): Promise<number | undefined> {
  const first = await reviews(tx)
    .selectFrom('codecommit_comments')
    .select('place')
    .where('repository_id', '=', row.repository_id)
    .where('after_commit', '=', row.after_commit)
    .where('before_commit', row.before_commit === null ? 'is' : '=', row.before_commit)
    .where('pull_request', row.pull_request === null ? 'is' : '=', row.pull_request)
    .where('file_path', row.file_path === null ? 'is' : '=', row.file_path)
    .where('file_position', row.file_position === null ? 'is' : '=', row.file_position)
    .where('file_version', row.file_version === null ? 'is' : '=', row.file_version)
    .orderBy('sequence')
    .limit(1)
    .executeTakeFirst();
  return first === undefined ? undefined : Number(first.place);
}

/** Sends the event of a comment, and marks its pull request as active. */
export async function tellOfComment(
  tx: Tx,
  ctx: Context,
  repository: RepositoryRow,
  comment: CommentRow,
  change: 'Created' | 'Updated',
): Promise<void> {
  let pullRequestId: string | undefined;
  if (comment.pull_request !== null) {
    const { number, activity_at } = await reviews(tx)
      .selectFrom('codecommit_pull_requests')
      .select(['number', 'activity_at'])
      .where('id', '=', comment.pull_request)
      .executeTakeFirstOrThrow();
    pullRequestId = String(number);
    await reviews(tx)
      .updateTable('codecommit_pull_requests')
      .set({ activity_at: Math.max(ctx.now().getTime(), Number(activity_at)) })
      .where('id', '=', comment.pull_request)
      .execute();
  }
  await tx.emit(commentChange(repository, comment, pullRequestId, change, ctx.caller));
}

/** The repository of a comment, which goes with it. @throws CommentDoesNotExistException */
export async function repositoryOfComment(source: Context | Tx, comment: CommentRow): Promise<RepositoryRow> {
  const repository = await tables(source)
    .selectFrom('codecommit_repositories')
    .selectAll()
    .where('id', '=', comment.repository_id)
    .executeTakeFirst();
  if (repository === undefined) throw commentDoesNotExist(knownId(comment.id));
  return repository;
}

/** What clients see of comments, with the reactions to them. */
export async function commentShapes(ctx: Context, comments: readonly CommentRow[]): Promise<sdk.Comment[]> {
  if (comments.length === 0) return [];
  const reactions = await reviews(ctx)
    .selectFrom('codecommit_reactions')
    .select(['comment_id', 'user_arn', 'reaction'])
    .where(
      'comment_id',
      'in',
      comments.map(({ id }) => id),
    )
    .orderBy('reaction')
    .execute();
  const caller = actor(ctx.caller);
  return comments.map((comment) => {
    const own = reactions.filter(({ comment_id }) => comment_id === comment.id);
    const reactionCounts: Record<string, number> = {};
    for (const { reaction } of own) reactionCounts[reaction] = (reactionCounts[reaction] ?? 0) + 1;
    const callerReactions = own.filter(({ user_arn }) => user_arn === caller).map(({ reaction }) => reaction);
    return { ...commentShape(comment), callerReactions, reactionCounts };
  });
}

/** What clients see of a comment, without the reactions to it. */
export function commentShape(row: CommentRow): sdk.Comment {
  return {
    commentId: knownId(row.id),
    ...(row.content === null ? {} : { content: row.content }),
    ...(row.in_reply_to === null ? {} : { inReplyTo: knownId(row.in_reply_to) }),
    creationDate: new Date(Number(row.created_at)),
    lastModifiedDate: new Date(Number(row.modified_at)),
    authorArn: row.author_arn,
    deleted: row.content === null,
    ...(row.client_request_token === null ? {} : { clientRequestToken: row.client_request_token }),
  };
}

/** Where a comment is, as its row says. */
export function placeOfRow(row: CommentRow): Place {
  return {
    path: row.file_path,
    position: row.file_position === null ? null : Number(row.file_position),
    version: row.file_version as sdk.RelativeFileVersionEnum | null,
    beforeBlob: row.before_blob,
    afterBlob: row.after_blob,
  };
}

/** The members that tell where comments are. */
export function placeShape({ before, after }: Comparison, place: Place) {
  return {
    ...(before === null ? {} : { beforeCommitId: before }),
    afterCommitId: after,
    ...(place.beforeBlob === null ? {} : { beforeBlobId: place.beforeBlob }),
    ...(place.afterBlob === null ? {} : { afterBlobId: place.afterBlob }),
    ...(place.path === null ? {} : { location: locationShape(place) }),
  };
}

function locationShape({ path, position, version }: Place): sdk.Location {
  return {
    filePath: path!,
    ...(position === null ? {} : { filePosition: position }),
    ...(version === null ? {} : { relativeFileVersion: version }),
  };
}
