import type { Tx } from '../../kernel/context.ts';
import { removeImports } from './import-pull-requests.ts';
import { reviews } from './review-tables.ts';

/** Removes everything that people have said and decided about a repository that goes. */
export async function removeReviews(tx: Tx, repositoryId: string): Promise<void> {
  const db = reviews(tx);
  const pullRequests = db.selectFrom('codecommit_pull_requests').select('id').where('repository_id', '=', repositoryId);
  await db.deleteFrom('codecommit_approvals').where('pull_request', 'in', pullRequests).execute();
  await db.deleteFrom('codecommit_approval_rules').where('pull_request', 'in', pullRequests).execute();
  await db.deleteFrom('codecommit_revisions').where('pull_request', 'in', pullRequests).execute();
  await db.deleteFrom('codecommit_pull_request_events').where('pull_request', 'in', pullRequests).execute();
  await removeImports(tx, repositoryId);
  await db.deleteFrom('codecommit_pull_requests').where('repository_id', '=', repositoryId).execute();
  const comments = db.selectFrom('codecommit_comments').select('id').where('repository_id', '=', repositoryId);
  await db.deleteFrom('codecommit_reactions').where('comment_id', 'in', comments).execute();
  await db.deleteFrom('codecommit_comments').where('repository_id', '=', repositoryId).execute();
  await db.deleteFrom('codecommit_template_repositories').where('repository_id', '=', repositoryId).execute();
}
