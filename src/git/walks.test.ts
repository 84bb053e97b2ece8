import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diffEntries } from './diff.ts';
import type { ObjectSource } from './object-source.ts';
import { ObjectWriter } from './object-writer.ts';
import { ObjectReader } from './objects.ts';
import { mergeTrees } from './tree-merge.ts';

/** Folders in memory: what stands in the cache of a server that was asked before. */
class Folders {
  readonly #bodies = new Map<string, Buffer>();

  /** @returns the id that was made up for the folder. */
  add(entries: readonly { mode: string; name: string; id: string }[]): string {
    const id = String(this.#bodies.size + 1).padStart(40, '0');
    const parts = entries.flatMap(({ mode, name, id: of }) => [
      Buffer.from(`${mode} ${name}\0`),
      Buffer.from(of, 'hex'),
    ]);
    this.#bodies.set(id, Buffer.concat(parts));
    return id;
  }

  reader(): ObjectReader {
    const contents = async (id: string) => {
      const body = this.#bodies.get(id)!;
      return { type: 'tree' as const, size: body.length, body };
    };
    return new ObjectReader(() => ({ dead: false, contents }) as unknown as ObjectSource);
  }
}

const nameOf = (at: number) => String(at).padStart(4, '0');
const FILE = 'f'.repeat(40);

/** A tree of a thousand folders of a thousand files, each with one entry more where there is one. */
function treeOf(folders: Folders, more?: { mode: string; name: string; id: string }): string {
  const files = Array.from({ length: 1_000 }, (_, at) => ({ mode: '100644', name: nameOf(at), id: FILE }));
  let id = folders.add(more === undefined ? files : [...files, more]);
  for (const length of [32, 32]) {
    id = folders.add(Array.from({ length }, (_, at) => ({ mode: '40000', name: nameOf(at), id })));
  }
  return id;
}

/** How often others have their turn meanwhile. */
async function turnsDuring(work: () => Promise<void>): Promise<number> {
  let turns = 0;
  let isOver = false;
  const bystander = () => {
    turns += 1;
    if (!isOver) setImmediate(bystander);
  };
  setImmediate(bystander);
  await work();
  isOver = true;
  return turns;
}

test('G9: a walk over a million entries that are in memory lets others have their turn', async () => {
  const folders = new Folders();
  // A folder on one side only, with nothing in it: the folders differ, and no file does.
  const [old, young] = [treeOf(folders), treeOf(folders, { mode: '40000', name: 'z', id: folders.add([]) })];
  const side = (id: string) => ({ path: '', entry: { mode: '40000', id } });
  const walk = async () => {
    for await (const change of diffEntries(folders.reader(), side(old), side(young)))
      assert.fail(JSON.stringify(change));
  };
  const turns = await turnsDuring(() => assert.rejects(walk(), { reason: 'tree-too-large' }));
  assert.ok(turns >= 100, `${turns} turns`);
});

test('G9: so does a merge of trees that are in memory', async () => {
  const folders = new Folders();
  const base = treeOf(folders);
  const [ours, theirs] = ['x', 'y'].map((name) => treeOf(folders, { mode: '100644', name, id: FILE }));
  const turns = await turnsDuring(async () => {
    assert.ok(await mergeTrees(folders.reader(), new ObjectWriter(), { base, ours: ours!, theirs: theirs! }));
  });
  assert.ok(turns >= 100, `${turns} turns`);
});
