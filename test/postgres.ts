import { createHash } from 'node:crypto';
import pg from 'pg';
import { systemClock } from '../src/kernel/clock.ts';
import { systemIds } from '../src/kernel/ids.ts';
import type { Service } from '../src/kernel/service.ts';
import { Database } from '../src/kernel/store/database.ts';
import { type Migrations, migrate } from '../src/kernel/store/migrate.ts';
import { migrationsOf } from '../src/server.ts';

const BY_BYTES = "template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'";
/** Any number, the same for all that make a template. */
const TEMPLATE_LOCK = 4_566_001;

/** Names of the templates that this process has seen, by what is in them. */
const templates = new Map<string, Promise<string>>();

/**
 * A database of its own on the PostgreSQL server that `TEST_POSTGRES_URL` names, or undefined when none is named: with it
 * the whole suite runs on that dialect.
 * @param services whose tables shall be in it; they come as a copy of a template, which stays on the server, because
 * hundreds of statements for every test would take longer than most tests
 */
export async function ownDatabase(
  services: readonly Service[] = [],
): Promise<{ url: string; drop(): Promise<void> } | undefined> {
  const server = process.env['TEST_POSTGRES_URL'];
  if (server === undefined || server === '') return undefined;
  const name = `slipway_${systemIds.uuid().replaceAll('-', '')}`;
  const like = services.length === 0 ? BY_BYTES : `template ${await templateOf(server, migrationsOf(services))}`;
  await run(server, `create database ${name} ${like}`);
  return { url: databaseUrl(server, name), drop: () => run(server, `drop database ${name} with (force)`) };
}

/** A template that has these steps behind it. A step that was edited gives another template. */
function templateOf(server: string, owners: ReadonlyMap<string, Migrations>): Promise<string> {
  const hash = createHash('sha256');
  for (const [owner, steps] of owners) {
    for (const [name, { up }] of Object.entries(steps)) hash.update(`${owner} ${name} ${String(up)}\n`);
  }
  const name = `slipway_template_${hash.digest('hex').slice(0, 24)}`;
  let made = templates.get(name);
  if (made === undefined) {
    made = makeTemplate(server, name, owners).then(() => name);
    templates.set(name, made);
  }
  return made;
}

async function makeTemplate(server: string, name: string, owners: ReadonlyMap<string, Migrations>): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [TEMPLATE_LOCK]);
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name]);
    if (rowCount !== 0) return;
    const unfinished = `${name}_unfinished`;
    await client.query(`drop database if exists ${unfinished} with (force)`);
    await client.query(`create database ${unfinished} ${BY_BYTES}`);
    const database = await Database.postgres(databaseUrl(server, unfinished));
    await migrate(database, owners, systemClock);
    await database.close();
    await client.query(`alter database ${unfinished} rename to ${name}`);
  } finally {
    await client.end();
  }
}

function databaseUrl(server: string, name: string): string {
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
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
