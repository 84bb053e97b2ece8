import type { CodeCommit } from '@aws-sdk/client-codecommit';
import { UsageError } from '../usage-error.ts';
import { shown } from './git-command.ts';

/** What the answers of a server that others run may take. */
export interface AnswerLimits {
  /** Bytes of all answers since the last call of `allow`. */
  readonly maxBytes: number;
  /** Milliseconds from a request to the end of its answer. */
  readonly maxMs: number;
}

export const ANSWER_LIMITS: AnswerLimits = { maxBytes: 64 * 1024 * 1024, maxMs: 60_000 };

/** Counts what a server has answered. */
export interface AnswerBudget {
  /** Begins to count anew: before each thing of its own that is read. */
  allow(): void;
}

/**
 * Holds every answer to a client to a size and a time, and says in one line where an answer is none: whoever runs that
 * server, an import ends.
 */
export function boundAnswers(client: CodeCommit, server: string, limits: AnswerLimits = ANSWER_LIMITS): AnswerBudget {
  let left = limits.maxBytes;
  const tooMuch = () =>
    new UsageError(`${server} answers with more than ${limits.maxBytes / 2 ** 20} MiB about one thing`);
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await withinTime(server, limits.maxMs, async () => {
        const answer = await next(args);
        const response = answer.response as { body?: unknown };
        if (isStream(response.body)) response.body = await bytesOf(response.body, left, tooMuch);
        return answer;
      });
      left -= (result.response as { body?: { byteLength?: number } }).body?.byteLength ?? 0;
      return result;
    },
    { step: 'deserialize', priority: 'low', name: 'boundedAnswer' },
  );
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        try {
          return await next(args);
        } catch (error) {
          throw isTold(error)
            ? error
            : new UsageError(
                `${server} answers ${commandName} as no CodeCommit does: ${shown((error as Error).message)
                  .split('\n', 1)[0]!
                  .slice(0, 200)}`,
              );
        }
      },
    { step: 'initialize', priority: 'high', name: 'understoodAnswer' },
  );
  return {
    allow() {
      left = limits.maxBytes;
    },
  };
}

/** Whether an error is one of the API, of the network or of the settings, and not of the answer's form. */
function isTold(error: unknown): boolean {
  const { $fault, code, name } = error as { $fault?: string; code?: string; name?: string };
  if (error instanceof UsageError || $fault !== undefined || code !== undefined) return true;
  return name === 'CredentialsProviderError' || name === 'TimeoutError' || name === 'AbortError';
}

function isStream(body: unknown): body is AsyncIterable<Uint8Array> {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body;
}

async function bytesOf(body: AsyncIterable<Uint8Array>, maxBytes: number, tooMuch: () => Error): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > maxBytes) throw tooMuch();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

async function withinTime<T>(server: string, maxMs: number, run: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new UsageError(`${server} took more than ${maxMs / 1000} s to answer`)), maxMs);
  });
  try {
    return await Promise.race([run(), late]);
  } finally {
    clearTimeout(timer);
  }
}
