import type { PushCommand } from '../../git/commands.ts';
import { DEFAULT_PACK_LIMITS, type PackLimits } from '../../git/incoming-pack.ts';
import type { PushRules } from '../../git/receive-pack.ts';
import type { RepositoryChange } from '../../git/truth.ts';
import type { Context, RecordedEvent } from '../../kernel/context.ts';
import { isFault } from '../../kernel/fault.ts';
import type { ResourceRef } from '../../kernel/service.ts';
import { moveRefs } from './refs.ts';
import { references } from './resources.ts';
import type { RepositoryRow } from './tables.ts';

/** Decides about one push of an authenticated user, and records what became of it. */
export class GitPushes implements PushRules {
  readonly #ctx: Context;
  readonly #repository: RepositoryRow;
  readonly #resource: ResourceRef;
  readonly #record: (more: Partial<RecordedEvent>) => RecordedEvent;
  #isRecorded = false;
  readonly limits: PackLimits;
  readonly maxReferences: number;

  constructor(
    ctx: Context,
    repository: RepositoryRow,
    resource: ResourceRef,
    record: (more: Partial<RecordedEvent>) => RecordedEvent,
  ) {
    this.#ctx = ctx;
    this.#repository = repository;
    this.#resource = resource;
    this.#record = record;
    this.limits = limitsOf(ctx);
    this.maxReferences = ctx.config.gitMaxPushReferences;
  }

  /** Each reference must be allowed by itself; a refusal names the policy's words for it. */
  async authorize(commands: readonly PushCommand[]): Promise<ReadonlyMap<string, string>> {
    const refused = new Map<string, string>();
    for (const { name } of commands) {
      try {
        await this.#ctx.authorize('codecommit:GitPush', this.#resource, references([name]));
      } catch (error) {
        if (!isFault(error, 'AccessDenied')) throw error;
        refused.set(name, error.message);
      }
    }
    if (refused.size > 0) this.#recordRefusal(commands, refused);
    return refused;
  }

  commit = (change: RepositoryChange): Promise<ReadonlyMap<string, string>> =>
    moveRefs(this.#ctx, this.#repository.id, change, {
      record: (_, moved) => {
        this.#isRecorded = true;
        return this.#record({
          requestParameters: { references: moved.map(({ name, after }) => ({ commit: after, ref: name })) },
        });
      },
    });

  /** Records a push that came to nothing: outdated, broken, or only a client's test whether it may push. */
  finish(): void {
    if (!this.#isRecorded) this.#ctx.record(this.#record({ requestParameters: { references: [] } }));
  }

  #recordRefusal(commands: readonly PushCommand[], refused: ReadonlyMap<string, string>): void {
    this.#isRecorded = true;
    const references = commands
      .filter(({ name }) => refused.has(name))
      .map(({ name, to }) => ({ commit: to, ref: name }));
    const [errorMessage] = refused.values();
    this.#ctx.record(this.#record({ requestParameters: { references }, errorCode: 'AccessDenied', errorMessage }));
  }
}

const MIB = 1024 ** 2;

/** What the settings say about the size of one push. */
function limitsOf({ config }: Context): PackLimits {
  return {
    ...DEFAULT_PACK_LIMITS,
    maxPackBytes: config.gitMaxPushMib * MIB,
    maxObjectBytes: config.gitMaxFileMib * MIB,
    maxPathCharacters: config.gitMaxPathCharacters,
    maxFolders: config.gitMaxFolders,
    maxCommitBytes: config.gitMaxCommitMib === null ? null : config.gitMaxCommitMib * MIB,
  };
}
