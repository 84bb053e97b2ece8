/** For tests only: a git server that kills itself at a named point, as a power cut would, without a last word. */
import { createInterface } from 'node:readline';
import { systemClock } from '../kernel/clock.ts';
import { CacheFiles } from './cache-files.ts';
import { startGitServer } from './harness.ts';
import { Quarantine } from './quarantine.ts';

const [folder, point, aheadMs] = process.argv.slice(2);
const server = await startGitServer({ after: () => undefined } as never, { folder: folder! });
server.truths.now = () => systemClock.now().getTime() + Number(aheadMs ?? 0);

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
const { place } = Quarantine.prototype;
Quarantine.prototype.place = async function (...args) {
  await place.apply(this, args);
  crashAt('pack-placed');
};
const { adoptPack } = CacheFiles.prototype;
CacheFiles.prototype.adoptPack = function (...args) {
  crashAt('before-adoption');
  return adoptPack.apply(this, args);
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
server.truths.beforeCollect = async () => crashAt('before-collection');
server.truths.afterCollect = async () => crashAt('after-collection');
process.stdout.write(`${server.url}\n`);
// Each line asks for the upkeep of `r1`.
for await (const _ of createInterface({ input: process.stdin })) {
  await server.store.maintain(server.store.repository(server.truths.truth('r1')));
  process.stdout.write(`maintained ${server.collections.length}\n`);
}
