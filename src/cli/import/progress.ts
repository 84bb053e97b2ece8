/** Tells how far an import is: one line that changes on a terminal, plain lines otherwise. */
export class Progress {
  readonly #stream: NodeJS.WriteStream;
  #isOpen = false;

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
  }

  /** Whether a person looks on. */
  get isTerminal(): boolean {
    return this.#stream.isTTY === true;
  }

  /** A step that has come to its end or begins. */
  line(text: string): void {
    if (this.#isOpen) this.#stream.write('\r\u001b[K');
    this.#isOpen = false;
    this.#stream.write(`${text}\n`);
  }

  /** How far a step is; only the last of these stays in sight, and none is written into a file. */
  update(text: string): void {
    if (!this.isTerminal) return;
    this.#stream.write(`\r\u001b[K${text.slice(0, (this.#stream.columns ?? 80) - 1)}`);
    this.#isOpen = true;
  }
}

/** `1 branch`, `2 branches` */
export function countOf(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
