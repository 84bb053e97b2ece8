import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { GitFailure } from './failure.ts';
import type { ObjectType } from './object-format.ts';
import type { ObjectContents, ObjectInfo, ObjectSource } from './object-source.ts';

const inflateAsync = promisify(inflate);
const MAX_OBJECT_BYTES = 2 * 1024 ** 3;

/** The objects that one git command has left in a folder of its own, before those of the repository. */
export class LooseObjects implements ObjectSource {
  readonly #paths: ReadonlyMap<string, string>;
  readonly #beneath: () => ObjectSource;

  private constructor(paths: ReadonlyMap<string, string>, beneath: () => ObjectSource) {
    this.#paths = paths;
    this.#beneath = beneath;
  }

  /** @param folder an object folder in git's layout. @param beneath knows all other objects. */
  static async open(folder: string, beneath: () => ObjectSource): Promise<LooseObjects> {
    const paths = new Map<string, string>();
    for (const name of await readdir(folder)) {
      if (!/^[0-9a-f]{2}$/.test(name)) continue;
      for (const rest of await readdir(join(folder, name))) paths.set(`${name}${rest}`, join(folder, name, rest));
    }
    return new LooseObjects(paths, beneath);
  }

  get dead(): boolean {
    return this.#beneath().dead;
  }

  /** True for an object that the command has made. */
  isNew(id: string): boolean {
    return this.#paths.has(id);
  }

  async info(id: string): Promise<ObjectInfo | null> {
    if (!this.isNew(id)) return this.#beneath().info(id);
    const { type, size } = await this.#read(id);
    return { type, size };
  }

  async contents(id: string, capBytes: number): Promise<ObjectContents | null> {
    if (!this.isNew(id)) return this.#beneath().contents(id, capBytes);
    const found = await this.#read(id);
    if (found.size > capBytes) {
      throw new GitFailure('object-too-large', `the object is larger than ${capBytes} bytes`);
    }
    return found;
  }

  /** A zlib stream of `<type> <size>\0<body>` (gitformat-loose). */
  async #read(id: string): Promise<ObjectContents> {
    const bytes = await inflateAsync(await readFile(this.#paths.get(id)!), { maxOutputLength: MAX_OBJECT_BYTES });
    const nul = bytes.indexOf(0);
    const [type] = bytes.toString('latin1', 0, nul).split(' ');
    const body = bytes.subarray(nul + 1);
    return { type: type as ObjectType, size: body.length, body };
  }
}
