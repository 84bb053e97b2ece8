import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';

type Values = Record<string, SQLInputValue>;

/** The tables of a stopped server. */
export class StoppedTables implements Disposable {
  readonly #database: DatabaseSync;

  /** @param data data folder of a server that does not run */
  constructor(data: string) {
    this.#database = new DatabaseSync(join(data, 'slipway.db'));
    this.#database.exec('PRAGMA synchronous=OFF; BEGIN');
  }

  /**
   * Copies the one row that has these values `count` times, each with the changes that `change` gives for its number. So
   * the rows are what the service itself writes, whatever columns its tables have.
   * @throws where there is not exactly one such row, or no such column
   */
  copy(table: string, where: Values, count: number, change: (n: number) => Values): void {
    const row = this.#only(table, where);
    const columns = Object.keys(row);
    const places = columns.map(() => '?').join(', ');
    const insert = this.#database.prepare(`insert into ${table} (${columns.join(', ')}) values (${places})`);
    for (let n = 0; n < count; n++) {
      const changes = change(n);
      for (const name of Object.keys(changes)) if (!(name in row)) throw new Error(`${table} has no column ${name}`);
      const copied: Values = { ...row, ...changes };
      insert.run(...columns.map((name) => copied[name]!));
    }
  }

  /** The value of a column in the one row that has these values. */
  value(table: string, column: string, where: Values): SQLInputValue {
    const row = this.#only(table, where);
    if (!(column in row)) throw new Error(`${table} has no column ${column}`);
    return row[column]!;
  }

  #only(table: string, where: Values): Values {
    const condition = ['1', ...Object.keys(where).map((name) => `${name} = ?`)].join(' and ');
    const found = this.#database.prepare(`select * from ${table} where ${condition}`).all(...Object.values(where));
    if (found.length !== 1) throw new Error(`${table} has ${found.length} rows with ${JSON.stringify(where)}`);
    return found[0] as Values;
  }

  [Symbol.dispose](): void {
    this.#database.exec('COMMIT');
    this.#database.close();
  }
}

/** A number as text of the same length as every other, so that the order of text is the order of numbers. */
export function numbered(n: number): string {
  return String(n).padStart(8, '0');
}
