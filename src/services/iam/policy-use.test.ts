import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { test } from 'node:test';
import { placeEmptyDatabase } from '../../../test/empty-database.ts';
import { temporaryFolder } from '../../../test/harness.ts';
import type { Tx } from '../../kernel/context.ts';
import { Database } from '../../kernel/store/database.ts';
import { attachmentsOf, boundariesOf } from './policy-use.ts';

test('a page of policies is counted from the policies, never by a look at every user, group and role', async (t) => {
  const path = join(await temporaryFolder(t), 'slipway.db');
  await placeEmptyDatabase(path);
  const database = Database.sqlite(path);
  t.after(() => database.close());
  const source = { db: () => database.reader } as unknown as Tx;
  const plain = new DatabaseSync(path);
  t.after(() => plain.close());
  const page = Array.from({ length: 500 }, (_, n) => `arn:aws:iam::123456789012:policy/p${n}`);
  for (const arns of [page.slice(0, 1), page.slice(0, 50), page]) {
    for (const query of [
      attachmentsOf(source, 'iam_users', arns, '123456789012'),
      attachmentsOf(source, 'iam_groups', arns, '123456789012'),
      attachmentsOf(source, 'iam_roles', arns, '123456789012'),
      boundariesOf(source, 'iam_users', arns, '123456789012'),
      boundariesOf(source, 'iam_roles', arns, '123456789012'),
    ]) {
      const { sql, parameters } = query.compile();
      const steps = plain.prepare(`explain query plan ${sql}`).all(...(parameters as SQLInputValue[]));
      const plan = steps.map(({ detail }) => String(detail));
      assert.match(plan[0]!, /INDEX iam_(attachments_policy|users_boundary|roles_boundary) /, plan.join('; '));
    }
  }
});
