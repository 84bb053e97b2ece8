import type { Compilable, CompiledQuery, Kysely } from 'kysely';

/** Stands for a value while the text of a query is made. */
class Placeholder {
  readonly index: number;

  constructor(index: number) {
    this.index = index;
  }
}

/**
 * A query whose text is made once for each kind of database, and not at each call: for look-ups that many calls make.
 * @param build makes the query; what it builds must not depend on the values (also not on one being null)
 * @returns runs it on a database or in a transaction
 */
export function preparedQuery<Tables, Values extends readonly unknown[], Row>(
  build: (db: Kysely<Tables>, ...values: Values) => Compilable<Row>,
): (db: Kysely<Tables>, ...values: Values) => Promise<Row[]> {
  const known = new WeakMap<object, CompiledQuery<Row>>();
  return async (db, ...values) => {
    const { adapter } = db.getExecutor();
    let query = known.get(adapter);
    if (query === undefined) {
      const placeholders = values.map((_, index) => new Placeholder(index));
      query = build(db, ...(placeholders as unknown as Values)).compile();
      known.set(adapter, query);
    }
    const parameters = query.parameters.map((one) => (one instanceof Placeholder ? values[one.index] : one));
    return (await db.executeQuery<Row>({ ...query, parameters })).rows;
  };
}
