import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diffEntries } from './diff.ts';
import type { ObjectSource } from './object-source.ts';
import { ObjectReader } from './objects.ts';

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

test('G9: a walk over a million entries that are in memory lets others have their turn', async () => {
  const folders = new Folders();
  const file = 'f'.repeat(40);
  const rootWith = (mode: string): string => {
    const name = (at: number) => String(at).padStart(4, '0');
    const files = Array.from({ length: 1_000 }, (_, at) => ({ mode: '100644', name: name(at), id: file }));
    // A folder on one side only, with nothing in it: the folders differ, and no file does.
    const empty = { mode: '40000', name: 'z', id: folders.add([]) };
    let id = folders.add(mode === 'young' ? [...files, empty] : files);
    for (const length of [32, 32]) {
      id = folders.add(Array.from({ length }, (_, at) => ({ mode: '40000', name: name(at), id })));
    }
    return id;
  };
  const [old, young] = [rootWith('old'), rootWith('young')];
  const side = (id: string) => ({ path: '', entry: { mode: '40000', id } });
  let turns = 0;
  let isOver = false;
  const bystander = () => {
    turns += 1;
    if (!isOver) setImmediate(bystander);
  };
  setImmediate(bystander);
  const walk = async () => {
    for await (const change of diffEntries(folders.reader(), side(old), side(young)))
      assert.fail(JSON.stringify(change));
  };
  await assert.rejects(walk(), { reason: 'tree-too-large' });
  isOver = true;
  assert.ok(turns >= 100, `${turns} turns`);
});
