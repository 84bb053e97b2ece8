import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { type ObjectWriter, packEntry, packHeader } from './object-writer.ts';
import { type IndexedEntry, PackIndex } from './pack-index.ts';

/** A pack of objects that were made here, and its index: what `git index-pack` would make of it. */
export interface MadePack {
  pack: Buffer;
  index: PackIndex;
}

/** Packs all objects of a writer, in memory. */
export async function makePack(writer: ObjectWriter): Promise<MadePack> {
  const pieces = [packHeader(writer.objects.size)];
  const entries: IndexedEntry[] = [];
  let offset = pieces[0]!.length;
  for (const [id, object] of writer.objects) {
    const piece = await packEntry(object);
    entries.push({ id, offset, crc: crc32(piece) });
    pieces.push(piece);
    offset += piece.length;
  }
  const body = Buffer.concat(pieces);
  const checksum = createHash('sha1').update(body).digest();
  return { pack: Buffer.concat([body, checksum]), index: PackIndex.of(entries, checksum) };
}
