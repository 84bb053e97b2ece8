/** For tests only: a git server that kills itself at a named point, as a power cut would, without a last word. */
import { startGitServer } from './harness.ts';

const [folder, point] = process.argv.slice(2);
const server = await startGitServer({ after: () => undefined } as never, { folder: folder! });

function crashAt(name: string): void {
  if (name === point) process.kill(process.pid, 'SIGKILL');
}

const { git } = server.store.surroundings;
const spawn = git.spawn.bind(git);
git.spawn = (...args) => {
  const child = spawn(...args);
  if (args[0][0] === 'index-pack') crashAt('pack-arriving');
  return child;
};
const put = server.blobs.put.bind(server.blobs);
server.blobs.put = async (key, body) => {
  crashAt('before-blobs');
  const result = await put(key, body);
  crashAt(key.endsWith('.pack') ? 'after-pack-blob' : 'after-index-blob');
  return result;
};
server.rules = {
  commit: async (change) => {
    crashAt('before-transaction');
    const refused = server.truths.commit('r1', change);
    crashAt('after-transaction');
    return refused;
  },
};
process.stdout.write(`${server.url}\n`);
