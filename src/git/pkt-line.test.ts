import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isGitFailure } from './failure.ts';
import { FLUSH, type Packet, PacketReader, pktLine, sideBand } from './pkt-line.ts';

async function* pieces(...parts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield typeof part === 'string' ? Buffer.from(part) : part;
}

test('lines are read whole wherever the stream is cut', async () => {
  const part = fc.uint8Array({ maxLength: 300 });
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 20 }), fc.integer({ min: 1, max: 40 }), async (lines, step) => {
      const bytes = Buffer.concat([...lines.map((line) => pktLine(line)), FLUSH, Buffer.from('PACKrest')]);
      const cut = Array.from({ length: Math.ceil(bytes.length / step) }, (_, at) =>
        bytes.subarray(at * step, at * step + step),
      );
      const reader = new PacketReader(pieces(...cut));
      for (const line of lines) assert.deepEqual(await reader.next(), Buffer.from(line));
      assert.equal(await reader.next(), 'flush');
      assert.equal((await reader.peek(4)).toString(), 'PACK');
      const rest = await Array.fromAsync(reader.rest());
      assert.equal(Buffer.concat(rest).toString(), 'PACKrest');
    }),
    { numRuns: 200 },
  );
});

test('control packets and the end are told apart', async () => {
  const reader = new PacketReader(pieces('0000', '00', '01', '0002', '0004'));
  const packets: Packet[] = [];
  for (let packet = await reader.next(); packet !== 'end'; packet = await reader.next()) packets.push(packet);
  assert.deepEqual(packets, ['flush', 'delimiter', 'response-end', Buffer.alloc(0)]);
});

for (const bytes of ['0003', 'zzzz', '00', '0010short', 'fff1', '-001', '0x10', ' 010', 'GET / HTTP/1.1\r\n']) {
  test(`${JSON.stringify(bytes)} is no pkt-line`, async () => {
    await assert.rejects(new PacketReader(pieces(bytes)).next(), (error) => isGitFailure(error, 'bad-request'));
  });
}

test('any bytes at all end in a packet, an end or a refusal', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      const reader = new PacketReader(pieces(bytes));
      try {
        while ((await reader.next()) !== 'end') assert.ok(true);
      } catch (error) {
        assert.ok(isGitFailure(error, 'bad-request'));
      }
    }),
    { numRuns: 2_000 },
  );
});

test('side band packets stay within the limit and lose nothing', async () => {
  const payload = Buffer.alloc(200_000, 'x');
  const reader = new PacketReader(pieces(sideBand(1, payload)));
  const bodies: Buffer[] = [];
  for (let packet = await reader.next(); packet instanceof Buffer; packet = await reader.next()) {
    assert.ok(packet.length <= 65_516);
    assert.equal(packet[0], 1);
    bodies.push(packet.subarray(1));
  }
  assert.deepEqual(Buffer.concat(bodies), payload);
});
