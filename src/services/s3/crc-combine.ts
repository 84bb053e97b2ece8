/**
 * Joins the CRCs of two neighbouring pieces into that of the whole, so that the checksum of a multipart object is known
 * without reading it again. Multiplying by x^(8n) modulo the CRC's polynomial is what n more zero bytes would do; the
 * polynomials here are bit-reflected, like the CRCs themselves. Source: Mark Adler's `crc32_combine` in zlib (the method).
 */
export type CrcAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME';

const POLYNOMIALS: Record<CrcAlgorithm, { width: bigint; polynomial: bigint }> = {
  CRC32: { width: 32n, polynomial: 0xedb88320n },
  CRC32C: { width: 32n, polynomial: 0x82f63b78n },
  CRC64NVME: { width: 64n, polynomial: 0x9a6c9329ac4bc9b5n },
};

/** Joins CRCs of one algorithm in order. Parts mostly share a length, so the factor for each length is kept. */
export class CrcJoiner {
  readonly #width: bigint;
  readonly #polynomial: bigint;
  readonly #factors = new Map<number, bigint>();
  #crc: bigint | undefined;

  constructor(algorithm: CrcAlgorithm) {
    const { width, polynomial } = POLYNOMIALS[algorithm];
    this.#width = width;
    this.#polynomial = polynomial;
  }

  /** Adds the next piece. @param crc big-endian, as S3 shows it; @param length of the piece in bytes */
  add(crc: Uint8Array, length: number): void {
    const value = BigInt(`0x${Buffer.from(crc).toString('hex')}`);
    this.#crc = this.#crc === undefined ? value : this.#multiply(this.#factor(length), this.#crc) ^ value;
  }

  /** CRC of everything added, big-endian. */
  digest(): Buffer {
    return Buffer.from((this.#crc ?? 0n).toString(16).padStart(Number(this.#width) / 4, '0'), 'hex');
  }

  /** x^(8 * length) modulo the polynomial, by squaring. */
  #factor(length: number): bigint {
    const known = this.#factors.get(length);
    if (known !== undefined) return known;
    let result = 1n << (this.#width - 1n); // x^0
    let power = 1n << (this.#width - 9n); // x^8
    for (let rest = length; rest > 0; rest = Math.floor(rest / 2)) {
      if (rest % 2 === 1) result = this.#multiply(power, result);
      power = this.#multiply(power, power);
    }
    this.#factors.set(length, result);
    return result;
  }

  #multiply(a: bigint, b: bigint): bigint {
    let product = 0n;
    let shifted = b;
    for (let bit = 1n << (this.#width - 1n); bit > 0n; bit >>= 1n) {
      if (a & bit) product ^= shifted;
      shifted = shifted & 1n ? (shifted >> 1n) ^ this.#polynomial : shifted >> 1n;
    }
    return product;
  }
}
