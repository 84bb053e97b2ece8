/** Reads the form of a browser's upload: its fields, then its file as a stream. */

import type { Readable } from 'node:stream';
import { Busboy } from '@fastify/busboy';
import { Fault } from '../../kernel/fault.ts';
import type { HttpRequest } from '../../kernel/wire/http.ts';
import { invalidArgument, s3Fault } from './faults.ts';

/** All fields before the file together, names and values. Source: S3 API reference, "POST Object". */
const MAX_FIELD_BYTES = 20 * 1024;
const MAX_FIELDS = 200;

export interface PostForm {
  /** By lower-case name. */
  fields: Map<string, string>;
  file: Readable;
  /** Without folders, as `${filename}` stands for it. */
  fileName: string;
}

/**
 * Reads up to the file. What comes after the file counts for nothing.
 * @throws InvalidArgument, MalformedPOSTRequest, MaxPostPreDataLengthExceeded
 */
export function readForm(request: HttpRequest): Promise<PostForm> {
  const { message } = request;
  return new Promise((resolve, reject) => {
    const fields = new Map<string, string>();
    let parser: Busboy;
    try {
      parser = new Busboy({
        headers: { ...message.headers, 'content-type': request.headers['content-type']! },
        // A part is the file by its name alone, whatever else it says of itself.
        isPartAFile: (name) => name?.toLowerCase() === 'file',
        limits: { fieldNameSize: 1024, fieldSize: MAX_FIELD_BYTES + 1, headerPairs: 20, headerSize: 8 * 1024 },
      });
    } catch (error) {
      reject(malformedForm(error));
      return;
    }
    let size = 0;
    let file: Readable | undefined;
    const fail = (error: Error) => {
      reject(error);
      file?.destroy(error);
      message.unpipe(parser);
    };
    parser.on('field', (name: string, value: string, nameCut: boolean, valueCut: boolean) => {
      if (file !== undefined) return;
      const key = name.toLowerCase();
      size += Buffer.byteLength(name) + Buffer.byteLength(value);
      if (size > MAX_FIELD_BYTES || nameCut || valueCut || fields.size >= MAX_FIELDS) fail(tooLarge());
      else if (fields.has(key)) fail(invalidArgument('POST requires each field at most once.', key));
      else fields.set(key, value);
    });
    parser.on('file', (_name, stream, fileName) => {
      if (file !== undefined) {
        stream.resume();
        return;
      }
      file = stream;
      // It may break before anybody reads it.
      stream.on('error', () => undefined);
      resolve({ fields, file: stream, fileName: (fileName ?? '').replace(/^.*[/\\]/, '') });
    });
    parser.on('error', (error: unknown) => fail(malformedForm(error)));
    parser.on('finish', () => {
      if (file === undefined) reject(noFile());
    });
    message
      .once('error', () => fail(incomplete()))
      .once('close', () => {
        if (!message.readableEnded) fail(incomplete());
      });
    message.pipe(parser);
  });
}

function noFile(): Fault {
  return invalidArgument('POST requires exactly one file upload per request.', 'file', '0');
}

function tooLarge(): Fault {
  return s3Fault(
    'MaxPostPreDataLengthExceeded',
    400,
    'Your POST request fields preceding the upload file were too large.',
    { MaxPostPreDataLengthBytes: MAX_FIELD_BYTES },
  );
}

export function malformedForm(cause: unknown): Fault {
  return new Fault('MalformedPOSTRequest', 'The body of your POST request is not well-formed multipart/form-data.', {
    status: 400,
    cause,
  });
}

function incomplete(): Fault {
  return s3Fault(
    'IncompleteBody',
    400,
    'You did not provide the number of bytes specified by the Content-Length HTTP header.',
  );
}
