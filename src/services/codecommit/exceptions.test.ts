import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import constraints from './constraints.generated.json' with { type: 'json' };
import { addedConstraints } from './constraints-added.ts';
import { tables } from './tables.ts';
import { CASES } from './testing/fault-cases.ts';
import { type Cause, CHANGES } from './testing/fault-changes.ts';
import { goodInputs } from './testing/fault-inputs.ts';
import { ELSEWHERE, NEVER, WITHOUT_KEY } from './testing/fault-reasons.ts';
import { faultWorld, type Input, type World } from './testing/fault-world.ts';
import type { CodeCommit } from './testing/reviews.ts';

const DECLARED: Record<string, string[]> = { ...constraints.operations, ...addedConstraints.operations };
/** Every error of every operation, once, as `CreateBranch BranchNameExists`. */
const PAIRS = new Set(
  Object.entries(DECLARED).flatMap(([operation, errors]) => errors.map((error) => pair(operation, error))),
);
/** Good inputs after which others are none any more. */
const LAST = ['DeleteCommentContent', 'UpdateRepositoryName'];
const OPERATIONS = Object.keys(DECLARED).toSorted((a, b) => LAST.indexOf(a) - LAST.indexOf(b) || (a < b ? -1 : 1));

function pair(operation: string, error: string): string {
  return `${operation} ${error.replace(/Exception$/, '')}`;
}

/** A world that notes what its calls throw. */
interface Noting extends World {
  thrown: Set<string>;
  inputs: Record<string, Input>;
}

function noting(world: World): Noting {
  const thrown = new Set<string>();
  const call: World['call'] = async (operation, input, who) => {
    try {
      return await world.call(operation, input, who);
    } catch (error) {
      thrown.add(pair(operation, (error as Error).name));
      throw error;
    }
  };
  return { ...world, call, thrown, inputs: goodInputs(world) };
}

function causeOf(world: Noting, operation: string, error: string): Cause | undefined {
  const input = world.inputs[operation]!;
  return CASES[operation]?.[error] ?? CHANGES[error]?.({ operation, input, world });
}

const isKeyError = (error: string) => /^Encryption/.test(error);

/** What is wrong with what was thrown; undefined when it is the error that was looked for. */
function differs(what: string, error: string, thrown: Error | undefined): string | undefined {
  const isRight = thrown?.name === `${error}Exception` && thrown.message.length > 10;
  return isRight ? undefined : `${what}: ${error} expected, not ${thrown?.name ?? 'success'}: ${thrown?.message}`;
}

/** What an operation throws, if it does. */
async function faultOf(run: () => unknown): Promise<Error | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

/** Provokes each error that has a cause. @returns what was wrong */
async function provokeAll(world: Noting, excused: ReadonlySet<string>): Promise<string[]> {
  const wrong: (string | undefined)[] = [];
  for (const one of PAIRS) {
    const [operation, error] = one.split(' ') as [string, string];
    const cause = excused.has(one) ? undefined : causeOf(world, operation, error);
    if (cause === undefined) continue;
    const input = world.inputs[operation]!;
    const thrown = await faultOf(() =>
      typeof cause === 'function' ? cause(world, input) : world.call(operation, { ...input, ...cause }),
    );
    wrong.push(differs(operation, error, thrown));
  }
  return wrong.filter((one) => one !== undefined);
}

/** Ways in which a repository's key cannot be used, with the error for it. */
interface KeyState {
  error: string;
  /** A key in that state, for the operations that name one. */
  keyArn: string;
  who: CodeCommit;
  begin(): Promise<unknown>;
  end(): Promise<unknown>;
}

const REPOSITORIES = ['app', 'other', 'code'];

async function keyStates({ server, alice }: World): Promise<KeyState[]> {
  const { kms, codecommit } = server.root_;
  const keyArn = (await kms.createKey({})).KeyMetadata!.Arn!;
  for (const repositoryName of REPOSITORIES) {
    await codecommit.updateRepositoryEncryptionKey({ repositoryName, kmsKeyId: keyArn });
  }
  const ctx = server.kernel.serviceContext('codecommit.amazonaws.com');
  const rows = await tables(ctx)
    .selectFrom('codecommit_repositories')
    .select(['id', 'kms_key_arn', 'data_key'])
    .execute();
  const write = (set: { kms_key_arn?: string; data_key?: string }) =>
    ctx.tx(async (tx) => {
      for (const { id, ...present } of rows) {
        const update = tables(tx)
          .updateTable('codecommit_repositories')
          .set({ ...present, ...set });
        await update.where('id', '=', id).execute();
      }
    });
  const missing = keyArn.replace(/[^/]+$/, '11111111-2222-3333-4444-555555555555');
  const codecommitOnly = { Effect: 'Allow', Action: 'codecommit:*', Resource: '*' };
  const eve = await server.user('eve', { Version: '2012-10-17', Statement: [codecommitOnly] });
  const KeyId = keyArn;
  const nothing = async () => undefined;
  return [
    {
      ...{ error: 'EncryptionKeyDisabled', keyArn, who: alice },
      begin: () => kms.disableKey({ KeyId }),
      end: () => kms.enableKey({ KeyId }),
    },
    {
      ...{ error: 'EncryptionKeyUnavailable', keyArn, who: alice },
      begin: () => kms.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 }),
      end: async () => {
        await kms.cancelKeyDeletion({ KeyId });
        await kms.enableKey({ KeyId });
      },
    },
    {
      ...{ error: 'EncryptionKeyNotFound', keyArn: missing, who: alice },
      begin: () => write({ kms_key_arn: missing }),
      end: () => write({}),
    },
    { error: 'EncryptionKeyAccessDenied', keyArn, who: eve.codecommit, begin: nothing, end: nothing },
    {
      ...{ error: 'EncryptionIntegrityChecksFailed', keyArn, who: alice },
      begin: () => write({ data_key: Buffer.from('not what KMS has wrapped').toString('base64') }),
      end: () => write({}),
    },
  ];
}

/** Calls each operation with a good input while the key cannot be used: it says so, or does without. */
async function withoutKey(
  world: Noting,
  state: KeyState,
  isFirst: boolean,
  excused: ReadonlySet<string>,
): Promise<string[]> {
  const wrong: (string | undefined)[] = [];
  await state.begin();
  for (const operation of OPERATIONS) {
    const named = operation === 'CreateRepository' ? { kmsKeyId: state.keyArn } : {};
    const needsKey = PAIRS.has(pair(operation, state.error)) && !excused.has(pair(operation, state.error));
    // Whoever may not use the key is another user: what only its author may do is not for him.
    if (!needsKey && state.who !== world.alice) continue;
    const thrown = await faultOf(() => world.call(operation, { ...world.inputs[operation]!, ...named }, state.who));
    if (needsKey) wrong.push(differs(operation, state.error, thrown));
    // Once: a second time, what was deleted or renamed is not there.
    else if (isFirst && thrown !== undefined) wrong.push(`${operation}, ${state.error}: ${thrown.message}`);
  }
  await state.end();
  return wrong.filter((one) => one !== undefined);
}

/** Pairs that need not be provoked. */
function excuses(): Set<string> {
  const found = new Set<string>();
  for (const [operations, error] of [...NEVER, ...ELSEWHERE]) {
    for (const operation of operations) {
      const one = pair(operation, error);
      assert.ok(PAIRS.has(one), `${one} is not in the model`);
      assert.ok(!found.has(one), `${one} is excused twice`);
      found.add(one);
    }
  }
  for (const operation of WITHOUT_KEY) {
    const errors = DECLARED[operation]!.filter(isKeyError);
    assert.ok(errors.length > 0, operation);
    for (const error of errors) found.add(pair(operation, error));
  }
  return found;
}

/** What is missing is told before what is not valid, and that before what is not there. */
const RANKS = [/(?<!ManualMerge)Required$/, /^Invalid/, /DoesNotExist$/];
const rankOf = (error: string) => RANKS.findIndex((pattern) => pattern.test(error));

/** What can be told only by looking: whether it is missing, or is what it should be, depends on what is there. */
const BY_LOOKING = new Set([
  'CreateCommit InvalidDeletionParameter',
  'InvalidContinuationToken', // tokens belong to a list, and so to what is listed
  'InvalidFileLocation',
  'InvalidFilePosition',
  'InvalidPullRequestStatusUpdate',
  'InvalidRuleContentSha256',
  'ParentCommitIdRequired', // not for the first commit of all
  'MergeBranchesByFastForward BranchNameRequired', // only where the destination is no branch
  'MergeBranchesBySquash BranchNameRequired',
  'MergeBranchesByThreeWay BranchNameRequired',
]);
/** Empty or left out where the model allows it, and needed all the same: told by the operation, after what the model says. */
const BY_OPERATION: readonly RegExp[] = [
  / (ClientRequestToken|CommentContent|FileEntry|ReplacementContent|SourceFileOrContent|Targets|Title)Required$/,
  / RepositoryTriggerBranchNameListRequired$/,
  /^GetBranch (BranchName|RepositoryName)Required$/,
  /^GetCommentsForPullRequest (CommitId|RepositoryName)Required$/,
  /^PostComment\w+ PathRequired$/,
];
const FILES = ['putFiles', 'deleteFiles', 'setFileModes'];
/** Ids that tell nothing by themselves are looked up to learn what the caller may do, before the operation has its turn. */
const BEFORE_ALL = new Set(['PullRequestDoesNotExist', 'CommentDoesNotExist']);

interface Wrong {
  error: string;
  change: Input;
  rank: number;
}

/** Changes of the same member cannot be made at once. */
function isAlike(one: Input, other: Input): boolean {
  const names = (change: Input) => Object.keys(change).map((name) => (FILES.includes(name) ? 'files' : name));
  return names(one).some((name) => names(other).includes(name));
}

function wrongs(world: Noting, operation: string, excused: ReadonlySet<string>): Wrong[] {
  return DECLARED[operation]!.flatMap((name) => {
    const error = name.replace(/Exception$/, '');
    const change = excused.has(pair(operation, error)) ? undefined : causeOf(world, operation, error);
    const rank = BY_LOOKING.has(error) || BY_LOOKING.has(pair(operation, error)) ? -1 : rankOf(error);
    return rank < 0 || change === undefined || typeof change === 'function' ? [] : [{ error, change, rank }];
  });
}

/** Makes two mistakes at once. @returns those that are told in another order, and how many were tried */
async function orderOfFaults(world: Noting, excused: ReadonlySet<string>): Promise<{ tried: number; other: string[] }> {
  let tried = 0;
  const other: string[] = [];
  for (const operation of OPERATIONS) {
    const all = wrongs(world, operation, excused);
    for (const first of all) {
      for (const second of all) {
        if (isAlike(first.change, second.change)) continue;
        if (first.rank >= second.rank || BEFORE_ALL.has(second.error)) continue;
        const isLate = BY_OPERATION.some((late) => late.test(pair(operation, first.error)));
        if (second.rank === 1 && isLate) continue;
        const input = { ...world.inputs[operation]!, ...first.change, ...second.change };
        const thrown = await faultOf(() => world.call(operation, input));
        tried += 1;
        if (thrown?.name !== `${first.error}Exception`)
          other.push(`${operation}: ${first.error} ${second.error} -> ${thrown?.name}`);
      }
    }
  }
  return { tried, other };
}

test('every error of every operation is provoked, or there is a reason why not', async (t) => {
  const excused = excuses();
  const world = noting(await faultWorld(t));
  assert.deepEqual(OPERATIONS.toSorted(), Object.keys(world.inputs).toSorted());
  await t.test('each by what AWS says provokes it', async () => {
    assert.deepEqual(await provokeAll(world, excused), []);
  });
  await t.test('of two, what is missing comes first, then what is not valid, then what is not there', async (part) => {
    const { tried, other } = await orderOfFaults(world, excused);
    assert.deepEqual(other, []);
    part.diagnostic(`${tried} pairs of mistakes`);
  });
  await t.test('without the key, and that the inputs are good', async () => {
    for (const [at, state] of (await keyStates(world)).entries()) {
      assert.deepEqual(await withoutKey(world, state, at === 0, excused), []);
    }
    for (const operation of OPERATIONS.filter((one) => !WITHOUT_KEY.has(one) && DECLARED[one]!.some(isKeyError))) {
      const thrown = await faultOf(() => world.call(operation, world.inputs[operation]!));
      assert.equal(thrown, undefined, `${operation}: ${thrown?.message}`);
    }
  });
  const open = [...PAIRS].filter((one) => !world.thrown.has(one) && !excused.has(one));
  assert.deepEqual(open, [], 'neither provoked nor explained');
  const wrong = [...world.thrown].filter((one) => excused.has(one) || !PAIRS.has(one));
  assert.deepEqual(wrong, [], 'thrown, although the model does not list it or a reason says that it never is');
  t.diagnostic(
    `${PAIRS.size} errors of ${OPERATIONS.length} operations: ${world.thrown.size} provoked, ${excused.size} with a reason`,
  );
});

test('what is said to be provoked elsewhere is', () => {
  for (const [, error, file] of ELSEWHERE) {
    assert.match(readFileSync(new URL(file, import.meta.url), 'utf8'), new RegExp(`${error}Exception`));
  }
});
