import * as sdk from '@aws-sdk/client-codecommit';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { deleteAllTags, putTags, requestTagKeys, tagsOf } from '../../kernel/tags.ts';
import { sshPortOf } from './git-ssh.ts';
import { makeDataKey } from './repository-keys.ts';
import { cloneUrls, ofRepository, repositoryArn, repositoryResource } from './resources.ts';
import { requireRepositoryName } from './rules.ts';
import { BRANCHES, findRepository, repositoryByName } from './store.ts';
import { type RepositoryRow, tables } from './tables.ts';
import { checkTags } from './tagging.ts';
import { removeRepository } from './upkeep.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const MAX_BATCH = 100;
/** AWS does not say how many repositories a page holds. */
const PAGE = 1_000;

export const CreateRepository: Op<'CreateRepository'> = {
  resource: (input, ctx) => repositoryArn(ctx, input.repositoryName),
  conditions: (input) => requestTagKeys(input.tags),
  async handle({ repositoryName: name, repositoryDescription: description, tags = {}, kmsKeyId }, ctx) {
    requireRepositoryName(name);
    checkTags(tags);
    if ((await findRepository(ctx, ctx, name)) !== undefined) throw nameExists(name);
    const now = ctx.now().getTime();
    const id = ctx.ids.uuid();
    const repository: RepositoryRow = {
      id,
      account: ctx.account,
      region: ctx.region,
      name,
      description: description ?? null,
      head: null,
      generation: 0,
      collections: 0,
      mentions: 0,
      collected_at: null,
      created_at: now,
      modified_at: now,
      ...(await makeDataKey(ctx, id, kmsKeyId)),
    };
    await ctx.tx(async (tx) => {
      await requireFreeName(tx, ctx, name);
      await checkQuota(tx, ctx);
      await tables(tx).insertInto('codecommit_repositories').values(repository).execute();
      await putTags(tx, repositoryArn(ctx, name), tags);
    });
    return { repositoryMetadata: repositoryShape(ctx, repository) };
  },
};

async function requireFreeName(tx: Tx, ctx: Context, name: string): Promise<void> {
  if ((await findRepository(tx, ctx, name)) !== undefined) throw nameExists(name);
}

function nameExists(name: string) {
  return fault(sdk.RepositoryNameExistsException, `Repository named ${name} already exists`);
}

async function checkQuota(tx: Tx, ctx: Context): Promise<void> {
  const { count } = await tables(tx)
    .selectFrom('codecommit_repositories')
    .select((e) => e.fn.countAll<number>().as('count'))
    .where('account', '=', ctx.account)
    .where('region', '=', ctx.region)
    .executeTakeFirstOrThrow();
  const most = ctx.config.maxRepositories;
  if (Number(count) >= most) {
    throw fault(sdk.RepositoryLimitExceededException, `The limit of ${most} repositories is reached.`);
  }
}

export const GetRepository: Op<'GetRepository'> = {
  resource: ofRepository,
  async handle({ repositoryName }, ctx) {
    return { repositoryMetadata: repositoryShape(ctx, await repositoryByName(ctx, ctx, repositoryName)) };
  },
};

/** What clients see of a repository. */
export function repositoryShape(ctx: Context, repository: RepositoryRow): sdk.RepositoryMetadata {
  return {
    accountId: repository.account,
    repositoryId: repository.id,
    repositoryName: repository.name,
    repositoryDescription: repository.description ?? undefined,
    defaultBranch: repository.head?.slice(BRANCHES.length),
    lastModifiedDate: new Date(Number(repository.modified_at)),
    creationDate: new Date(Number(repository.created_at)),
    ...cloneUrls(ctx.publicUrl, sshPortOf(ctx), repository.name),
    Arn: repositoryArn(repository, repository.name),
    kmsKeyId: repository.kms_key_arn ?? undefined,
  };
}

export const BatchGetRepositories: Op<'BatchGetRepositories'> = {
  resource: (input, ctx) => input.repositoryNames.map((name) => repositoryResource(ctx, name)),
  async handle({ repositoryNames }, ctx) {
    if (repositoryNames.length > MAX_BATCH) {
      throw fault(
        sdk.MaximumRepositoryNamesExceededException,
        `At most ${MAX_BATCH} repository names can be specified.`,
      );
    }
    const repositories: sdk.RepositoryMetadata[] = [];
    const repositoriesNotFound: string[] = [];
    const errors: sdk.BatchGetRepositoriesError[] = [];
    for (const repositoryName of new Set(repositoryNames)) {
      const repository = await findRepository(ctx, ctx, repositoryName);
      if (repository !== undefined) {
        repositories.push(repositoryShape(ctx, repository));
        continue;
      }
      repositoriesNotFound.push(repositoryName);
      const errorMessage = `${repositoryName} does not exist`;
      errors.push({ repositoryName, errorCode: 'RepositoryDoesNotExistException', errorMessage });
    }
    return { repositories, repositoriesNotFound, errors };
  },
};

interface Cursor {
  name: string;
  modifiedAt: number;
}

/** Lists by name, or by the time of the last change; both ascending unless told. */
export const ListRepositories: Op<'ListRepositories'> = {
  resource: () => '*',
  async handle({ nextToken, sortBy = 'repositoryName', order = 'ascending' }, ctx) {
    const scope = `ListRepositories ${sortBy} ${order}`;
    const after = cursorOf<Cursor>(ctx, scope, nextToken, invalidToken);
    const [direction, beyond] = order === 'ascending' ? (['asc', '>'] as const) : (['desc', '<'] as const);
    let query = tables(ctx)
      .selectFrom('codecommit_repositories')
      .select(['id', 'name', 'modified_at'])
      .where('account', '=', ctx.account)
      .where('region', '=', ctx.region);
    if (sortBy === 'lastModifiedDate') {
      query = query.orderBy('modified_at', direction);
      if (after !== undefined) {
        query = query.where((e) =>
          e.or([
            e('modified_at', beyond, after.modifiedAt),
            e.and([e('modified_at', '=', after.modifiedAt), e('name', beyond, after.name)]),
          ]),
        );
      }
    } else if (after !== undefined) query = query.where('name', beyond, after.name);
    const rows = await query
      .orderBy('name', direction)
      .limit(PAGE + 1)
      .execute();
    const cursor = (row: (typeof rows)[number]): Cursor => ({ name: row.name, modifiedAt: Number(row.modified_at) });
    const { items, token } = page(ctx, scope, rows, PAGE, cursor);
    const repositories = items.map(({ id, name }) => ({ repositoryName: name, repositoryId: id }));
    return { repositories, nextToken: token };
  },
};

/** What the service answers to a token that it did not make for this list. */
export function invalidToken() {
  return fault(sdk.InvalidContinuationTokenException, 'The specified continuation token is not valid.');
}

/** Deletes a repository with everything in it; one that does not exist is fine. */
export const DeleteRepository: Op<'DeleteRepository'> = {
  resource: ofRepository,
  async handle({ repositoryName }, ctx) {
    return ctx.tx(async (tx) => {
      const repository = await findRepository(tx, ctx, repositoryName);
      if (repository === undefined) return {};
      await removeRepository(tx, repository.id, ctx.now());
      await deleteAllTags(tx, repositoryArn(ctx, repositoryName));
      return { repositoryId: repository.id };
    });
  },
};

/** Gives a repository another name; its id and everything in it stay. */
export const UpdateRepositoryName: Op<'UpdateRepositoryName'> = {
  resource: (input, ctx) => repositoryResource(ctx, input.oldName),
  async handle({ oldName, newName }, ctx) {
    requireRepositoryName(newName);
    await ctx.tx(async (tx) => {
      const repository = await repositoryByName(tx, ctx, oldName);
      await requireFreeName(tx, ctx, newName);
      await tables(tx)
        .updateTable('codecommit_repositories')
        .set({ name: newName, modified_at: ctx.now().getTime() })
        .where('id', '=', repository.id)
        .execute();
      const [oldArn, newArn] = [repositoryArn(ctx, oldName), repositoryArn(ctx, newName)];
      const tags = await tagsOf(tx, oldArn);
      await deleteAllTags(tx, oldArn);
      await putTags(tx, newArn, tags);
    });
    return {};
  },
};

/** Sets the description; left out, it is removed. */
export const UpdateRepositoryDescription: Op<'UpdateRepositoryDescription'> = {
  resource: ofRepository,
  async handle({ repositoryName, repositoryDescription: description }, ctx) {
    await ctx.tx(async (tx) => {
      const repository = await repositoryByName(tx, ctx, repositoryName);
      await tables(tx)
        .updateTable('codecommit_repositories')
        .set({ description: description ?? null, modified_at: ctx.now().getTime() })
        .where('id', '=', repository.id)
        .execute();
    });
    return {};
  },
};
