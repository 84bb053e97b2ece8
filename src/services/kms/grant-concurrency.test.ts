import assert from 'node:assert/strict';
import { test } from 'node:test';
import type * as sdk from '@aws-sdk/client-kms';
import fc from 'fast-check';
import { startServer } from '../../../test/harness.ts';
import { type ModelStep, outcome } from '../../kernel/testing/model-step.ts';
import { allow } from './harness.ts';

const GRANTEE = 'arn:aws:iam::123456789012:user/bob';
const ALIASES = ['alias/a', 'alias/b'];
const KEYS = [0, 1];
const GRANTS = ['x', 'y'];

/** What the account should look like: where each alias points, and the grants of each key by name. */
interface Model {
  aliases: Map<string, number>;
  grants: Set<string>;
}

/** The service, the keys that a run works on, and the ids of grants as they were told. */
interface World {
  kms: sdk.KMS;
  keys: string[];
  told: Map<string, Set<string>>;
}

type Step = ModelStep<Model, World>;

const aliasMade = (AliasName: string, key: number): Step => ({
  expect({ aliases }) {
    if (aliases.has(AliasName)) return 'AlreadyExists';
    aliases.set(AliasName, key);
    return 'done';
  },
  call: ({ kms, keys }) => kms.createAlias({ AliasName, TargetKeyId: keys[key]! }),
});
const aliasMoved = (AliasName: string, key: number): Step => ({
  expect({ aliases }) {
    if (!aliases.has(AliasName)) return 'NotFound';
    aliases.set(AliasName, key);
    return 'done';
  },
  call: ({ kms, keys }) => kms.updateAlias({ AliasName, TargetKeyId: keys[key]! }),
});
const aliasDeleted = (AliasName: string): Step => ({
  expect: ({ aliases }) => (aliases.delete(AliasName) ? 'done' : 'NotFound'),
  call: ({ kms }) => kms.deleteAlias({ AliasName }),
});
const aliasUsed = (AliasName: string): Step => ({
  expect: ({ aliases }) => (aliases.has(AliasName) ? 'done' : 'NotFound'),
  call: ({ kms }) => kms.encrypt({ KeyId: AliasName, Plaintext: Buffer.from('x') }),
});
/** Made twice by one name and content, a grant is one. */
const grantMade = (key: number, name: string): Step => ({
  expect({ grants }) {
    grants.add(`${key} ${name}`);
    return 'done';
  },
  async call({ kms, keys, told }) {
    const one = { KeyId: keys[key]!, GranteePrincipal: GRANTEE, Operations: ['Encrypt' as const], Name: name };
    const { GrantId } = await kms.createGrant(one);
    const ids = told.get(`${key} ${name}`) ?? new Set();
    told.set(`${key} ${name}`, ids.add(GrantId!));
  },
});
const grantEnded = (key: number, name: string, how: 'revokeGrant' | 'retireGrant'): Step => ({
  expect: ({ grants }) => (grants.delete(`${key} ${name}`) ? 'done' : 'NotFound'),
  call({ kms, keys, told }) {
    const GrantId = [...(told.get(`${key} ${name}`) ?? [])].at(-1) ?? 'f'.repeat(64);
    return kms[how]({ KeyId: keys[key]!, GrantId });
  },
});

const steps = fc.constantFrom(
  ...ALIASES.flatMap((name) => [
    ...KEYS.flatMap((key) => [aliasMade(name, key), aliasMoved(name, key)]),
    aliasDeleted(name),
    aliasUsed(name),
  ]),
  ...KEYS.flatMap((key) =>
    GRANTS.flatMap((name) => [
      grantMade(key, name),
      grantEnded(key, name, 'revokeGrant'),
      grantEnded(key, name, 'retireGrant'),
    ]),
  ),
);

async function newWorld(kms: sdk.KMS): Promise<World> {
  for (const AliasName of ALIASES) await outcome(kms.deleteAlias({ AliasName }));
  const keys = [];
  for (const _ of KEYS) keys.push((await kms.createKey({})).KeyMetadata!.Arn!);
  return { kms, keys, told: new Map() };
}

/** What there is: each alias with its key, and the names of each key's grants. */
async function stateOf({ kms, keys }: World) {
  const { Aliases } = await kms.listAliases({});
  const own = Aliases!.filter(({ AliasName }) => ALIASES.includes(AliasName!));
  const aliases = own.map(({ AliasName, TargetKeyId }) => [
    AliasName!,
    keys.findIndex((arn) => arn.endsWith(TargetKeyId!)),
  ]);
  const grants = [];
  for (const [key, KeyId] of keys.entries()) {
    for (const { Name } of (await kms.listGrants({ KeyId })).Grants!) grants.push(`${key} ${Name}`);
  }
  return { aliases, grants: grants.sort() };
}

test('R7: grants and aliases behave as the model says', async (t) => {
  const { kms } = (await startServer(t)).root_;
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 40, maxLength: 60 }), async (run) => {
      const world = await newWorld(kms);
      const model: Model = { aliases: new Map(), grants: new Set() };
      for (const step of run) assert.equal(await outcome(step.call(world)), step.expect(model), String(step.call));
      assert.deepEqual(await stateOf(world), {
        aliases: [...model.aliases].sort(),
        grants: [...model.grants].sort(),
      });
    }),
    { numRuns: 4, endOnFailure: true },
  );
});

test('R7: writers of grants and aliases that race leave one of each name, and memory that says what the rows say', async (t) => {
  const server = await startServer(t);
  const { kms } = server.root_;
  const bob = await server.user('bob', allow('sts:GetCallerIdentity'));
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 50, maxLength: 60 }), async (run) => {
      const world = await newWorld(kms);
      const outcomes = await Promise.all(run.map((step) => outcome(step.call(world))));
      for (const one of outcomes) assert.match(one, /^(done|AlreadyExists|NotFound)$/);
      const { aliases, grants } = await stateOf(world);
      assert.equal(new Set(aliases.map(([name]) => name)).size, aliases.length);
      assert.equal(new Set(grants).size, grants.length, 'one grant of a name and content');
      for (const [name, key] of aliases) {
        assert.ok(Number(key) >= 0, 'no alias points elsewhere');
        const { KeyMetadata } = await kms.describeKey({ KeyId: String(name) });
        assert.equal(KeyMetadata!.Arn, world.keys[Number(key)]);
      }
      for (const [key, KeyId] of world.keys.entries()) {
        const isGranted = grants.some((grant) => grant.startsWith(`${key} `));
        const used = await outcome(bob.kms.encrypt({ KeyId, Plaintext: Buffer.from('x') }));
        assert.equal(used, isGranted ? 'done' : 'AccessDenied');
      }
    }),
    { numRuns: 3, endOnFailure: true },
  );
});
