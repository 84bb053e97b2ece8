import { type Kysely, sql } from 'kysely';
import type { DroppedPack, PackRecord, RepositoryState, RepositoryTruth, Roots } from '../../git/truth.ts';
import { type Ref, sortRefs } from '../../git/truth.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import { preparedQuery } from '../../kernel/store/prepared-query.ts';
import type { RepositoryKeys } from './repository-keys.ts';
import { forgetCollectedTips, forgetLeftTips, looseTips, rootsOf } from './roots.ts';
import { findRepositoryById } from './store.ts';
import { type CodeCommitTables, type PackRow, tables } from './tables.ts';

/** Thrown where a repository was deleted under the hands of whoever reads it. */
export class RepositoryGoneError extends Error {
  constructor(id: string) {
    super(`the repository ${id} was deleted`);
    this.name = 'RepositoryGoneError';
  }
}

interface StateRow {
  kind: 'repository' | 'ref' | 'pack';
  name: string | null;
  id: string;
  peeled: string | null;
  /** Generation of the repository, or objects of a pack. */
  number: number;
  /** Bytes of a pack, or collections of the repository. */
  bytes: number;
  sealed: number;
}

/** Asked several times for each request of git. */
const generationsOf = preparedQuery((db: Kysely<CodeCommitTables>, id: string) =>
  db.selectFrom('codecommit_repositories').select('generation').where('id', '=', id),
);

/** References and packs of one repository, as rows. */
export class DatabaseTruth implements RepositoryTruth {
  readonly id: string;
  readonly #ctx: Context;
  readonly #keys: RepositoryKeys;

  /** @param ctx the service's own: it outlives every request. */
  constructor(ctx: Context, keys: RepositoryKeys, id: string) {
    this.#ctx = ctx;
    this.#keys = keys;
    this.id = id;
  }

  /** @throws {RepositoryGoneError} */
  async load(known?: RepositoryState): Promise<RepositoryState> {
    if (known !== undefined) {
      const [now] = await generationsOf(tables(this.#ctx), this.id);
      if (now?.generation === known.generation) return known;
    }
    return stateOf(this.id, await this.#read());
  }

  /** One statement, so that references and packs are of the same moment. */
  async #read(): Promise<StateRow[]> {
    const { rows } = await sql<StateRow>`
      select 'repository' as kind, head as name, '' as id, null as peeled, generation as number, collections as bytes, 0 as sealed
        from codecommit_repositories where id = ${this.id}
      union all
      select 'ref', name, object_id, peeled, 0, 0, 0 from codecommit_refs where repository_id = ${this.id}
      union all
      select 'pack', null, id, null, objects, bytes, sealed from codecommit_packs where repository_id = ${this.id}
    `.execute(tables(this.#ctx));
    return rows;
  }

  dataKey(): Promise<Buffer> {
    return this.#keys.use(this.id);
  }

  swapPacks(remove: readonly string[], add: PackRecord): Promise<boolean> {
    return this.#ctx.tx(async (tx) => {
      const db = tables(tx);
      const { numUpdatedRows } = await db
        .updateTable('codecommit_repositories')
        .set((e) => ({ generation: e('generation', '+', 1) }))
        .where('id', '=', this.id)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) return false;
      const present = await db
        .selectFrom('codecommit_packs')
        .select('id')
        .where('repository_id', '=', this.id)
        .execute();
      const ids = new Set(present.map(({ id }) => id));
      if (!remove.every((id) => ids.has(id))) return false;
      await this.#replace(tx, remove, [add]);
      return true;
    });
  }

  looseTips(): Promise<readonly string[]> {
    return looseTips(this.#ctx, this.id);
  }

  async forgetTips(ids: readonly string[]): Promise<void> {
    await this.#ctx.tx((tx) => forgetLeftTips(tx, this.#ctx, this.id, ids));
  }

  async roots(): Promise<Roots> {
    const row = await findRepositoryById(this.#ctx, this.id);
    if (row === undefined) throw new RepositoryGoneError(this.id);
    return rootsOf(this.#ctx, row);
  }

  collect(roots: Roots, { remove, add }: Parameters<RepositoryTruth['collect']>[1]): Promise<boolean> {
    return this.#ctx.tx(async (tx) => {
      const { numUpdatedRows } = await tables(tx)
        .updateTable('codecommit_repositories')
        .set((e) => ({
          generation: e('generation', '+', 1),
          collections: e('collections', '+', 1),
          collected_at: this.#ctx.now().getTime(),
        }))
        .where('id', '=', this.id)
        .where('generation', '=', roots.generation)
        .where('mentions', '=', roots.mentions)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) return false;
      await this.#replace(tx, remove, add);
      await forgetCollectedTips(tx, this.id, roots);
      return true;
    });
  }

  async #replace(tx: Tx, remove: readonly string[], add: readonly PackRecord[]): Promise<void> {
    const db = tables(tx);
    const now = this.#ctx.now().getTime();
    for (const id of remove) {
      await db.deleteFrom('codecommit_packs').where('repository_id', '=', this.id).where('id', '=', id).execute();
      const dropped = { repository_id: this.id, id, dropped_at: now };
      await db.insertInto('codecommit_dropped_packs').values(dropped).execute();
    }
    for (const pack of add) {
      const row = { repository_id: this.id, ...packRow(pack) };
      await db.insertInto('codecommit_packs').values(row).execute();
    }
  }

  async droppedPacks(): Promise<readonly DroppedPack[]> {
    const rows = await tables(this.#ctx)
      .selectFrom('codecommit_dropped_packs')
      .select(['id', 'dropped_at'])
      .where('repository_id', '=', this.id)
      .execute();
    return rows.map(({ id, dropped_at }) => ({ id, droppedAt: Number(dropped_at) }));
  }

  async forgetDropped(packIds: readonly string[]): Promise<void> {
    if (packIds.length === 0) return;
    await this.#ctx.tx(async (tx) => {
      const dropped = tables(tx).deleteFrom('codecommit_dropped_packs').where('repository_id', '=', this.id);
      await dropped.where('id', 'in', packIds).execute();
    });
  }
}

/** The columns of a pack. */
export function packRow({ id, objects, bytes, sealed }: PackRecord): Omit<PackRow, 'repository_id'> {
  return { id, objects, bytes, sealed: Number(sealed) };
}

function packOf({ id, number, bytes, sealed }: StateRow): PackRecord {
  return { id, objects: Number(number), bytes: Number(bytes), sealed: Number(sealed) !== 0 };
}

function stateOf(id: string, rows: readonly StateRow[]): RepositoryState {
  const repository = rows.find(({ kind }) => kind === 'repository');
  if (repository === undefined) throw new RepositoryGoneError(id);
  const refs: Ref[] = [];
  const packs: PackRecord[] = [];
  for (const row of rows) {
    if (row.kind === 'ref') refs.push({ name: row.name!, id: row.id, peeled: row.peeled });
    else if (row.kind === 'pack') packs.push(packOf(row));
  }
  const counts = { generation: Number(repository.number), collections: Number(repository.bytes) };
  return { ...counts, head: repository.name, refs: sortRefs(refs), packs };
}
