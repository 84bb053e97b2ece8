import { Readable } from 'node:stream';
import { failureOf, type GitChild } from './git-process.ts';

/**
 * What git prints, behind `header`, as a stream that fails when git fails: half an answer never looks whole.
 * @param release is called when the stream is closed, and git has been told to end.
 */
export function wholeOutput(child: GitChild, command: string, release: () => void, header?: Buffer): Readable {
  // The end is held back until git's status is known.
  const whole = async function* () {
    if (header !== undefined) yield header;
    yield* child.stdout as AsyncIterable<Buffer>;
    const end = await child.ended;
    if (end.status !== 0) throw failureOf(end, command);
  };
  const stream = Readable.from(whole(), { objectMode: false, highWaterMark: 256 * 1024 });
  // Reading begins now: Node throws away the output of a process that ends before anybody reads it.
  stream.read(0);
  stream.once('close', () => {
    child.kill();
    release();
  });
  return stream;
}
