import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { Context } from './context.ts';
import { Fault } from './fault.ts';
import { cursorOf, nextToken, page } from './page.ts';
import { Secrets } from './secrets.ts';

const secrets = new Secrets(randomBytes(32));
const context = (account = '111111111111', region = 'us-east-1', own = secrets) =>
  ({ account, region, secrets: own }) as unknown as Context;
const invalid = () => new Fault('InvalidToken', 'bad');
const read = (ctx: Context, scope: string, token: string | undefined) => cursorOf<unknown>(ctx, scope, token, invalid);

test('a token gives back its cursor; none gives nothing', () => {
  for (const cursor of [{ name: 'ü', at: 5 }, 'text', 0, [1, null], '']) {
    assert.deepEqual(read(context(), 'List', nextToken(context(), 'List', cursor)), cursor);
  }
  assert.equal(read(context(), 'List', undefined), undefined);
  assert.equal(read(context(), 'List', ''), undefined);
});

test('a token that was changed, or is of another list, account, region or installation, is refused', () => {
  const token = nextToken(context(), 'List {"filter":"a"}', { name: 'x' });
  const others: [Context, string][] = [
    [context(), 'List {"filter":"b"}'],
    [context(), 'List'],
    [context('222222222222'), 'List {"filter":"a"}'],
    [context('111111111111', 'eu-west-1'), 'List {"filter":"a"}'],
    [context('111111111111', 'us-east-1', new Secrets(randomBytes(32))), 'List {"filter":"a"}'],
  ];
  for (const [ctx, scope] of others) assert.throws(() => read(ctx, scope, token), { name: 'InvalidToken' });
  const changed = [
    ...Array.from(token, (char, at) => `${token.slice(0, at)}${char === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`),
    ...Array.from(token, (_, at) => token.slice(0, at)).slice(1),
    `${token}A`,
    `${token}=`,
    `${token}!`,
    ` ${token}`,
    'A',
    '!!!!',
    Buffer.from('{"name":"x"}').toString('base64url'),
    'ü',
  ];
  for (const bad of changed) {
    assert.throws(() => read(context(), 'List {"filter":"a"}', bad), { name: 'InvalidToken' }, bad);
  }
});

test('parts of a token’s scope cannot be shifted into each other', () => {
  const token = nextToken(context('1', 'us-east-1'), 'a', 'x');
  assert.throws(() => read(context('1', 'us-east-1/a'), '', token), { name: 'InvalidToken' });
  assert.throws(() => read(context('1/us-east-1', 'a'), '', token), { name: 'InvalidToken' });
});

test('a page holds at most its limit, and its token leads to the next', () => {
  const rows = ['a', 'b', 'c', 'd', 'e'];
  const fetchPage = (token: string | undefined, limit: number) => {
    const after = cursorOf<string>(context(), 'List', token, invalid);
    const rest = rows.filter((row) => after === undefined || row > after);
    return page(context(), 'List', rest.slice(0, limit + 1), limit, (last) => last);
  };
  for (const limit of [1, 2, 3, 5, 9]) {
    const seen: string[] = [];
    let token: string | undefined;
    let pages = 0;
    do {
      const { items, token: next } = fetchPage(token, limit);
      assert.ok(items.length <= limit && items.length > 0);
      seen.push(...items);
      token = next;
      pages++;
    } while (token !== undefined);
    assert.deepEqual(seen, rows);
    assert.equal(pages, Math.ceil(rows.length / limit), 'no empty last page');
  }
});
