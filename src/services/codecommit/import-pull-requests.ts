import { createHash } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Context, RecordedEvent, Tx } from '../../kernel/context.ts';
import { isFault } from '../../kernel/fault.ts';
import type { Route } from '../../kernel/service.ts';
import type { Migrations } from '../../kernel/store/migrate.ts';
import { readBuffer } from '../../kernel/wire/body.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { CONNECTION_LIMITS } from '../../kernel/wire/limits.ts';
import { MAX_BUNDLE_BYTES, numberOf, type PullRequestBundle, readBundle, refuse } from './import-bundle.ts';
import { knownId } from './import-ids.ts';
import { type ImportedRows, rowsOf } from './import-rows.ts';
import { repositoryResource } from './resources.ts';
import { type PullRequestRow, reviews } from './review-tables.ts';
import { mentionObjects } from './roots.ts';
import { findRepositoryById, repositoryByName } from './store.ts';
import type { RepositoryRow } from './tables.ts';

/** A pull request that came from elsewhere, as it was when it last came. */
interface ImportRow {
  pull_request: string;
  /** SHA-256 of what was sent, hex. */
  sha256: string;
  /** `activity_at` of the pull request: another one tells that it has been worked on here since. */
  activity_at: number;
  imported_at: number;
  imported_by: string;
}

export const importMigrations: Migrations = {
  '0150-imported-pull-requests': {
    async up(db) {
      await db.schema
        .createTable('codecommit_imported_pull_requests')
        .addColumn('pull_request', 'text', (c) => c.primaryKey())
        .addColumn('sha256', 'text', (c) => c.notNull())
        .addColumn('activity_at', 'bigint', (c) => c.notNull())
        .addColumn('imported_at', 'bigint', (c) => c.notNull())
        .addColumn('imported_by', 'text', (c) => c.notNull())
        .execute();
    },
  },
};

function imports(source: Context | Tx): Kysely<{ codecommit_imported_pull_requests: ImportRow }> {
  return source.db<{ codecommit_imported_pull_requests: ImportRow }>();
}

/** Forgets where the pull requests of a repository came from; before they go themselves. */
export async function removeImports(tx: Tx, repositoryId: string): Promise<void> {
  const ids = reviews(tx).selectFrom('codecommit_pull_requests').select('id').where('repository_id', '=', repositoryId);
  await imports(tx).deleteFrom('codecommit_imported_pull_requests').where('pull_request', 'in', ids).execute();
}

const PATH = '/_slipway/codecommit/pull-requests';
/** How far the clock of whoever tells the history may be ahead. */
const SKEW_MS = 24 * 3_600_000;
/** Rows in one statement: PostgreSQL takes 65,535 values. */
const CHUNK = 500;

/**
 * - `IMPORTED`: it was not there, or was there as it had come before, and is now as it was sent.
 * - `UNCHANGED`: it has come just like this before.
 * - `CHANGED_HERE`: somebody has worked on it here since; nothing was done.
 * - `TAKEN`: another pull request of this account and Region has its number; nothing was done.
 */
export type ImportOutcome = 'IMPORTED' | 'UNCHANGED' | 'CHANGED_HERE' | 'TAKEN';

/**
 * Takes pull requests from another CodeCommit with their numbers, authors and times, which no operation of AWS sets.
 * `POST /_slipway/codecommit/pull-requests?repositoryName=NAME`, signed (signing name `codecommit`, with
 * `x-amz-content-sha256`); the body is a {@link PullRequestBundle}. It writes in other people's names, approvals
 * included, so it has an action of its own that no `codecommit:*` covers: `slipway:ImportPullRequest`.
 */
export const importRoute: Route = {
  name: 'codecommit.import',
  matches: ({ path }) => path === PATH,
  async handle({ request, response, authenticate }) {
    const ctx = await authenticate();
    const name = new URLSearchParams(request.query).get('repositoryName') ?? '';
    const resource = await repositoryResource(ctx, name);
    const record = (more: Partial<RecordedEvent>): RecordedEvent => ({
      eventSource: 'codecommit.amazonaws.com',
      eventName: 'ImportPullRequest',
      readOnly: false,
      resources: [resource.arn],
      ...more,
    });
    try {
      await ctx.authorize('slipway:ImportPullRequest', resource);
      if (request.method !== 'POST') throw commonFault('InvalidAction', 'Pull requests are imported by POST.');
      const repository = await repositoryByName(ctx, ctx, name);
      const begin = () => undefined; // routes are permitted to read by the gateway
      const body = await readBuffer(request.message, MAX_BUNDLE_BYTES, begin, CONNECTION_LIMITS, ctx.clock);
      const sha256 = createHash('sha256').update(body).digest('hex');
      if (ctx.signature?.contentSha256 !== sha256) {
        throw commonFault('SignatureDoesNotMatch', 'The body is not the one that was signed in x-amz-content-sha256.');
      }
      const outcome = await importPullRequest(ctx, repository, readBundle(body.toString('utf8')), sha256, record);
      response.setHeader('content-type', 'application/json');
      response.setHeader('cache-control', 'no-store');
      response.end(`${JSON.stringify({ outcome })}\n`);
    } catch (error) {
      if (isFault(error)) {
        const requestParameters = { repositoryName: name.slice(0, 200) };
        ctx.record(record({ errorCode: error.name, errorMessage: error.message, requestParameters }));
      }
      throw error;
    }
  },
};

async function importPullRequest(
  ctx: Context,
  repository: RepositoryRow,
  bundle: PullRequestBundle,
  sha256: string,
  record: (more: Partial<RecordedEvent>) => RecordedEvent,
): Promise<ImportOutcome> {
  const number = numberOf(bundle.pullRequest.pullRequestId);
  const newId = ctx.ids.uuid();
  return ctx.tx(async (tx) => {
    await repositoryByName(tx, ctx, repository.name);
    const present = await findByNumber(tx, repository, number);
    const known = present === undefined ? undefined : await findImport(tx, present.id);
    const outcome = outcomeOf(repository, present, known, sha256);
    if (outcome === 'IMPORTED') {
      const id = present?.id ?? newId;
      if (present !== undefined) await remove(tx, id);
      const rows = rowsOf(repository, id, bundle, await nextSequence(tx, repository.id));
      if (rows.pullRequest.activity_at > ctx.now().getTime() + SKEW_MS) refuse('lastActivityDate is in the future');
      await requireFreeIds(tx, repository, rows);
      await insert(tx, rows);
      // The commits may come later than the reviews of them.
      await mentionObjects(tx, repository.id, null);
      await countUp(tx, repository, number);
      const { activity_at } = rows.pullRequest;
      const imported_by = 'arn' in ctx.caller ? ctx.caller.arn : ctx.account;
      await imports(tx)
        .insertInto('codecommit_imported_pull_requests')
        .values({ pull_request: id, sha256, activity_at, imported_at: ctx.now().getTime(), imported_by })
        .execute();
    }
    const { name: repositoryName } = repository;
    const requestParameters = { repositoryName, pullRequestId: String(number), sha256 };
    await tx.record(record({ requestParameters, responseElements: { outcome } }));
    return outcome;
  });
}

function outcomeOf(
  repository: RepositoryRow,
  present: PullRequestRow | undefined,
  known: ImportRow | undefined,
  sha256: string,
): ImportOutcome {
  if (present === undefined) return 'IMPORTED';
  if (present.repository_id !== repository.id || known === undefined) return 'TAKEN';
  if (Number(present.activity_at) !== Number(known.activity_at)) return 'CHANGED_HERE';
  return known.sha256 === sha256 ? 'UNCHANGED' : 'IMPORTED';
}

function findByNumber(tx: Tx, { account, region }: RepositoryRow, number: number): Promise<PullRequestRow | undefined> {
  return reviews(tx)
    .selectFrom('codecommit_pull_requests')
    .selectAll()
    .where('account', '=', account)
    .where('region', '=', region)
    .where('number', '=', number)
    .executeTakeFirst();
}

function findImport(tx: Tx, id: string): Promise<ImportRow | undefined> {
  return imports(tx)
    .selectFrom('codecommit_imported_pull_requests')
    .selectAll()
    .where('pull_request', '=', id)
    .executeTakeFirst();
}

async function nextSequence(tx: Tx, repositoryId: string): Promise<number> {
  const { last } = await reviews(tx)
    .selectFrom('codecommit_comments')
    .select((e) => e.fn.max('sequence').as('last'))
    .where('repository_id', '=', repositoryId)
    .executeTakeFirstOrThrow();
  return Number(last ?? 0) + 1;
}

async function remove(tx: Tx, id: string): Promise<void> {
  const db = reviews(tx);
  const comments = db.selectFrom('codecommit_comments').select('id').where('pull_request', '=', id);
  await db.deleteFrom('codecommit_reactions').where('comment_id', 'in', comments).execute();
  await db.deleteFrom('codecommit_comments').where('pull_request', '=', id).execute();
  await db.deleteFrom('codecommit_approvals').where('pull_request', '=', id).execute();
  await db.deleteFrom('codecommit_approval_rules').where('pull_request', '=', id).execute();
  await db.deleteFrom('codecommit_revisions').where('pull_request', '=', id).execute();
  await db.deleteFrom('codecommit_pull_request_events').where('pull_request', '=', id).execute();
  await db.deleteFrom('codecommit_pull_requests').where('id', '=', id).execute();
  await imports(tx).deleteFrom('codecommit_imported_pull_requests').where('pull_request', '=', id).execute();
}

/**
 * Comments and rules may have come into this account and Region with another pull request, or be its own: a comment is
 * asked for by its id, and the imported one would stand before it. @throws ValidationError
 */
async function requireFreeIds(tx: Tx, { account, region }: RepositoryRow, rows: ImportedRows): Promise<void> {
  const refuseTaken = (id: string | undefined) => {
    if (id !== undefined) refuse(`${knownId(id)} belongs to another pull request of this account and Region`);
  };
  for (const some of chunksOf(rows.rules.map(({ id }) => id))) {
    const query = reviews(tx).selectFrom('codecommit_approval_rules').select('id').where('id', 'in', some);
    refuseTaken((await query.executeTakeFirst())?.id);
  }
  for (const some of chunksOf(rows.comments.map(({ id }) => id))) {
    const taken = await reviews(tx)
      .selectFrom('codecommit_comments')
      .select(['id', 'repository_id'])
      .where('id', 'in', [...some, ...some.map(knownId)])
      .execute();
    for (const { id, repository_id } of taken) {
      const owner = await findRepositoryById(tx, repository_id);
      if (owner?.account === account && owner.region === region) refuseTaken(id);
    }
  }
}

async function insert(tx: Tx, rows: ImportedRows): Promise<void> {
  const db = reviews(tx);
  await db.insertInto('codecommit_pull_requests').values(rows.pullRequest).execute();
  for (const some of chunksOf(rows.revisions)) await db.insertInto('codecommit_revisions').values(some).execute();
  for (const some of chunksOf(rows.approvals)) await db.insertInto('codecommit_approvals').values(some).execute();
  for (const some of chunksOf(rows.rules)) await db.insertInto('codecommit_approval_rules').values(some).execute();
  for (const some of chunksOf(rows.events)) {
    await db.insertInto('codecommit_pull_request_events').values(some).execute();
  }
  for (const some of chunksOf(rows.comments)) await db.insertInto('codecommit_comments').values(some).execute();
  for (const some of chunksOf(rows.reactions)) await db.insertInto('codecommit_reactions').values(some).execute();
}

function* chunksOf<T>(rows: readonly T[]): Generator<T[]> {
  for (let at = 0; at < rows.length; at += CHUNK) yield rows.slice(at, at + CHUNK);
}

/** Pull requests that are made later get higher numbers. */
async function countUp(tx: Tx, { account, region }: RepositoryRow, number: number): Promise<void> {
  await reviews(tx)
    .insertInto('codecommit_pull_request_counters')
    .values({ account, region, last: number })
    .onConflict((c) =>
      c
        .columns(['account', 'region'])
        .doUpdateSet({ last: (e) => e.ref('excluded.last') })
        .where('codecommit_pull_request_counters.last', '<', number),
    )
    .execute();
}
