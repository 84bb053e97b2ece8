import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { startServer, temporaryFolder } from './harness.ts';

test('a server that cannot start says why, and leaves nothing behind: it can be started on the same folder and port', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  t.after(() => taken.close());
  await once(taken, 'listening');
  const { port: sshPort } = taken.address() as { port: number };
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as { port: number };
  free.close();
  await once(free, 'close');
  const data = await temporaryFolder(t);
  const settings = { data, port, sshPort };
  await assert.rejects(
    startServer(t, { settings }),
    /cannot listen on port .*Choose another one with --ssh-port, or off/,
  );
  taken.close();
  await once(taken, 'close');
  const server = await startServer(t, { settings });
  assert.equal(Number(new URL(server.addresses[0]!).port), sshPort);
  await server.root_.sts.getCallerIdentity({});
});
