import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import type { Context } from '../../kernel/context.ts';
import { changeIdentities, Identities } from './identities.ts';
import { tables } from './tables.ts';

test('S8: a refusal reads as much from the database whether its key is there or not, and no more the second time', async (t) => {
  const server = await startServer(t);
  const { keys: long } = await server.user('alice');
  const { AccessKey: other } = await server.root_.iam.createAccessKey({ UserName: 'alice' });
  const { Credentials: session } = await server.root_.sts.getSessionToken({});
  const partner = await server.account('partner');
  let reads = 0;
  const ctx = new Proxy(server.kernel.serviceContext('iam.amazonaws.com'), {
    get(target, name) {
      if (name === 'db') reads += 1;
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  }) as Context;
  const identities = new Identities(ctx);
  /** What the kernel does with a signature that is wrong. */
  const refuse = async (accessKeyId: string) => {
    reads = 0;
    const found = identities.findCredential(accessKeyId);
    await found;
    await identities.noteRefusal(accessKeyId, found instanceof Promise);
    return reads;
  };
  const unknown = 'AKIAAAAAAAAAAAAAAAAA';
  const inUse = long.accessKeyId;
  await identities.findCredential(inUse);
  const first = await refuse(unknown);
  assert.equal(first, 2, 'tables of keys and users, and that of accounts');
  assert.equal(await refuse(inUse), first, 'one that is in use');
  assert.equal(await refuse(other!.AccessKeyId!), first, 'one that nobody has used lately');
  assert.equal(await refuse(partner.root.keys.accessKeyId), first, "another account's");
  assert.equal(await refuse(server.root.accessKeyId), first, 'the one of the settings is looked up for nothing');
  for (const key of [unknown, inUse, other!.AccessKeyId!]) assert.equal(await refuse(key), 0, 'the second time');
  // Sessions of roles are the most; the others are found with less.
  assert.ok((await refuse('ASIAAAAAAAAAAAAAAAAA')) >= (await refuse(session!.AccessKeyId!)));
});

test('S10: a key that is made after its id was refused works at once, and refusals drive no key out', async (t) => {
  const server = await startServer(t);
  const { keys } = await server.user('alice');
  const identity = server.kernel.identity as Identities;
  const guessed = 'AKIAAAAAAAAAAAAAAAAA';
  assert.equal(await identity.findCredential(guessed), undefined);
  assert.equal(identity.findCredential(guessed), undefined, 'known to be none, without a read');
  const row = { user_id: '123456789012', account: '123456789012', status: 'Active', created_at: 0 };
  const ctx = server.kernel.serviceContext('iam.amazonaws.com');
  await changeIdentities(ctx, async (tx) => {
    const secret = ctx.secrets.seal('iam.access-key', guessed, 'secret');
    const last = { last_used_at: null, last_used_service: null, last_used_region: null };
    await tables(tx)
      .insertInto('iam_access_keys')
      .values({ id: guessed, secret, ...row, ...last })
      .execute();
  });
  assert.equal((await identity.findCredential(guessed))?.secretAccessKey, 'secret');

  const small = new Identities(ctx, { cached: 2, refused: 5 });
  assert.ok((await small.findCredential(keys.accessKeyId)) !== undefined);
  const ids = Array.from({ length: 20 }, (_, at) => `AKIA${String(at).padStart(16, '0')}`);
  for (const id of ids) await small.findCredential(id);
  assert.ok(!(small.findCredential(keys.accessKeyId) instanceof Promise), 'the key is still kept');
  assert.ok(small.findCredential(ids[0]!) instanceof Promise, 'the first of those that are none is not');
  assert.equal(small.findCredential(ids.at(-1)!), undefined, 'the last of them is');
});
