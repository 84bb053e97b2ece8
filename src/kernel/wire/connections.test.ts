import assert from 'node:assert/strict';
import { Agent, request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { startServer, type TestServer } from '../../../test/harness.ts';
import { Fault } from '../fault.ts';
import type { Service } from '../service.ts';
import { eventually } from '../testing/eventually.ts';
import { head, RawConnection, type RawRequest, send, sendSigned, signedHeaders } from '../testing/raw-http.ts';
import { testIdentities, testService } from '../testing/services.ts';
import { Gateway } from './gateway.ts';
import { CONNECTION_LIMITS, type ConnectionLimits } from './limits.ts';
import { listen } from './listen.ts';

/** Short times, so that a test sees them pass. */
const SHORT: ConnectionLimits = {
  ...CONNECTION_LIMITS,
  headersMs: 150,
  bodyIdleMs: 150,
  stallMs: 300,
  keepAliveMs: 300,
  lingerMs: 300,
};

interface Serving {
  server: TestServer;
  url: string;
  sockets: Set<Socket>;
  connect(): RawConnection;
  /** The head of a signed request, whose body the test sends as it likes. */
  signedHead(service: string, request: RawRequest): string;
}

/** A second door to a test server's gateway, with its own limits, whose connections can be counted. */
async function serve(t: TestContext, services: Service[], limits: Partial<ConnectionLimits> = {}): Promise<Serving> {
  const server = await startServer(t, { services: [testIdentities(), ...services] });
  const { server: door, port } = await listen(new Gateway(server.kernel), '127.0.0.1', 0, { ...SHORT, ...limits });
  const url = `http://127.0.0.1:${port}`;
  const sockets = new Set<Socket>();
  door.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const connections: RawConnection[] = [];
  t.after(() => {
    for (const connection of connections) connection.destroy();
    door.closeAllConnections();
    door.close();
  });
  return {
    server,
    url,
    sockets,
    connect() {
      const connection = new RawConnection(url);
      connections.push(connection);
      return connection;
    },
    signedHead(service, request) {
      const headers = signedHeaders(request, new URL(url).host, service, server.root);
      return head(request.method ?? 'POST', request.path ?? '/', headers);
    },
  };
}

const GET_REPOSITORY = { 'x-amz-target': 'CodeCommit_20150413.GetRepository' };

function repositories(more: Parameters<typeof testService>[1] = {}): Service {
  return testService('codecommit', { GetRepository: async () => ({}), ...more });
}

/** An S3 that reads bodies to their end. */
function objects(seen: unknown[] = [], more: Parameters<typeof testService>[1] = {}): Service {
  return testService('s3', {
    PutObject: async ({ Body }) => {
      let size = 0;
      try {
        for await (const chunk of Body as Readable) size += (chunk as Buffer).length;
      } catch (error) {
        seen.push((error as Error).name);
        throw error;
      }
      seen.push(size);
      return {};
    },
    ...more,
  });
}

/** Waits for the end of a stream, good or bad. */
function closed(stream: Readable): Promise<void> {
  return new Promise((resolve) => void stream.on('error', () => undefined).once('close', resolve));
}

/** Proves that the server still answers. */
async function assertAlive({ url, server }: Serving): Promise<void> {
  const answer = await sendSigned(url, 'codecommit', server.root, { headers: GET_REPOSITORY, body: '{}' });
  assert.equal(answer.status, 200);
}

test('W3: requests that two parsers may read differently are refused, and the connection ends', async (t) => {
  const serving = await serve(t, [repositories()]);
  const host = 'host: x\r\n';
  const inner = 'GET /inner HTTP/1.1\r\nhost: x\r\n\r\n';
  const ambiguous = [
    `POST / HTTP/1.1\r\n${host}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
    `POST / HTTP/1.1\r\n${host}content-length: 4\r\ncontent-length: 5\r\n\r\n${inner}`,
    `POST / HTTP/1.1\r\n${host}content-length: +4\r\n\r\n${inner}`,
    `POST / HTTP/1.1\r\n${host}content-length: 4, 4\r\n\r\n${inner}`,
    `POST / HTTP/1.1\r\n${host}transfer-encoding: xchunked\r\n\r\n${inner}`,
    `POST / HTTP/1.1\r\n${host}transfer-encoding: chunked, identity\r\n\r\n${inner}`,
    `POST / HTTP/1.1\r\n${host}transfer-encoding : chunked\r\n\r\n0\r\n\r\n${inner}`,
    `POST / HTTP/1.1\r\n${host}transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n${inner}`,
    `POST / HTTP/1.1\r\n${host}x: a\r\n b\r\n\r\n${inner}`,
    `POST / HTTP/1.1\r\n${host}x: a\nb: c\r\n\r\n${inner}`,
    `POST / HTTP/1.1\r\n\r\n${inner}`,
    `GET / HTTP/9.9\r\n${host}\r\n${inner}`,
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    `GET / HTTP/1.1\r\n${host}x: ${'y'.repeat(40_000)}\r\n\r\n`,
    '\0\x01\x02 garbage\r\n\r\n',
  ];
  for (const bytes of ambiguous) {
    const connection = serving.connect();
    connection.write(Buffer.from(bytes, 'latin1'));
    const received = await connection.untilClosed();
    assert.ok(received.split('HTTP/1.1 ').length <= 2, `one answer at most: ${JSON.stringify(bytes.slice(0, 90))}`);
    assert.match(received, /^(HTTP\/1\.1 4\d\d |$)/, JSON.stringify(bytes.slice(0, 90)));
  }
  const chunk = serving.connect();
  chunk.write(
    serving.signedHead('codecommit', { headers: { ...GET_REPOSITORY, 'transfer-encoding': 'chunked' }, body: '{}' }),
    `2;${'x'.repeat(20)}\r\n{}\r\nzz\r\n${inner}`,
  );
  assert.match(await chunk.untilClosed(), /^HTTP\/1\.1 400 /);
  await assertAlive(serving);
});

test('W3: a header named __proto__ or constructor changes nothing', async (t) => {
  const serving = await serve(t, [repositories()]);
  const headers = { ...GET_REPOSITORY, ['__proto__']: 'x', constructor: 'y', hasownproperty: 'z' };
  const connection = serving.connect();
  connection.write(
    serving.signedHead('codecommit', {
      headers: { ...headers, connection: 'close', 'content-length': '2' },
      body: '{}',
    }),
    '{}',
  );
  assert.match(await connection.untilClosed(), /^HTTP\/1\.1 200 /);
});

test('W3: pipelined requests are answered in their order', async (t) => {
  const serving = await serve(t, [repositories({ ListRepositories: async () => ({ nextToken: 'second' }) })]);
  const headers = (operation: string) => ({
    'x-amz-target': `CodeCommit_20150413.${operation}`,
    'content-length': '2',
  });
  const one = serving.signedHead('codecommit', { headers: headers('GetRepository'), body: '{}' });
  const two = serving.signedHead('codecommit', {
    headers: { ...headers('ListRepositories'), connection: 'close' },
    body: '{}',
  });
  const connection = serving.connect();
  connection.write(`${one}{}${two}{}`);
  const received = await connection.untilClosed();
  assert.deepEqual(received.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 200']);
  assert.match(received, /second"}$/);
});

test('G13: headers that do not come end the connection', async (t) => {
  const serving = await serve(t, [repositories()]);
  const silent = serving.connect();
  const slow = serving.connect();
  slow.write('POST / HTTP/1.1\r\nhost: x\r\n');
  const dripping = setInterval(() => slow.write('x: y\r\n'), 50);
  t.after(() => clearInterval(dripping));
  assert.match(await slow.untilClosed(), /^HTTP\/1\.1 408 /);
  assert.equal((await silent.untilClosed()).replace(/^HTTP\/1\.1 408 .*$/s, ''), '');
  await assertAlive(serving);
});

test('G13: a body that stops coming is answered with a time-out, in memory and as a stream', async (t) => {
  const seen: unknown[] = [];
  const serving = await serve(t, [repositories(), objects(seen)]);
  const whole = serving.connect();
  const length = { 'content-length': '1000' };
  whole.write(serving.signedHead('codecommit', { headers: { ...GET_REPOSITORY, ...length }, body: '{}' }), '{');
  const streamed = serving.connect();
  const unsigned = { ...length, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
  streamed.write(serving.signedHead('s3', { method: 'PUT', path: '/bucket/key', headers: unsigned }), 'part');
  assert.match(await whole.untilClosed(), /^HTTP\/1\.1 408 .*RequestTimeoutException/s);
  assert.match(await streamed.untilClosed(), /^HTTP\/1\.1 400 .*<Code>RequestTimeout</s);
  assert.deepEqual(seen, ['RequestTimeout']);
  await assertAlive(serving);
});

test('G13: a body that drips is cut off although a byte comes now and then', async (t) => {
  const serving = await serve(t, [repositories()]);
  const connection = serving.connect();
  const length = { 'content-length': '1000' };
  connection.write(serving.signedHead('codecommit', { headers: { ...GET_REPOSITORY, ...length }, body: '{}' }));
  const dripping = setInterval(() => connection.write('x'), 40);
  t.after(() => clearInterval(dripping));
  assert.match(await connection.untilClosed(), /^HTTP\/1\.1 408 /);
});

test('G13: an answer that nobody reads ends the connection and its source', async (t) => {
  const source = new Readable({
    read() {
      this.push(Buffer.alloc(1024 * 1024));
    },
  });
  const ended = closed(source);
  const serving = await serve(t, [objects([], { GetObject: async () => ({ Body: source }) }), repositories()]);
  const connection = serving.connect();
  connection.socket.pause();
  connection.write(serving.signedHead('s3', { method: 'GET', path: '/bucket/key' }));
  await ended;
  await eventually(() => serving.sockets.size === 0);
  await assertAlive(serving);
});

test('a handler that takes longer than every time-out still answers', async (t) => {
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const serving = await serve(t, [
    repositories({
      GetRepository: async () => {
        setTimeout(release, SHORT.stallMs * 3);
        await gate;
        return {};
      },
    }),
  ]);
  await assertAlive(serving);
});

test('an idle connection is closed after its time', async (t) => {
  const serving = await serve(t, [repositories()]);
  const connection = serving.connect();
  connection.write(
    serving.signedHead('codecommit', { headers: { ...GET_REPOSITORY, 'content-length': '2' }, body: '{}' }),
    '{}',
  );
  await connection.until(/\r\n\r\n\{\}$/);
  await connection.untilClosed();
});

test('W3: clients that hang up anywhere leave nothing behind', async (t) => {
  const seen: unknown[] = [];
  let source: Readable | undefined;
  const serving = await serve(t, [
    repositories(),
    objects(seen, {
      GetObject: async () => {
        source = new Readable({
          read() {
            this.push(Buffer.alloc(1024 * 1024));
          },
        });
        return { Body: source };
      },
    }),
  ]);
  const length = { 'content-length': '1000000', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
  const put = { method: 'PUT', path: '/bucket/key', headers: length };
  const inHead = serving.connect();
  inHead.write('POST / HTTP/1.1\r\nhos');
  const inBody = serving.connect();
  inBody.write(
    serving.signedHead('codecommit', { headers: { ...GET_REPOSITORY, 'content-length': '100' }, body: '{}' }),
    '{',
  );
  const inStream = serving.connect();
  inStream.write(serving.signedHead('s3', put), Buffer.alloc(10_000));
  // Nobody reads the body of a refused upload; it breaks off all the same.
  const refused = serving.connect();
  refused.write(head('PUT', '/bucket/key', { host: 'x', 'content-length': '1000000' }), Buffer.alloc(10_000));
  const notImplemented = serving.connect();
  notImplemented.write(serving.signedHead('s3', { ...put, path: '/bucket/key' }), 'x');
  const inAnswer = serving.connect();
  inAnswer.write(serving.signedHead('s3', { method: 'GET', path: '/bucket/key' }));
  await refused.until(/AccessDenied/);
  await inAnswer.until(/^HTTP\/1\.1 200 .*\0\0\0/s);
  const ended = closed(source!);
  for (const connection of [inHead, inBody, inStream, refused, notImplemented, inAnswer]) connection.destroy();
  await ended;
  await eventually(() => serving.sockets.size === 0);
  await eventually(() => seen.length === 2);
  assert.deepEqual(seen, ['IncompleteBody', 'IncompleteBody']);
  await assertAlive(serving);
});

test('an upload that breaks before its handler reads it fails the handler, not the server', async (t) => {
  const seen: unknown[] = [];
  let started: () => void = () => undefined;
  const began = new Promise<void>((resolve) => {
    started = resolve;
  });
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const late = testService('s3', {
    PutObject: async ({ Body }) => {
      started();
      await gate;
      try {
        for await (const chunk of Body as Readable) seen.push((chunk as Buffer).length);
      } catch (error) {
        seen.push((error as Error).name);
      }
      return {};
    },
  });
  const serving = await serve(t, [repositories(), late]);
  const connection = serving.connect();
  const headers = { 'content-length': '1000000', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
  connection.write(serving.signedHead('s3', { method: 'PUT', path: '/bucket/key', headers }), 'part');
  await began;
  connection.destroy();
  await eventually(() => serving.sockets.size === 0);
  release();
  await eventually(() => seen.length > 0);
  assert.deepEqual(seen, ['IncompleteBody']);
  await assertAlive(serving);
});

test('S6: a chunk that is not what was signed fails the upload, read or not', async (t) => {
  const seen: unknown[] = [];
  const serving = await serve(t, [repositories(), objects(seen)]);
  const headers = {
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    'x-amz-decoded-content-length': '5',
    'content-length': '171',
  };
  const put = { method: 'PUT', path: '/bucket/key', headers };
  const connection = serving.connect();
  connection.write(serving.signedHead('s3', put), `5;chunk-signature=${'0'.repeat(64)}\r\nhello\r\n`);
  assert.match(await connection.until(/<\/Error>/), /^HTTP\/1\.1 403 .*SignatureDoesNotMatch/s);
  connection.destroy();
  await assertAlive(serving);
});

test('Expect: 100-continue: a refused upload is not sent, an accepted one is', async (t) => {
  const seen: unknown[] = [];
  const denied = testService('s3', {
    PutObject: {
      resource: () => {
        throw new Fault('NoSuchBucket', 'none', { status: 404 });
      },
    },
  });
  for (const [services, status] of [
    [[repositories(), objects(seen)], 200],
    [[repositories(), denied], 404],
  ] as const) {
    const serving = await serve(t, [...services]);
    const headers = { expect: '100-continue', 'content-length': '5', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
    const put = { method: 'PUT', path: '/bucket/key', headers };
    const connection = serving.connect();
    connection.write(serving.signedHead('s3', put));
    const first = await connection.until(/\r\n\r\n/);
    if (status === 200) {
      assert.match(first, /^HTTP\/1\.1 100 Continue\r\n\r\n$/);
      connection.write('hello');
      assert.match(await connection.until(/HTTP\/1\.1 200 /), /HTTP\/1\.1 200 /);
    } else {
      assert.match(first, /^HTTP\/1\.1 404 .*connection: close/is);
      await connection.untilClosed();
    }
    const unsigned = serving.connect();
    unsigned.write(head('POST', '/', { host: 'x', expect: '100-continue', 'content-length': '5', ...GET_REPOSITORY }));
    assert.match(await unsigned.untilClosed(), /^HTTP\/1\.1 400 .*MissingAuthenticationToken/s);
    const large = serving.connect();
    const tooMuch = { expect: '100-continue', 'content-length': '50000000', ...GET_REPOSITORY };
    large.write(serving.signedHead('codecommit', { headers: tooMuch, body: '{}' }));
    assert.match(await large.untilClosed(), /^HTTP\/1\.1 413 /);
  }
  assert.deepEqual(seen, [5]);
});

test('Expect: 100-continue: a route gives it when it reads the body', async (t) => {
  const route = {
    name: 'door',
    matches: ({ path }: { path: string }) => path.startsWith('/door/'),
    async handle({ request, response }: Parameters<NonNullable<Service['routes']>[number]['handle']>[0]) {
      if (request.path === '/door/closed') {
        response.writeHead(401, { connection: 'close' }).end();
        return;
      }
      let text = '';
      for await (const chunk of request.message) text += chunk;
      response.end(`got ${text}`);
    },
  };
  const serving = await serve(t, [testService('codecommit', {}, { routes: [route] })]);
  const headers = { host: 'x', expect: '100-continue', 'content-length': '5' };
  const closed = serving.connect();
  closed.write(head('POST', '/door/closed', headers));
  assert.match(await closed.untilClosed(), /^HTTP\/1\.1 401 /);
  const open = serving.connect();
  open.write(head('POST', '/door/open', headers));
  assert.equal(await open.until(/\r\n\r\n/), 'HTTP/1.1 100 Continue\r\n\r\n');
  open.write('hello');
  assert.match(await open.until(/got/), /got hello/);
});

test('a refused request leaves its connection usable', async (t) => {
  const serving = await serve(t, [repositories()]);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const post = (headers: Record<string, string>, body: Buffer) =>
    new Promise<number>((resolve, reject) => {
      const outgoing = httpRequest(serving.url, { method: 'POST', agent, headers }, (answer) => {
        answer.resume().once('end', () => resolve(answer.statusCode ?? 0));
      });
      outgoing.once('error', reject).end(body);
    });
  const large = Buffer.alloc(5_000_000, 'x');
  const signed = (body: Buffer) =>
    signedHeaders({ headers: GET_REPOSITORY, body }, new URL(serving.url).host, 'codecommit', serving.server.root);
  assert.equal(await post(signed(large), large), 413);
  assert.equal(await post({ ...GET_REPOSITORY }, Buffer.alloc(100_000)), 400);
  assert.equal(await post(signed(Buffer.from('{}')), Buffer.from('{}')), 200);
});

test('a body without end that nobody wants is cut off', async (t) => {
  const serving = await serve(t, [repositories()], { lingerBytes: 1_000_000 });
  const connection = serving.connect();
  connection.write(head('POST', '/', { host: 'x', 'transfer-encoding': 'chunked', ...GET_REPOSITORY }));
  const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(65_536), Buffer.from('\r\n')]);
  const pump = () => {
    while (!connection.closed && connection.socket.write(chunk));
  };
  connection.socket.on('drain', pump);
  pump();
  assert.match(await connection.untilClosed(), /^HTTP\/1\.1 400 /);
});

test('a stored body that is shorter than its length ends the connection, not the next answer', async (t) => {
  const sizes = [3, 8];
  const serving = await serve(t, [
    repositories(),
    objects([], {
      GetObject: async () => ({ ContentLength: 5, Body: Readable.from([Buffer.alloc(sizes.shift()!, 'x')]) }),
    }),
  ]);
  for (const _ of [1, 2]) {
    const connection = serving.connect();
    connection.write(serving.signedHead('s3', { method: 'GET', path: '/bucket/key' }));
    const received = await connection.untilClosed();
    assert.ok((received.split('\r\n\r\n')[1] ?? '').length < 5);
  }
  await assertAlive(serving);
});

test('a stored body that breaks off ends the connection', async (t) => {
  const serving = await serve(t, [
    repositories(),
    objects([], {
      GetObject: async () => ({
        Body: Readable.from(
          (async function* () {
            yield Buffer.from('begin');
            throw new Error('the disk is broken');
          })(),
        ),
      }),
    }),
  ]);
  await assert.rejects(sendSigned(serving.url, 's3', serving.server.root, { method: 'GET', path: '/bucket/key' }));
  await assertAlive(serving);
});

test('a route that fails before and within its answer', async (t) => {
  const route = {
    name: 'door',
    matches: ({ path }: { path: string }) => path.startsWith('/door/'),
    async handle({ request, response, authenticate }: Parameters<NonNullable<Service['routes']>[number]['handle']>[0]) {
      response.setHeader('content-length', '100');
      if (request.path === '/door/auth') await authenticate();
      if (request.path === '/door/late') response.write('some');
      throw new Error('a bug');
    },
  };
  const serving = await serve(t, [testService('codecommit', {}, { routes: [route] })]);
  const early = await send(serving.url, { method: 'GET', path: '/door/early' });
  assert.equal(early.status, 500);
  assert.match(early.text, /InternalError/);
  await assert.rejects(send(serving.url, { method: 'GET', path: '/door/late' }));
  // A signature without a hash of the body is no reason to fail either.
  const url = new URL(serving.url);
  const headers = signedHeaders({ method: 'POST', path: '/door/auth' }, url.host, 'codecommit', serving.server.root);
  delete headers['x-amz-content-sha256'];
  const unstated = await send(serving.url, {
    method: 'POST',
    path: '/door/auth',
    headers: { ...headers, 'content-length': '2' },
    body: 'xx',
  });
  assert.equal(unstated.status, 400);
});
