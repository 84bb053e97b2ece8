import * as sdk from '@aws-sdk/client-codecommit';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { ofComment, presentCommentById, repositoryOfComment } from './comments-store.ts';
import { actor, reactionChange } from './events.ts';
import { REACTIONS, reactionOf } from './reactions-values.ts';
import { invalidToken } from './repositories.ts';
import { requireOwnArn } from './review-people.ts';
import { reviews } from './review-tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** AWS's default and largest page. */
const PAGE = 1_000;

/** Sets the caller's one reaction to a comment, replaces it, or takes it back. */
export const PutCommentReaction: Op<'PutCommentReaction'> = {
  resource: ofComment('PutCommentReaction'),
  async handle({ commentId, reactionValue }, ctx) {
    const reaction = reactionOf(reactionValue);
    if (reaction === undefined) {
      throw fault(sdk.InvalidReactionValueException, 'The value of the reaction is not one of those that there are.');
    }
    await ctx.tx(async (tx) => {
      const comment = await presentCommentById(tx, ctx, commentId);
      const key = { comment_id: comment.id, user_arn: actor(ctx.caller) };
      const present = await reviews(tx)
        .selectFrom('codecommit_reactions')
        .select('reaction')
        .where('comment_id', '=', key.comment_id)
        .where('user_arn', '=', key.user_arn)
        .executeTakeFirst();
      if ((present?.reaction ?? null) === reaction) return;
      await reviews(tx)
        .deleteFrom('codecommit_reactions')
        .where('comment_id', '=', key.comment_id)
        .where('user_arn', '=', key.user_arn)
        .execute();
      if (reaction !== null) {
        const row = { ...key, reaction, reacted_at: ctx.now().getTime() };
        await reviews(tx).insertInto('codecommit_reactions').values(row).execute();
      }
      const repository = await repositoryOfComment(tx, comment);
      const shown = reaction === null ? undefined : REACTIONS[reaction];
      const change = present === undefined ? 'Created' : 'Updated';
      await tx.emit(reactionChange(repository, commentId, shown, change, ctx.caller));
    });
    return {};
  },
};

/** Who has reacted how, in the order of the reactions' names. */
export const GetCommentReactions: Op<'GetCommentReactions'> = {
  resource: ofComment('GetCommentReactions'),
  async handle({ commentId, reactionUserArn, nextToken, maxResults = PAGE }, ctx) {
    if (maxResults < 1 || maxResults > PAGE) {
      throw fault(sdk.InvalidMaxResultsException, `maxResults must be from 1 to ${PAGE}.`);
    }
    if (reactionUserArn !== undefined) requireOwnArn(reactionUserArn, ctx.account, sdk.InvalidReactionUserArnException);
    const { id } = await presentCommentById(ctx, ctx, commentId);
    const scope = `GetCommentReactions ${JSON.stringify([id, reactionUserArn])}`;
    const after = cursorOf<string>(ctx, scope, nextToken, invalidToken) ?? '';
    let query = reviews(ctx)
      .selectFrom('codecommit_reactions')
      .select(['reaction', 'user_arn'])
      .where('comment_id', '=', id)
      .where('reaction', '>', after);
    if (reactionUserArn !== undefined) query = query.where('user_arn', '=', reactionUserArn);
    const rows = await query.orderBy('reaction').orderBy('reacted_at').orderBy('user_arn').execute();
    const groups = [...Map.groupBy(rows, ({ reaction }) => reaction)];
    const { items, token } = page(ctx, scope, groups, maxResults, ([reaction]) => reaction);
    const reactionsForComment = items.map(([reaction, reacted]) => ({
      reaction: REACTIONS[reaction]!,
      reactionUsers: reacted.map(({ user_arn }) => user_arn),
      reactionsFromDeletedUsersCount: 0,
    }));
    return { reactionsForComment, nextToken: token };
  },
};
