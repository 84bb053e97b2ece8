import type { Git } from './git-command.ts';

/** What one push carries: object ids by the reference that they are for. */
export type Portion = readonly (readonly [name: string, id: string])[];

export interface PortionLimits {
  /** References in one push: the server takes 4,000. */
  readonly maxRefs: number;
  /** Bytes of objects in one push, about: the server takes a pack of 2 GiB. */
  readonly maxBytes: number;
}

export const PORTION_LIMITS: PortionLimits = { maxRefs: 1_000, maxBytes: 512 * 1024 * 1024 };

/**
 * Divides what has to be pushed. References go together as long as they may; a history of more bytes than a push may
 * carry is sent branch by branch, and each branch commit by commit along its first parents.
 * @param refs what is to be pushed, the default branch first
 * @param present object ids that the target has, as far as the folder knows them
 */
export async function portionsOf(
  git: Git,
  refs: Portion,
  present: readonly string[],
  limits: PortionLimits = PORTION_LIMITS,
): Promise<Portion[]> {
  const portions: Portion[] = [];
  if ((await bytesOf(git)) > limits.maxBytes) {
    const known = [...present];
    for (const [name, id] of refs) {
      if (!name.startsWith('refs/heads/')) continue;
      for (const step of await stepsTo(git, id, known, limits.maxBytes)) portions.push([[name, step]]);
      portions.push([[name, id]]);
      known.push(id);
    }
  }
  const alone = new Set(portions.map(([first]) => `${first![0]} ${first![1]}`));
  const rest = refs.filter(([name, id]) => !alone.has(`${name} ${id}`));
  for (let at = 0; at < rest.length; at += limits.maxRefs) portions.push(rest.slice(at, at + limits.maxRefs));
  return portions;
}

/** Bytes that the folder's objects take. */
async function bytesOf(git: Git): Promise<number> {
  const text = await git.run(['count-objects', '-v']);
  const kib = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  return (kib('size') + kib('size-pack')) * 1024;
}

/** Commits on the way to a tip, each with no more than about so many bytes behind the one before it. */
async function stepsTo(git: Git, tip: string, known: readonly string[], maxBytes: number): Promise<string[]> {
  const input = [tip, ...known.map((id) => `^${id}`)].join('\n');
  const line = new Set(
    (await git.run(['rev-list', '--first-parent', '--ignore-missing', '--stdin'], { input })).split('\n'),
  );
  const objects = ['rev-list', '--objects', '--in-commit-order', '--topo-order', '--reverse', '--ignore-missing'];
  const steps: string[] = [];
  let bytes = 0;
  let last: string | undefined;
  const onLine = (text: string) => {
    const [id = '', size = '0'] = text.split(' ');
    if (line.has(id)) {
      // Everything that the former commit of the line needs has been counted by now.
      if (bytes >= maxBytes && last !== undefined) {
        steps.push(last);
        bytes = 0;
      }
      last = id;
    }
    bytes += Number(size);
  };
  await git.lines(['cat-file', '--batch-check=%(objectname) %(objectsize:disk)', '--buffer'], {
    from: [...objects, '--no-object-names', '--stdin'],
    input,
    onLine,
  });
  return steps;
}
