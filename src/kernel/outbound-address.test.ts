import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ForbiddenAddressError, type Reach, reachOf, resolveChecked } from './outbound-address.ts';

const CASES: Record<Reach, string[]> = {
  loopback: ['127.0.0.1', '127.255.255.254', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', '::ffff:7f00:1'],
  private: [
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    'fc00::1',
    'fd12::1',
    '::ffff:a00:1',
  ],
  public: ['8.8.8.8', '172.32.0.1', '172.15.0.1', '100.128.0.1', '1.1.1.1', '2606:4700::1111', '::ffff:8.8.8.8'],
  forbidden: [
    '0.0.0.0',
    '0.1.2.3',
    '169.254.169.254',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '0:0:0:0:0:ffff:a9fe:a9fe',
    '224.0.0.1',
    '255.255.255.255',
    '240.0.0.1',
    '192.0.0.8',
    '198.18.0.1',
    '::',
    'fe80::1',
    'febf::1',
    'fec0::1',
    'ff02::1',
    '64:ff9b::a9fe:a9fe',
    '2002:7f00:1::',
    '2001:0:1::1',
    'localhost',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    '127.1',
    '',
  ],
};

test('N1: where an address leads', () => {
  for (const [reach, addresses] of Object.entries(CASES)) {
    for (const address of addresses) assert.equal(reachOf(address), reach, address);
  }
});

test('N1: a name is resolved once, and every address that it has must be allowed', async () => {
  const isLoopback = (reach: Reach) => reach === 'loopback';
  const { address, reach } = await resolveChecked('localhost', isLoopback);
  assert.equal(reach, 'loopback');
  assert.match(address, /^(127\.0\.0\.1|::1)$/);
  assert.equal((await resolveChecked('[::1]', isLoopback)).family, 6);
  for (const host of ['localhost', '127.0.0.1', '10.0.0.1']) {
    await assert.rejects(
      resolveChecked(host, (one) => one === 'public'),
      ForbiddenAddressError,
    );
  }
});
