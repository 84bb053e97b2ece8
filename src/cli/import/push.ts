import type { Git, GitEnvironment } from './git-command.ts';
import { type Portion, type PortionLimits, portionsOf } from './portions.ts';
import type { Progress } from './progress.ts';

/** Where the references go. */
export interface PushTarget {
  readonly url: string;
  /** Made anew for each push: passwords are good for a quarter of an hour. */
  login(): Promise<GitEnvironment>;
}

export interface Refused {
  readonly name: string;
  readonly why: string;
  /** An object is the reason, not the reference. */
  readonly byObject: boolean;
}

export interface PushOutcome {
  readonly created: number;
  readonly updated: number;
  readonly refused: readonly Refused[];
}

export interface PushOptions {
  /** Moves references that were rewritten in the source, also over what somebody has pushed since. */
  readonly overwrite: boolean;
  readonly limits?: PortionLimits;
}

/**
 * Brings references to where the folder has them, in as many pushes as it takes. What one push cannot carry because of one
 * object is divided until that object's reference is alone, so that everything else arrives.
 * @param wanted the default branch first
 * @param present what the target has
 */
export async function pushAll(
  git: Git,
  target: PushTarget,
  wanted: Portion,
  present: ReadonlyMap<string, string>,
  progress: Progress,
  options: PushOptions,
): Promise<PushOutcome> {
  const changed = wanted.filter(([name, id]) => present.get(name) !== id);
  const refused: Refused[] = [];
  const portions = await portionsOf(git, changed, [...present.values()], options.limits);
  let done = 0;
  const push = async (portion: Portion): Promise<void> => {
    const { refusedPack, refused: problems } = await pushOne(git, target, portion, progress, options.overwrite);
    if (refusedPack !== undefined && portion.length > 1) {
      const half = Math.ceil(portion.length / 2);
      await push(portion.slice(0, half));
      await push(portion.slice(half));
      return;
    }
    const all = refusedPack === undefined ? problems : [{ name: portion[0]![0], why: refusedPack, byObject: true }];
    for (const problem of all) if (!refused.some(({ name }) => name === problem.name)) refused.push(problem);
  };
  for (const portion of portions) {
    await push(portion.filter(([name]) => !refused.some((one) => one.name === name)));
    done += 1;
    progress.update(`push ${done} of ${portions.length}`);
  }
  const arrived = changed.filter(([name]) => !refused.some((one) => one.name === name));
  const created = arrived.filter(([name]) => !present.has(name)).length;
  return { created, updated: arrived.length - created, refused };
}

/**
 * One push. @returns what was refused of it; `refusedPack` says why nothing arrived because of one of its objects
 * @throws GitError where the target cannot be pushed to at all
 */
async function pushOne(
  git: Git,
  target: PushTarget,
  portion: Portion,
  progress: Progress,
  overwrite: boolean,
): Promise<{ refused: Refused[]; refusedPack?: string }> {
  const refused: Refused[] = [];
  if (portion.length === 0) return { refused };
  const args = ['push', '--porcelain', '--no-verify', '--no-follow-tags'];
  args.push(progress.isTerminal ? '--progress' : '--quiet');
  const refspecs = portion.map(([name, id]) => `${overwrite ? '+' : ''}${id}:${name}`);
  const said = await git.lines([...args, '--', target.url, ...refspecs], {
    environment: await target.login(),
    showProgress: progress.isTerminal,
    // 1: something was refused, which the lines tell.
    goodStatuses: [0, 1],
    onLine: (line) => {
      const [, name, summary] = /^!\t[^\t:]*:([^\t]*)\t(.*)$/.exec(line) ?? [];
      if (name !== undefined) refused.push({ name, why: reasonOf(summary!), byObject: false });
    },
  });
  const unpack = /^error: remote unpack failed: (.*)$/m.exec(said);
  return unpack === null ? { refused } : { refused, refusedPack: unpack[1]! };
}

/** `[remote rejected] (hook declined)` without the frame. */
function reasonOf(summary: string): string {
  return /\((.*)\)$/s.exec(summary)?.[1] ?? summary;
}
