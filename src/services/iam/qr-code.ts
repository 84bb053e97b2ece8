import { crc32, deflateSync } from 'node:zlib';
import { encode } from 'uqr';

/** Pixels of one module, and the quiet zone around the code in modules (ISO/IEC 18004 asks for four). */
const SCALE = 6;
const QUIET_MODULES = 4;

/** A QR code of a text as PNG, black on white. */
export function qrCodePng(text: string): Buffer {
  const { data, size } = encode(text, { border: QUIET_MODULES, ecc: 'M' });
  const width = size * SCALE;
  const rowBytes = Math.ceil(width / 8);
  // One bit a pixel, each row behind a filter byte (none).
  const pixels = Buffer.alloc((rowBytes + 1) * width);
  for (let y = 0; y < width; y++) {
    const row = data[Math.floor(y / SCALE)]!;
    const start = y * (rowBytes + 1) + 1;
    for (let x = 0; x < width; x++) {
      if (row[Math.floor(x / SCALE)] !== true) pixels[start + (x >> 3)]! |= 0x80 >> (x & 7);
    }
  }
  return png(width, pixels);
}

/** Source: PNG specification, "Chunk specifications". */
function png(width: number, pixels: Buffer): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(width, 4);
  header[8] = 1; // bit depth; greyscale, no interlacing
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(pixels)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}
