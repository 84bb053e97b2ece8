import pg from 'pg';
import { systemIds } from '../src/kernel/ids.ts';

/**
 * A database of its own on the PostgreSQL server that `TEST_POSTGRES_URL` names, or undefined when none is named: with it
 * the whole suite runs on that dialect.
 */
export async function ownDatabase(): Promise<{ url: string; drop(): Promise<void> } | undefined> {
  const server = process.env['TEST_POSTGRES_URL'];
  if (server === undefined || server === '') return undefined;
  const name = `slipway_${systemIds.uuid().replaceAll('-', '')}`;
  await run(server, `create database ${name} template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => run(server, `drop database ${name} with (force)`) };
}

async function run(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
