import { isIPv4, isIPv6 } from 'node:net';

/** An address range that a `cidr` pattern names. */
export interface Cidr {
  /** Bits of the address: 32 or 128. */
  readonly width: 32 | 128;
  readonly prefix: bigint;
  readonly maskBits: number;
}

/**
 * Parses `10.0.0.0/24` or `2001:db8::/32`.
 * @returns the range, or why EventBridge refuses it.
 */
export function parseCidr(text: string): Cidr | { reason: string } {
  const parts = text.split('/');
  if (parts.length !== 2) return { reason: "Malformed CIDR, one '/' required" };
  const [ip, mask] = parts as [string, string];
  if (!/^[-+]?[0-9]+$/.test(mask)) return { reason: 'Malformed CIDR, mask bits must be an integer' };
  const maskBits = Number(mask);
  if (maskBits < 0) return { reason: 'Malformed CIDR, mask bits must not be negative' };
  const address = parseIp(ip);
  if (address === undefined) return { reason: `Nonstandard IP address: ${ip}` };
  if (maskBits >= address.width) {
    return { reason: address.width === 32 ? 'IPv4 mask bits must be < 32' : 'IPv6 mask bits must be < 128' };
  }
  return { width: address.width, prefix: address.value >> BigInt(address.width - maskBits), maskBits };
}

/** True when `text` is an address of the range's own kind that lies in it. */
export function cidrContains(cidr: Cidr, text: string): boolean {
  const address = parseIp(text);
  if (address === undefined || address.width !== cidr.width) return false;
  return address.value >> BigInt(cidr.width - cidr.maskBits) === cidr.prefix;
}

/** An address as a number, or `undefined` where the text is not one. Zone ids are not addresses. */
export function parseIp(text: string): { width: 32 | 128; value: bigint } | undefined {
  if (isIPv4(text)) return { width: 32, value: ipv4Value(text) };
  if (!isIPv6(text) || text.includes('%')) return undefined;
  return { width: 128, value: ipv6Value(text) };
}

function ipv4Value(text: string): bigint {
  return text.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function ipv6Value(text: string): bigint {
  const [head, tail] = text.split('::') as [string, string | undefined];
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const zeros = new Array<bigint>(8 - before.length - after.length).fill(0n);
  return [...before, ...zeros, ...after].reduce((value, group) => (value << 16n) | group, 0n);
}

/** The 16-bit groups of a part; a trailing dotted quad counts for two. */
function groups(part: string): bigint[] {
  if (part === '') return [];
  return part.split(':').flatMap((group) => {
    if (!group.includes('.')) return [BigInt(`0x${group}`)];
    const quad = ipv4Value(group);
    return [quad >> 16n, quad & 0xffffn];
  });
}
