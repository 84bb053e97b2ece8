import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Crc32c, Crc64Nvme } from '@aws-sdk/checksums/crc';
import { CrcJoiner } from './crc-combine.ts';
import { invalidRequest, unsupported } from './faults.ts';

/** The algorithms that Slipway verifies. Source: S3 User Guide, "Checking object integrity". */
export const ALGORITHMS = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** Later algorithms of the model: refused by name, never ignored. */
const OTHER_ALGORITHMS = ['SHA512', 'MD5', 'XXHASH64', 'XXHASH3', 'XXHASH128'] as const;

/** Bytes of a digest. */
const DIGEST_BYTES: Record<Algorithm, number> = { CRC32: 4, CRC32C: 4, CRC64NVME: 8, SHA1: 20, SHA256: 32 };

export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE';

/** A checksum as S3 shows it: base64, with the number of parts behind it where it is one over parts' checksums. */
export interface Checksum {
  algorithm: Algorithm;
  value: string;
  type: ChecksumType;
}

/** Members of the model's shapes that carry checksums. */
export type ChecksumMembers = { [A in Algorithm as `Checksum${A}`]?: string | undefined };
/** What of a request names or carries a checksum. */
export type ChecksumInput = ChecksumMembers &
  Readonly<Partial<Record<`Checksum${(typeof OTHER_ALGORITHMS)[number]}`, string>>>;

/** A digest in the making. */
export interface Digester {
  update(bytes: Uint8Array): void;
  digest(): Promise<Buffer>;
}

/** Starts a digest. */
export function startChecksum(algorithm: Algorithm): Digester {
  switch (algorithm) {
    case 'CRC32':
      return new NativeCrc32();
    case 'SHA1':
    case 'SHA256': {
      const hash = createHash(algorithm.toLowerCase());
      return { update: (bytes) => void hash.update(bytes), digest: async () => hash.digest() };
    }
    default: {
      const crc = algorithm === 'CRC32C' ? new Crc32c() : new Crc64Nvme();
      return { update: (bytes) => crc.update(bytes), digest: async () => Buffer.from(await crc.digest()) };
    }
  }
}

class NativeCrc32 implements Digester {
  #crc = 0;

  update(bytes: Uint8Array): void {
    this.#crc = crc32(bytes, this.#crc);
  }

  async digest(): Promise<Buffer> {
    const out = Buffer.alloc(4);
    out.writeUInt32BE(this.#crc);
    return out;
  }
}

/** The checksum that a request carries in a header, if any. @throws on two, on a malformed one, on an algorithm not known here */
export function checksumOf(input: ChecksumInput): { algorithm: Algorithm; value: string } | undefined {
  for (const name of OTHER_ALGORITHMS) {
    if (input[`Checksum${name}`] !== undefined) throw unsupported(`The checksum algorithm ${name}`);
  }
  const given = ALGORITHMS.filter((algorithm) => input[`Checksum${algorithm}`] !== undefined);
  if (given.length > 1) {
    throw invalidRequest('Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.');
  }
  const [algorithm] = given;
  if (algorithm === undefined) return undefined;
  const value = input[`Checksum${algorithm}`]!;
  if (!isChecksum(algorithm, value)) {
    throw invalidRequest(`Value for x-amz-checksum-${algorithm.toLowerCase()} header is invalid.`);
  }
  return { algorithm, value };
}

/** True for base64 of a digest of that length. */
export function isChecksum(algorithm: Algorithm, value: string): boolean {
  const bytes = Buffer.from(value, 'base64');
  return bytes.length === DIGEST_BYTES[algorithm] && bytes.toString('base64') === value;
}

/** An algorithm by the name that a request gives. @throws InvalidRequest, NotImplemented */
export function algorithmNamed(name: string | undefined): Algorithm | undefined {
  if (name === undefined) return undefined;
  const upper = name.toUpperCase();
  const known = ALGORITHMS.find((algorithm) => algorithm === upper);
  if (known !== undefined) return known;
  if ((OTHER_ALGORITHMS as readonly string[]).includes(upper)) throw unsupported(`The checksum algorithm ${upper}`);
  throw invalidRequest('Checksum algorithm provided is unsupported. Please try again with any of the valid types.');
}

/** The members of an answer that show a checksum. */
export function checksumMembers(checksum: Checksum | undefined): ChecksumMembers & { ChecksumType?: ChecksumType } {
  if (checksum === undefined) return {};
  return { [`Checksum${checksum.algorithm}`]: checksum.value, ChecksumType: checksum.type };
}

/** The kind of checksum that a multipart upload ends with. @throws InvalidRequest where S3 does not offer the pair */
export function multipartType(algorithm: Algorithm, asked: string | undefined): ChecksumType {
  const type = asked ?? (algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE');
  const offered =
    type === 'FULL_OBJECT' ? !algorithm.startsWith('SHA') : type === 'COMPOSITE' && algorithm !== 'CRC64NVME';
  if (!offered) {
    throw invalidRequest(
      `The ${type} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    );
  }
  return type as ChecksumType;
}

/** The checksum of an object made of parts. @param parts in order, each with its own checksum (base64) and size in bytes */
export async function joinChecksums(
  algorithm: Algorithm,
  type: ChecksumType,
  parts: readonly { checksum: string; size: number }[],
): Promise<Checksum> {
  if (type === 'FULL_OBJECT') {
    const joiner = new CrcJoiner(algorithm as 'CRC32' | 'CRC32C' | 'CRC64NVME');
    for (const { checksum, size } of parts) joiner.add(Buffer.from(checksum, 'base64'), size);
    return { algorithm, type, value: joiner.digest().toString('base64') };
  }
  const digester = startChecksum(algorithm);
  for (const { checksum } of parts) digester.update(Buffer.from(checksum, 'base64'));
  return { algorithm, type, value: `${(await digester.digest()).toString('base64')}-${parts.length}` };
}
