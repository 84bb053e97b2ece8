import { lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/**
 * Where an address leads: to this machine, into a network of one's own, out to everybody, or nowhere that a server should
 * be sent (link-local addresses with the metadata services of clouds, multicast, tunnels that hide another address).
 */
export type Reach = 'loopback' | 'private' | 'public' | 'forbidden';

function blockList(...subnets: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [address, bits] of subnets) list.addSubnet(address, bits, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  return list;
}

const LOOPBACK = blockList(['127.0.0.0', 8], ['::1', 128]);
const PRIVATE = blockList(['10.0.0.0', 8], ['172.16.0.0', 12], ['192.168.0.0', 16], ['100.64.0.0', 10], ['fc00::', 7]);
const FORBIDDEN = blockList(
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['192.0.0.0', 24],
  ['198.18.0.0', 15],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  ['::', 128],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['2001::', 32],
  ['2002::', 16],
);

/** The reach of an IP address; of what is none, `forbidden`. */
export function reachOf(address: string): Reach {
  const family = isIP(address);
  if (family === 0) return 'forbidden';
  const mapped = family === 6 ? /^(?:0*:)*:?:?ffff:(.+)$/i.exec(address)?.[1] : undefined;
  if (mapped !== undefined) return reachOf(dotted(mapped));
  const kind = family === 6 ? 'ipv6' : 'ipv4';
  if (FORBIDDEN.check(address, kind)) return 'forbidden';
  if (LOOPBACK.check(address, kind)) return 'loopback';
  return PRIVATE.check(address, kind) ? 'private' : 'public';
}

/** The last 32 bits of a mapped address, dotted: `7f00:1` is 127.0.0.1. */
function dotted(text: string): string {
  const match = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(text);
  if (match === null) return text;
  const [high, low] = [Number.parseInt(match[1]!, 16), Number.parseInt(match[2]!, 16)];
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

/** Thrown where a name leads to an address that may not be dialled. */
export class ForbiddenAddressError extends Error {}

/**
 * Resolves a host once, for a connection to exactly that address: a name that means another address a moment later is not
 * asked again. Every address of the name must be allowed.
 * @throws ForbiddenAddressError, or the resolver's error
 */
export async function resolveChecked(
  host: string,
  allows: (reach: Reach) => boolean,
): Promise<{ address: string; family: 4 | 6; reach: Reach }> {
  const bare = host.replace(/^\[|\]$/g, '');
  const found = await new Promise<{ address: string; family: number }[]>((resolve, reject) => {
    if (isIP(bare) !== 0) resolve([{ address: bare, family: isIP(bare) }]);
    else systemLookup(bare, { all: true }, (error, all) => (error === null ? resolve(all) : reject(error)));
  });
  const reaches = found.map(({ address }) => reachOf(address));
  const [first] = found;
  if (first === undefined || !reaches.every(allows)) {
    throw new ForbiddenAddressError(`${bare} leads to an address that may not be dialled`);
  }
  return { address: first.address, family: first.family === 6 ? 6 : 4, reach: reaches[0]! };
}

/** A lookup for `node:http` and `node:tls` that knows one answer. */
export function fixedLookup({ address, family }: { address: string; family: 4 | 6 }): LookupFunction {
  return (_host, options, answer) => {
    if (options.all === true) answer(null, [{ address, family }]);
    else answer(null, address, family);
  };
}
