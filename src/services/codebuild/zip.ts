import type { Readable } from 'node:stream';
import { ZipFile } from 'yazl';
import type { WorkspaceFiles } from '../../executors/executor.ts';
import type { ArtifactFile } from './artifacts.ts';

const FILE_TYPE = 0o100000;
const LINK_TYPE = 0o120000;

/**
 * A zip archive of the files, in their order, as a stream: one file is open at a time. Permission bits and times are
 * kept; set-user-id and the like are not.
 */
export function zipOf(selected: readonly ArtifactFile[], files: WorkspaceFiles): Readable {
  const zip = new ZipFile();
  const output = zip.outputStream as Readable;
  zip.on('error', (error) => output.destroy(error as Error));
  for (const { name, path, mode, modifiedAt, linkTarget } of selected) {
    if (linkTarget !== undefined) {
      zip.addBuffer(Buffer.from(linkTarget), name, { mode: LINK_TYPE | 0o777, mtime: modifiedAt, compress: false });
      continue;
    }
    zip.addReadStreamLazy(name, { mode: FILE_TYPE | (mode & 0o777), mtime: modifiedAt }, (done) => {
      files.open(path).then(
        (stream) =>
          done(
            null,
            stream.on('error', (error) => output.destroy(error)),
          ),
        (error: Error) => output.destroy(error),
      );
    });
  }
  zip.end();
  return output;
}
