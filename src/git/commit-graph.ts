import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { GitLimits } from './git-process.ts';
import type { Repository } from './repository.ts';

/** From here on a graph pays: git then knows parents and changed paths without opening commits. */
const GRAPH_FROM_OBJECTS = 1_000;
/** The graph is written anew when the repository has grown by this factor. */
const GRAPH_GROWTH = 1.25;
const LIMITS: GitLimits = { wallMs: 3_600_000, cpuSeconds: 3_600, memoryBytes: 4 * 1024 ** 3 };
/** Objects that a repository had when its graph was written here. */
const graphed = new WeakMap<Repository, number>();

/**
 * Writes the commit graph with the changed paths of each commit into this node's cache: merge bases and the history of a
 * file are then found without reading every commit. It may be missing or old; git reads on where it ends.
 */
export async function writeCommitGraph(repository: Repository): Promise<void> {
  await repository.read(async ({ state, gitDir }) => {
    const objects = state.packs.reduce((sum, pack) => sum + pack.objects, 0);
    if (objects < GRAPH_FROM_OBJECTS) return;
    const path = join(gitDir, 'objects', 'info', 'commit-graph');
    const isNew = (graphed.get(repository) ?? 0) * GRAPH_GROWTH > objects && (await isThere(path));
    if (isNew) return;
    // A lock is left behind when the server is killed here; nobody else writes this file.
    await rm(`${path}.lock`, { force: true });
    const args = ['commit-graph', 'write', '--reachable', '--changed-paths', '--no-progress'];
    await repository.surroundings.git.run(args, { gitDir, limits: LIMITS });
    graphed.set(repository, objects);
  });
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
