/** Answers larger than this are not kept: they are mostly packs of first clones of large repositories. */
export const MAX_KEPT_ANSWER_BYTES = 1024 * 1024;
const KEPT_FETCHES = { answerBytes: MAX_KEPT_ANSWER_BYTES, totalBytes: 16 * 1024 * 1024 };
/** A hundred thousand references fit into one answer. */
export const KEPT_ADVERTISEMENTS = { answerBytes: 8 * 1024 * 1024, totalBytes: 24 * 1024 * 1024 };

/**
 * Keeps the answers to fetches, and lists of references, because many builds clone the same commit: the same request to the
 * same state of a repository has the same answer. Requests that come while the first one is at work wait for its answer.
 */
export class AnswerCache {
  /** In order of use, the longest unused first. */
  readonly #kept = new Map<string, Buffer>();
  readonly #underWay = new Map<string, PromiseWithResolvers<Buffer | null>>();
  readonly #maxAnswerBytes: number;
  readonly #maxTotalBytes: number;
  #bytes = 0;

  /** @param most what one answer and all together may have */
  constructor(most: { answerBytes: number; totalBytes: number } = KEPT_FETCHES) {
    this.#maxAnswerBytes = most.answerBytes;
    this.#maxTotalBytes = most.totalBytes;
  }

  /** The answer that is known, or is being made; null when there is none and the caller must make his own. */
  async find(key: string): Promise<Buffer | null> {
    const kept = this.#kept.get(key);
    if (kept === undefined) return (await this.#underWay.get(key)?.promise) ?? null;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept;
  }

  /** Drops every answer of a repository that is deleted. */
  forgetRepository(repositoryId: string): void {
    for (const [key, bytes] of this.#kept) {
      if (!key.startsWith(`${repositoryId} `)) continue;
      this.#kept.delete(key);
      this.#bytes -= bytes.length;
    }
  }

  /** True when nobody makes the answer yet; whoever gets it must call {@link settle}. */
  begin(key: string): boolean {
    if (this.#underWay.has(key)) return false;
    this.#underWay.set(key, Promise.withResolvers());
    return true;
  }

  /** Ends what {@link begin} began. @param answer null when it failed or is too large to keep. */
  settle(key: string, answer: Buffer | null): void {
    this.#underWay.get(key)?.resolve(answer);
    this.#underWay.delete(key);
    if (answer === null || answer.length > this.#maxAnswerBytes || this.#kept.has(key)) return;
    this.#kept.set(key, answer);
    this.#bytes += answer.length;
    for (const [oldest, bytes] of this.#kept) {
      if (this.#bytes <= this.#maxTotalBytes) return;
      this.#kept.delete(oldest);
      this.#bytes -= bytes.length;
    }
  }
}
