import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestServer } from './harness.ts';

/**
 * Everything that a server keeps, as bytes: the files of its data folder, and the rows where PostgreSQL has them.
 * @param without names of files that are left out
 */
export async function storedBytes(server: TestServer, without: readonly string[] = []): Promise<Buffer> {
  const entries = await readdir(server.config.data, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !without.includes(entry.name));
  const parts = await Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name))));
  const { reader, kind } = server.kernel.database;
  if (kind === 'postgres') {
    for (const { name } of await reader.introspection.getTables()) {
      const rows = (await reader.selectFrom(name).selectAll().execute()) as Record<string, unknown>[];
      for (const value of rows.flatMap((row) => Object.values(row))) {
        parts.push(value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(String(value)));
      }
    }
  }
  return Buffer.concat(parts);
}
