import * as sdk from '@aws-sdk/client-codecommit';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { checkWhere, comparisonOf, placeOf, requirePath } from './comments-locations.ts';
import {
  addComment,
  type CommentDraft,
  commentById,
  commentShapes,
  findCommentByToken,
  ofComment,
  placeOfRow,
  placeShape,
  presentCommentById,
  repositoryOfComment,
  requireCommentContent,
  tellOfComment,
} from './comments-store.ts';
import { actor } from './events.ts';
import { readRepository } from './git-cache.ts';
import { pullRequestById, pullRequestWithin, requirePullRequestId } from './pull-requests-access.ts';
import { givenToken, requestHash } from './request-tokens.ts';
import { ofRepository } from './resources.ts';
import { type CommentRow, reviews } from './review-tables.ts';
import { mentionObjects } from './roots.ts';
import { findRepositoryById, repositoryByName } from './store.ts';
import type { RepositoryRow } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

export const PostCommentForComparedCommit: Op<'PostCommentForComparedCommit'> = {
  resource: ofRepository,
  async handle(input, ctx) {
    const { repositoryName, beforeCommitId, afterCommitId, location, content } = input;
    const token = checkPost(input);
    const repository = await repositoryByName(ctx, ctx, repositoryName);
    const hash = requestHash({ repository: repository.id, beforeCommitId, afterCommitId, location, content });
    const row = await post(ctx, repository, input, { pullRequest: null, content, token, hash });
    return { repositoryName, ...(await postedShape(ctx, row)) };
  },
};

export const PostCommentForPullRequest: Op<'PostCommentForPullRequest'> = {
  resource: ofRepository,
  async handle(input, ctx) {
    const { pullRequestId, repositoryName, beforeCommitId, afterCommitId, location, content } = input;
    const token = checkPost(input);
    requirePullRequestId(pullRequestId);
    const repository = await repositoryByName(ctx, ctx, repositoryName);
    const pullRequest = await pullRequestWithin(ctx, repository, pullRequestId);
    const hash = requestHash({ pullRequest: pullRequest.id, beforeCommitId, afterCommitId, location, content });
    const row = await post(
      ctx,
      repository,
      input,
      { pullRequest: pullRequest.id, content, token, hash },
      async (tx) => {
        await pullRequestById(tx, ctx, pullRequestId);
      },
    );
    return { repositoryName, pullRequestId, ...(await postedShape(ctx, row)) };
  },
};

type Where = Pick<sdk.PostCommentForComparedCommitInput, 'beforeCommitId' | 'location'> & { afterCommitId: string };

/** Holds a comment by itself against AWS's rules, before anything is looked up. @returns its token */
function checkPost(input: Where & { content: string; clientRequestToken?: string | undefined }): string | null {
  requirePath(input.location);
  requireCommentContent(input.content);
  const token = givenToken(input.clientRequestToken);
  checkWhere(input.beforeCommitId, input.afterCommitId, input.location);
  return token;
}

/** Looks at the commits first, then writes. @param check what must still hold when it is written. */
async function post(
  ctx: Context,
  repository: RepositoryRow,
  { beforeCommitId, afterCommitId, location }: Where,
  draft: Pick<CommentDraft, 'pullRequest' | 'content' | 'token' | 'hash'>,
  check?: (tx: Tx) => Promise<void>,
): Promise<CommentRow> {
  return readRepository(ctx, repository, async (lease) => {
    const comparison = await comparisonOf(lease, beforeCommitId, afterCommitId);
    const place = await placeOf(lease, comparison, location);
    return ctx.tx(async (tx) => {
      const present = await findRepositoryById(tx, repository.id);
      if (present === undefined) {
        throw fault(sdk.RepositoryDoesNotExistException, `${repository.name} does not exist`);
      }
      await check?.(tx);
      const known = await findCommentByToken(tx, ctx, draft.token, draft.hash);
      if (known !== undefined) return known;
      await mentionObjects(tx, repository.id, lease.state.collections);
      return addComment(tx, ctx, present, { ...draft, comparison, place, inReplyTo: null });
    });
  });
}

async function postedShape(ctx: Context, row: CommentRow) {
  const [comment] = await commentShapes(ctx, [row]);
  return { ...placeShape({ before: row.before_commit, after: row.after_commit }, placeOfRow(row)), comment };
}

/** Answers a comment, where it is. */
export const PostCommentReply: Op<'PostCommentReply'> = {
  resource: ofComment('PostCommentReply', 'inReplyTo'),
  async handle({ inReplyTo: id, content, clientRequestToken }, ctx) {
    requireCommentContent(content);
    const token = givenToken(clientRequestToken);
    const hash = requestHash({ inReplyTo: id, content });
    const row = await ctx.tx(async (tx) => {
      const inReplyTo = await commentById(tx, ctx, id);
      const known = await findCommentByToken(tx, ctx, token, hash);
      if (known !== undefined) return known;
      return addComment(tx, ctx, await repositoryOfComment(tx, inReplyTo), {
        pullRequest: inReplyTo.pull_request,
        comparison: { before: inReplyTo.before_commit, after: inReplyTo.after_commit },
        place: placeOfRow(inReplyTo),
        inReplyTo,
        content,
        token,
        hash,
      });
    });
    const [comment] = await commentShapes(ctx, [row]);
    return { comment };
  },
};

/** Replaces what the caller has written. */
export const UpdateComment: Op<'UpdateComment'> = {
  resource: ofComment('UpdateComment'),
  async handle({ commentId, content }, ctx) {
    requireCommentContent(content);
    const row = await ctx.tx(async (tx) => {
      const comment = await presentCommentById(tx, ctx, commentId);
      if (comment.author_arn !== actor(ctx.caller)) {
        throw fault(
          sdk.CommentNotCreatedByCallerException,
          'A comment can be changed by the user only who created it.',
        );
      }
      return change(tx, ctx, comment, content);
    });
    const [comment] = await commentShapes(ctx, [row]);
    return { comment };
  },
};

/** Takes the content away, whoever has written it: the permission for this is one that AWS gives to few. */
export const DeleteCommentContent: Op<'DeleteCommentContent'> = {
  resource: ofComment('DeleteCommentContent'),
  async handle({ commentId }, ctx) {
    const row = await ctx.tx(async (tx) => change(tx, ctx, await presentCommentById(tx, ctx, commentId), null));
    const [comment] = await commentShapes(ctx, [row]);
    return { comment };
  },
};

async function change(tx: Tx, ctx: Context, comment: CommentRow, content: string | null): Promise<CommentRow> {
  const set = { content, modified_at: ctx.now().getTime() };
  await reviews(tx).updateTable('codecommit_comments').set(set).where('id', '=', comment.id).execute();
  const changed = { ...comment, ...set };
  await tellOfComment(tx, ctx, await repositoryOfComment(tx, comment), changed, 'Updated');
  return changed;
}

export const GetComment: Op<'GetComment'> = {
  resource: ofComment('GetComment'),
  async handle({ commentId }, ctx) {
    const [comment] = await commentShapes(ctx, [await presentCommentById(ctx, ctx, commentId)]);
    return { comment };
  },
};
