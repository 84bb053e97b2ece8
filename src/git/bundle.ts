import type { Readable } from 'node:stream';
import type { Repository } from './repository.ts';
import type { RepositoryState } from './truth.ts';
import { UPLOAD_LIMITS } from './upload-pack.ts';
import { wholeOutput } from './whole-output.ts';

/**
 * Every reference of a repository and all that it leads to as one file (gitformat-bundle, version 2), which `git clone`
 * reads, with the state that it shows. Null without references: git knows no empty bundle.
 * The stream fails when git fails, so half a bundle never looks whole.
 * @throws {GitFailure} `busy`, `key-refused`, `integrity`
 */
export async function bundleRepository(
  repository: Repository,
  signal?: AbortSignal,
): Promise<{ state: RepositoryState; stream: Readable | null }> {
  const leave = await repository.surroundings.uploads.take(signal);
  try {
    const lease = await repository.lease({ refs: false });
    const { state } = lease;
    const release = () => {
      lease.release();
      leave();
    };
    if (state.refs.size === 0) {
      release();
      return { state, stream: null };
    }
    const child = repository.surroundings.git.spawn(
      ['pack-objects', '--revs', '--stdout', '--delta-base-offset', '--quiet'],
      { gitDir: repository.gitDir, limits: UPLOAD_LIMITS, ...(signal === undefined ? {} : { signal }) },
    );
    child.stdin.end([...new Set([...state.refs.values()].map(({ id }) => `${id}\n`))].join(''));
    return { state, stream: wholeOutput(child, 'pack-objects', release, header(state)) };
  } catch (error) {
    leave();
    throw error;
  }
}

function header({ refs, head }: RepositoryState): Buffer {
  const tip = head === null ? undefined : refs.get(head);
  const lines = [...refs.values()].map(({ id, name }) => `${id} ${name}\n`);
  if (tip !== undefined) lines.unshift(`${tip.id} HEAD\n`);
  return Buffer.from(`# v2 git bundle\n${lines.join('')}\n`);
}
