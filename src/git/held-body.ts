/** The first part of a stream, read and held, and the rest as it comes. */
export class HeldBody {
  readonly held: Buffer;
  /** True when nothing follows what is held. */
  readonly isWhole: boolean;
  readonly #rest: AsyncIterator<Uint8Array>;

  private constructor(held: Buffer, isWhole: boolean, rest: AsyncIterator<Uint8Array>) {
    this.held = held;
    this.isWhole = isWhole;
    this.#rest = rest;
  }

  /** Reads until the stream ends or more than `maxHeldBytes` have come. */
  static async read(input: AsyncIterable<Uint8Array>, maxHeldBytes: number): Promise<HeldBody> {
    const source = input[Symbol.asyncIterator]();
    const chunks: Uint8Array[] = [];
    let size = 0;
    while (size <= maxHeldBytes) {
      const { value, done } = await source.next();
      if (done) return new HeldBody(Buffer.concat(chunks, size), true, source);
      chunks.push(value);
      size += value.length;
    }
    return new HeldBody(Buffer.concat(chunks, size), false, source);
  }

  /** Everything, from the first byte. */
  async *all(): AsyncGenerator<Uint8Array> {
    yield this.held;
    if (this.isWhole) return;
    for (let next = await this.#rest.next(); !next.done; next = await this.#rest.next()) yield next.value;
  }
}
